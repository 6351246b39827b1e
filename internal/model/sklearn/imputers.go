package sklearn

import (
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// imputers fill in what is missing, or tell of it (sklearn/impute).
func imputers() map[string]*transformer {
	const base, common = "sklearn.impute._base", "missing_values add_indicator indicator_ keep_empty_features copy "
	return map[string]*transformer{
		"SimpleImputer":    {base, common + "strategy fill_value statistics_ verbose _fit_dtype _fill_dtype", true, false, nil, simple},
		"MissingIndicator": {base, "missing_values features sparse error_on_new features_ _n_features _precomputed", true, false, nil, indicator},
		"KNNImputer":       {"sklearn.impute._knn", common + "n_neighbors weights metric _fit_X _mask_fit_X _valid_mask", true, false, nil, nearest},
	}
}

// absent reads missing_values: NaN, None, a number or a text. Where it is
// neither NaN nor None, a value that is missing in the row is refused.
func (m *making) absent() (x float64, text string) {
	switch v := m.value("missing_values").(type) {
	case nil:
		x, m.fills = math.NaN(), gapNone
	case string:
		if v == "" {
			m.fail("Give what is missing as NaN.", "missing_values is the empty string")
		}
		x, text = math.Inf(-1), v // no number that arrives
	default:
		var ok bool
		if x, ok = number(v); !ok && m.err == nil {
			m.wrong("missing_values", v, "NaN, None, a number or a string")
		}
	}
	if x != x && m.fills == 0 {
		m.fills = gapNaN
	}
	if m.missing = x != x; !m.missing {
		m.f.features = wanted(m.n, model.Number, false)
	}
	return x, text
}

// simple reads SimpleImputer. What a column is filled with tells its kind; a
// column of which nothing was ever present is left out.
func simple(m *making) {
	s := &steps.Impute{IsText: make([]bool, m.n), Fill: make([]float64, m.n), FillTexts: make([]string, m.n)}
	s.Number, s.Text = m.absent()
	statistics := m.array("statistics_")
	var values []pickle.Value
	if m.err == nil {
		var err error
		if values, err = elements(statistics); err != nil || len(values) != m.n || len(statistics.Shape) != 1 {
			m.wrong("statistics_", statistics, "a value for each column")
			return
		}
	}
	keepEmpty := m.has("keep_empty_features") && m.flag("keep_empty_features") ||
		m.text("strategy") == "constant" && !atLeast(m.version, 1, 8)
	s.Indicate = m.indicated()
	var columns []column
	texts := false
	for i, v := range values {
		var ok bool
		if s.FillTexts[i], s.IsText[i] = v.(string); s.IsText[i] {
			m.f.features[i].Kind = model.Text
			texts = true
		} else if s.Fill[i], ok = number(v); !ok {
			switch v := v.(type) {
			case bool:
				if m.f.features[i].Kind = model.Bool; v {
					s.Fill[i] = 1
				}
			case nil:
				s.Fill[i] = math.NaN()
			default:
				m.wrong("statistics_", v, "a number or a text")
			}
		}
		if s.Fill[i] == s.Fill[i] || keepEmpty {
			s.Keep = append(s.Keep, int32(i))
			columns = append(columns, column{from: int32(i), same: true, settled: m.missing && s.Fill[i] == s.Fill[i]})
		} else if !slices.Contains(s.Indicate, int32(i)) {
			m.f.features[i].Kind = anyKind
		}
	}
	if !texts {
		s.IsText, s.FillTexts = nil, nil
		for i := range columns {
			columns[i].same = m.f.features[columns[i].from].Kind == model.Bool
		}
	}
	for i := range columns {
		columns[i].filled = m.fills
	}
	m.add(s, false, append(columns, marks(s.Indicate)...))
}

// marks are columns that tell whether a value was missing.
func marks(indicate []int32) []column {
	columns := make([]column, len(indicate))
	for i, from := range indicate {
		columns[i] = column{from: from, settled: true}
	}
	return columns
}

// indicated reads the columns for which an imputer adds a mark.
func (m *making) indicated() []int32 {
	if !m.flag("add_indicator") {
		return nil
	}
	v := m.value("indicator_")
	object, ok := v.(*pickle.Object)
	if m.err == nil && (!ok || object.Class.Name != "MissingIndicator") {
		m.wrong("indicator_", v, "a MissingIndicator")
	}
	if m.err != nil {
		return nil
	}
	inner := place{path: m.path + " indicator_", budget: m.budget}.read(object, imputers()["MissingIndicator"].known)
	indicate := inner.columnList("features_", m.n)
	if inner.err == nil && (inner.choice("features", "missing-only", "all") != "missing-only" || inner.flag("error_on_new")) {
		inner.fail(nextRefit, "it is not the one that an imputer makes")
	}
	m.err = inner.err
	return indicate
}

// columnList reads an array of different column numbers.
func (e *estimator) columnList(name string, n int) []int32 {
	a := e.array(name)
	if e.err != nil {
		return nil
	}
	numbers, err := a.Ints()
	if err != nil && a.Len() > 0 || len(a.Shape) != 1 || len(numbers) > n {
		e.wrong(name, a, "numbers of columns")
		return nil
	}
	list := make([]int32, len(numbers))
	for k, i := range numbers {
		if i < 0 || i >= int64(n) {
			e.fail(nextRefit, "%s holds %d, and there are %d columns", name, i, n)
			return nil
		}
		list[k] = int32(i)
	}
	return list
}

func indicator(m *making) {
	s := &steps.Impute{}
	s.Number, s.Text = m.absent()
	s.Indicate = m.columnList("features_", m.n)
	if m.choice("features", "missing-only", "all") == "missing-only" && m.flag("error_on_new") {
		known := make([]bool, m.n)
		for _, i := range s.Indicate {
			known[i] = true
		}
		for i, is := range known {
			if !is {
				s.Never = append(s.Never, int32(i))
				m.f.features[i].Missing = false
			}
		}
	}
	if s.Text != "" {
		m.fail("Give what is missing as NaN.", "missing_values is a text")
	}
	m.add(s, false, marks(s.Indicate))
}

func nearest(m *making) {
	s := &steps.Nearest{K: m.count("n_neighbors")}
	s.Number, _ = m.absent()
	if m.text("weights") != "uniform" || m.text("metric") != "nan_euclidean" {
		m.fail("Fit it with weights='uniform' and metric='nan_euclidean'.", "its weights or its metric are others than the usual ones")
	}
	fitted := m.array("_fit_X")
	missing := m.array("_mask_fit_X")
	if m.err == nil && (len(fitted.Shape) != 2 || fitted.Shape[1] != m.n || missing.Len() != fitted.Len()) {
		m.wrong("_fit_X", fitted, "a matrix with a column for each feature")
	}
	if m.err != nil {
		return
	}
	mask, err1 := missing.Bools()
	numbers, err2 := fitted.Floats()
	if err1 != nil || err2 != nil {
		m.wrong("_fit_X", fitted, "numbers")
		return
	}
	sums, counts := make([]float64, m.n), make([]float64, m.n)
	for k, x := range numbers {
		switch {
		case mask[k]:
			numbers[k] = math.NaN()
		case x != x || math.IsInf(x, 0):
			m.fail(nextRefit, "_fit_X holds %v at position %d", x, k)
			return
		default:
			sums[k%m.n] += x
			counts[k%m.n]++
		}
	}
	s.Fitted, s.Means, s.K = numbers, sums, min(s.K, fitted.Shape[0])
	keepEmpty := m.has("keep_empty_features") && m.flag("keep_empty_features")
	var columns []column
	for i := range sums {
		if counts[i] == 0 && keepEmpty {
			m.fail("Fit it without keep_empty_features.", "column %d was never present, and is kept", i)
		}
		if counts[i] > 0 {
			s.Means[i] /= counts[i]
			s.Keep = append(s.Keep, int32(i))
			columns = append(columns, column{from: int32(i), settled: true})
		}
	}
	if s.Indicate = m.indicated(); len(s.Indicate) > 0 && !atLeast(m.version, 1, 3) {
		m.fail("Fit it with scikit-learn 1.3 or newer.", "add_indicator made no marks for rows without missing values before scikit-learn 1.3")
	}
	m.add(s, false, append(columns, marks(s.Indicate)...))
}
