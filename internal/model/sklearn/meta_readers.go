package sklearn

import (
	"fmt"
	"slices"
	"strconv"

	"serin/internal/model"
	"serin/internal/model/heads"
	"serin/internal/pickle"
)

// weighted gives members the weights that the user gave, without those of
// members that were dropped, and returns their sum.
func (m *meta) weighted(members heads.Members) float64 {
	if !m.has("weights") {
		return float64(len(members))
	}
	all := m.numberList("weights")
	var kept []float64
	for i, item := range items(m.value("estimators")) {
		if _, v, ok := named(item); ok && v != "drop" && i < len(all) {
			kept = append(kept, all[i])
		}
	}
	if m.err == nil && len(kept) != len(members) {
		m.fail(nextRefit, "it has weights for %d of its %d members", len(kept), len(members))
	}
	total := 0.0
	for i := range members {
		if m.err == nil {
			members[i].Weight = kept[i]
			total += kept[i]
		}
	}
	if m.err == nil && total == 0 {
		m.fail(nextRefit, "its weights add up to 0")
	}
	return total
}

// voting reads VotingClassifier and VotingRegressor.
func voting(m *meta) *methods {
	all := m.all()
	if !m.isClassifier() {
		members := m.regressors(all)
		total := m.weighted(members)
		return &methods{outputs: 1, predict: heads.New(members.Sum(1, total), heads.Quantities)}
	}
	classes, kind := m.classes(), m.text("voting")
	k := len(classes)
	m.encoded(all, k)
	methodOf := map[string]string{"soft": "predict_proba", "hard": "predict"}
	members, ok := askAll(all, methodOf[kind])
	if m.err == nil && (!ok || methodOf[kind] == "") {
		m.fail(nextRefit, "voting is %s, and not all of its members have predict_proba", model.Quote(kind))
	}
	total := m.weighted(members)
	if m.err != nil {
		return nil
	}
	if kind == "soft" {
		return &methods{classes: classes, proba: heads.New(members.Sum(k, total), heads.Decision)}
	}
	// There is no decision function; a client gets the votes.
	return &methods{classes: classes, scores: decided(members.Sum(k, 1))}
}

// decided are scores as a decision function, one number for two classes.
func decided(s heads.Scorer) model.Engine {
	if s.Outputs() == 2 {
		return heads.New(s, heads.Difference)
	}
	return heads.New(s, heads.Decision)
}

// stacking reads StackingClassifier and StackingRegressor.
func stacking(m *meta) *methods {
	all := m.all()
	asked, passthrough := m.list("stack_method_", len(all)), m.flag("passthrough")
	var classes []model.Label
	if m.isClassifier() {
		classes = m.classes()
	}
	var members heads.Members
	width := 0
	for i, f := range all {
		if m.err != nil {
			return nil
		}
		method, _ := asked[i].(string)
		member, ok := f.ask(method)
		if !ok {
			m.fail(nextRefit, "member %d has no %s", i+1, pickle.Describe(asked[i]))
			return nil
		}
		switch {
		case member.Votes:
			member.Labels = m.labelNumbers(f.methods.classes)
			width++
		case method == "predict_proba" && len(classes) == 2:
			member.Omit = 1
			width += member.Outputs - 1
		default:
			width += member.Outputs
		}
		members = append(members, member)
	}
	rest := 0
	if passthrough {
		rest = m.n
		m.onlyNumbers("passthrough")
	}
	final := m.apart("final_estimator_", m.value("final_estimator_"), width+rest, slices.Concat(make([]gap, width), m.place.filled))
	if m.err == nil && classes != nil {
		m.encoded([]fitted{final}, len(classes))
	}
	if m.err != nil {
		return nil
	}
	behind := final.methods.each(func(e model.Engine) model.Engine { return members.Stack(rest, e) })
	behind.classes = classes
	return behind
}

// labelNumbers are classes as the numbers that a model behind them gets.
func (m *meta) labelNumbers(classes []model.Label) []float64 {
	numbers := make([]float64, len(classes))
	for i, label := range classes {
		x, err := strconv.ParseFloat(string(label), 64)
		if err != nil {
			m.fail(`Set stack_method="predict_proba" and fit again.`, "a member hands on the class %s, which is no number", label)
		}
		numbers[i] = x
	}
	return numbers
}

// onlyNumbers refuses rows with texts where they are taken as an array of numbers.
func (m *meta) onlyNumbers(why string) {
	for _, f := range m.members {
		for i, feature := range f.features {
			if feature.Kind == model.Text {
				m.fail(nextRefit, "column %d is text, and %s takes numbers", i, why)
				return
			}
		}
	}
}

// bagging reads BaggingClassifier and BaggingRegressor, each member of which sees
// some columns of a row.
func bagging(m *meta) *methods {
	v := m.value("estimators_")
	list := items(v)
	subsets := m.list("estimators_features_", len(list))
	if m.err == nil && len(list) == 0 {
		m.wrong("estimators_", v, "a list of estimators")
	}
	var classes []model.Label
	if m.isClassifier() {
		classes = m.classes()
	}
	var all []fitted
	var columns, known [][]int
	for i, v := range list {
		if m.err != nil {
			return nil
		}
		chosen := m.columnsOf(subsets[i])
		filled := make([]gap, len(chosen))
		for k, column := range chosen {
			filled[k] = m.place.filledIn(column)
		}
		f := m.apart(fmt.Sprintf("member %d", i+1), v, len(chosen), filled)
		if m.err == nil && f.features != nil && len(chosen) != m.n {
			m.onlyPlain(f, i)
		}
		if len(chosen) == m.n && slices.IsSorted(chosen) {
			chosen = nil
			m.members = append(m.members, f)
		}
		all, columns, known = append(all, f), append(columns, chosen), append(known, m.positionsIn(f, classes))
	}
	if m.err != nil {
		return nil
	}
	if classes == nil {
		return &methods{outputs: 1, predict: heads.New(placed(m.regressors(all), columns, known).Sum(1, float64(len(all))), heads.Quantities)}
	}
	members, ok := askAll(all, "predict_proba")
	if !ok {
		members, _ = askAll(all, "predict")
	}
	k := len(classes)
	answers := &methods{classes: classes, proba: heads.New(placed(members, columns, known).Sum(k, float64(len(all))), heads.Decision)}
	whole := func(f fitted) bool { return len(f.methods.classes) != k }
	if members, ok := askAll(all, "decision_function"); ok && !slices.ContainsFunc(all, whole) {
		width := members[0].Outputs
		mean := heads.New(placed(members, columns, nil).Sum(width, float64(len(all))), heads.Decision)
		answers.decision = heads.Values(mean, answers.proba, k)
	}
	return answers
}

// placed tells members which columns they see, and which classes of the whole are theirs.
func placed(members heads.Members, columns, classes [][]int) heads.Members {
	for i := range members {
		members[i].Columns = columns[i]
		if classes != nil {
			members[i].Classes = classes[i]
		}
	}
	return members
}

// columnsOf reads the columns that a member sees, each within a row.
func (m *meta) columnsOf(v pickle.Value) []int {
	a, ok := v.(*pickle.Array)
	if m.err == nil && (!ok || len(a.Shape) != 1 || a.Len() == 0) {
		m.wrong("estimators_features_", v, "an array of columns for each member")
	}
	if m.err != nil {
		return nil
	}
	m.spend(a.Len())
	all, err := a.Ints()
	if err != nil {
		m.fail(nextRefit, "estimators_features_: %v", err)
	}
	columns := make([]int, len(all))
	for i, c := range all {
		if c < 0 || c >= int64(m.n) {
			m.fail(nextRefit, "estimators_features_ holds column %d of %d", c, m.n)
		}
		columns[i] = int(c)
	}
	return columns
}

// onlyPlain refuses a member that sees some columns and takes texts.
func (m *meta) onlyPlain(f fitted, i int) {
	for _, feature := range f.features {
		if feature.Kind == model.Text {
			m.fail(nextRefit, "member %d takes texts, and sees only some columns", i+1)
		}
	}
}

// positionsIn are the whole's positions of a member's classes, which are such
// positions as labels, or nil where there are no classes.
func (m *meta) positionsIn(f fitted, classes []model.Label) []int {
	if classes == nil || m.err != nil {
		return nil
	}
	all := make([]int, len(f.methods.classes))
	for i, label := range f.methods.classes {
		at, err := strconv.Atoi(string(label))
		if err != nil || at < 0 || at >= len(classes) {
			m.fail(nextRefit, "a member has the class %s, which is not the position of one of %d", label, len(classes))
		}
		all[i] = at
	}
	return all
}

// boostWeights gives members their weights and returns the sum of all weights.
func (m *meta) boostWeights(members heads.Members) float64 {
	weights, total := m.numberList("estimator_weights_"), 0.0
	if m.err == nil && len(weights) < len(members) {
		m.fail(nextRefit, "it has weights for %d of its %d members", len(weights), len(members))
	}
	for i, w := range weights {
		if i < len(members) {
			members[i].Weight = w
		}
		total += w
	}
	return total
}

// boosting reads AdaBoostClassifier.
func boosting(m *meta) *methods {
	all := m.all()
	classes, version := m.classes(), m.version()
	k := len(classes)
	m.sameClasses(all, classes)
	if m.err != nil {
		return nil
	}
	method := "predict"
	if m.has("algorithm") && m.text("algorithm") == "SAMME.R" && !atLeast(version, 1, 6) {
		method = "predict_proba"
	}
	members, ok := askAll(all, method)
	total := m.boostWeights(members)
	if m.err == nil && !ok {
		m.fail(nextRefit, "not all of its members have %s", method)
	}
	if m.err != nil {
		return nil
	}
	var s heads.Scorer
	switch {
	case method == "predict_proba":
		s = members.SammeR(k, total)
	case atLeast(version, 1, 3):
		s = members.Samme(k, 1/float64(k-1), total)
	default:
		s = members.Samme(k, 0, total)
	}
	return &methods{classes: classes, decision: decided(s), proba: heads.New(s, heads.Boosted)}
}

// boostedMedian reads AdaBoostRegressor.
func boostedMedian(m *meta) *methods {
	members := m.regressors(m.all())
	m.boostWeights(members)
	if m.err != nil {
		return nil
	}
	return &methods{outputs: 1, predict: heads.New(members.Median(), heads.Quantities)}
}

// response asks a classifier for its decision, or for probabilities without the
// first of two, as calibration and one-vs-rest do.
func (f fitted) response() (heads.Member, bool) {
	if member, ok := f.ask("decision_function"); ok {
		return member, true
	}
	member, ok := f.ask("predict_proba")
	if ok && member.Outputs == 2 {
		member.Omit = 1
	}
	return member, ok
}

// oneVsRest reads OneVsRestClassifier.
func oneVsRest(m *meta) *methods {
	binarizer := m.part("label_binarizer_", labelBinarizer)
	kind := binarizer.text("y_type_")
	m.follow(binarizer)
	if m.err == nil && kind != "multiclass" && kind != "binary" {
		m.fail("Fit one classifier for each label.", "it answers several labels, and serin serves classifiers that answer one class")
	}
	all := m.all()
	classes, version := m.classes(), m.version()
	if m.err == nil && len(all) != len(classes) && (len(all) != 1 || len(classes) != 2) {
		m.fail(nextRefit, "it has %d members for %d classes", len(all), len(classes))
	}
	m.encoded(all, 2)
	if m.err != nil {
		return nil
	}
	var members heads.Members
	for i, f := range all {
		member, ok := f.response()
		if !ok {
			m.fail(nextRefit, "member %d has neither decision_function nor predict_proba", i+1)
			return nil
		}
		members = append(members, member)
	}
	var class model.Engine
	if len(all) == 1 {
		limit := 0.0
		if all[0].methods.decision == nil {
			limit = 0.5
		}
		class = members[0].Above(limit, false, 0, 1)
	} else if link := heads.DecisionLast; atLeast(version, 1, 8) {
		class = heads.New(members.Beside(), heads.Decision)
	} else {
		class = heads.New(members.Beside(), link)
	}
	answers := &methods{classes: classes}
	if _, ok := askAll(all, "decision_function"); ok {
		answers.decision = class
	}
	if probabilities, ok := askAll(all, "predict_proba"); ok {
		for i := range probabilities {
			probabilities[i].Omit = 1
		}
		answers.proba = heads.Values(heads.New(probabilities.Normalized(!atLeast(version, 1, 7)), heads.Decision), class, len(all))
	}
	return answers
}

// oneVsOne reads OneVsOneClassifier.
func oneVsOne(m *meta) *methods {
	all := m.all()
	classes := m.classes()
	k := len(classes)
	if m.err == nil && m.has("pairwise_indices_") {
		m.fail(nextSupported, "its members see similarities instead of features")
	}
	if m.err == nil && (k == 2 || len(all) != k*(k-1)/2) {
		m.fail("Fit the estimator inside it alone if there are two classes.", "it has %d members for %d classes", len(all), k)
	}
	m.encoded(all, 2)
	var members heads.Members
	for i, f := range all {
		member, ok := f.response()
		if !ok && m.err == nil {
			m.fail(nextRefit, "member %d has neither decision_function nor predict_proba", i+1)
		}
		members = append(members, member)
	}
	if m.err != nil {
		return nil
	}
	return &methods{classes: classes, decision: heads.New(members.OneVsOne(k), heads.Decision)}
}

// multiOutput reads MultiOutputRegressor.
func multiOutput(m *meta) *methods {
	members := m.regressors(m.all())
	if m.err != nil {
		return nil
	}
	return &methods{outputs: len(members), predict: heads.New(members.Beside(), heads.Quantities)}
}

// threshold reads FixedThresholdClassifier and TunedThresholdClassifierCV.
func threshold(m *meta) *methods {
	name := "estimator_"
	if !m.has(name) {
		name = "estimator"
	}
	f := m.inner(name, m.value(name))
	method := m.text("response_method")
	if m.err == nil && len(f.methods.classes) != 2 {
		m.fail(nextRefit, "its estimator has not two classes")
	}
	if m.err != nil {
		return nil
	}
	if method == "auto" {
		method = "predict_proba"
		if f.methods.proba == nil {
			method = "decision_function"
		}
	}
	member, ok := f.ask(method)
	if !ok {
		m.fail(nextRefit, "its estimator has no %s", model.Quote(method))
		return nil
	}
	member.Omit = member.Outputs - 1
	limit := 0.0
	switch {
	case m.has("best_threshold_"):
		limit = m.number("best_threshold_")
		m.secondIsPositive(m.curvePositive(), f.methods.classes, true)
	case m.value("threshold") == "auto":
		if method == "predict_proba" {
			limit = 0.5
		}
		m.secondIsPositive(m.value("pos_label"), f.methods.classes, false)
	default:
		limit = m.number("threshold")
		m.secondIsPositive(m.value("pos_label"), f.methods.classes, false)
	}
	if m.err != nil {
		return nil
	}
	class := member.Above(limit, true, 0, 1)
	return f.methods.each(func(e model.Engine) model.Engine { return heads.Values(e, class, 1) })
}

// curvePositive is the positive class that TunedThresholdClassifierCV was tuned
// for, nil where the file does not name it.
func (m *meta) curvePositive() pickle.Value {
	scorer, _ := m.value("_curve_scorer").(*pickle.Object)
	if scorer == nil {
		m.fail(nextRefit, "it has no _curve_scorer")
		return nil
	}
	v, _ := scorer.Attr("_kwargs")
	d, _ := v.(*pickle.Dict)
	v, _ = d.Get("pos_label")
	return v
}

// secondIsPositive refuses a classifier that is positive for the first of its two
// classes. Without a name it is the second, or, where a score decided, the class 1.
func (m *meta) secondIsPositive(v pickle.Value, classes []model.Label, byScore bool) {
	if m.err != nil {
		return
	}
	label, _ := labelOf(v)
	if v == nil && byScore && classes[0] == "1" {
		label = "1"
	}
	if (v != nil || byScore && classes[0] == "1") && label != classes[1] {
		m.fail("Name the classes so that the positive one comes last, and fit again.", "its positive class is %s and not the last one", label)
	}
}

// transformedTarget reads TransformedTargetRegressor, whose answers go back
// through a function of numpy's or through a scaler.
func transformedTarget(m *meta) *methods {
	f := m.inner("regressor_", m.value("regressor_"))
	v := m.value("transformer_")
	object, ok := v.(*pickle.Object)
	if m.err == nil && (!ok || f.methods.predict == nil) {
		m.wrong("transformer_", v, "a transformer behind a regressor")
	}
	if m.err != nil {
		return nil
	}
	outputs := f.methods.outputs
	back := m.backwards(object, outputs)
	if m.err != nil {
		return nil
	}
	return &methods{outputs: outputs, predict: heads.Mapped(f.methods.predict, back, outputs)}
}

// backwards is a transformer's inverse_transform of one column.
func (m *meta) backwards(object *pickle.Object, outputs int) func(int, float64) float64 {
	e := m.place.read(object, "func inverse_func validate accept_sparse check_inverse feature_names_out kw_args inv_kw_args "+
		"with_mean with_std copy mean_ var_ scale_ n_samples_seen_ feature_range clip min_ data_min_ data_max_ data_range_")
	e.path += " transformer_ (" + object.Class.Name + ")"
	defer m.follow(e)
	shift, factor := make([]float64, outputs), slices.Repeat([]float64{1}, outputs)
	switch object.Class.Name {
	case "FunctionTransformer":
		v := e.value("inverse_func")
		if d, ok := e.value("inv_kw_args").(*pickle.Dict); ok && len(d.Entries) > 0 {
			e.fail("Fit it without inv_kw_args.", "it gives its function keyword arguments")
		}
		if v == nil {
			return func(_ int, y float64) float64 { return y }
		}
		name, _ := functionName(v)
		f := numpyFunctions[name]
		if f == nil {
			e.fail("Use functions of numpy's (numpy.log1p and numpy.expm1, ...), or predict the transformed quantity.", "it calls %s, and nothing from a file is executed", pickle.Describe(v))
		}
		return func(_ int, y float64) float64 { return f(y) }
	case "StandardScaler":
		if e.flag("with_std") {
			factor = e.vector("scale_", outputs)
		}
		if e.flag("with_mean") {
			shift = e.vector("mean_", outputs)
		}
		return func(i int, y float64) float64 { return float64(y*factor[i]) + shift[i] }
	case "MinMaxScaler":
		shift, factor = e.vector("min_", outputs), e.divisor(outputs)
		return func(i int, y float64) float64 { return (y - shift[i]) / factor[i] }
	}
	e.fail("Transform the target by a function of numpy's, StandardScaler or MinMaxScaler.", "it is no transformer that serin reads backwards")
	return nil
}
