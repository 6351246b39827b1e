package skops

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"serin/internal/pickle"
)

// allowed are the names in testdata's files that pickle does not know itself.
// Each line is a module and its names.
const allowed = `
functools partial
numpy log1p
numpy.core._multiarray_umath log1p
sklearn._loss._loss CyHalfBinomialLoss CyHalfPoissonLoss CyHalfSquaredError __pyx_unpickle_CyHalfPoissonLoss __pyx_unpickle_CyHalfSquaredError
sklearn._loss.glm_distribution DistributionBoundary PoissonDistribution
sklearn._loss.link HalfLogitLink IdentityLink Interval LogLink LogitLink
sklearn._loss.loss HalfBinomialLoss HalfPoissonLoss HalfSquaredError
sklearn.calibration CalibratedClassifierCV _CalibratedClassifier
sklearn.compose._column_transformer ColumnTransformer
sklearn.dummy DummyClassifier
sklearn.ensemble._forest RandomForestClassifier
sklearn.ensemble._gb GradientBoostingClassifier
sklearn.ensemble._gb_losses BinomialDeviance
sklearn.ensemble._hist_gradient_boosting.binning _BinMapper
sklearn.ensemble._hist_gradient_boosting.gradient_boosting HistGradientBoostingRegressor
sklearn.ensemble._hist_gradient_boosting.loss LeastSquares
sklearn.ensemble._hist_gradient_boosting.predictor TreePredictor
sklearn.ensemble._iforest IsolationForest
sklearn.ensemble._stacking StackingClassifier
sklearn.ensemble._voting VotingRegressor
sklearn.feature_extraction.text TfidfTransformer TfidfVectorizer
sklearn.impute._base SimpleImputer
sklearn.isotonic IsotonicRegression
sklearn.linear_model._glm.glm PoissonRegressor
sklearn.linear_model._glm.link LogLink
sklearn.linear_model._logistic LogisticRegression
sklearn.linear_model._ridge Ridge
sklearn.linear_model._sgd_fast Hinge
sklearn.linear_model._stochastic_gradient SGDClassifier
sklearn.metrics._dist_metrics EuclideanDistance EuclideanDistance64 newObj
sklearn.metrics._scorer _PassthroughScorer _passthrough_scorer
sklearn.model_selection._search GridSearchCV
sklearn.model_selection._split KFold
sklearn.naive_bayes GaussianNB
sklearn.neighbors._classification KNeighborsClassifier
sklearn.neighbors._kd_tree KDTree newObj
sklearn.neural_network._multilayer_perceptron MLPClassifier
sklearn.neural_network._stochastic_optimizers AdamOptimizer
sklearn.pipeline Pipeline
sklearn.preprocessing._data StandardScaler
sklearn.preprocessing._discretization KBinsDiscretizer
sklearn.preprocessing._encoders OneHotEncoder OrdinalEncoder
sklearn.preprocessing._function_transformer FunctionTransformer
sklearn.preprocessing._label LabelBinarizer LabelEncoder
sklearn.svm._classes SVC
sklearn.tree._classes DecisionTreeRegressor DecisionTreeClassifier ExtraTreeRegressor
sklearn.tree._tree Tree
sklearn.utils Bunch
sklearn.utils._bunch Bunch
sklearn.utils._metadata_requests MetadataRequest MethodMetadataRequest
`

func options() pickle.Options {
	o := pickle.Options{Allow: map[pickle.Global]bool{}}
	for line := range strings.Lines(allowed) {
		if words := strings.Fields(line); len(words) > 0 {
			for _, name := range words[1:] {
				o.Allow[pickle.Global{Module: words[0], Name: name}] = true
			}
		}
	}
	return o
}

// pairs are the files in testdata's archives, by archive and name.
func pairs(t testing.TB) map[string][]byte {
	t.Helper()
	archives, err := filepath.Glob("testdata/sklearn-*.zip")
	if err != nil || len(archives) != 3 {
		t.Fatalf("found %d archives in testdata, want 3: %v", len(archives), err)
	}
	files := map[string][]byte{}
	for _, name := range archives {
		z, err := zip.OpenReader(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.Base(name)+"/"+f.Name] = content
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestAgreesWithJoblib reads the same estimators from both kinds of file.
func TestAgreesWithJoblib(t *testing.T) {
	t.Parallel()
	files := pairs(t)
	compared := 0
	for name, content := range files {
		if path.Ext(name) != ".skops" {
			continue
		}
		got, err := Read(content, options())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := pickle.Read(bytes.NewReader(files[strings.TrimSuffix(name, "skops")+"joblib"]), options())
		if err != nil {
			t.Errorf("%s, by joblib: %v", name, err)
			continue
		}
		if diff := cmp.Diff(outline(want), outline(got)); diff != "" {
			t.Errorf("%s (-joblib +skops):\n%s", name, diff)
		}
		compared++
	}
	if compared != 60 {
		t.Errorf("%d estimators were compared, want 60", compared)
	}
}

// outline is a value as lines of text, in which both forms of a value are alike:
// what skops keeps in another form and no reader looks at is left out.
func outline(v pickle.Value) []string {
	o := &outliner{}
	o.value("", v)
	return o.lines
}

type outliner struct{ lines []string }

func (o *outliner) say(path, format string, args ...any) {
	o.lines = append(o.lines, path+": "+fmt.Sprintf(format, args...))
}

func (o *outliner) all(path string, items []pickle.Value) {
	o.say(path, "%d items", len(items))
	for i, item := range items {
		o.value(fmt.Sprintf("%s[%d]", path, i), item)
	}
}

func (o *outliner) value(path string, v pickle.Value) {
	switch v := v.(type) {
	case *pickle.Object:
		o.object(path, v)
	case *pickle.Dict:
		o.say(path, "dict of %d", len(v.Entries))
		for _, e := range v.Entries {
			o.value(path+"."+fmt.Sprintf("%T %v", e.Key, e.Key), e.Value)
		}
	case *pickle.List:
		o.all(path, v.Items)
	case *pickle.Tuple:
		o.all(path+" tuple", v.Items)
	case *pickle.Set:
		words := make([]string, len(v.Items))
		for i, item := range v.Items {
			words[i] = fmt.Sprint(item)
		}
		slices.Sort(words)
		o.say(path, "set %v", words)
	case *pickle.Array:
		o.array(path, v)
	default:
		o.say(path, "%T %v", v, v)
	}
}

func (o *outliner) object(path string, v *pickle.Object) {
	class := v.Class
	switch {
	case strings.HasPrefix(class.Module, "numpy"): // a random generator or masked array
		o.say(path, "%v", class)
		return
	case strings.HasPrefix(class.Module, "scipy.sparse"):
		o.say(path, "%v", class)
		for _, name := range []string{"_shape", "data", "indices", "indptr", "offsets"} {
			part, _ := v.Attr(name)
			o.value(path+"."+name, part)
		}
		return
	case strings.HasPrefix(class.Name, "__pyx_unpickle_"): // (class, checksum, state)
		class.Name = strings.TrimPrefix(class.Name, "__pyx_unpickle_")
		o.say(path, "%v", class)
		return
	case class.Module == "sklearn._loss._loss":
		o.say(path, "%v", class)
		return
	}
	o.say(path, "%v", class)
	o.all(path+".args", v.Args)
	if class.Name != "Bunch" { // whose state is a note on deprecated keys
		o.value(path+".state", v.State)
	}
	if v.Items != nil {
		o.value(path+".items", v.Items)
	}
}

func (o *outliner) array(path string, a *pickle.Array) {
	o.say(path, "%v", a)
	switch a.Type.Kind {
	case 'O':
		items, err := a.Objects()
		o.all(fmt.Sprint(path, " ", err), items)
	case 'U':
		words, err := a.Strings()
		o.say(path, "%q %v", words, err)
	case 'V':
		for _, name := range a.Type.Names() {
			field, err := a.Field(name)
			if err != nil {
				o.say(path, "%s: %v", name, err)
				continue
			}
			o.array(path+"."+name, field)
		}
	default:
		numbers, err := a.Floats()
		o.say(path, "%v %v", numbers, err)
	}
}
