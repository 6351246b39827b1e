package sklearn

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"serin/internal/model"
	"serin/internal/pickle"
)

// estimator reads the attributes of one scikit-learn object. The first thing
// that is wrong is kept in err, and every later read returns a zero value, so
// that the reading code is a plain list of what it wants.
type estimator struct {
	object *pickle.Object
	path   string // where it stands: `step "scaler" (StandardScaler)`
	budget *int   // numbers and names that may still be decoded
	err    *model.Refusal
}

// maxNumbers bounds what one file may make us decode. A file can mention one
// array many times, so its own size does not bound it.
const maxNumbers = 1 << 26

// read begins to read an estimator, whose attributes must be among known and
// those that every estimator may have.
func (p place) read(object *pickle.Object, known string) *estimator {
	e := &estimator{object: object, path: p.path, budget: p.budget}
	state, ok := object.State.(*pickle.Dict)
	if !ok || len(object.Args) > 0 || object.Items != nil {
		e.fail(nextSupported, "its state is not as scikit-learn writes it")
		return e
	}
	expected := strings.Fields(known + " n_features_in_ feature_names_in_ _sklearn_version _sklearn_output_config _metadata_requests")
	for _, entry := range state.Entries {
		name, ok := entry.Key.(string)
		if !ok || !slices.Contains(expected, name) {
			e.fail("If you set it yourself, delete it before saving; if a newer scikit-learn wrote it, serve with a newer serin or save with scikit-learn 1.9.",
				"it has %s as an attribute, which serin does not know", pickle.Describe(entry.Key))
			return e
		}
	}
	return e
}

func (e *estimator) fail(next, format string, args ...any) {
	if e.err == nil {
		e.err = refuse(next, "%s: %s", e.path, fmt.Sprintf(format, args...))
	}
}

func (e *estimator) wrong(name string, v pickle.Value, want string) {
	e.fail(nextRefit, "%s is %s instead of %s", name, pickle.Describe(v), want)
}

func (e *estimator) has(name string) bool {
	v, ok := e.object.Attr(name)
	return ok && v != nil
}

// value returns an attribute that must be there. Attributes that end in an
// underscore are set by fit.
func (e *estimator) value(name string) pickle.Value {
	if e.err != nil {
		return nil
	}
	v, ok := e.object.Attr(name)
	if !ok {
		if strings.HasSuffix(name, "_") {
			e.fail(nextRefit, "it is not fitted: it has no %s", name)
		} else {
			e.fail(nextRefit, "it has no %s", name)
		}
	}
	return v
}

// flag reads a boolean.
func (e *estimator) flag(name string) bool {
	v := e.value(name)
	b, ok := v.(bool)
	if !ok && e.err == nil {
		e.wrong(name, v, "True or False")
	}
	return b
}

// text reads a string.
func (e *estimator) text(name string) string {
	v := e.value(name)
	s, ok := v.(string)
	if !ok && e.err == nil {
		e.wrong(name, v, "a string")
	}
	return s
}

// count reads a positive number.
func (e *estimator) count(name string) int {
	v := e.value(name)
	n, ok := v.(int64)
	if (!ok || n < 1 || n > math.MaxInt32) && e.err == nil {
		e.wrong(name, v, "a positive number")
		return 0
	}
	return int(n)
}

// array reads a numpy array.
func (e *estimator) array(name string) *pickle.Array {
	v := e.value(name)
	a, ok := v.(*pickle.Array)
	if !ok {
		if o, isObject := v.(*pickle.Object); isObject && hasPrefix(o.Class.Module, "scipy.sparse") {
			e.fail("Call model.densify() before saving, so that it is an ordinary array.", "%s is a sparse array", name)
		}
		if e.err == nil {
			e.wrong(name, v, "an array")
		}
		return nil
	}
	e.spend(a.Len())
	return a
}

func (e *estimator) spend(n int) {
	if *e.budget -= n; *e.budget < 0 {
		e.fail("Save only the fitted model.", "the model holds more than %d numbers, the limit", maxNumbers)
	}
}

// vector reads a one-dimensional array of n finite numbers.
func (e *estimator) vector(name string, n int) []float64 {
	a := e.array(name)
	if e.err == nil && (len(a.Shape) != 1 || a.Shape[0] != n) {
		e.wrong(name, a, fmt.Sprintf("%d numbers", n))
	}
	return e.finite(name, a)
}

// finite decodes an array and refuses NaN and infinities.
func (e *estimator) finite(name string, a *pickle.Array) []float64 {
	if e.err != nil {
		return nil
	}
	numbers, err := a.Floats()
	if err != nil {
		e.fail(nextRefit, "%s: %v", name, err)
		return nil
	}
	for i, x := range numbers {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			e.fail(nextRefit, "%s holds %v at position %d", name, x, i)
			return nil
		}
	}
	return numbers
}

// divisor reads scale_, a vector that rows are divided by; scikit-learn never
// stores a zero there.
func (e *estimator) divisor(n int) []float64 {
	const name = "scale_"
	numbers := e.vector(name, n)
	for i, x := range numbers {
		if x == 0 {
			e.fail(nextRefit, "%s holds 0 at position %d, and rows are divided by it", name, i)
		}
	}
	return numbers
}

// names reads feature_names_in_, which is there when the estimator was fitted on
// a data frame whose columns are named by strings.
func (e *estimator) names(n int) []string {
	if e.err != nil || !e.has("feature_names_in_") {
		return nil
	}
	a := e.array("feature_names_in_")
	if e.err != nil {
		return nil
	}
	names, err := a.Strings()
	if err != nil {
		e.fail(nextRefit, "feature_names_in_: %v", err)
		return nil
	}
	if len(names) != n {
		e.fail(nextRefit, "feature_names_in_ holds %d names for %d features", len(names), n)
		return nil
	}
	seen := make(map[string]bool, n)
	for _, name := range names {
		if seen[name] {
			e.fail("Give every column of the training data its own name and fit again.", "feature_names_in_ holds %q twice", name)
			return nil
		}
		seen[name] = true
	}
	return names
}
