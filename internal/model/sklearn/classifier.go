package sklearn

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"serin/internal/model"
	"serin/internal/pickle"
)

// atLeast compares a version of the checked form with major.minor.
func atLeast(version string, major, minor int) bool { //nolint:unparam // a version has two numbers
	var a, b int
	_, _ = fmt.Sscanf(version, "%d.%d", &a, &b) // its form is checked
	return a > major || a == major && b >= minor
}

// classes reads classes_ as JSON labels, at least two different ones.
func (e *estimator) classes() []model.Label {
	a := e.array("classes_")
	if e.err != nil {
		return nil
	}
	values, err := elements(a)
	if err != nil || len(a.Shape) != 1 {
		e.wrong("classes_", a, "a row of numbers, strings or booleans")
		return nil
	}
	if len(values) < 2 {
		e.fail("Fit on data that holds at least two classes.", "classes_ holds %d class", len(values))
		return nil
	}
	labels := make([]model.Label, 0, len(values))
	seen := make(map[model.Label]bool, len(values))
	for _, v := range values {
		label, ok := labelOf(v)
		if !ok || seen[label] {
			e.fail(nextRefit, "classes_ holds %s, or holds it twice", pickle.Describe(v))
			return nil
		}
		seen[label] = true
		labels = append(labels, label)
	}
	return labels
}

// elements decodes an array of any kind.
func elements(a *pickle.Array) ([]pickle.Value, error) {
	switch a.Type.Kind {
	case 'O':
		return a.Objects()
	case 'U':
		return boxed(a.Strings())
	case 'b':
		return boxed(a.Bools())
	case 'f':
		return boxed(a.Floats())
	default:
		return boxed(a.Ints())
	}
}

func boxed[T any](values []T, err error) ([]pickle.Value, error) {
	out := make([]pickle.Value, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out, err
}

// maxLabel bounds the text of a class, which every answer repeats.
const maxLabel = 4 << 10

// labelOf writes a class as JSON. A float that is whole is written like the
// whole number, since a client cannot tell them apart.
func labelOf(v pickle.Value) (model.Label, bool) {
	switch v := v.(type) {
	case bool, int64:
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", false
		}
	case string:
		if len(v) > maxLabel {
			return "", false
		}
	default:
		return "", false
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", false
	}
	return model.Label(strings.TrimSuffix(b.String(), "\n")), true
}
