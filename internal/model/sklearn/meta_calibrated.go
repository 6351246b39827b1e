package sklearn

import (
	"fmt"
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/heads"
	"serin/internal/pickle"
)

var isotonicRegression = pickle.Global{Module: "sklearn.isotonic", Name: "IsotonicRegression"}

// calibrated reads CalibratedClassifierCV: the mean of its _CalibratedClassifiers.
func calibrated(m *meta) *methods {
	classes := m.classes()
	k := len(classes)
	v := m.value("calibrated_classifiers_")
	list := items(v)
	if m.err == nil && len(list) == 0 {
		m.wrong("calibrated_classifiers_", v, "a list of calibrated classifiers")
	}
	var folds heads.Members
	for i, v := range list {
		object, ok := v.(*pickle.Object)
		if m.err == nil && (!ok || object.Class != pickle.Global{Module: "sklearn.calibration", Name: "_CalibratedClassifier"}) {
			m.wrong("calibrated_classifiers_", v, "a list of calibrated classifiers")
		}
		if m.err != nil {
			return nil
		}
		if s := m.fold(object, fmt.Sprintf("fold %d", i+1), classes); m.err == nil {
			folds = append(folds, heads.Member{Engine: heads.New(s, heads.Decision), Outputs: k, Weight: 1})
		}
	}
	if m.err != nil {
		return nil
	}
	return &methods{classes: classes, proba: heads.New(folds.Sum(k, float64(len(folds))), heads.Decision)}
}

// fold reads one _CalibratedClassifier.
func (m *meta) fold(object *pickle.Object, where string, classes []model.Label) heads.Scorer {
	e := m.place.read(object, "base_estimator estimator calibrators classes method")
	e.path += " " + where
	name := "estimator"
	if !e.has(name) {
		name = "base_estimator"
	}
	f := m.inner(where, e.value(name))
	method, calibrators := e.text("method"), items(e.value("calibrators"))
	m.follow(e)
	m.sameClasses([]fitted{f}, classes)
	member, ok := f.response()
	if m.err == nil && !ok {
		m.fail(nextRefit, "%s has neither decision_function nor predict_proba", where)
	}
	if m.err != nil {
		return nil
	}
	want := len(classes)
	if want == 2 || method == "temperature" {
		want = 1
	}
	if len(calibrators) != want {
		m.fail(nextRefit, "%s has %d calibrators for %d classes", where, len(calibrators), len(classes))
		return nil
	}
	if method == "temperature" {
		c := e.calibrator(calibrators[0], "_TemperatureScaling", "beta_")
		beta := c.number("beta_")
		m.follow(c)
		member.Omit = 0
		return member.Tempered(f.methods.decision == nil, len(classes), beta)
	}
	curves := make([]heads.Curve, want)
	for i, v := range calibrators {
		curves[i] = e.curve(v, method)
	}
	m.follow(e)
	return member.Calibrated(curves, len(classes))
}

// calibrator begins to read a calibrator of a class.
func (e *estimator) calibrator(v pickle.Value, class, known string) *estimator {
	object, ok := v.(*pickle.Object)
	if !ok || object.Class.Name != class {
		e.wrong("calibrators", v, "a list of "+class)
		return &estimator{object: &pickle.Object{}, path: e.path, budget: e.budget, err: e.err}
	}
	return place{path: e.path + " " + class, budget: e.budget}.read(object, known)
}

// curve reads one calibrator.
func (e *estimator) curve(v pickle.Value, method string) heads.Curve {
	var c *estimator
	var curve heads.Curve
	if method == "sigmoid" {
		c = e.calibrator(v, "_SigmoidCalibration", "a_ b_")
		curve.A, curve.B = c.number("a_"), c.number("b_")
	} else {
		c = e.calibrator(v, isotonicRegression.Name, "X_max_ X_min_ X_thresholds_ increasing increasing_ out_of_bounds y_max y_min y_thresholds_")
		curve.X, curve.Y = c.numberList("X_thresholds_"), c.numberList("y_thresholds_")
		curve.Low, curve.High = c.number("X_min_"), c.number("X_max_")
		beyond := c.text("out_of_bounds")
		rises := slices.IsSortedFunc(curve.X, func(a, b float64) int {
			if a < b {
				return -1
			}
			return 1
		})
		if c.err == nil && (beyond != "clip" || len(curve.X) != len(curve.Y) || !rises || math.IsInf(curve.High-curve.Low, 0)) {
			c.fail(nextRefit, "its thresholds do not rise one by one, or it does not clip")
		}
	}
	e.follow(c)
	return curve
}
