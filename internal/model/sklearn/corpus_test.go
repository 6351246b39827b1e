package sklearn

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"serin/internal/model"
)

// corpus is what testdata/generate.py wrote with one version of scikit-learn.
type corpus struct {
	Sklearn string
	Rows    [][]float64
	Models  map[string]struct {
		Names   []string
		Classes []any
		Proba   [][]*float64 // nil where scikit-learn refuses the row, or says NaN
		Predict []*int
	}
	Refused map[string]string
	files   map[string][]byte
}

// corpora reads all archives. A missing or empty archive fails the test: it
// would otherwise pass by testing nothing.
func corpora(t testing.TB) []*corpus {
	t.Helper()
	paths, err := filepath.Glob("testdata/sklearn-*.zip")
	if err != nil || len(paths) < 10 {
		t.Fatalf("found %d archives in testdata, want at least 10 (error %v); testdata/generate.sh makes them", len(paths), err)
	}
	all := make([]*corpus, 0, len(paths))
	for _, path := range paths {
		c := readCorpus(t, path)
		if len(c.Models) < 100 || len(c.Rows) < 20 || len(c.Refused) < 20 {
			t.Fatalf("%s holds %d models, %d rows, %d refused files: too few", path, len(c.Models), len(c.Rows), len(c.Refused))
		}
		all = append(all, c)
	}
	return all
}

func readCorpus(t testing.TB, path string) *corpus {
	t.Helper()
	c := &corpus{files: unpacked(t, path, "")}
	if err := json.Unmarshal(c.files["expected.json"], c); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c
}

// unpacked are the files of an archive whose names end so.
func unpacked(t testing.TB, path, suffix string) map[string][]byte {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	files := map[string][]byte{}
	for _, file := range archive.File {
		if !strings.HasSuffix(file.Name, suffix) {
			continue
		}
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[file.Name], err = io.ReadAll(r); err != nil {
			t.Fatalf("%s: %s: %v", path, file.Name, err)
		}
	}
	return files
}

// TestAgreement compares every answer with scikit-learn's predict_proba and
// predict, to 1e-12.
func TestAgreement(t *testing.T) {
	t.Parallel()
	const tolerance = 1e-12
	for _, c := range corpora(t) {
		t.Run(c.Sklearn, func(t *testing.T) {
			t.Parallel()
			worst := 0.0
			for name, want := range c.Models {
				p, err := Load(bytes.NewReader(c.files[name]))
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				s := p.Signature()
				if s.Library != "scikit-learn "+c.Sklearn || !reflect.DeepEqual(s.Names(), want.Names) || len(s.Features) != len(c.Rows[0]) {
					t.Errorf("%s: signature %+v, want names %v", name, s, want.Names)
				}
				compareClasses(t, name, s.Classes, want.Classes)
				probs := make([]float64, len(s.Classes))
				for i, row := range c.Rows {
					got, err := predict(p, row, probs)
					if want.Predict[i] == nil {
						if err == nil {
							t.Errorf("%s, row %d: answered %v where scikit-learn refuses", name, i, probs)
						}
						continue
					}
					if got != *want.Predict[i] {
						t.Errorf("%s, row %d: predicts class %d, want %d", name, i, got, *want.Predict[i])
					}
					for k, p := range probs {
						switch expected := want.Proba[i][k]; {
						case expected == nil:
							if !math.IsNaN(p) {
								t.Errorf("%s, row %d, class %d: %v, want NaN", name, i, k, p)
							}
						case !(math.Abs(p-*expected) <= tolerance):
							t.Errorf("%s, row %d, class %d: %v, want %v", name, i, k, p, *expected)
						default:
							worst = max(worst, math.Abs(p-*expected))
						}
					}
				}
			}
			t.Logf("%d models, %d rows each, largest difference %.2g", len(c.Models), len(c.Rows), worst)
		})
	}
}

func compareClasses(t *testing.T, name string, got []model.Label, want []any) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: classes %v, want %v", name, got, want)
		return
	}
	for i := range got {
		var v any
		if err := json.Unmarshal([]byte(got[i]), &v); err != nil || v != want[i] {
			t.Errorf("%s: class %d is %s, want %v", name, i, got[i], want[i])
		}
	}
}

// TestRefusedCorpus checks what is refused, and that the refusal names it.
func TestRefusedCorpus(t *testing.T) {
	t.Parallel()
	const served = "is read since the archives were made"
	want := map[string]string{
		"unfitted":                "LogisticRegression: it is not fitted: it has no n_features_in_. Fit the model",
		"unfitted-pipeline":       `step "standardscaler" (StandardScaler): it is not fitted: it has no n_features_in_. Fit the model`,
		"svc":                     served,
		"forest":                  served,
		"search":                  "GridSearchCV: it is not fitted: it has no best_estimator_",
		"cv":                      served,
		"pca":                     served,
		"sparsified":              "Call model.densify() before saving",
		"dict":                    "the file holds a dict of 1, not a fitted estimator",
		"scaler":                  "StandardScaler is a transformer: there is no estimator at its end",
		"no-classifier":           "Pipeline(StandardScaler, MinMaxScaler) is a transformer",
		"nan":                     "LogisticRegression: coef_ holds NaN at position 2",
		"wrong-shape":             "coef_ is a float64 array of shape (1, 4) instead of an array of shape (1, 5)",
		"steps-disagree":          `step "logisticregression" (LogisticRegression): it expects 5 features and the step before it gives 3`,
		"unknown-attribute":       `it has the string "my_note" as an attribute, which serin does not know. If you set it yourself, delete it`,
		"one-class":               "classes_ holds 1 class. Fit on data that holds at least two",
		"without-coef":            "it is not fitted: it has no coef_",
		"without-intercept":       "it has no intercept_",
		"without-classes":         "it has no classes_",
		"without-sklearn_version": "it has no _sklearn_version",
	}
	for _, c := range corpora(t) {
		if len(c.Refused) != len(want) {
			t.Errorf("%s: %d refused files, want %d", c.Sklearn, len(c.Refused), len(want))
		}
		for name, file := range c.Refused {
			_, err := Load(bytes.NewReader(c.files[file]))
			if err == nil && want[name] == served {
				continue
			}
			var refusal *model.Refusal
			if !errors.As(err, &refusal) || want[name] == "" || !strings.Contains(err.Error(), want[name]) {
				t.Errorf("%s, %s: %v\nwant %q", c.Sklearn, name, err, want[name])
			}
		}
	}
}
