package sklearn

import (
	"fmt"
	"math"
	"sync"

	"serin/internal/model"
	"serin/internal/model/forest"
	"serin/internal/pickle"
)

// GradientBoosting: a first guess, and learning_rate times the values of one
// tree an iteration (and class, where there are more than two).

const boostingKnown = "n_estimators learning_rate loss criterion min_samples_split min_samples_leaf min_weight_fraction_leaf subsample " +
	"max_features max_depth min_impurity_decrease ccp_alpha init random_state alpha verbose max_leaf_nodes warm_start validation_fraction " +
	"n_iter_no_change tol classes_ n_classes_ _n_classes n_trees_per_iteration_ max_features_ _loss loss_ init_ estimators_ train_score_ " +
	"_rng n_estimators_ oob_improvement_ oob_scores_ oob_score_"

// lossKind is what a loss makes of the sums.
type lossKind uint8

const (
	unknownLoss lossKind = iota
	identityLoss
	logLoss         // of a quantity that is above zero
	binomialLoss    // two classes
	halfLogitLoss   // two classes, exponential loss
	multinomialLoss // more classes
)

// boostingLosses are the losses by their class names: first those up to
// scikit-learn 1.3 (ensemble/_gb_losses.py), then _loss/loss.py.
var boostingLosses = map[string]lossKind{
	"LeastSquaresError": identityLoss, "LeastAbsoluteError": identityLoss, "HuberLossFunction": identityLoss, "QuantileLossFunction": identityLoss,
	"BinomialDeviance": binomialLoss, "MultinomialDeviance": multinomialLoss, "ExponentialLoss": halfLogitLoss,
	"HalfSquaredError": identityLoss, "AbsoluteError": identityLoss, "HuberLoss": identityLoss, "PinballLoss": identityLoss,
	"HalfBinomialLoss": binomialLoss, "HalfMultinomialLoss": multinomialLoss,
}

// loss reads which loss a model was fitted with, and whether it fits the number
// of its classes (0: a regressor).
func (e *estimator) loss(kinds map[string]lossKind, classes int) lossKind {
	name := "_loss"
	if !e.has(name) {
		name = "loss_"
	}
	v := e.value(name)
	object, ok := v.(*pickle.Object)
	if e.err != nil {
		return unknownLoss
	}
	kind := unknownLoss
	if ok {
		kind = kinds[object.Class.Name]
	}
	fits := classes == 0 && (kind == identityLoss || kind == logLoss) ||
		classes == 2 && (kind == binomialLoss || kind == halfLogitLoss) || classes > 2 && kind == multinomialLoss
	if !fits {
		e.wrong(name, v, fmt.Sprintf("a loss for %d classes that serin knows", classes))
	}
	return kind
}

// sums is how many numbers the trees of one iteration add to.
func sums(classes int) int {
	if classes > 2 {
		return classes
	}
	return 1
}

func (p place) gradientBoosting(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, boostingKnown)
	version := e.version()
	n := e.treeFeatures(p)
	names := e.names(n)
	m := &methods{outputs: 1}
	if object.Class.Name == "GradientBoostingClassifier" {
		m.classes = e.classes()
	}
	kind := e.loss(boostingLosses, len(m.classes))
	width := sums(len(m.classes))
	rate := e.real64("learning_rate")
	estimators := e.array("estimators_")
	if e.err == nil && (len(estimators.Shape) != 2 || estimators.Shape[1] != width || estimators.Type.Kind != 'O') {
		e.wrong("estimators_", estimators, fmt.Sprintf("an array of trees, %d a row", width))
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	trees, _ := estimators.Objects()
	g := e.grove(forest.Options{Features: n, Outputs: width, Float32: true})
	want := shape{features: n, outputs: 1, classes: 1}
	for i, v := range trees {
		t := p.member(v, pickle.Global{Module: treeModule, Name: "DecisionTreeRegressor"}, fmt.Sprintf("tree %d", i))
		raw := t.rawTree(t.value("tree_"), want)
		if e.err == nil {
			e.err = t.err
		}
		if e.err != nil {
			return fitted{}, e.err
		}
		g.single(i % width)
		g.plant(e, raw, nil, func(to []float64, node int) []float64 { return append(to, rate*raw.values[node]) })
	}
	start, first := p.firstGuess(e, version, kind, n, m.classes)
	if e.err != nil {
		return fitted{}, e.err
	}
	f := g.builder.Forest()
	wrap := func(outputs int, finish func(sums, values []float64) int) model.Engine {
		return &woods{forest: f, start: start, first: first, outputs: outputs, finish: finish}
	}
	m.boosted(wrap, kind, !atLeast(version, 1, 4) && kind == binomialLoss, false)
	return fitted{methods: m, in: n, names: names}, e.err
}

// boosted sets the methods of a model whose sums go through the link of a loss.
// byProbability: the class is read off the probabilities instead of the sums,
// where rounding may make them equal. strict: the second of two classes is that
// above zero, not at zero.
func (m *methods) boosted(engine func(outputs int, finish func(sums, values []float64) int) model.Engine, kind lossKind, byProbability, strict bool) {
	second := func(sum, _ float64) bool { return sum >= 0 }
	if strict {
		second = func(sum, _ float64) bool { return sum > 0 }
	}
	if byProbability {
		second = func(_, p float64) bool { return p > 1-p }
	}
	times := 1.0
	switch kind {
	case logLoss:
		m.predict = engine(1, exponential)
	case halfLogitLoss:
		times = 2
		fallthrough
	case binomialLoss:
		m.proba = engine(2, logistic(times, second))
		m.decision = engine(1, func(sums, _ []float64) int {
			if second(sums[0], expit(times*sums[0])) {
				return 1
			}
			return 0
		})
	case multinomialLoss:
		m.proba = engine(len(m.classes), multinomial(byProbability))
		m.decision = engine(len(m.classes), asIs)
	default:
		m.predict = engine(1, asIs)
	}
}

// firstGuess reads init_: nothing ("zero"), the share of each class or a
// constant (DummyClassifier, DummyRegressor), or an estimator of the user's.
func (p place) firstGuess(e *estimator, version string, kind lossKind, n int, classes []model.Label) ([]float64, *guess) {
	v := e.value("init_")
	if e.err != nil || v == "zero" {
		return nil, nil
	}
	object, ok := v.(*pickle.Object)
	if !ok {
		e.wrong("init_", v, `"zero" or an estimator`)
		return nil, nil
	}
	inner := place{path: p.path + " init_", width: n, budget: p.budget}
	link := guessLink(version, kind)
	switch object.Class {
	case dummyClassifier:
		d := inner.read(object, "strategy random_state constant _strategy sparse_output_ n_outputs_ classes_ n_classes_ class_prior_")
		if d.err == nil && d.text("strategy") == "prior" {
			start := d.vector("class_prior_", len(classes))
			e.err = d.err
			if e.err == nil && classes != nil {
				start = link(start)
			}
			return start, nil
		}
	case dummyRegressor:
		d := inner.read(object, "strategy constant quantile n_outputs_ constant_")
		start := d.array("constant_")
		if d.err == nil && start.Len() != 1 {
			d.wrong("constant_", start, "one number")
		}
		constant := d.finite("constant_", start)
		e.err = d.err
		return constant, nil
	}
	if atLeast(version, 1, 9) {
		e.fail("Fit with init=None or init='zero'.", "init_ is %s, which scikit-learn %s asks for a first guess in 32-bit arithmetic", object.Class, version)
		return nil, nil
	}
	f, err := inner.estimator(object)
	if err != nil {
		e.err = err
		return nil, nil
	}
	g := &guess{features: n, outputs: max(1, len(classes)), sums: sums(len(classes)), link: link}
	if f.methods != nil {
		g.engine = f.methods.predict
		if classes != nil {
			g.engine = f.methods.proba
		}
	}
	if g.engine == nil || f.in != n || len(f.methods.classes) != len(classes) || classes == nil && f.methods.outputs != 1 {
		e.fail(nextRefit, "init_ is %s, which gives no first guess for this model", f.text)
		return nil, nil
	}
	if classes == nil {
		g.link = func(values []float64) []float64 { return values }
	}
	return nil, g
}

// guessLink turns a row of probabilities into what the sums begin with, in
// place: get_init_raw_predictions of the losses up to 1.3, and
// _init_raw_predictions in ensemble/_gb.py since.
func guessLink(version string, kind lossKind) func(p []float64) []float64 {
	low, high := 0x1p-23, 1-0x1p-23 // of float32
	if atLeast(version, 1, 8) {
		low, high = 0x1p-52, 1-0x1p-52
	}
	centered := atLeast(version, 1, 4) // MultinomialLogit.link
	return func(p []float64) []float64 {
		for i, v := range p {
			p[i] = min(max(v, low), high)
		}
		if kind != multinomialLoss {
			p[0] = math.Log(p[1] / (1 - p[1]))
			if kind == halfLogitLoss {
				p[0] *= 0.5
			}
			return p[:1]
		}
		mean := 0.0
		for i, v := range p {
			p[i] = math.Log(v)
			mean += p[i] / float64(len(p))
		}
		if centered {
			for i := range p {
				p[i] -= mean
			}
		}
		return p
	}
}

// guess is a first guess that depends on the row: another estimator's answer,
// which scikit-learn asks for the row rounded to float32.
type guess struct {
	engine                  model.Engine
	features, outputs, sums int
	link                    func([]float64) []float64
	scratch                 sync.Pool // of *guessRoom
}

type guessRoom struct {
	row, values []float64
	class       []int
}

// begin writes what the sums of all rows begin with.
func (g *guess) begin(in model.Rows, sums []float64) error {
	room, ok := g.scratch.Get().(*guessRoom)
	if !ok {
		room = &guessRoom{row: make([]float64, g.features), values: make([]float64, g.outputs), class: make([]int, 1)}
	}
	defer g.scratch.Put(room)
	for i := range in.N {
		for k, v := range in.Numbers[i*g.features : (i+1)*g.features] {
			room.row[k] = float64(float32(v))
		}
		out := model.Answers{Values: room.values}
		if g.outputs > 1 {
			out.Classes = room.class
		}
		if err := g.engine.Predict(model.Row(room.row), out); err != nil {
			return later(err, i)
		}
		copy(sums[i*g.sums:(i+1)*g.sums], g.link(room.values))
	}
	return nil
}

// real64 reads a finite number.
func (e *estimator) real64(name string) float64 {
	v := e.value(name)
	x, ok := number(v)
	if e.err == nil && (!ok || x-x != 0) {
		e.wrong(name, v, "a number")
	}
	return x
}
