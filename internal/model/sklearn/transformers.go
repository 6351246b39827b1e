package sklearn

import (
	"maps"
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// transformer is how one class is read.
type transformer struct {
	module string
	known  string // its attributes
	// missing tells that it takes missing values, and may give them on.
	missing bool
	// unchecked tells that it does not look at its rows at all.
	unchecked bool
	// width counts the columns that come in, where n_features_in_ does not tell
	// and nothing before does; nil where it must.
	width func(m *making) int
	// read makes the steps. What it is given wants numbers, and gives nothing yet.
	read func(m *making)
}

// making is a transformer while it is read.
type making struct {
	*estimator
	place     place
	version   string
	n         int // columns that come in
	missing   bool
	unchecked bool
	fills     gap // what an imputer fills
	f         fitted
}

// transformers are the classes that are read here, by name.
var transformers = joined(scalers(), shapers(), selectors(), encoders(), imputers(), vectorizers())

func joined(all ...map[string]*transformer) map[string]*transformer {
	whole := map[string]*transformer{}
	for _, some := range all {
		maps.Copy(whole, some)
	}
	return whole
}

// transformerNames are the names of the classes that transformers holds, and of
// what lies inside of them.
func transformerNames() []pickle.Global {
	var names []pickle.Global
	for name, t := range transformers {
		names = append(names, pickle.Global{Module: t.module, Name: name})
	}
	for name := range numpyFunctions {
		for _, module := range numpyModules {
			names = append(names, pickle.Global{Module: module, Name: name})
		}
	}
	return append(names, scoreFunctions()...)
}

// describing is what the description of a column costs, in numbers.
const describing = 4

func (p place) transformer(object *pickle.Object, t *transformer) (fitted, *model.Refusal) {
	m := &making{estimator: p.read(object, t.known), place: p, missing: t.missing, unchecked: t.unchecked}
	m.version = m.estimator.version()
	switch {
	case m.has("n_features_in_"):
		m.n = m.features(p)
	case p.width != 0:
		m.n = p.width
	case t.width != nil && m.err == nil:
		m.n = t.width(m)
	default:
		m.n = m.features(p) // says that it is not fitted
	}
	if m.spend(describing * m.n); m.err != nil {
		return fitted{}, m.err
	}
	m.f = fitted{in: m.n, names: m.names(m.n), features: wanted(m.n, model.Number, t.missing), sparse: p.sparse}
	t.read(m)
	if m.err != nil {
		return fitted{}, m.err
	}
	m.f.out = len(m.f.columns)
	if m.f.out == 0 {
		return fitted{}, p.refuse(nextRefit, "it keeps no column")
	}
	return m.f, nil
}

// add puts a step behind the others. columns are those of its result.
func (m *making) add(s steps.Step, sparse bool, columns []column) {
	link := steps.Link{Step: s, Missing: m.missing, Sparse: sparse, Width: m.n, Origins: originsOf(untouched(m.n))}
	if m.unchecked {
		link.Missing, link.Infinite = true, true
	}
	if len(m.f.chain) > 0 { // behind another step of the same transformer
		link.Missing, link.Infinite = true, true
		link.Width, link.Origins = len(m.f.columns), originsOf(m.f.columns)
	}
	m.f.chain = append(m.f.chain, link)
	m.f.columns = columns
}

// each are columns that are made of one column of the input each.
func (m *making) each() []column {
	columns := untouched(m.n)
	for i := range columns {
		columns[i].same = false
	}
	return columns
}

// mixed are n columns that are made of all.
func mixed(n int) []column {
	columns := make([]column, n)
	for i := range columns {
		columns[i].from = -1
	}
	return columns
}

func scalers() map[string]*transformer {
	const module = "sklearn.preprocessing._data"
	return map[string]*transformer{
		"StandardScaler": {module, "with_mean with_std copy mean_ var_ scale_ n_samples_seen_", true, false, nil, standard},
		"RobustScaler":   {module, "with_centering with_scaling quantile_range unit_variance copy center_ scale_", true, false, nil, robust},
		"MinMaxScaler":   {module, "feature_range copy clip min_ scale_ data_min_ data_max_ data_range_ n_samples_seen_", true, false, nil, minMax},
		"MaxAbsScaler":   {module, "copy clip scale_ max_abs_ n_samples_seen_", true, false, nil, maxAbs},
		"Normalizer":     {module, "norm copy", false, false, nil, normalizer},
	}
}

func standard(m *making) {
	s := &steps.Center{}
	if m.flag("with_mean") {
		s.Shift = m.vector("mean_", m.n)
	}
	if m.flag("with_std") {
		s.Divide = m.divisor(m.n)
	}
	m.add(s, s.Shift == nil, m.each())
}

func robust(m *making) {
	s := &steps.Center{}
	if m.flag("with_centering") {
		s.Shift = m.vector("center_", m.n)
	}
	if m.flag("with_scaling") {
		s.Divide = m.divisor(m.n)
	}
	m.add(s, s.Shift == nil, m.each())
}

func maxAbs(m *making) {
	s := &steps.Center{Divide: m.divisor(m.n)}
	if m.has("clip") && m.flag("clip") { // since scikit-learn 1.8
		s.Clip = []float64{-1, 1}
	}
	m.add(s, true, m.each())
}

func minMax(m *making) {
	s := &steps.Stretch{Scale: m.vector("scale_", m.n), Shift: m.vector("min_", m.n)}
	if m.flag("clip") {
		s.Clip = m.bounds("feature_range")
	}
	m.add(s, false, m.each())
}

// bounds reads a pair of numbers, the lower one first.
func (e *estimator) bounds(name string) []float64 {
	v := e.value(name)
	if e.err != nil {
		return nil
	}
	if pair := items(v); len(pair) == 2 {
		low, ok1 := number(pair[0])
		high, ok2 := number(pair[1])
		if ok1 && ok2 && low < high {
			return []float64{low, high}
		}
	}
	e.wrong(name, v, "two numbers, the lower one first")
	return nil
}

func normalizer(m *making) {
	m.normalize(m.f.sparse, false)
}

// normalize adds the division by a norm. A sparse matrix is divided by any norm
// but 0; a matrix that is not takes a norm of almost 0 for one.
func (m *making) normalize(sparse, mayBeNone bool) {
	v := m.value("norm")
	if v == nil && mayBeNone {
		return
	}
	s := &steps.Normalize{P: map[pickle.Value]int{"l1": 1, "l2": 2, "max": 0}[v], Zero: 10 * 0x1p-52}
	if !slices.Contains([]pickle.Value{"l1", "l2", "max"}, v) && m.err == nil {
		m.wrong("norm", v, "l1, l2 or max")
	}
	if sparse {
		s.Zero = 0
	}
	columns := m.f.columns
	if columns == nil {
		columns = m.each()
	}
	m.add(s, true, columns)
}

// items are the elements of a list or tuple, nil for anything else.
func items(v pickle.Value) []pickle.Value {
	switch v := v.(type) {
	case *pickle.List:
		return v.Items
	case *pickle.Tuple:
		return v.Items
	}
	return nil
}

func number(v pickle.Value) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	}
	return 0, false
}

// finiteNumber reads a number.
func (e *estimator) finiteNumber(name string) float64 {
	v := e.value(name)
	x, ok := number(v)
	if e.err == nil && (!ok || math.IsNaN(x) || math.IsInf(x, 0)) {
		e.wrong(name, v, "a number")
	}
	return x
}

// choice reads one of some words.
func (e *estimator) choice(name string, words ...string) string {
	s := e.text(name)
	if e.err == nil && !slices.Contains(words, s) {
		e.fail(nextSupported, "%s is %s, and serin reads %q", name, model.Quote(s), words)
	}
	return s
}

// matrix reads a two-dimensional array of finite numbers with the given number of
// columns, row by row.
func (e *estimator) matrix(name string, columns int) (numbers []float64, rows int) {
	a := e.array(name)
	if e.err == nil && (len(a.Shape) != 2 || a.Shape[1] != columns || a.Shape[0] == 0) {
		e.wrong(name, a, "an array with a column for each feature")
	}
	if e.err != nil {
		return nil, 0
	}
	return e.finite(name, a), a.Shape[0]
}
