package sklearn

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// selectors are the transformers that choose columns. What they choose is either
// in the file (support_) or follows from scores that are
// (sklearn/feature_selection).
func selectors() map[string]*transformer {
	const (
		univariate = "sklearn.feature_selection._univariate_selection"
		scores     = "score_func scores_ pvalues_ "
		rfe        = "sklearn.feature_selection._rfe"
		support    = "estimator estimator_ importance_getter n_features_ n_features_to_select n_features_to_select_ ranking_ step support_ verbose " +
			"cv cv_results_ grid_scores_ scoring n_jobs min_features_to_select direction tol"
	)
	by := func(choose func(m *making) []bool) func(m *making) {
		return func(m *making) { m.keep(choose(m)) }
	}
	return map[string]*transformer{
		"SelectKBest":             {univariate, scores + "k", false, false, nil, by(func(m *making) []bool { return m.best(m.value("k")) })},
		"SelectPercentile":        {univariate, scores + "percentile", false, false, nil, by(func(m *making) []bool { return m.percentile(m.finiteNumber("percentile")) })},
		"SelectFpr":               {univariate, scores + "alpha", false, false, nil, by(func(m *making) []bool { return m.falsePositives(m.finiteNumber("alpha")) })},
		"SelectFdr":               {univariate, scores + "alpha", false, false, nil, by(func(m *making) []bool { return m.falseDiscoveries(m.finiteNumber("alpha")) })},
		"SelectFwe":               {univariate, scores + "alpha", false, false, nil, by(func(m *making) []bool { return m.falsePositives(m.finiteNumber("alpha") / float64(max(m.n, 1))) })},
		"GenericUnivariateSelect": {univariate, scores + "mode param", false, false, nil, by((*making).anyMode)},
		"VarianceThreshold": {"sklearn.feature_selection._variance_threshold", "threshold variances_", true, false, nil, by(func(m *making) []bool {
			threshold := m.finiteNumber("threshold")
			return m.maskOf("variances_", func(v float64) bool { return v > threshold })
		})},
		"RFE":                       {rfe, support, true, false, nil, by((*making).support)},
		"RFECV":                     {rfe, support, true, false, nil, by((*making).support)},
		"SequentialFeatureSelector": {"sklearn.feature_selection._sequential", support, true, false, nil, by((*making).support)},
		"SelectFromModel": {"sklearn.feature_selection._from_model", "estimator estimator_ importance_getter max_features max_features_ norm_order prefit threshold",
			true, false, (*making).innerWidth, by((*making).important)},
	}
}

// scoreFunctions are what univariate selectors were fitted with. They are
// mentioned and not needed.
func scoreFunctions() []pickle.Global {
	var names []pickle.Global
	add := func(module, list string) {
		for name := range strings.FieldsSeq(list) {
			names = append(names, pickle.Global{Module: module, Name: name})
		}
	}
	add("sklearn.feature_selection._univariate_selection", "f_classif f_regression chi2 r_regression f_oneway")
	add("sklearn.feature_selection._mutual_info", "mutual_info_classif mutual_info_regression")
	return names
}

// keep adds the choice of the columns that a mask names.
func (m *making) keep(mask []bool) {
	if m.err != nil {
		return
	}
	part := steps.Part{Weight: 1}
	for i, keep := range mask {
		if keep {
			part.From = append(part.From, int32(i))
		}
	}
	part.Width = len(part.From)
	columns := make([]column, part.Width)
	for k, from := range part.From {
		columns[k].from = from
	}
	m.add(&steps.Columns{Parts: []steps.Part{part}, Width: part.Width}, false, columns)
}

// maskOf makes a mask of a vector that may hold NaN, which is in no relation.
func (m *making) maskOf(name string, keep func(x float64) bool) []bool {
	numbers := m.numbers(name, m.n)
	mask := make([]bool, len(numbers))
	for i, x := range numbers {
		mask[i] = keep(x)
	}
	return mask
}

// numbers reads n numbers that may be NaN or infinite.
func (e *estimator) numbers(name string, n int) []float64 {
	a := e.array(name)
	if e.err == nil && (len(a.Shape) != 1 || a.Shape[0] != n) {
		e.wrong(name, a, "a number for each column")
	}
	if e.err != nil {
		return nil
	}
	numbers, err := a.Floats()
	if err != nil {
		e.fail(nextRefit, "%s: %v", name, err)
		return nil
	}
	return numbers
}

// scores are scores_ with NaN below every number (_clean_nans).
func (m *making) scores() []float64 {
	scores := m.numbers("scores_", m.n)
	for i, s := range scores {
		if s != s {
			scores[i] = -math.MaxFloat64
		}
	}
	return scores
}

// best keeps the k greatest scores, the last of equals first.
func (m *making) best(k pickle.Value) []bool {
	scores := m.scores()
	mask := make([]bool, len(scores))
	count, ok := k.(int64)
	if k == "all" {
		count, ok = int64(len(scores)), true
	}
	if m.err == nil && (!ok || count < 0) {
		m.wrong("k", k, `a number or "all"`)
	}
	order := ordered(scores)
	for _, i := range order[max(0, len(order)-int(min(count, int64(len(order))))):] {
		mask[i] = true
	}
	return mask
}

// ordered are the indices of numbers from the least to the greatest, equals in
// their order.
func ordered(x []float64) []int {
	order := upTo(len(x))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	return order
}

// percentile keeps the scores above a percentile, and of those at it the first
// ones until there are enough.
func (m *making) percentile(percent float64) []bool {
	scores := m.scores()
	mask := make([]bool, len(scores))
	if m.err != nil || percent <= 0 {
		return mask
	}
	order := ordered(scores)
	threshold := math.Inf(-1)
	if percent < 100 {
		threshold = percentileOf(scores, order, 100-percent)
	}
	kept := 0
	for i, s := range scores {
		if mask[i] = s > threshold; mask[i] {
			kept++
		}
	}
	for i, s := range scores {
		if s == threshold && kept < int(float64(len(scores))*percent/100) {
			mask[i] = true
			kept++
		}
	}
	return mask
}

// percentileOf is numpy.percentile, interpolated as numpy's _lerp does.
func percentileOf(x []float64, order []int, percent float64) float64 {
	at := percent / 100 * float64(len(x)-1)
	low := int(at)
	high := min(low+1, len(x)-1)
	a, b, t := x[order[low]], x[order[high]], at-float64(low)
	if t >= 0.5 {
		return b - (b-a)*(1-t)
	}
	return a + (b-a)*t
}

func (m *making) falsePositives(alpha float64) []bool {
	return m.maskOf("pvalues_", func(p float64) bool { return p < alpha })
}

// falseDiscoveries is the procedure of Benjamini and Hochberg.
func (m *making) falseDiscoveries(alpha float64) []bool {
	p := m.numbers("pvalues_", m.n)
	limit := math.Inf(-1)
	sorted := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(p), func(x float64) bool { return x != x })))
	for i, x := range sorted {
		if x <= alpha/float64(m.n)*float64(i+1) {
			limit = x
		}
	}
	return m.maskOf("pvalues_", func(p float64) bool { return p <= limit })
}

func (m *making) anyMode() []bool {
	mode := m.choice("mode", "percentile", "k_best", "fpr", "fdr", "fwe")
	if mode == "k_best" {
		return m.best(m.value("param"))
	}
	param := m.finiteNumber("param")
	switch mode {
	case "percentile":
		return m.percentile(param)
	case "fdr":
		return m.falseDiscoveries(param)
	case "fwe":
		param /= float64(max(m.n, 1))
	}
	return m.falsePositives(param)
}

// support reads the mask that a selector kept.
func (m *making) support() []bool {
	m.asTheirs()
	a := m.array("support_")
	if m.err != nil {
		return nil
	}
	mask, err := a.Bools()
	if err != nil || len(mask) != m.n {
		m.wrong("support_", a, "True or False for each column")
	}
	return mask
}

// asTheirs lets missing values through where the estimator that chose the
// columns takes them.
func (m *making) asTheirs() {
	v, ok := m.object.Attr("estimator_")
	if !ok {
		v = m.value("estimator")
	}
	object, ok := v.(*pickle.Object)
	m.missing = ok && strings.HasPrefix(object.Class.Name, "HistGradientBoosting")
	m.f.features = wanted(m.n, 0, m.missing)
}

// innerWidth is the width of the rows that the estimator inside was fitted on.
func (m *making) innerWidth() int {
	object, name := m.chooser()
	if m.err != nil {
		return 0
	}
	inner := &estimator{object: object, path: m.path + " " + name, budget: m.budget}
	n := inner.count("n_features_in_")
	m.err = inner.err
	return n
}

// chooser is the estimator of SelectFromModel.
func (m *making) chooser() (*pickle.Object, string) {
	name := "estimator_"
	if m.flag("prefit") && !m.has(name) {
		name = "estimator"
	}
	v := m.value(name)
	object, ok := v.(*pickle.Object)
	if m.err == nil && !ok {
		m.wrong(name, v, "an estimator")
	}
	return object, name
}

// important is SelectFromModel of an estimator with coefficients: those whose
// norm over the classes is at least the threshold.
func (m *making) important() []bool {
	m.asTheirs()
	object, name := m.chooser()
	if m.err != nil {
		return nil
	}
	inner := &estimator{object: object, path: m.path + " " + name, budget: m.budget}
	if m.text("importance_getter") != "auto" || !inner.has("coef_") {
		m.fail("Choose columns by a linear model, or with SelectKBest, RFE or SequentialFeatureSelector, which keep what they chose.",
			"the importance of its columns is not in the file: %s has no coef_", object.Class.Name)
		return nil
	}
	coef := inner.array("coef_")
	if inner.err == nil && (coef.Len()%m.n != 0 || coef.Len() == 0 || coef.Shape[len(coef.Shape)-1] != m.n) {
		inner.wrong("coef_", coef, "a number for each column")
	}
	numbers := inner.finite("coef_", coef)
	if m.err = inner.err; m.err != nil {
		return nil
	}
	order, ok := number(m.value("norm_order"))
	if !ok || order != 1 && len(coef.Shape) > 1 {
		m.fail("Fit it with norm_order=1.", "norm_order is not 1")
	}
	scores := make([]float64, m.n)
	for i, c := range numbers {
		scores[i%m.n] += math.Abs(c)
	}
	return m.above(scores, inner)
}

// above applies threshold and max_features.
func (m *making) above(scores []float64, inner *estimator) []bool {
	threshold := m.threshold(scores, inner)
	most := len(scores)
	if v := m.value("max_features"); v != nil {
		n, ok := v.(int64)
		if !ok || n < 0 {
			m.wrong("max_features", v, "a number")
		}
		most = int(min(n, int64(most)))
	}
	negative := make([]float64, len(scores))
	for i, s := range scores {
		negative[i] = -s
	}
	mask := make([]bool, len(scores))
	for _, i := range ordered(negative)[:max(most, 0)] {
		mask[i] = scores[i] >= threshold
	}
	return mask
}

// threshold reads a number, "mean", "median" or "1.25*mean". Without one it is
// the mean, or almost 0 for what was fitted to have zeros (_calculate_threshold).
func (m *making) threshold(scores []float64, inner *estimator) float64 {
	v := m.value("threshold")
	if x, ok := number(v); ok {
		return x
	}
	text, ok := v.(string)
	if v == nil {
		penalty, _ := inner.object.Attr("penalty")
		ratio, _ := inner.object.Attr("l1_ratio")
		name := inner.object.Class.Name
		if penalty == "l1" || strings.Contains(name, "Lasso") {
			return 1e-5
		}
		if r, isNumber := number(ratio); isNumber && r == 1 || strings.HasSuffix(name, "CV") {
			m.fail("Fit it with a threshold.", "its threshold depends on how %s was fitted", name)
		}
		text, ok = "mean", true
	}
	factor := 1.0
	if before, after, cut := strings.Cut(text, "*"); cut {
		x, err := strconv.ParseFloat(strings.TrimSpace(before), 64)
		factor, text, ok = x, strings.TrimSpace(after), ok && err == nil
	}
	switch {
	case ok && text == "mean":
		sum := 0.0
		for _, s := range scores {
			sum += s
		}
		return factor * (sum / float64(len(scores)))
	case ok && text == "median":
		return factor * percentileOf(scores, ordered(scores), 50)
	}
	m.wrong("threshold", v, "a number, mean or median")
	return 0
}
