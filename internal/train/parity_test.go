package train

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// parityCase is what testdata/parity.py reads.
type parityCase struct {
	Name          string      `json:"name"`
	File          string      `json:"file"`
	Features      []string    `json:"features"`
	Classes       [2]any      `json:"classes"`
	Rows          [][]float64 `json:"rows"`
	Probabilities []float64   `json:"probabilities"`
	CSV           string      `json:"csv"`
	Target        string      `json:"target"`
	C             float64     `json:"c"`
}

// TestScikitLearnAgrees hands files and fits to a real scikit-learn.
func TestScikitLearnAgrees(t *testing.T) {
	t.Parallel()
	python := os.Getenv("SERIN_TEST_PYTHON")
	if python == "" {
		const why = "SERIN_TEST_PYTHON names no Python with scikit-learn, so its answers are not compared; `make test` sets one up"
		if os.Getenv("SERIN_TEST_FULL") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	folder := t.TempDir()
	var cases []parityCase
	for _, c := range []float64{0.01, 1, 100} {
		for _, labels := range [][2]string{{"0", "1"}, {"-1", "7"}, {"False", "True"}, {"bleibt", "geht für immer 🙂"}} {
			cases = append(cases, writeCase(t, folder, fmt.Sprintf("classes %s and %s, C %v", labels[0], labels[1], c), labels, c))
		}
	}
	text, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "cases.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), python, "testdata/parity.py", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// writeCase goes the way of a user: a CSV file, read, fitted, written.
func writeCase(t *testing.T, folder, name string, labels [2]string, c float64) parityCase {
	t.Helper()
	file := fmt.Sprintf("%s_%v", labels[0], c)
	table := asCSV(t, thisYear.customers(600, 7), "churned", labels)
	if err := os.WriteFile(filepath.Join(folder, file+".csv"), table, 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := ReadCSV(bytes.NewReader(table), "churned")
	if err != nil {
		t.Fatal(err)
	}
	model, err := Fit(data, Options{C: c})
	if err != nil {
		t.Fatal(err)
	}
	if err := model.WriteFile(filepath.Join(folder, file+".joblib")); err != nil {
		t.Fatal(err)
	}
	parity := parityCase{
		Name: name, File: file + ".joblib", Features: model.Names, Classes: model.Classes,
		CSV: file + ".csv", Target: "churned", C: c,
	}
	random := rand.New(rand.NewPCG(5, 5))
	for i := range 500 {
		row := make([]float64, len(model.Names))
		for j := range row {
			row[j] = random.NormFloat64() * float64(i%50)
		}
		parity.Rows = append(parity.Rows, row)
		parity.Probabilities = append(parity.Probabilities, model.Probability(row))
	}
	return parity
}

// asCSV writes a dataset with its target as the second column.
func asCSV(t *testing.T, d Dataset, target string, labels [2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	write := func(first, second string, rest []string) {
		if err := w.Write(append([]string{first, second}, rest...)); err != nil {
			t.Fatal(err)
		}
	}
	write(d.Names[0], target, d.Names[1:])
	for i, positive := range d.Positive {
		cells := make([]string, len(d.Names))
		for j, x := range d.Row(i) {
			cells[j] = strconv.FormatFloat(x, 'g', -1, 64)
		}
		label := labels[0]
		if positive {
			label = labels[1]
		}
		write(cells[0], label, cells[1:])
	}
	w.Flush()
	return b.Bytes()
}
