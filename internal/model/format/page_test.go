package format

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/model/rows"
)

const page = "../../../docs/formats.md"

// between is the part of the page from after one text to before the next.
func between(t *testing.T, begin, end string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), begin)
	part, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no part from %q to %q", page, begin, end)
	}
	return part
}

// golden fits models with a real scikit-learn, saves them, and calls the page's function.
const golden = `
import sys
import joblib, numpy as np, pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X = np.random.RandomState(0).normal(size=(80, 3))
y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
model = make_pipeline(StandardScaler(), LogisticRegression())
for path, data in [("array.joblib", X), ("frame.joblib", pd.DataFrame(X, columns=["a", "b", "c"]))]:
    model.fit(data, y)
    joblib.dump(model, path)
    golden(model, data[:50], path)
`

// TestPageGolden runs the page's Python as it stands there, and holds the files
// that it makes against each other.
func TestPageGolden(t *testing.T) {
	t.Parallel()
	python := os.Getenv("SERIN_TEST_PYTHON")
	if python == "" {
		const why = "SERIN_TEST_PYTHON names no Python with scikit-learn and pandas, so the page's Python is not run; `make test` sets one up"
		if os.Getenv("SERIN_TEST_FULL") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	folder := t.TempDir()
	command := exec.CommandContext(t.Context(), python, "-c", between(t, "```python\n", "```")+golden+"X_test = data\njoblib"+between(t, "```python\njoblib", "```"))
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"array.joblib", "frame.joblib"} {
		file, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		lines, err := os.ReadFile(filepath.Join(folder, name+".golden.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Open(bytes.NewReader(file), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := rows.Check(p, bytes.NewReader(lines)); n != 50 || err != nil {
			t.Errorf("%s: %d rows agree, want 50; then %v", name, n, err)
		}
		damaged := strings.Replace(string(lines), `"probabilities": [0.`, `"probabilities": [1.`, 1)
		if n, err := rows.Check(p, strings.NewReader(damaged)); n != 0 || err == nil {
			t.Errorf("%s: a golden prediction that is wrong agrees (%d rows, %v)", name, n, err)
		}
	}
}
