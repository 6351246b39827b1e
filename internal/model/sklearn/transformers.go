package sklearn

import (
	"serin/internal/model"
	"serin/internal/pickle"
)

// scalerReader reads the attributes of one kind of scaler for rows of n numbers.
type scalerReader struct {
	known string // its attributes
	stage func(e *estimator, n int) stage
}

var scalers = map[string]*scalerReader{
	"StandardScaler": {"with_mean with_std copy mean_ var_ scale_ n_samples_seen_", standard},
	"RobustScaler":   {"with_centering with_scaling quantile_range unit_variance copy center_ scale_", robust},
	"MinMaxScaler":   {"feature_range copy clip min_ scale_ data_min_ data_max_ data_range_ n_samples_seen_", minMax},
	"MaxAbsScaler":   {"copy clip scale_ max_abs_ n_samples_seen_", maxAbs},
	"Normalizer":     {"norm copy", normalizer},
}

func (p place) scaler(object *pickle.Object, r *scalerReader) (fitted, *model.Refusal) {
	e := p.read(object, r.known)
	n := e.features(p)
	f := fitted{in: n, out: n, names: e.names(n), chain: chain{r.stage(e, n)}}
	return f, e.err
}

func standard(e *estimator, n int) stage {
	s := &center{}
	if e.flag("with_mean") {
		s.shift = e.vector("mean_", n)
	}
	if e.flag("with_std") {
		s.divide = e.divisor("scale_", n)
	}
	return s
}

func robust(e *estimator, n int) stage {
	s := &center{}
	if e.flag("with_centering") {
		s.shift = e.vector("center_", n)
	}
	if e.flag("with_scaling") {
		s.divide = e.divisor("scale_", n)
	}
	return s
}

func maxAbs(e *estimator, n int) stage {
	s := &center{divide: e.divisor("scale_", n)}
	if e.has("clip") && e.flag("clip") { // since scikit-learn 1.8
		s.clip = &bounds{-1, 1}
	}
	return s
}

func minMax(e *estimator, n int) stage {
	s := &stretch{scale: e.vector("scale_", n), shift: e.vector("min_", n)}
	if e.flag("clip") {
		s.clip = e.bounds("feature_range")
	}
	return s
}

// bounds reads a pair of numbers, the lower one first.
func (e *estimator) bounds(name string) *bounds {
	v := e.value(name)
	if e.err != nil {
		return nil
	}
	if pair := items(v); len(pair) == 2 {
		low, ok1 := number(pair[0])
		high, ok2 := number(pair[1])
		if ok1 && ok2 && low < high {
			return &bounds{low, high}
		}
	}
	e.wrong(name, v, "two numbers, the lower one first")
	return nil
}

func normalizer(e *estimator, _ int) stage {
	norms := map[string]func([]float64) float64{"l1": normL1, "l2": normL2, "max": normMax}
	norm := e.text("norm")
	if e.err == nil && norms[norm] == nil {
		e.wrong("norm", norm, "l1, l2 or max")
	}
	return normalize{norms[norm]}
}

// identity reads the FunctionTransformer that newer versions put in the place of
// "passthrough". With a function in it, it is refused: the function is not in the file.
func (p place) identity(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, "func inverse_func validate accept_sparse check_inverse feature_names_out kw_args inv_kw_args")
	if v := e.value("func"); v != nil {
		e.fail(nextSupported, "it calls %s, and serin calls nothing", pickle.Describe(v))
	}
	n := p.width
	if e.has("n_features_in_") {
		n = e.features(p)
	}
	return fitted{in: n, out: n, names: e.names(n), text: "passthrough"}, e.err
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
