package train

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"serin/internal/model"
)

// seedsRow is the customer of the seed's curl lines.
func seedsRow() []float64 { return []float64{0.5, 1.2, 0.8, 0.3, 1.1} }

func TestSeedModels(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "models") // created
	reports, err := WriteSeedModels(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 2 {
		t.Fatalf("%d reports", len(reports))
	}
	v1, v2 := reports[0], reports[1]
	p1, p2 := v1.Model.Probability(seedsRow()), v2.Model.Probability(seedsRow())
	if math.Abs(p1-0.80) >= 0.005 {
		t.Errorf("model_v1 answers the seed's customer %v, want 0.80", p1)
	}
	if off := math.Abs(p2 - p1); off < 0.002 || off > 0.05 {
		t.Errorf("model_v2 answers %v, which is not slightly different from %v", p2, p1)
	}
	if v2.HeldOut.LogLoss >= v1.HeldOut.LogLoss || v2.HeldOut.Accuracy <= v1.HeldOut.Accuracy || v2.HeldOut.AUC <= v1.HeldOut.AUC {
		t.Errorf("model_v2 is not better: %+v and %+v", v1.HeldOut, v2.HeldOut)
	}
	if v1.Rows == 0 || v1.HeldOut.Rows == 0 || v1.Seed == v2.Seed {
		t.Errorf("the reports leave something out: %+v and %+v", v1, v2)
	}
	for _, r := range reports {
		written, err := os.ReadFile(r.Path)
		if err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile(filepath.Join("../../models", filepath.Base(r.Path)))
		if err != nil {
			t.Fatal(err)
		}
		now, before := load(t, written), load(t, committed)
		if diff := cmp.Diff(now.Signature(), before.Signature()); diff != "" {
			t.Errorf("%s: %s", r.Path, diff)
		}
		// Across machines the last bits may differ, so bytes are not compared.
		a, b := coefficients(now), coefficients(before)
		for j := range a {
			if !(math.Abs(a[j]-b[j]) <= 1e-9) {
				t.Errorf("%s: coefficients %v, committed %v; if that is meant, run `serin train` and commit models/", r.Path, a, b)
			}
		}
	}
}

// coefficients asks a binary logistic regression for its parameters: the log-odds
// at 0 are the intercept, and one step along a feature adds its coefficient.
func coefficients(p model.Predictor) []float64 {
	logOdds := func(row []float64) float64 {
		var probs [2]float64
		if err := p.Predict(model.Row(row), model.Answers{Values: probs[:], Classes: make([]int, 1)}); err != nil {
			panic(err)
		}
		return math.Log(probs[1] / probs[0])
	}
	width := len(p.Signature().Features)
	found := []float64{logOdds(make([]float64, width))}
	for j := range width {
		row := make([]float64, width)
		row[j] = 1
		found = append(found, logOdds(row)-found[0])
	}
	return found
}

func TestCustomersAreReproducible(t *testing.T) {
	t.Parallel()
	a, b := thisYear.customers(50, 9), thisYear.customers(50, 9)
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
	if cmp.Equal(a, thisYear.customers(50, 10)) {
		t.Error("another seed gives the same customers")
	}
}
