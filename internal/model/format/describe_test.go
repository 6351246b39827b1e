package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"serin/internal/model"
	"serin/internal/model/rows"
)

// outline is a tree in lines, without settings.
func outline(n *Node, indent string) string {
	text := indent + strings.TrimPrefix(n.Name+": "+n.Value, ": ") + "\n"
	for _, part := range n.Parts {
		text += outline(part, indent+" ")
	}
	return text
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../models/model_v1.joblib")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Describe(bytes.NewReader(data), Options{})
	if err != nil || d.Format != "a pickle of joblib's" || d.Compression != "" || !slices.Contains(d.Names, "sklearn.linear_model._logistic.LogisticRegression") || !slices.IsSorted(d.Names) {
		t.Fatalf("%+v, %v", d, err)
	}
	if !slices.Contains(d.Tree.Settings, Setting{"C", "1"}) {
		t.Errorf("%+v", d.Tree.Settings)
	}
	if got := outline(d.Tree, ""); !strings.HasPrefix(got, "LogisticRegression\n") || !strings.Contains(got, "\n coef_: float64 (1, 5) [") {
		t.Error(got)
	}
}

// TestDescribeRefusesWhatOpenRefuses, with the same words.
func TestDescribeRefusesWhatOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"", "<html>", "cos\nsystem\n(S'touch pwned'\ntR.", "tree\n", `{"learner": {}}`, zipOf(t, "readme"), zipOf(t, "data.pkl"), zipOf(t, "schema.json")} {
		_, opened := Open(strings.NewReader(data), Options{})
		_, described := Describe(strings.NewReader(data), Options{})
		if _, ok := errors.AsType[*model.Refusal](described); !ok || opened == nil || described.Error() != opened.Error() {
			t.Errorf("%q: %v, and %v", data, described, opened)
		}
	}
}

// TestEveryModelIsDescribed: what the corpus holds and Open accepts has a tree.
func TestEveryModelIsDescribed(t *testing.T) {
	t.Parallel()
	trees := map[string]string{
		"hist-texts-three.joblib": "_predictors: 12 x TreePredictor",
		"forest-words.joblib":     "estimators_: 7 x DecisionTreeClassifier, 175 nodes in all",
		"lgb-binary.txt":          "trees: 8",
		"xgb-binary.json":         "trees: 8",
		"xgb-binary.ubj":          "trees: 8",
		"cat-binary.json":         "trees: 8",
		"pipeline.skops":          " steps: a list of 3\n  standardscaler: StandardScaler\n",
	}
	found := map[string]bool{}
	for _, archive := range []string{"trees-sklearn-1.5.2.zip", "gbdt-gbdt-3.zip", "skops_-sklearn-1.9.1.zip", "onnx_-onnx.zip"} {
		for name, data := range readShelf(t, "testdata/corpus/"+archive).files {
			p, err := Open(bytes.NewReader(data), Options{})
			if err != nil {
				continue
			}
			d, err := Describe(bytes.NewReader(data), Options{})
			if err != nil || d.Tree == nil {
				t.Errorf("%s: %+v, %v", name, d, err)
				continue
			}
			schema, batch := rows.NewSchema(p.Signature()), rows.Batch{}
			if err := schema.JSON(jsontext.NewDecoder(strings.NewReader(schema.Example())), &batch); err != nil {
				t.Errorf("%s: its example %s: %v", name, schema.Example(), err)
			} else if err := batch.Predict(p); err != nil {
				t.Errorf("%s: its example %s is not answered: %v", name, schema.Example(), err)
			}
			if text, err := json.Marshal(d); err != nil || len(text) > 1<<20 {
				t.Errorf("%s: %d bytes, %v", name, len(text), err)
			}
			want, some := trees[name]
			found[name] = some
			if got := outline(d.Tree, ""); some && !strings.Contains(got, want) {
				t.Errorf("%s of %s:\n%s\nwant %s", name, p.Signature().Estimator, got, want)
			}
		}
	}
	for name := range trees {
		if !found[name] {
			t.Errorf("%s is not in the corpus", name)
		}
	}
}

// TestCounter: a word is counted however the writes cut it.
func TestCounter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"ab", "abc", "x"}).Draw(t, "word")
		pieces := rapid.SliceOf(rapid.StringOfN(rapid.RuneFrom([]rune("abcx")), 0, 5, -1)).Draw(t, "pieces")
		c := counter{word: []byte(word)}
		for _, piece := range pieces {
			_, _ = c.Write([]byte(piece))
		}
		if want := strings.Count(strings.Join(pieces, ""), word); c.found != want {
			t.Fatalf("%q in %q: %d, want %d", word, pieces, c.found, want)
		}
	})
}
