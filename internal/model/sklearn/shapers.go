package sklearn

import (
	"math"
	"slices"

	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// shapers are the transformers that make other numbers of numbers.
func shapers() map[string]*transformer {
	const (
		data       = "sklearn.preprocessing._data"
		poly       = "sklearn.preprocessing._polynomial"
		bins       = "sklearn.preprocessing._discretization"
		call       = "sklearn.preprocessing._function_transformer"
		projection = "components_ mean_ explained_variance_ explained_variance_ratio_ singular_values_ noise_variance_ n_components n_components_ copy whiten "
	)
	return map[string]*transformer{
		"Binarizer":        {data, "threshold copy", false, false, nil, binarizer},
		"PowerTransformer": {data, "method standardize copy lambdas_ _scaler", true, false, nil, power},
		"QuantileTransformer": {data, "n_quantiles output_distribution ignore_implicit_zeros subsample random_state copy n_quantiles_ references_ quantiles_",
			true, false, nil, quantile},
		"PolynomialFeatures": {poly, "degree interaction_only include_bias order _min_degree _max_degree _n_out_full n_output_features_", false, false, nil, polynomial},
		"KBinsDiscretizer": {bins, "n_bins encode strategy dtype subsample random_state quantile_method bin_edges_ n_bins_ _encoder",
			false, false, nil, discretizer},
		"FunctionTransformer": {call, "func inverse_func validate accept_sparse check_inverse feature_names_out kw_args inv_kw_args", true, true, nil, function},
		"PCA": {"sklearn.decomposition._pca", projection + "svd_solver tol iterated_power n_oversamples power_iteration_normalizer random_state " +
			"n_samples_ n_features_ _fit_svd_solver", false, false, nil, principal},
		"IncrementalPCA": {"sklearn.decomposition._incremental_pca", projection + "batch_size batch_size_ n_samples_seen_ var_", false, false, nil, principal},
		"TruncatedSVD": {"sklearn.decomposition._truncated_svd", projection + "algorithm n_iter n_oversamples power_iteration_normalizer random_state tol",
			false, false, nil, truncated},
		"FastICA": {"sklearn.decomposition._fastica", projection + "algorithm fun fun_args max_iter tol w_init whiten_solver random_state mixing_ " +
			"whitening_ n_iter_ _unmixing _whiten", false, false, nil, independent},
	}
}

// binarizer is 1 above the threshold: at or above the next number.
func binarizer(m *making) {
	edge := math.Nextafter(m.finiteNumber("threshold"), math.Inf(1))
	edges := make([][]float64, m.n)
	for i := range edges {
		edges[i] = []float64{edge}
	}
	m.add(&steps.Bins{Edges: edges}, false, m.each())
}

func power(m *making) {
	method := m.choice("method", "yeo-johnson", "box-cox")
	s := &steps.Power{BoxCox: method == "box-cox", Stable: atLeast(m.version, 1, 9), Lambdas: m.vector("lambdas_", m.n)}
	m.add(s, false, m.each())
	if m.flag("standardize") {
		scaler := m.inside("_scaler", "StandardScaler")
		if m.err == nil {
			m.f.chain = append(m.f.chain, scaler.chain...)
		}
	}
}

// inside reads a scaler that is an attribute, and gets rows as wide as the one
// that holds it.
func (m *making) inside(name, class string) fitted {
	v := m.value(name)
	object, ok := v.(*pickle.Object)
	if m.err == nil && (!ok || object.Class.Name != class) {
		m.wrong(name, v, "a "+class)
	}
	if m.err != nil {
		return fitted{}
	}
	inner := m.place
	inner.path, inner.width, inner.sparse = m.path+" "+name, m.n, false
	f, err := inner.transformer(object, scalers()[class])
	m.err = err
	return f
}

func quantile(m *making) {
	if m.f.sparse {
		m.fail("Give it a dense matrix: set sparse_output=False on the step before, and fit again.",
			"the step before may give a sparse matrix, whose zeros it leaves alone or not, depending on how many there are")
	}
	normal := m.choice("output_distribution", "uniform", "normal") == "normal"
	quantiles, rows := m.matrix("quantiles_", m.n)
	s := &steps.Quantile{References: m.vector("references_", rows), Normal: normal, Quantiles: make([][]float64, m.n)}
	if m.err != nil {
		return
	}
	for i := range s.Quantiles {
		column := make([]float64, rows)
		for k := range column {
			column[k] = quantiles[k*m.n+i]
		}
		if !slices.IsSorted(column) {
			m.fail(nextRefit, "quantiles_ of column %d do not ascend", i)
			return
		}
		s.Quantiles[i] = column
	}
	if !slices.IsSorted(s.References) {
		m.fail(nextRefit, "references_ do not ascend")
	}
	m.add(s, false, m.each())
}

// maxWidth bounds rows whose width is a number in the file, perhaps without an
// array of that width beside it: that of HashingVectorizer's usual rows.
const maxWidth = 1 << 20

// polynomial counts the products out in the order of PolynomialFeatures:
// products of one degree more are those of the degree before, times each column.
func polynomial(m *making) {
	least, most := m.degrees()
	once, bias := m.flag("interaction_only"), m.flag("include_bias")
	s := &steps.Polynomial{Bias: bias}
	var columns []column
	if bias {
		columns = append(columns, column{from: -1})
	}
	// first[i] is where the products of the last degree begin that are made of
	// columns from i on.
	first := make([]int, m.n+1)
	for i := range m.n {
		s.Parent, s.Factor = append(s.Parent, -1), append(s.Factor, int32(i))
		first[i] = i
	}
	first[m.n] = m.n
	degree := 1
	for ; degree < most && m.err == nil; degree++ {
		if degree < least {
			s.Skip = len(s.Parent)
		}
		end, next := len(s.Parent), make([]int, m.n+1)
		for i := range m.n {
			start := first[i]
			if once {
				start = first[i+1]
			}
			next[i] = len(s.Parent)
			if m.spend(end - start); m.err != nil || len(s.Parent)+end-start > maxWidth {
				m.fail("Use a lower degree or fewer columns.", "it makes more than %d products", maxWidth)
				return
			}
			for k := start; k < end; k++ {
				s.Parent, s.Factor = append(s.Parent, int32(k)), append(s.Factor, int32(i))
			}
		}
		next[m.n] = len(s.Parent)
		if next[m.n] == end {
			break // no product has more factors than there are columns
		}
		first = next
	}
	if m.err != nil {
		return
	}
	if most == 0 {
		s.Skip = len(s.Parent)
	} else if degree < least { // the last degree that there is lies below the least
		s.Skip = len(s.Parent)
	}
	for k := s.Skip; k < len(s.Parent); k++ {
		from := int32(-1)
		if s.Parent[k] < 0 {
			from = s.Factor[k]
		}
		columns = append(columns, column{from: from})
	}
	if n := m.count("n_output_features_"); m.err == nil && n != len(columns) {
		m.fail(nextRefit, "n_output_features_ is %d, and its degrees make %d", n, len(columns))
	}
	m.add(s, false, columns)
}

func (m *making) degrees() (least, most int) {
	low, ok1 := m.value("_min_degree").(int64)
	high, ok2 := m.value("_max_degree").(int64)
	if m.err == nil && (!ok1 || !ok2 || low < 0 || high < low || high > 100) {
		m.fail(nextRefit, "its degrees are not two numbers between 0 and 100")
	}
	return int(low), int(high)
}

func discretizer(m *making) {
	encode := m.choice("encode", "onehot", "onehot-dense", "ordinal")
	if v := m.value("dtype"); v != nil && v != (pickle.Global{Module: "numpy", Name: "float64"}) {
		m.fail("Fit it without dtype.", "dtype is %s, and serin computes in float64", pickle.Describe(v))
	}
	all := m.arrays("bin_edges_", m.n)
	s := &steps.Bins{Tolerance: !atLeast(m.version, 1, 1), Edges: make([][]float64, m.n)}
	var columns []column
	for i, a := range all {
		edges := m.finite("bin_edges_", a)
		if m.err == nil && (len(edges) < 2 || !slices.IsSorted(edges)) {
			m.fail(nextRefit, "bin_edges_ of column %d are not at least two ascending numbers", i)
		}
		if m.err != nil {
			return
		}
		s.Edges[i] = edges[1 : len(edges)-1]
		if encode == "ordinal" {
			columns = append(columns, column{from: int32(i)})
			continue
		}
		s.First = append(s.First, int32(len(columns)))
		for range len(edges) - 1 {
			columns = append(columns, column{from: int32(i)})
		}
	}
	s.Width = len(columns)
	s.Sparse = s.First != nil && s.Width > wideRow
	m.f.sparse, m.f.zeros = encode == "onehot", s.Sparse
	m.add(s, false, columns)
}

// arrays reads n arrays of numbers: a list, or an array of objects.
func (e *estimator) arrays(name string, n int) []*pickle.Array {
	v := e.value(name)
	list := items(v)
	if a, ok := v.(*pickle.Array); ok {
		list, _ = a.Objects()
	}
	if e.err == nil && len(list) != n {
		e.wrong(name, v, "an array for each column")
	}
	if e.err != nil {
		return nil
	}
	arrays := make([]*pickle.Array, n)
	for i, item := range list {
		a, ok := item.(*pickle.Array)
		if !ok || len(a.Shape) != 1 {
			e.wrong(name, item, "an array for each column")
			return nil
		}
		if e.spend(a.Len()); e.err != nil {
			return nil
		}
		arrays[i] = a
	}
	return arrays
}

// numpyModules are where numpy's functions lie in files, by its version.
var numpyModules = []string{"numpy", "numpy.core._multiarray_umath", "numpy._core._multiarray_umath"}

// numpyFunctions are those that make one number of one number, and the same of
// whole numbers as of floats.
var numpyFunctions = map[string]func(float64) float64{
	"log1p": math.Log1p, "log": math.Log, "log2": math.Log2, "log10": math.Log10,
	"exp": math.Exp, "exp2": math.Exp2, "expm1": math.Expm1, "sqrt": math.Sqrt, "cbrt": math.Cbrt,
	"absolute": math.Abs, "fabs": math.Abs, "square": func(x float64) float64 { return x * x },
	"negative": func(x float64) float64 { return -x }, "positive": func(x float64) float64 { return x },
	"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "arcsin": math.Asin, "arccos": math.Acos, "arctan": math.Atan,
	"sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh, "arcsinh": math.Asinh, "arccosh": math.Acosh, "arctanh": math.Atanh,
	"rint": math.RoundToEven, "floor": math.Floor, "ceil": math.Ceil, "trunc": math.Trunc,
	"deg2rad": func(x float64) float64 { return x * (math.Pi / 180) }, "radians": func(x float64) float64 { return x * (math.Pi / 180) },
	"rad2deg": func(x float64) float64 { return x * (180 / math.Pi) }, "degrees": func(x float64) float64 { return x * (180 / math.Pi) },
	"sign": func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x + 0 // 0 for both zeros, and NaN
	},
}

// function reads a FunctionTransformer: with a function of numpy's, or without
// any, as newer versions put it in the place of "passthrough".
func function(m *making) {
	if m.flag("validate") {
		m.missing, m.unchecked = false, false
	} else {
		for i := range m.f.features {
			m.f.features[i].Missing = true
		}
	}
	v := m.value("func")
	if v == nil {
		kind := anyKind
		if !m.unchecked {
			kind = 0
		}
		m.f.features = wanted(m.n, kind, m.unchecked)
		m.f.columns = untouched(m.n)
		if !m.unchecked {
			m.add(&steps.Center{}, true, m.each())
		}
		m.f.text = "passthrough"
		return
	}
	name, known := functionName(v)
	apply := numpyFunctions[name]
	if !known || apply == nil {
		m.fail("Apply it before you send the features, and fit the model without it; functions of numpy's that make one number of one (numpy.log1p, numpy.sqrt, ...) are served.",
			"it calls %s, and nothing from a file is executed", pickle.Describe(v))
	}
	if d, ok := m.value("kw_args").(*pickle.Dict); ok && len(d.Entries) > 0 {
		m.fail("Fit it without kw_args.", "it gives its function keyword arguments")
	}
	if m.f.sparse && apply != nil && apply(0) != 0 {
		m.fail("Set sparse_output=False on the step before, and fit again.", "the step before may give a sparse matrix, whose zeros numpy.%s leaves alone or not", name)
	}
	if !m.unchecked {
		m.f.features = wanted(m.n, 0, false)
	}
	m.add(&steps.Function{Of: apply}, apply != nil && apply(0) == 0, m.each())
	m.f.text = "numpy." + name
}

// functionName is the name of a function of numpy's. numpy before 1.21 wrote a
// call that looks it up.
func functionName(v pickle.Value) (string, bool) {
	switch v := v.(type) {
	case pickle.Global:
		return v.Name, slices.Contains(numpyModules, v.Module)
	case *pickle.Object:
		if v.Class.Name == "_ufunc_reconstruct" && len(v.Args) == 2 && v.Args[0] == "numpy.core._multiarray_umath" {
			name, ok := v.Args[1].(string)
			return name, ok
		}
	}
	return "", false
}

// principal reads PCA and IncrementalPCA. Since scikit-learn 1.5 the mean is
// taken off behind the projection and not before it.
func principal(m *making) {
	components, rows := m.matrix("components_", m.n)
	s := &steps.Project{Width: rows, Components: transposed(components, rows, m.n)}
	mean := m.vector("mean_", m.n)
	if m.err != nil {
		return
	}
	if atLeast(m.version, 1, 5) {
		s.Offset = make([]float64, rows)
		for k := range s.Offset {
			for i, x := range mean {
				s.Offset[k] += x * components[k*m.n+i]
			}
		}
	} else {
		s.Shift = mean
	}
	if m.flag("whiten") {
		s.Divide = m.vector("explained_variance_", rows)
		for k, variance := range s.Divide {
			s.Divide[k] = math.Sqrt(variance)
			if atLeast(m.version, 1, 5) {
				s.Divide[k] = max(s.Divide[k], 0x1p-52)
			}
			if !(s.Divide[k] > 0) {
				m.fail(nextRefit, "explained_variance_ holds %v, and rows are divided by its root", variance)
			}
		}
	}
	m.f.sparse = false
	m.add(s, s.Shift == nil, mixed(rows))
}

func truncated(m *making) {
	components, rows := m.matrix("components_", m.n)
	m.f.sparse = false
	m.add(&steps.Project{Width: rows, Components: transposed(components, rows, m.n)}, true, mixed(rows))
}

func independent(m *making) {
	components, rows := m.matrix("components_", m.n)
	s := &steps.Project{Width: rows, Components: transposed(components, rows, m.n)}
	if m.value("whiten") != false {
		s.Shift = m.vector("mean_", m.n)
	}
	m.f.sparse = false
	m.add(s, false, mixed(rows))
}

func transposed(x []float64, rows, columns int) []float64 {
	out := make([]float64, len(x))
	for r := range rows {
		for c := range columns {
			if len(x) > 0 {
				out[c*rows+r] = x[r*columns+c]
			}
		}
	}
	return out
}
