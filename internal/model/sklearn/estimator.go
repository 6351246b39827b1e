package sklearn

import (
	"fmt"
	"regexp"
	"strings"

	"serin/internal/model"
	"serin/internal/pickle"
)

// fitted is one object as read: a transformer, or an estimator, perhaps behind
// transformers.
type fitted struct {
	chain   chain
	methods *methods // nil for a transformer
	names   []string // of its input, nil when it was fitted on an unnamed matrix
	// features are its input where that is not all numbers, or some may be missing.
	features []model.Feature
	in, out  int    // width of its input and, of a transformer, of its result
	library  string // that wrote it, where that is not scikit-learn
	text     string // "StandardScaler", "Pipeline(StandardScaler, LogisticRegression)"
}

// methods are what an estimator can be asked, by scikit-learn's names. All of a
// classifier's engines tell the predicted class, too. A method that it has not
// is nil.
type methods struct {
	classes  []model.Label // nil for a regressor
	proba    model.Engine  // predict_proba: len(classes) numbers a row
	decision model.Engine  // decision_function: one number a row for two classes, else len(classes)
	scores   model.Engine  // what a client gets of a classifier without the two: shaped like decision
	predict  model.Engine  // of a regressor: outputs numbers a row
	outputs  int           // of predict
}

// answers chooses what a client gets, and says what it is.
func (m *methods) answers(s *model.Signature) model.Engine {
	s.Classes = m.classes
	switch {
	case m.classes == nil:
		s.Task, s.Values, s.Outputs = model.Regression, model.Quantities, m.outputs
		return m.predict
	case m.proba != nil:
		s.Values, s.Outputs = model.Probabilities, len(m.classes)
		return m.proba
	default:
		s.Values, s.Outputs = model.Scores, len(m.classes)
		if len(m.classes) == 2 {
			s.Outputs = 1
		}
		if m.decision == nil {
			return m.scores
		}
		return m.decision
	}
}

// each puts f around every engine.
func (m *methods) each(f func(model.Engine) model.Engine) *methods {
	all := *m
	for _, e := range []*model.Engine{&all.proba, &all.decision, &all.scores, &all.predict} {
		if *e != nil {
			*e = f(*e)
		}
	}
	return &all
}

// place is where an estimator stands in the file.
type place struct {
	path   string
	width  int // of the rows that arrive there; 0 for the outermost, which decides
	budget *int
}

func (p place) refuse(next, format string, args ...any) *model.Refusal {
	return refuse(next, "%s: %s", p.path, fmt.Sprintf(format, args...))
}

// fromValue makes the predictor of a whole file.
func fromValue(v pickle.Value) (model.Predictor, error) {
	object, ok := v.(*pickle.Object)
	if !ok {
		return nil, refuse(nextSupported, "the file holds %s, not a fitted estimator", pickle.Describe(v))
	}
	budget := maxNumbers
	outermost := place{path: object.Class.Name, budget: &budget}
	f, err := outermost.estimator(object)
	if err != nil {
		return nil, err
	}
	if f.methods == nil {
		return nil, refuse(nextSupported, "%s is a transformer: there is no estimator at its end", f.text)
	}
	if object.Class.Module != xgboostModule && object.Class.Module != lightgbmModule {
		e := &estimator{object: object, path: outermost.path}
		f.library = "scikit-learn " + e.version()
		if e.err != nil {
			return nil, e.err
		}
	}
	if f.features == nil {
		f.features = model.Numbers(f.in, f.names)
	}
	signature := model.Signature{
		Features: f.features, Named: f.names != nil,
		Library: f.library, Estimator: f.text,
	}
	engine := f.methods.answers(&signature)
	return model.New(signature, engine), nil
}

var versionForm = regexp.MustCompile(`^\d{1,4}\.\d{1,4}[0-9A-Za-z.+]{0,40}$`)

// version returns the scikit-learn version that wrote the object.
func (e *estimator) version() string {
	version := e.text("_sklearn_version")
	if e.err == nil && !versionForm.MatchString(version) {
		e.wrong("_sklearn_version", version, "a version")
	}
	return version
}

// estimator reads any estimator that may stand anywhere.
func (p place) estimator(object *pickle.Object) (fitted, *model.Refusal) {
	var f fitted
	var err *model.Refusal
	switch object.Class {
	case pipelineClass:
		f, err = p.pipeline(object)
	case columnTransformer:
		f, err = p.columns(object)
	case functionTransformer:
		f, err = p.identity(object)
	default:
		if s, ok := solos[object.Class]; ok {
			f, err = p.solo(object, s)
		} else if read := treeReader(object.Class); read != nil {
			f, err = read(p, object)
		} else if read := wrapperReader(object.Class); read != nil {
			f, err = read(p, object)
		} else if readScaler := scalers[object.Class.Name]; readScaler != nil {
			f, err = p.scaler(object, readScaler)
		} else {
			err = p.refuse(nextSupported, "%s is no estimator", object.Class)
		}
	}
	if err != nil {
		return fitted{}, err
	}
	if f.text == "" {
		f.text = object.Class.Name
	}
	return f, nil
}

// features reads n_features_in_ and compares it with the rows that arrive.
func (e *estimator) features(p place) int {
	n := e.count("n_features_in_")
	if e.err == nil && p.width != 0 && n != p.width {
		e.fail(nextRefit, "it expects %d features and the step before it gives %d", n, p.width)
	}
	return n
}

// step reads one step of a pipeline or one part of a column transformer. It is
// an estimator or the word "passthrough" (None in older files).
func (p place) step(v pickle.Value) (fitted, *model.Refusal) {
	switch v := v.(type) {
	case nil:
		return fitted{in: p.width, out: p.width, text: "passthrough"}, nil
	case string:
		if v == "passthrough" {
			return fitted{in: p.width, out: p.width, text: v}, nil
		}
	case *pickle.Object:
		p.path += " (" + v.Class.Name + ")"
		return p.estimator(v)
	}
	return fitted{}, p.refuse(nextSupported, "it is %s instead of an estimator", pickle.Describe(v))
}

func (p place) pipeline(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, "steps memory verbose transform_input")
	v := e.value("steps")
	steps, ok := v.(*pickle.List)
	if (!ok || len(steps.Items) == 0) && e.err == nil {
		e.wrong("steps", v, "a list of steps")
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	whole := fitted{in: p.width, out: p.width}
	arriving := p.width // width of the rows that the last step gets
	var texts []string
	for i, item := range steps.Items {
		name, v, ok := named(item)
		if !ok {
			return fitted{}, p.refuse(nextRefit, "step %d is %s instead of (name, estimator)", i+1, pickle.Describe(item))
		}
		inner := place{path: "step " + quoted(name), width: whole.out, budget: p.budget}
		f, err := inner.step(v)
		if err != nil {
			return fitted{}, err
		}
		if f.methods != nil && i < len(steps.Items)-1 {
			return fitted{}, p.refuse(nextRefit, "step %s is an estimator and not the last step", quoted(name))
		}
		if whole.in == 0 {
			whole.in, whole.names = f.in, f.names
		}
		whole.chain = append(whole.chain, f.chain...)
		arriving = f.in
		whole.methods, whole.out = f.methods, f.out
		texts = append(texts, f.text)
	}
	if whole.in == 0 {
		return fitted{}, p.refuse(nextSupported, "it does nothing but pass through")
	}
	whole.text = textOf("Pipeline", texts)
	if whole.methods != nil && len(whole.chain) > 0 {
		chain := whole.chain
		whole.methods = whole.methods.each(func(e model.Engine) model.Engine { return behind(chain, whole.in, arriving, e) })
		whole.chain = nil
	}
	return whole, nil
}

// named takes a (name, value, ...) tuple apart.
func named(item pickle.Value) (string, pickle.Value, bool) {
	t, ok := item.(*pickle.Tuple)
	if !ok || len(t.Items) < 2 {
		return "", nil, false
	}
	name, ok := t.Items[0].(string)
	return name, t.Items[1], ok
}

// textOf names an estimator with its parts, as short as a line.
func textOf(name string, parts []string) string {
	const most = 200
	text := name + "(" + strings.Join(parts, ", ") + ")"
	if len(text) > most {
		return fmt.Sprintf("%s(%d parts)", name, len(parts))
	}
	return text
}
