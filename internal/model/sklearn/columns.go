package sklearn

import (
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/pickle"
)

const columnsKnown = "transformers transformers_ remainder sparse_threshold sparse_output_ n_jobs transformer_weights verbose " +
	"verbose_feature_names_out force_int_remainder_cols output_indices_ " +
	"_columns _n_features _remainder _transformer_to_input_indices _name_to_fitted_passthrough _transformers_feature_names_out"

func (p place) columns(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, columnsKnown)
	n := e.features(p)
	v := e.value("transformers_")
	list, ok := v.(*pickle.List)
	if !ok && e.err == nil {
		e.wrong("transformers_", v, "a list")
	}
	v = e.value("_transformer_to_input_indices")
	indices, ok := v.(*pickle.Dict)
	if !ok && e.err == nil {
		e.wrong("_transformer_to_input_indices", v, "a dict")
	}
	names := e.names(n)
	if e.err != nil {
		return fitted{}, e.err
	}
	s := &sideBySide{place: p, name: "ColumnTransformer", in: n, names: names}
	for i, item := range list.Items {
		name, v, ok := named(item)
		if !ok {
			return fitted{}, p.refuse(nextRefit, "transformer %d is %s instead of (name, transformer, columns)", i+1, pickle.Describe(item))
		}
		from, single := e.chosen(name, item, indices, n, names)
		weight := e.weight(name)
		if e.err != nil {
			return fitted{}, e.err
		}
		if v == "drop" || len(from) == 0 {
			continue
		}
		inner := place{path: p.path + " part " + model.Quote(name), width: len(from), budget: p.budget, sparse: p.sparse, single: single}
		for _, i := range from {
			inner.filled = append(inner.filled, p.filledIn(i))
		}
		f, err := inner.step(v)
		if err != nil {
			return fitted{}, err
		}
		if err := s.add(name, f, from, weight); err != nil {
			return fitted{}, err
		}
	}
	s.sparse = e.has("sparse_output_") && e.flag("sparse_output_")
	f, err := s.whole()
	if err == nil {
		err = e.err
	}
	return f, err
}

// chosen returns the columns of a part, (name, transformer, columns), each
// within a row of n, and whether they were given as a single one, which reaches
// the transformer as a column and not as a matrix. scikit-learn keeps them twice: as the user gave them, which
// is what it takes from a matrix, and counted out, which is what it takes from a
// data frame. They must agree.
func (e *estimator) chosen(name string, part pickle.Value, indices *pickle.Dict, n int, names []string) (from []int, single bool) {
	triple := items(part)
	if len(triple) != 3 {
		e.fail(nextRefit, "part %s has no columns", model.Quote(name))
		return nil, false
	}
	switch v := triple[2].(type) {
	case string, int64:
		i, ok := columnAt(v, n, names)
		from, single = []int{i}, true
		if !ok || i >= n {
			from = nil
		}
	default:
		from, _ = e.resolve(v, n, names)
	}
	if from == nil {
		e.fail(nextRefit, "the columns of %s are %s, which are none of its %d", model.Quote(name), pickle.Describe(triple[2]), n)
		return nil, false
	}
	counted, _ := indices.Get(name)
	again, ok := e.resolve(counted, n, nil)
	if !ok || !slices.Equal(from, again) {
		e.fail(nextRefit, "_transformer_to_input_indices tells other columns for %s than transformers_", model.Quote(name))
		return nil, false
	}
	return from, single
}

// resolve counts columns out: numbers (negative ones from the end), names, a
// mask of booleans, or a slice of numbers or names.
func (e *estimator) resolve(v pickle.Value, n int, names []string) ([]int, bool) {
	var chosen []pickle.Value
	switch v := v.(type) {
	case *pickle.List:
		chosen = v.Items
	case *pickle.Array:
		e.spend(v.Len())
		all, err := elements(v)
		if e.err != nil || err != nil || len(v.Shape) != 1 {
			return nil, false
		}
		chosen = all
	case *pickle.Object:
		if v.Class.Name == "slice" {
			return sliced(v.Args, n, names)
		}
		data, _ := v.Attr("data") // _RemainderColsList, a list in a class of scikit-learn 1.5 and 1.6
		list, ok := data.(*pickle.List)
		if !ok {
			return nil, false
		}
		chosen = list.Items
	default:
		return nil, false
	}
	if e.spend(len(chosen)); e.err != nil {
		return nil, false
	}
	if len(chosen) > 0 && isBool(chosen[0]) {
		return masked(chosen, n)
	}
	from := make([]int, 0, len(chosen))
	for _, c := range chosen {
		i, ok := columnAt(c, n, names)
		if !ok || i >= n {
			return nil, false
		}
		from = append(from, i)
	}
	return from, true
}

// columnAt finds one column by its number or name.
func columnAt(v pickle.Value, n int, names []string) (int, bool) {
	switch v := v.(type) {
	case int64:
		if v < 0 {
			v += int64(n)
		}
		return int(v), v >= 0 && v <= int64(n)
	case string:
		i := slices.Index(names, v)
		return i, i >= 0
	}
	return 0, false
}

func isBool(v pickle.Value) bool {
	_, ok := v.(bool)
	return ok
}

func masked(mask []pickle.Value, n int) ([]int, bool) {
	if len(mask) != n {
		return nil, false
	}
	from := []int{}
	for i, v := range mask {
		take, ok := v.(bool)
		if !ok {
			return nil, false
		}
		if take {
			from = append(from, i)
		}
	}
	return from, true
}

// sliced counts slice(start, stop, step) out, forwards. A slice by names
// includes its last one, and has no step.
func sliced(args []pickle.Value, n int, names []string) ([]int, bool) {
	if len(args) != 3 {
		return nil, false
	}
	start, stop, step := 0, n, 1
	if args[0] != nil {
		i, ok := columnAt(args[0], n, names)
		if !ok {
			return nil, false
		}
		start = i
	}
	if args[1] != nil {
		// Python lets a slice end beyond the row.
		last := args[1]
		if i, isNumber := last.(int64); isNumber && i > int64(n) {
			last = int64(n)
		}
		i, ok := columnAt(last, n, names)
		if !ok {
			return nil, false
		}
		stop = i
		if _, byName := last.(string); byName {
			stop++
		}
	}
	if args[2] != nil {
		by, ok := args[2].(int64)
		if !ok || by < 1 || by > int64(n) {
			return nil, false
		}
		step = int(by)
	}
	from := []int{}
	for i := start; i < stop; i += step {
		from = append(from, i)
	}
	return from, true
}

// weight returns the factor of one part, 1 where there is none.
func (e *estimator) weight(name string) float64 {
	v := e.value("transformer_weights")
	if v == nil {
		return 1
	}
	d, ok := v.(*pickle.Dict)
	if !ok {
		e.wrong("transformer_weights", v, "a dict")
		return 1
	}
	v, ok = d.Get(name)
	if !ok || v == nil {
		return 1
	}
	w, ok := number(v)
	if !ok || math.IsNaN(w) || math.IsInf(w, 0) {
		e.wrong("transformer_weights["+model.Quote(name)+"]", v, "a number")
	}
	return w
}
