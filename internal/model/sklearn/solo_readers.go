package sklearn

import (
	"fmt"
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/heads"
	"serin/internal/pickle"
)

const (
	machineKnown = "C _dual_coef_ _effective_probability _gamma _intercept_ _n_support _num_iter _probA _probB _sparse break_ties cache_size class_weight " +
		"class_weight_ classes_ coef0 decision_function_shape degree dual_coef_ epsilon fit_status_ gamma intercept_ kernel max_iter n_iter_ nu offset_ " +
		"probability random_state shape_fit_ shrinking support_ support_vectors_ tol verbose"
	bayesKnown     = "alpha class_count_ class_log_prior_ class_prior classes_ feature_count_ feature_log_prob_ fit_prior force_alpha"
	neighborsKnown = "_fit_X _fit_method _tree _y algorithm classes_ effective_metric_ effective_metric_params_ leaf_size metric metric_params n_jobs " +
		"n_neighbors n_samples_fit_ outputs_2d_ p radius weights"
	networkKnown = "_best_coefs _best_intercepts _coef_indptr _intercept_indptr _label_binarizer _no_improvement_count _optimizer _random_state activation alpha batch_size best_loss_ " +
		"best_validation_score_ beta_1 beta_2 classes_ coefs_ early_stopping epsilon hidden_layer_sizes intercepts_ learning_rate learning_rate_init loss " +
		"loss_ loss_curve_ max_fun max_iter momentum n_iter_ n_iter_no_change n_layers_ n_outputs_ nesterovs_momentum out_activation_ power_t random_state " +
		"shuffle solver t_ tol validation_fraction validation_scores_ verbose warm_start"
)

// machine reads what all support vector machines of libsvm have. What has one
// underscore in front is as libsvm wants it; scikit-learn turns signs for two classes.
func (e *estimator) machine(n, classes int) *heads.Machine {
	if e.flag("_sparse") {
		e.fail("Fit it on an ordinary array.", "it was fitted on a sparse matrix")
	}
	kernels := map[string]heads.Kernel{"linear": heads.Dot, "poly": heads.Polynomial, "rbf": heads.Radial, "sigmoid": heads.HyperbolicTangent}
	name := e.text("kernel")
	kernel, ok := kernels[name]
	if e.err == nil && !ok {
		e.wrong("kernel", name, "linear, poly, rbf or sigmoid")
	}
	m := &heads.Machine{Kernel: kernel, Features: n, Gamma: e.number("_gamma"), Coef0: e.number("coef0")}
	if kernel == heads.Polynomial {
		degree := e.number("degree")
		if e.err == nil && (degree != math.Trunc(degree) || degree < 0 || degree > math.MaxInt32) {
			e.fail(nextRefit, "degree is %v instead of a whole number", degree)
		}
		m.Degree = int(degree)
	}
	a := e.array("support_vectors_")
	if e.err == nil && len(a.Shape) != 2 {
		e.wrong("support_vectors_", a, fmt.Sprintf("rows of %d numbers", n))
	}
	if e.err != nil {
		return nil
	}
	vectors, pairs := a.Shape[0], max(1, classes*(classes-1)/2)
	m.Vectors = e.grid("support_vectors_", vectors, n)
	m.Coef, m.Intercept = e.grid("_dual_coef_", max(1, classes-1), vectors), e.vector("_intercept_", pairs)
	if classes == 0 {
		return m
	}
	counts, total := e.vector("_n_support", classes), 0.0
	for _, c := range counts {
		if c < 0 {
			e.fail(nextRefit, "_n_support holds %v", c)
		}
		m.Counts, total = append(m.Counts, int(c)), total+c
	}
	if e.err == nil && total != float64(vectors) {
		e.fail(nextRefit, "_n_support adds up to %v for %d support vectors", total, vectors)
	}
	if a := e.array("_probA"); e.err == nil && a.Len() > 0 {
		m.ProbA, m.ProbB = e.vector("_probA", pairs), e.vector("_probB", pairs)
	}
	return m
}

func machineClassifier(e *estimator, n int) *methods {
	classes := e.classes()
	m := e.machine(n, len(classes))
	shape, ties := e.text("decision_function_shape"), e.flag("break_ties")
	if e.err == nil && shape != "ovr" && shape != "ovo" {
		e.wrong("decision_function_shape", shape, "ovr or ovo")
	}
	if e.err != nil {
		return nil
	}
	m.BreakTies = ties
	all := &methods{classes: classes, decision: m.Decision()}
	if shape == "ovo" && len(classes) > 2 {
		// It has a number for each pair of classes. A client gets one for each class.
		all.decision, all.scores = nil, all.decision
	}
	if probability, _ := e.value("probability").(bool); probability {
		if m.ProbA == nil {
			e.fail(nextRefit, "probability is True, and no probabilities were fitted")
			return nil
		}
		all.proba = m.Probabilities()
	}
	return all
}

func machineRegressor(e *estimator, n int) *methods {
	m := e.machine(n, 0)
	if e.err != nil {
		return nil
	}
	return &methods{outputs: 1, predict: m.Regression()}
}

func machineOneClass(e *estimator, n int) *methods {
	m := e.machine(n, 0)
	if e.err != nil {
		return nil
	}
	return &methods{classes: []model.Label{"-1", "1"}, decision: m.OneClass()}
}

func gaussian(e *estimator, n int) *methods {
	classes := e.classes()
	k := len(classes)
	mean, variance, prior := e.grid("theta_", k, n), e.grid("var_", k, n), e.vector("class_prior_", k)
	if e.err == nil && slices.Min(variance) <= 0 {
		e.fail("Set var_smoothing above 0 and fit again.", "var_ holds %v, and rows are divided by it", slices.Min(variance))
	}
	if e.err != nil {
		return nil
	}
	return &methods{classes: classes, proba: heads.New(heads.Gaussian(mean, variance, prior), heads.LogLikelihood)}
}

// eventModel reads MultinomialNB, ComplementNB and BernoulliNB, which are
// linear in the row (naive_bayes.py, _joint_log_likelihood).
func eventModel(e *estimator, n int) *methods {
	classes := e.classes()
	k := len(classes)
	logs, prior := e.grid("feature_log_prob_", k, n), e.vector("class_log_prior_", k)
	threshold, binarizes := 0.0, false
	if e.object.Class.Name == "BernoulliNB" {
		if binarizes = e.has("binarize"); binarizes {
			threshold = e.number("binarize")
		}
	}
	if e.err != nil {
		return nil
	}
	switch e.object.Class.Name {
	case "ComplementNB":
		prior = make([]float64, k) // it counts only where there is one class
	case "BernoulliNB":
		for c := range k {
			absent := 0.0
			for j := c * n; j < (c+1)*n; j++ {
				not := math.Log(1 - math.Exp(logs[j]))
				absent += not
				logs[j] -= not
			}
			prior[c] += absent
		}
	}
	s := heads.Linear(logs, prior, k, n)
	if binarizes {
		s = heads.Binarized(s, threshold)
	}
	return &methods{classes: classes, proba: heads.New(s, heads.LogLikelihood)}
}

func categorical(e *estimator, n int) *methods {
	classes := e.classes()
	k := len(classes)
	prior := e.vector("class_log_prior_", k)
	tables := make([][]float64, n)
	for j, v := range e.list("feature_log_prob_", n) {
		if e.err != nil {
			return nil
		}
		a, ok := v.(*pickle.Array)
		if e.err == nil && (!ok || len(a.Shape) != 2 || a.Shape[0] != k) {
			e.wrong("feature_log_prob_", v, fmt.Sprintf("arrays with a row for each of %d classes", k))
		}
		if e.err == nil {
			e.spend(a.Len())
			tables[j] = e.finite("feature_log_prob_", a)
		}
	}
	if e.err != nil {
		return nil
	}
	return &methods{classes: classes, proba: heads.New(heads.Categorical(tables, prior), heads.LogLikelihood)}
}

// neighbors reads KNeighborsClassifier and KNeighborsRegressor. The tree that
// finds neighbours quicker is not looked at: the points themselves are searched.
func neighbors(e *estimator, n int) *methods {
	m := &heads.Neighbors{Features: n, K: e.count("n_neighbors")}
	switch weights := e.value("weights"); weights {
	case "uniform", nil:
	case "distance":
		m.Inverse = true
	default:
		e.wrong("weights", weights, "uniform or distance")
	}
	e.metric(m)
	points := e.array("_fit_X")
	if e.err == nil && (len(points.Shape) != 2 || points.Shape[0] < m.K) {
		e.wrong("_fit_X", points, fmt.Sprintf("at least %d rows of %d numbers", m.K, n))
	}
	if e.err != nil {
		return nil
	}
	rows := points.Shape[0]
	m.Points = e.grid("_fit_X", rows, n)
	y := e.array("_y")
	if e.object.Class.Name == "KNeighborsRegressor" {
		if m.Outputs = 1; e.err == nil && len(y.Shape) == 2 {
			m.Outputs = y.Shape[1]
		}
		if e.err == nil && (len(y.Shape) == 0 || y.Shape[0] != rows || y.Len() != rows*m.Outputs || m.Outputs == 0) {
			e.wrong("_y", y, fmt.Sprintf("a row for each of %d points", rows))
		}
		if m.Targets = e.finite("_y", y); e.err != nil {
			return nil
		}
		return &methods{outputs: m.Outputs, predict: m.Engine()}
	}
	if e.flag("outputs_2d_") {
		e.fail("Fit one classifier for each output.", "it answers several outputs, and serin serves classifiers with one")
	}
	classes := e.classes()
	for _, c := range e.vector("_y", rows) {
		if !(c >= 0 && c < float64(len(classes))) {
			e.fail(nextRefit, "_y holds class %v of %d", c, len(classes))
			break
		}
		m.Classes = append(m.Classes, int(c))
	}
	if m.Outputs = len(classes); e.err != nil {
		return nil
	}
	return &methods{classes: classes, proba: m.Engine()}
}

// metric reads how neighbours are measured.
func (e *estimator) metric(m *heads.Neighbors) {
	name, params := e.text("effective_metric_"), e.value("effective_metric_params_")
	d, ok := params.(*pickle.Dict)
	if e.err == nil && params != nil && !ok {
		e.wrong("effective_metric_params_", params, "a dict")
	}
	if e.err != nil {
		return
	}
	if d != nil {
		for _, entry := range d.Entries {
			if p, ok := number(entry.Value); entry.Key == "p" && ok && p > 0 && !math.IsInf(p, 0) {
				m.P = p
				continue
			}
			if entry.Key == "w" && entry.Value == nil {
				continue
			}
			e.fail(nextRefit, "its metric has the parameter %s, %s, which serin does not know", pickle.Describe(entry.Key), pickle.Describe(entry.Value))
		}
	}
	switch name {
	case "euclidean", "l2":
		m.Metric = heads.Euclidean
	case "manhattan", "l1", "cityblock":
		m.Metric = heads.Manhattan
	case "chebyshev", "infinity":
		m.Metric = heads.Chebyshev
	case "cosine":
		m.Metric = heads.Cosine
	case "minkowski", "p":
		if m.Metric = heads.Minkowski; m.P == 0 {
			e.fail(nextRefit, "effective_metric_params_ has no p")
		}
	default:
		e.wrong("effective_metric_", name, "euclidean, manhattan, chebyshev, minkowski or cosine")
	}
}

// centroid reads NearestCentroid. Since scikit-learn 1.6 it has predict_proba, by
// distances that are measured in standard deviations, while it predicts by plain ones.
func centroid(e *estimator, n int) *methods {
	classes, metric := e.classes(), e.text("metric")
	k := len(classes)
	points := e.grid("centroids_", k, n)
	all := map[string]heads.Metric{"euclidean": heads.Euclidean, "manhattan": heads.Manhattan, "cosine": heads.Cosine, "chebyshev": heads.Chebyshev}
	kind, ok := all[metric]
	if e.err == nil && !ok {
		e.wrong("metric", metric, "euclidean, manhattan, cosine or chebyshev")
	}
	if e.err != nil {
		return nil
	}
	m := &methods{classes: classes}
	nearest := decided((&heads.Neighbors{Metric: kind, Points: points, Features: n}).Closeness())
	if !e.has("class_prior_") {
		m.scores = nearest
		return m
	}
	priors, deviations := e.vector("class_prior_", k), e.vector("within_class_std_dev_", n)
	uniform, variance := true, make([]float64, 0, k*n)
	for c, p := range priors {
		uniform = uniform && math.Abs(p-1/float64(k)) <= 1e-8+1e-5/float64(k) // numpy.isclose
		priors[c] = p * p
		for _, d := range deviations {
			if d == 0 {
				d = 1
			}
			variance = append(variance, d*d/2)
		}
	}
	if e.err == nil && kind != heads.Euclidean && !uniform {
		e.fail("Fit it with metric=\"euclidean\" or without priors.", "it weighs classes, and its metric is %s", metric)
	}
	if e.err != nil {
		return nil
	}
	if kind != heads.Euclidean {
		m.scores = nearest
		return m
	}
	// -distance^2 + 2 log prior, and a constant for all classes.
	if m.proba = heads.New(heads.Gaussian(points, variance, priors), heads.LogLikelihood); uniform {
		m.proba = heads.Values(m.proba, nearest, decisions(k))
	}
	return m
}

// network reads MLPClassifier and MLPRegressor.
func network(e *estimator, n int) *methods {
	between, ok := map[string]heads.Activation{"identity": heads.Identity, "logistic": heads.Logistic, "tanh": heads.Tanh, "relu": heads.Relu}[e.text("activation")]
	if e.err == nil && !ok {
		e.wrong("activation", e.value("activation"), "identity, logistic, tanh or relu")
	}
	all := items(e.value("coefs_"))
	intercepts := e.list("intercepts_", len(all))
	if e.err != nil {
		return nil
	}
	var layers []heads.Layer
	width := n
	for i, v := range all {
		if e.err != nil {
			return nil
		}
		a, ok := v.(*pickle.Array)
		b, _ := intercepts[i].(*pickle.Array)
		if !ok || b == nil || len(a.Shape) != 2 || a.Shape[0] != width || a.Shape[1] == 0 || !slices.Equal(b.Shape, a.Shape[1:]) {
			e.fail(nextRefit, "coefs_ and intercepts_ of layer %d do not fit together, or not to the one before", i+1)
			break
		}
		e.spend(a.Len() + b.Len())
		layers = append(layers, heads.Layer{Weights: e.finite("coefs_", a), Bias: e.finite("intercepts_", b), Inputs: width, Outputs: a.Shape[1]})
		width = a.Shape[1]
	}
	out := e.text("out_activation_")
	if e.err == nil && len(layers) == 0 {
		e.fail(nextRefit, "coefs_ is empty")
	}
	if e.err != nil {
		return nil
	}
	m := &methods{outputs: width}
	links := map[string]heads.Link{"identity": heads.Quantities, "exp": heads.Exponentials, "logistic": heads.Expits}
	if e.object.Class.Name == "MLPClassifier" {
		m.classes = e.binarizedClasses()
		links = map[string]heads.Link{"softmax": heads.Softmax}
		if len(m.classes) == 2 {
			links = map[string]heads.Link{"logistic": heads.SigmoidHalf}
		}
		if e.err == nil && width != decisions(len(m.classes)) {
			e.fail(nextRefit, "its last layer gives %d numbers for %d classes", width, len(m.classes))
		}
	}
	link, ok := links[out]
	if e.err == nil && !ok {
		e.wrong("out_activation_", out, "one that belongs to its answers")
	}
	if e.err != nil {
		return nil
	}
	engine := heads.New(heads.Network(layers, between), link)
	if m.predict = engine; m.classes != nil {
		m.proba, m.predict, m.outputs = engine, nil, 0
	}
	return m
}

// dummy reads DummyClassifier and DummyRegressor, but for the strategies that guess.
func dummy(e *estimator, _ int) *methods {
	outputs := e.count("n_outputs_")
	if e.object.Class.Name == "DummyRegressor" {
		values := e.grid("constant_", 1, outputs)
		if e.err != nil {
			return nil
		}
		return &methods{outputs: outputs, predict: heads.Constant(values, 0)}
	}
	if e.err == nil && outputs != 1 {
		e.fail("Fit one classifier for each output.", "it answers %d outputs, and serin serves classifiers with one", outputs)
	}
	classes, strategy := e.classes(), e.text("strategy")
	prior := e.vector("class_prior_", len(classes))
	if e.err != nil {
		return nil
	}
	most := argmax(prior)
	values := make([]float64, len(classes))
	switch strategy {
	case "prior":
		values = prior
	case "most_frequent":
		values[most] = 1
	case "constant":
		label, _ := labelOf(e.value("constant"))
		if most = slices.Index(classes, label); most < 0 {
			e.wrong("constant", e.value("constant"), "one of its classes")
			return nil
		}
		values[most] = 1
	default:
		e.fail(`Use the strategy "prior" or "most_frequent".`, "its strategy %s answers at random, or is unknown", model.Quote(strategy))
		return nil
	}
	return &methods{classes: classes, proba: heads.Constant(values, most)}
}
