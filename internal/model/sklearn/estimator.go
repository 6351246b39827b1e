package sklearn

import (
	"fmt"
	"regexp"

	"serin/internal/model"
	"serin/internal/model/steps"
	"serin/internal/pickle"
)

// fitted is one object as read: a transformer, or an estimator, perhaps behind
// transformers.
type fitted struct {
	methods *methods // nil for a transformer
	names   []string // of its input, nil when it was fitted on an unnamed matrix
	// features are what it wants of its input. Nil for an estimator that wants
	// numbers of which none is missing and none infinite.
	features []model.Feature
	in, out  int    // width of its input and, of a transformer, of its result
	library  string // that wrote it, where that is not scikit-learn
	text     string // "StandardScaler", "Pipeline(StandardScaler, LogisticRegression)"

	// The rest is a transformer's.
	chain   steps.Chain
	columns []column // of its result
	sparse  bool     // scikit-learn may give a sparse matrix
	zeros   bool     // the result is mostly zeros
	single  bool     // its input is one column of texts and no matrix
	parts   *parts   // of the last step, where it is made of parts
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
	sparse bool  // the rows may be those of a sparse matrix
	single bool  // a single column arrives, as a vectorizer wants it
	filled []gap // what was filled in the columns that arrive there; nil for nothing
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
	signature := model.Signature{
		Features: settledFeatures(f.wants(), f.names), Named: f.names != nil,
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
	case featureUnion:
		f, err = p.union(object)
	default:
		f, err = p.listed(object)
	}
	if err != nil {
		return fitted{}, err
	}
	if f.text == "" {
		f.text = object.Class.Name
	}
	return f, nil
}

// listed reads an object of a class that is in one of the tables.
func (p place) listed(object *pickle.Object) (fitted, *model.Refusal) {
	if s, ok := solos[object.Class]; ok {
		return p.solo(object, s)
	}
	if r, ok := metaOf(object.Class); ok {
		return p.meta(object, r)
	}
	if read := treeReader(object.Class); read != nil {
		return read(p, object)
	}
	if read := wrapperReader(object.Class); read != nil {
		return read(p, object)
	}
	if t := transformers[object.Class.Name]; t != nil {
		return p.transformer(object, t)
	}
	return fitted{}, p.refuse(nextSupported, "%s is no estimator", object.Class)
}

// features reads n_features_in_ and compares it with the rows that arrive. It
// is a number in the file, so that it alone may not make us take much memory.
func (e *estimator) features(p place) int {
	n := e.count("n_features_in_")
	if n > maxWidth {
		e.fail("Choose features first, and fit again.", "it expects %d features, more than %d, the limit", n, maxWidth)
		return 0
	}
	if e.err == nil && p.width != 0 && n != p.width {
		e.fail(nextRefit, "it expects %d features and the step before it gives %d", n, p.width)
	}
	return n
}
