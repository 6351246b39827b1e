package sklearn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"serin/internal/model"
	"serin/internal/model/forest"
	"serin/internal/pickle"
)

// HistGradientBoosting: trees over float64 numbers, missing values and
// categories. Since scikit-learn 1.4 categories go through an OrdinalEncoder
// first, and stand before the numbers; before, a category was its own number,
// below 256.

const histKnown = "loss learning_rate max_iter max_leaf_nodes max_depth min_samples_leaf l2_regularization max_features max_bins monotonic_cst " +
	"interaction_cst categorical_features warm_start early_stopping scoring validation_fraction n_iter_no_change tol verbose random_state " +
	"class_weight quantile is_categorical_ _preprocessor _is_categorical_remapped _label_encoder classes_ n_trees_per_iteration_ " +
	"_random_seed _feature_subsample_rng _n_features _loss do_early_stopping_ _use_validation_data _bin_mapper _baseline_prediction " +
	"_predictors _scorer train_score_ validation_score_ _fitted_with_sw"

var histLosses = map[string]lossKind{
	"BinaryCrossEntropy": binomialLoss, "CategoricalCrossEntropy": multinomialLoss,
	"LeastAbsoluteDeviation": identityLoss, "LeastSquares": identityLoss, "Poisson": logLoss,
	"HalfBinomialLoss": binomialLoss, "HalfMultinomialLoss": multinomialLoss,
	"HalfSquaredError": identityLoss, "AbsoluteError": identityLoss, "PinballLoss": identityLoss,
	"HalfPoissonLoss": logLoss, "HalfGammaLoss": logLoss,
}

func (p place) histBoosting(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, histKnown)
	version := e.version()
	n := e.treeFeatures(p)
	names := e.names(n)
	m := &methods{outputs: 1}
	if object.Class.Name == "HistGradientBoostingClassifier" {
		m.classes = e.classes()
	}
	kind := e.loss(histLosses, len(m.classes))
	width := sums(len(m.classes))
	start := e.baseline(width)
	columns := e.histColumns(p, version, n, names)
	g := e.grove(forest.Options{Features: max(n, 1), Outputs: width})
	v := e.value("_predictors")
	iterations, ok := v.(*pickle.List)
	if !ok && e.err == nil {
		e.wrong("_predictors", v, "a list")
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	for i, iteration := range iterations.Items {
		trees := items(iteration)
		if len(trees) != width {
			e.wrong(fmt.Sprintf("_predictors[%d]", i), iteration, fmt.Sprintf("%d trees", width))
			break
		}
		for k, tree := range trees {
			g.single(k)
			if g.plantHist(e, tree, columns); e.err != nil {
				return fitted{}, e.err
			}
		}
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	f := g.builder.Forest()
	wrap := func(outputs int, finish func(sums, values []float64) int) model.Engine {
		w := &woods{forest: f, start: start, outputs: outputs, input: range32{anything: true}, finish: finish}
		return columns.before(w)
	}
	m.boosted(wrap, kind, !atLeast(version, 1, 5), true)
	return fitted{methods: m, in: n, names: names, features: columns.features}, nil
}

// baseline reads what the sums begin with: a number, or width numbers in an
// array that lies either way.
func (e *estimator) baseline(width int) []float64 {
	v := e.value("_baseline_prediction")
	if x, ok := number(v); ok && width == 1 && x-x == 0 {
		return []float64{x}
	}
	a := e.array("_baseline_prediction")
	if e.err == nil && a.Len() != width {
		e.wrong("_baseline_prediction", a, fmt.Sprintf("%d numbers", width))
	}
	return e.finite("_baseline_prediction", a)
}

var histFields = strings.Fields("value count feature_idx num_threshold missing_go_to_left left right gain depth is_leaf bin_threshold is_categorical bitset_idx")

// plantHist adds a TreePredictor, whose nodes' features count the columns.
func (g *grove) plantHist(e *estimator, v pickle.Value, columns *histColumns) {
	object, ok := v.(*pickle.Object)
	if !ok || object.Class != treePredictor {
		e.wrong("a tree", v, "a TreePredictor")
		return
	}
	t := &estimator{object: object, path: e.path + " TreePredictor", budget: e.budget}
	records, sets := t.array("nodes"), t.array("raw_left_cat_bitsets")
	if t.err == nil {
		if names := records.Type.Names(); !slices.Equal(names, histFields) || len(records.Shape) != 1 {
			t.fail(nextSupported, "nodes is %v with fields %v, which serin does not know", records, names)
		}
		if len(sets.Shape) != 2 || sets.Shape[1] != 8 {
			t.wrong("raw_left_cat_bitsets", sets, "rows of 8 words")
		}
	}
	leaf, left, right := t.whole(records, "is_leaf"), t.whole(records, "left"), t.whole(records, "right")
	feature, missing, threshold := t.whole(records, "feature_idx"), t.whole(records, "missing_go_to_left"), t.real(records, "num_threshold")
	categorical, set, value := t.whole(records, "is_categorical"), t.whole(records, "bitset_idx"), t.real(records, "value")
	bits := t.words(sets)
	if e.err = t.err; e.err != nil {
		return
	}
	nodes, values := g.tree.Nodes[:0], g.tree.Values[:0]
	for i := range leaf {
		if leaf[i] != 0 {
			nodes = append(nodes, forest.Node{Feature: -1, Value: int32(len(values))})
			values = append(values, value[i])
			continue
		}
		if left[i] < 0 || left[i] >= int64(len(leaf)) || right[i] < 0 || right[i] >= int64(len(leaf)) || feature[i] < 0 || feature[i] >= int64(len(columns.from)) {
			e.fail(nextRefit, "node %d of a tree has the children %d and %d of %d and tests column %d of %d", i, left[i], right[i], len(leaf), feature[i], len(columns.from))
			return
		}
		node := forest.Node{
			Feature: int32(columns.from[feature[i]]), Left: int32(left[i]), Right: int32(right[i]),
			MissingLeft: missing[i] != 0, Threshold: threshold[i],
		}
		if categorical[i] != 0 {
			if set[i] < 0 || set[i] >= int64(len(bits)/8) || columns.categories[node.Feature] == nil {
				e.fail(nextRefit, "node %d of a tree tests a category of a feature that has none", i)
				return
			}
			node.Test, node.Categories = forest.Member, bits[8*set[i]:8*set[i]+8]
		}
		nodes = append(nodes, node)
	}
	g.add(e, nodes, values)
}

// words decodes sets of categories.
func (e *estimator) words(a *pickle.Array) []uint32 {
	if e.err != nil {
		return nil
	}
	numbers, err := a.Ints()
	if err != nil || a.Type.Size != 4 {
		e.wrong("raw_left_cat_bitsets", a, "words of 32 bits")
		return nil
	}
	words := make([]uint32, len(numbers))
	for i, word := range numbers {
		words[i] = uint32(word)
	}
	return words
}

// histColumns are the columns that the trees see.
type histColumns struct {
	from       []int      // feature of each column
	categories []encoding // of each feature; nil for a number
	features   []model.Feature
	texts      bool
}

// encoding turns the value of a categorical feature into its code, NaN where it
// is not known: the trees treat that like a missing value. ok is false where
// scikit-learn refuses it.
type encoding func(number float64, text string) (code float64, ok bool)

// histColumns reads which features are categories and how they are encoded.
func (e *estimator) histColumns(p place, version string, n int, names []string) *histColumns {
	c := &histColumns{categories: make([]encoding, n), features: numbersOrMissing(n, names, true)}
	var first, second []int // categories, numbers
	mask := make([]bool, n)
	if e.err == nil && e.has("is_categorical_") {
		mask = e.mask("is_categorical_", n)
	}
	for i, is := range mask {
		if is {
			first = append(first, i)
		} else {
			second = append(second, i)
		}
	}
	if e.err != nil {
		return c
	}
	if e.has("_preprocessor") {
		c.from = slices.Concat(first, second)
		e.encoded(p, c, first, second)
		return c
	}
	c.from = slices.Sorted(slices.Values(slices.Concat(first, second)))
	if len(first) > 0 {
		e.bytes(c, version, first)
	}
	return c
}

// mask reads n booleans.
func (e *estimator) mask(name string, n int) []bool {
	a := e.array(name)
	if e.err != nil {
		return nil
	}
	mask, err := a.Bools()
	if err != nil || len(mask) != n {
		e.wrong(name, a, fmt.Sprintf("%d booleans", n))
	}
	return mask
}

// bytes reads the known categories of scikit-learn before 1.4. A category is
// the low byte of the number cut to 32 bits, as C makes a uint8 of a double;
// since 1.2 a negative number is a missing value.
func (e *estimator) bytes(c *histColumns, version string, categorical []int) {
	v := e.value("_bin_mapper")
	object, ok := v.(*pickle.Object)
	if !ok || object.Class != binMapper {
		e.wrong("_bin_mapper", v, "a bin mapper")
		return
	}
	bins := &estimator{object: object, path: e.path + " _bin_mapper", budget: e.budget}
	v = bins.value("bin_thresholds_")
	thresholds := items(v)
	if bins.err == nil && len(thresholds) != len(c.categories) {
		bins.wrong("bin_thresholds_", v, "a list of an array for each feature")
	}
	if e.err = bins.err; e.err != nil {
		return
	}
	negative := !atLeast(version, 1, 2)
	for _, feature := range categorical {
		a, ok := thresholds[feature].(*pickle.Array)
		if !ok || len(a.Shape) != 1 {
			bins.wrong("bin_thresholds_", thresholds[feature], "an array for each feature")
			e.err = bins.err
			return
		}
		var known [256]bool
		for _, v := range bins.finite("bin_thresholds_", a) {
			if v < 0 || v > 255 || v != math.Trunc(v) {
				bins.fail(nextRefit, "feature %d has the category %v", feature, v)
				break
			}
			known[int(v)] = true
			label, _ := labelOf(v)
			c.features[feature].Known = append(c.features[feature].Known, label)
		}
		if e.err = bins.err; e.err != nil {
			return
		}
		c.categories[feature] = func(v float64, _ string) (float64, bool) {
			if math.IsNaN(v) || v < 0 && !negative {
				return math.NaN(), true
			}
			code := 0 // what a processor makes of a number beyond 32 bits ends in zeros
			if v > math.MinInt32-1.0 && v < math.MaxInt32+1.0 {
				code = int(int32(v)) & 0xff
			}
			if !known[code] {
				return math.NaN(), true
			}
			return float64(code), true
		}
	}
}

// encoded reads the ColumnTransformer that scikit-learn since 1.4 puts before
// the trees: an OrdinalEncoder for the categories, and the numbers as they are.
func (e *estimator) encoded(p place, c *histColumns, categorical, numeric []int) {
	v := e.value("_preprocessor")
	object, ok := v.(*pickle.Object)
	if !ok || object.Class != columnTransformer {
		e.wrong("_preprocessor", v, "a ColumnTransformer")
		return
	}
	p.path += " _preprocessor"
	ct := p.read(object, columnsKnown)
	v = ct.value("transformers_")
	parts := items(v)
	if ct.err == nil && len(parts) < 2 {
		ct.wrong("transformers_", v, "an encoder and the numbers")
	}
	v = ct.value("_transformer_to_input_indices")
	indices, _ := v.(*pickle.Dict)
	for _, part := range []struct {
		name string
		want []int
	}{{"encoder", categorical}, {"numerical", numeric}, {"remainder", nil}} {
		v, _ := indices.Get(part.name)
		if got, ok := ct.resolve(v, len(c.categories), nil); ct.err == nil && (!ok && v != nil || !slices.Equal(got, part.want)) {
			ct.wrong("_transformer_to_input_indices", v, "what is_categorical_ says")
		}
	}
	if ct.err == nil {
		e.encoder(p, c, parts[0], categorical)
		e.untouched(p, parts[1])
	}
	if e.err == nil {
		e.err = ct.err
	}
}

// encoder reads the OrdinalEncoder.
func (e *estimator) encoder(p place, c *histColumns, part pickle.Value, categorical []int) {
	name, v, _ := named(part)
	object, ok := v.(*pickle.Object)
	if name != "encoder" || !ok || object.Class != ordinalEncoder {
		e.wrong("_preprocessor", v, "an OrdinalEncoder first")
		return
	}
	p.path += " encoder"
	enc := p.read(object, "categories dtype handle_unknown unknown_value encoded_missing_value min_frequency max_categories categories_ _infrequent_enabled _missing_indices")
	unknown, _ := number(enc.value("unknown_value"))
	missing, _ := number(enc.value("encoded_missing_value"))
	if enc.err == nil && (enc.text("handle_unknown") != "use_encoded_value" || !math.IsNaN(unknown) || !math.IsNaN(missing) || enc.flag("_infrequent_enabled")) {
		enc.fail(nextRefit, "it does not encode what is unknown as NaN")
	}
	v = enc.value("categories_")
	all := items(v)
	if enc.err == nil && len(all) != len(categorical) {
		enc.wrong("categories_", v, "a list of an array for each categorical feature")
	}
	for i, feature := range categorical {
		if enc.err != nil {
			break
		}
		enc.known(c, feature, all[i])
	}
	if e.err == nil {
		e.err = enc.err
	}
}

// known reads the categories of one feature. They are all texts, all numbers
// or all booleans, and a last one may be NaN, which is no category.
func (e *estimator) known(c *histColumns, feature int, v pickle.Value) {
	a, ok := v.(*pickle.Array)
	if !ok || len(a.Shape) != 1 || a.Len() > 257 {
		e.wrong("categories_", v, "an array of at most 256 categories")
		return
	}
	e.spend(a.Len())
	values, err := elements(a)
	if n := len(values); err == nil && n > 0 {
		if x, ok := values[n-1].(float64); ok && math.IsNaN(x) {
			values = values[:n-1]
		}
	}
	f := &c.features[feature]
	texts, numbers := map[string]float64{}, map[float64]float64{}
	for i, v := range values {
		kind, code := model.Number, float64(i)
		switch v := v.(type) {
		case string:
			kind, texts[v] = model.Text, code
		case bool:
			kind, numbers[truth(v)] = model.Bool, code
		default:
			if x, ok := number(v); ok {
				numbers[x] = code
			}
		}
		label, ok := labelOf(v)
		if !ok || len(texts)+len(numbers) != i+1 || i > 0 && kind != f.Kind {
			e.fail(nextRefit, "categories_ of feature %d holds %s, or holds it twice, or beside another kind", feature, pickle.Describe(v))
			return
		}
		f.Kind, f.Known = kind, append(f.Known, label)
	}
	if err != nil {
		e.fail(nextRefit, "categories_: %v", err)
		return
	}
	if f.Kind == model.Text {
		c.texts = true
		c.categories[feature] = func(v float64, text string) (float64, bool) { return code(texts, text, v) }
		return
	}
	c.categories[feature] = func(v float64, _ string) (float64, bool) {
		if math.IsInf(v, 0) {
			return 0, false
		}
		return code(numbers, v, v)
	}
}

// code looks a value up; what is missing or unknown is NaN.
func code[K comparable](codes map[K]float64, key K, number float64) (float64, bool) {
	if known, ok := codes[key]; ok && !math.IsNaN(number) {
		return known, true
	}
	return math.NaN(), true
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// untouched checks that the numbers' transformer is a FunctionTransformer of
// check_array, which leaves them as they are.
func (e *estimator) untouched(p place, part pickle.Value) {
	name, v, _ := named(part)
	object, ok := v.(*pickle.Object)
	if name != "numerical" || !ok || object.Class != functionTransformer {
		e.wrong("_preprocessor", v, "a FunctionTransformer of the numbers")
		return
	}
	p.path += " numerical"
	f := p.read(object, "func inverse_func validate accept_sparse check_inverse feature_names_out kw_args inv_kw_args")
	v = f.value("func")
	call, ok := v.(*pickle.Object)
	if f.err == nil && (!ok || call.Class != partialCall || len(items(call.State)) == 0 || items(call.State)[0] != checkArray) {
		f.wrong("func", v, "check_array")
	}
	if e.err == nil {
		e.err = f.err
	}
}

// before puts the encodings before an engine; without any, it is the engine itself.
func (c *histColumns) before(engine model.Engine) model.Engine {
	if !slices.ContainsFunc(c.categories, func(e encoding) bool { return e != nil }) {
		return engine
	}
	size := blockRows * len(c.categories)
	h := &histogram{engine: engine, categories: c.categories, texts: c.texts}
	h.scratch.New = func() any {
		block := make([]float64, size)
		return &block
	}
	return h
}

// histogram encodes categories, a block of rows at a time, and asks the trees.
type histogram struct {
	engine     model.Engine
	categories []encoding
	texts      bool
	scratch    sync.Pool
}

func (h *histogram) Predict(in model.Rows, out model.Answers) error {
	scratch := h.scratch.Get().(*[]float64)
	defer h.scratch.Put(scratch)
	features, outputs := len(h.categories), len(out.Values)/in.N
	for begin := 0; begin < in.N; begin += blockRows {
		n := min(blockRows, in.N-begin)
		block := (*scratch)[:n*features]
		copy(block, in.Numbers[begin*features:])
		for f, encode := range h.categories {
			if encode == nil {
				continue
			}
			for i := range n {
				at, text := i*features+f, ""
				if h.texts && in.Texts != nil {
					text = in.Texts[begin*features+at]
				}
				code, ok := encode(block[at], text)
				if !ok {
					return &model.Unanswerable{Row: begin + i, Feature: f, Reason: "a category cannot be infinite"}
				}
				block[at] = code
			}
		}
		part := model.Answers{Values: out.Values[begin*outputs : (begin+n)*outputs]}
		if out.Classes != nil {
			part.Classes = out.Classes[begin : begin+n]
		}
		if err := h.engine.Predict(model.Rows{N: n, Numbers: block}, part); err != nil {
			return later(err, begin)
		}
	}
	return nil
}
