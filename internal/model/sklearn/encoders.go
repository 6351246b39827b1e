package sklearn

import (
	"fmt"
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// encoders turn categories into numbers (sklearn/preprocessing/_encoders.py).
func encoders() map[string]*transformer {
	const (
		module = "sklearn.preprocessing._encoders"
		common = "categories categories_ dtype handle_unknown min_frequency max_categories _infrequent_enabled _infrequent_indices _default_to_infrequent_mappings "
	)
	return map[string]*transformer{
		"OneHotEncoder": {module, common + "drop drop_idx_ _drop_idx_after_grouping sparse sparse_output feature_name_combiner _n_features_outs",
			true, false, nil, oneHot},
		"OrdinalEncoder": {module, common + "unknown_value encoded_missing_value _missing_indices", true, false, nil, ordinal},
		"TargetEncoder": {"sklearn.preprocessing._target_encoder", "categories categories_ target_type target_type_ smooth cv shuffle random_state " +
			"encodings_ target_mean_ classes_ _infrequent_enabled", true, false, nil, target},
	}
}

// group is the categories of one column as an encoder counts them: codes before
// and after rare ones were put together.
type group struct {
	coder   steps.Coder
	missing int   // the place of the missing value among the categories, or -1
	codes   []int // of each category
	count   int   // of different codes
	rare    int   // the code of what is rare, or -1
}

// groups reads categories_ and what is rare among them, and says what the
// columns' kinds are.
func (m *making) groups() []group {
	v := m.value("categories_")
	list := items(v)
	if m.err == nil && len(list) != m.n {
		m.wrong("categories_", v, "an array for each column")
	}
	var rare []pickle.Value
	if m.err == nil && m.has("_infrequent_enabled") && m.flag("_infrequent_enabled") {
		v := m.value("_default_to_infrequent_mappings")
		if rare = items(v); len(rare) != m.n && m.err == nil {
			m.wrong("_default_to_infrequent_mappings", v, "an array or None for each column")
		}
	}
	if m.err != nil {
		return nil
	}
	groups := make([]group, m.n)
	for i, v := range list {
		a, ok := v.(*pickle.Array)
		if !ok || len(a.Shape) != 1 || a.Len() == 0 {
			m.wrong("categories_", v, "an array for each column")
			return nil
		}
		if m.spend(a.Len()); m.err != nil {
			return nil
		}
		groups[i] = group{missing: -1, rare: -1, codes: upTo(a.Len()), count: a.Len()}
		if rare != nil && rare[i] != nil {
			m.putTogether(&groups[i], rare[i])
		}
		if m.err == nil {
			m.known(i, a, &groups[i])
		}
		if m.err != nil {
			return nil
		}
	}
	return groups
}

// putTogether reads the codes that the categories of a column have where rare
// ones share the last.
func (m *making) putTogether(g *group, v pickle.Value) {
	a, ok := v.(*pickle.Array)
	if !ok || a.Len() != g.count {
		m.wrong("_default_to_infrequent_mappings", v, "a number for each category")
		return
	}
	codes, err := a.Ints()
	most := 0
	for k, code := range codes {
		if code < 0 || code >= int64(len(codes)) {
			err = fmt.Errorf("a code is %d", code)
			break
		}
		g.codes[k] = int(code)
		most = max(most, int(code))
	}
	if err != nil {
		m.wrong("_default_to_infrequent_mappings", v, "a number for each category")
		return
	}
	g.count, g.rare = most+1, most
}

// known reads the categories of column i: all texts, all numbers or all
// booleans, and perhaps None or NaN behind them.
func (m *making) known(i int, a *pickle.Array, g *group) {
	values, err := elements(a)
	if err != nil {
		m.fail(nextRefit, "categories_: %v", err)
		return
	}
	feature := &m.f.features[i]
	feature.Kind = anyKind
	type pair struct {
		x    float64
		code steps.Code
	}
	var pairs []pair
	for k, v := range values {
		kind, x, text := model.Number, 0.0, ""
		switch v := v.(type) {
		case nil:
			kind = anyKind
		case string:
			kind, text = model.Text, v
		case bool:
			if kind = model.Bool; v {
				x = 1
			}
		default:
			var ok bool
			if x, ok = number(v); !ok || math.IsInf(x, 0) || math.Abs(x) > 1<<53 && a.Type.Kind != 'f' {
				m.wrong("categories_", v, "texts, numbers or booleans")
				return
			}
			if x != x {
				kind = anyKind
			}
		}
		if kind == anyKind {
			if g.missing >= 0 {
				m.fail("Replace one by the other, and fit again.", "categories_ of column %d hold both None and NaN, and a missing value may be either", i)
				return
			}
			if v == nil {
				m.reaches(i, gapNone)
			} else {
				m.reaches(i, gapNaN)
			}
			g.missing = k
			continue
		}
		label, ok := labelOf(v)
		if !ok || feature.Kind != anyKind && feature.Kind != kind {
			m.fail("Give a column values of one kind, and fit again.", "categories_ of column %d hold %s beside a %s", i, pickle.Describe(v), feature.Kind)
			return
		}
		feature.Kind, feature.Known = kind, append(feature.Known, label)
		if kind == model.Text {
			if g.coder.Texts == nil {
				g.coder.Texts = make(map[string]steps.Code, len(values))
			}
			g.coder.Texts[text] = steps.Code(k)
		} else {
			pairs = append(pairs, pair{x, steps.Code(k)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.x < b.x {
			return -1
		}
		return 1
	})
	for _, p := range pairs {
		if n := len(g.coder.Numbers); n > 0 && g.coder.Numbers[n-1] == p.x {
			m.fail(nextRefit, "categories_ of column %d hold %v twice", i, p.x)
		}
		g.coder.Numbers, g.coder.Codes = append(g.coder.Numbers, p.x), append(g.coder.Codes, p.code)
	}
}

// reaches refuses a category None or NaN behind an imputer that fills the other
// of the two: null in a row would have to be both.
func (m *making) reaches(i int, category gap) {
	filled := m.place.filledIn(i) &^ category
	if filled == 0 {
		return
	}
	m.fail(fmt.Sprintf("Replace %v by %v in the data (%s), or fit with SimpleImputer(missing_values=%s).", category, filled,
		[...]string{gapNaN: "fillna(numpy.nan)", gapNone: "where(data.notna(), None)"}[filled], [...]string{gapNaN: "numpy.nan", gapNone: "None"}[category]),
		"categories_ of column %d hold %v behind an imputer that fills only %v, and null in a row may be either", i, category, filled)
}

// coded puts the final codes into a coder: of category k, of what is missing and
// of what is unknown.
func (g *group) coded(code func(k int) steps.Code, unknown steps.Code) steps.Coder {
	c := g.coder
	for i, k := range c.Codes {
		c.Codes[i] = code(int(k))
	}
	for text, k := range c.Texts {
		c.Texts[text] = code(int(k))
	}
	c.Missing, c.Unknown = unknown, unknown
	if g.missing >= 0 {
		c.Missing = code(g.missing)
	}
	return c
}

func oneHot(m *making) {
	groups := m.groups()
	handle := m.choice("handle_unknown", "error", "ignore", "infrequent_if_exist", "warn")
	drops := m.dropped(groups)
	m.f.sparse = m.has("sparse_output") && m.flag("sparse_output") || m.has("sparse") && !m.has("sparse_output") && m.flag("sparse")
	if m.err != nil {
		return
	}
	s := &steps.Encode{}
	var columns []column
	for i := range groups {
		g, first, drop := &groups[i], len(columns), drops[i]
		place := func(code int) steps.Code {
			switch {
			case code == drop:
				return steps.None
			case drop >= 0 && code > drop:
				code--
			}
			return steps.Code(first + code)
		}
		unknown := steps.None
		switch {
		case handle == "error":
			unknown = steps.Refused
		case g.rare >= 0 && (handle == "infrequent_if_exist" || handle == "warn" && atLeast(m.version, 1, 8)):
			unknown = place(g.rare)
		}
		m.f.features[i].Missing = g.missing >= 0 || unknown != steps.Refused
		s.Coders = append(s.Coders, g.coded(func(k int) steps.Code { return place(g.codes[k]) }, unknown))
		width := g.count
		if drop >= 0 {
			width--
		}
		for range width {
			columns = append(columns, column{from: int32(i), settled: true})
		}
	}
	s.Width = len(columns)
	s.Sparse = s.Width > wideRow
	m.f.zeros = s.Sparse
	m.add(s, false, columns)
}

// dropped reads which code of each column has no column of its own, or -1.
func (m *making) dropped(groups []group) []int {
	drops := make([]int, len(groups))
	for i := range drops {
		drops[i] = -1
	}
	name := "drop_idx_"
	if _, ok := m.object.Attr("_drop_idx_after_grouping"); ok {
		name = "_drop_idx_after_grouping"
	}
	v := m.value(name)
	if v == nil || m.err != nil {
		return drops
	}
	a, ok := v.(*pickle.Array)
	if !ok || a.Len() != len(groups) {
		m.wrong(name, v, "a number or None for each column")
		return drops
	}
	values, err := elements(a)
	for i, v := range values {
		if v == nil {
			continue
		}
		k, ok := v.(int64)
		if !ok || k < 0 || k >= int64(groups[i].count) || err != nil {
			m.wrong(name, v, "the number of a category")
			return drops
		}
		if drops[i] = int(k); name == "drop_idx_" && groups[i].rare >= 0 {
			drops[i] = groups[i].codes[k]
		}
	}
	return drops
}

func ordinal(m *making) {
	if m.has("dtype") {
		if v := m.value("dtype"); !isNumberType(v) {
			m.fail("Fit it with the usual dtype.", "dtype is %s", pickle.Describe(v))
		}
	}
	groups := m.groups()
	unknownValue, handle := math.NaN(), m.choice("handle_unknown", "error", "use_encoded_value")
	if handle == "use_encoded_value" {
		unknownValue = m.perhapsNaN("unknown_value")
	}
	missingValue := math.NaN()
	if m.has("encoded_missing_value") {
		missingValue = m.perhapsNaN("encoded_missing_value")
	}
	if m.err != nil {
		return
	}
	s := &steps.Encode{Each: 1, Width: m.n}
	columns := m.each()
	for i := range groups {
		g, first := &groups[i], len(s.Table)
		code := func(k int) steps.Code { return steps.Code(first + k) }
		for k := range g.codes {
			x := float64(g.codes[k])
			if k == g.missing {
				x = missingValue
			}
			s.Table = append(s.Table, x)
		}
		unknown := steps.Refused
		if handle == "use_encoded_value" {
			unknown = code(len(g.codes))
			s.Table = append(s.Table, unknownValue)
		}
		m.f.features[i].Missing = g.missing >= 0 || unknown != steps.Refused
		s.Coders = append(s.Coders, g.coded(code, unknown))
		columns[i].settled = (g.missing < 0 || missingValue == missingValue) && (unknown == steps.Refused || unknownValue == unknownValue)
	}
	m.add(s, false, columns)
}

// perhapsNaN reads a number that may be NaN.
func (e *estimator) perhapsNaN(name string) float64 {
	v := e.value(name)
	x, ok := number(v)
	if e.err == nil && (!ok || math.IsInf(x, 0)) {
		e.wrong(name, v, "a number")
	}
	return x
}

// isNumberType tells whether whole numbers stay what they are in a dtype.
func isNumberType(v pickle.Value) bool {
	switch v := v.(type) {
	case pickle.Global:
		return slices.Contains([]string{"float64", "float32", "int64", "int32", "int", "float", "int16"}, v.Name)
	case *pickle.DType:
		return v.Kind == 'f' && v.Size >= 4 || v.Kind == 'i' && v.Size >= 2
	}
	return false
}

func target(m *making) {
	groups := m.groups()
	outputs := 1
	if m.choice("target_type_", "binary", "continuous", "multiclass") == "multiclass" {
		a := m.array("classes_")
		if m.err != nil {
			return
		}
		outputs = a.Len()
	}
	encodings := m.arrays("encodings_", m.n*outputs)
	means := m.means(outputs)
	if m.err != nil {
		return
	}
	s := &steps.Encode{Each: outputs, Width: m.n * outputs}
	var columns []column
	for i := range groups {
		g, first := &groups[i], len(s.Table)/outputs
		all := make([][]float64, outputs)
		for k := range all {
			all[k] = m.finite("encodings_", encodings[i*outputs+k])
			if m.err == nil && len(all[k]) != len(g.codes) {
				m.wrong("encodings_", encodings[i*outputs+k], "a number for each category")
			}
			columns = append(columns, column{from: int32(i), settled: true})
		}
		if m.err != nil {
			return
		}
		for c := range g.codes {
			for k := range all {
				s.Table = append(s.Table, all[k][c])
			}
		}
		s.Table = append(s.Table, means...)
		code := func(k int) steps.Code { return steps.Code(first + k) }
		s.Coders = append(s.Coders, g.coded(code, code(len(g.codes))))
	}
	m.add(s, false, columns)
}

// means reads target_mean_, a number or one for each class.
func (m *making) means(n int) []float64 {
	v := m.value("target_mean_")
	if x, ok := number(v); ok && n == 1 && x-x == 0 {
		return []float64{x}
	}
	a := m.array("target_mean_")
	if m.err == nil && a.Len() != n {
		m.wrong("target_mean_", v, "a number for each class")
	}
	return m.finite("target_mean_", a)
}
