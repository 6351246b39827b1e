package sklearn

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"serin/internal/model"
	"serin/internal/pickle"
)

const logisticKnown = "penalty dual tol C fit_intercept intercept_scaling class_weight random_state solver max_iter multi_class " +
	"verbose warm_start n_jobs l1_ratio coef_ intercept_ classes_ n_iter_"

func (p place) logistic(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, logisticKnown)
	version := e.version()
	classes := e.classes()
	rows := len(classes)
	if rows == 2 {
		rows = 1
	}
	coef := e.array("coef_")
	n := e.features(p)
	if e.err == nil && (len(coef.Shape) != 2 || coef.Shape[0] != rows || coef.Shape[1] != n) {
		e.wrong("coef_", coef, fmt.Sprintf("an array of shape (%d, %d), for %d classes and %d features", rows, n, len(classes), n))
	}
	h := &head{coef: e.finite("coef_", coef), intercept: e.intercepts(rows), features: n, link: e.link(version, len(classes))}
	return fitted{methods: &methods{classes: classes, proba: h}, in: n, names: e.names(n)}, e.err
}

// intercepts reads intercept_, which is one number where nothing was fitted.
func (e *estimator) intercepts(rows int) []float64 {
	v := e.value("intercept_")
	if e.err != nil {
		return nil
	}
	b, ok := number(v)
	if !ok {
		return e.vector("intercept_", rows)
	}
	if math.IsNaN(b) || math.IsInf(b, 0) {
		e.fail(nextRefit, "intercept_ is %v", b)
	}
	all := make([]float64, rows)
	for i := range all {
		all[i] = b
	}
	return all
}

// link chooses how scores become probabilities, as predict_proba of the version
// that wrote the file does:
//
//	since 1.8   a sigmoid for two classes, softmax for more
//	before      multi_class decides; "auto" means one-vs-rest for two classes, for
//	            liblinear, and up to 1.5 for newton-cholesky; else softmax. Softmax
//	            of two classes is taken over (-score, score), so that it answers
//	            sigmoid(2 score).
func (e *estimator) link(version string, classes int) func([]float64) {
	if e.err != nil {
		return nil
	}
	oneForEach := oneVsRest
	if classes == 2 {
		oneForEach = sigmoid
	}
	if atLeast(version, 1, 8) {
		if classes == 2 {
			return sigmoid
		}
		return softmax
	}
	solver := e.text("solver")
	switch multiClass := e.text("multi_class"); multiClass {
	case "ovr", "warn":
		return oneForEach
	case "auto", "deprecated":
		if classes == 2 || solver == "liblinear" || solver == "newton-cholesky" && !atLeast(version, 1, 6) {
			return oneForEach
		}
		return softmax
	case "multinomial":
		return softmax
	default:
		if e.err == nil {
			e.wrong("multi_class", multiClass, "auto, ovr or multinomial")
		}
		return nil
	}
}

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
