package train

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// law says how invented customers behave. Every feature is in units of the
// average customer, who has 1 everywhere: tenure 0.5 is half the usual time as a
// customer. The log-odds of leaving are base + Sum weight (value - 1).
type law struct {
	base    float64
	weights [5]float64
	// confused is the share of rows with the label of a coin: bad bookkeeping.
	confused float64
}

// features are the columns of the invented table.
func features() []string {
	return []string{"tenure", "monthly_charges", "support_calls", "monthly_usage", "late_payments"}
}

// lastYear is the law behind model_v1: fewer customers, kept carelessly, and
// before people began to leave over prices and calls that nobody took.
// thisYear is the law behind model_v2 and behind the customers that both are
// tried on, so that the newer model is the better one.
var (
	lastYear = law{base: -1.1, weights: [5]float64{-2.2, 1.0, 0.7, -1.5, 1.3}, confused: 0.02}
	thisYear = law{base: -0.9, weights: [5]float64{-2.3, 1.7, 1.3, -1.4, 0.9}}
)

// customers invents rows customers under l. The same seed gives the same ones.
func (l law) customers(rows int, seed uint64) Dataset {
	random := rand.New(rand.NewPCG(seed, 0))
	d := Dataset{Names: features(), Classes: [2]any{int64(0), int64(1)}}
	for range rows {
		odds := l.base
		for _, weight := range l.weights {
			// Lognormal with mean 1, to three decimals, as a table would have it.
			const sigma = 0.5
			x := math.Round(1000*math.Exp(sigma*random.NormFloat64()-sigma*sigma/2)) / 1000
			d.X = append(d.X, x)
			odds += weight * (x - 1)
		}
		leaves := random.Float64() < 1/(1+math.Exp(-odds))
		if random.Float64() < l.confused {
			leaves = random.Float64() < 0.5
		}
		d.Positive = append(d.Positive, leaves)
	}
	return d
}

// Report is what WriteSeedModels did for one file.
type Report struct {
	// Path is the file written.
	Path string
	// Model is what is in it, fitted on Rows invented customers with Seed.
	Model Model
	Rows  int
	Seed  uint64
	// HeldOut is its score on customers that neither model was fitted on.
	HeldOut Score
}

// WriteSeedModels fits the two churn models of the demonstration and writes them
// to dir as model_v1.joblib and model_v2.joblib, creating dir where it is
// missing. The same code writes the same models everywhere.
func WriteSeedModels(dir string) ([]Report, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("creating the folder for the models: %w", err)
	}
	heldOut := thisYear.customers(10_000, 3)
	recipes := []struct {
		file string
		law  law
		rows int
		seed uint64
	}{
		{"model_v1.joblib", lastYear, 2_000, 1},
		{"model_v2.joblib", thisYear, 4_000, 2},
	}
	var reports []Report
	for _, recipe := range recipes {
		model, err := Fit(recipe.law.customers(recipe.rows, recipe.seed), Options{})
		if err != nil {
			return nil, fmt.Errorf("fitting %s: %w", recipe.file, err)
		}
		path := filepath.Join(dir, recipe.file)
		if err := model.WriteFile(path); err != nil {
			return nil, err
		}
		reports = append(reports, Report{path, model, recipe.rows, recipe.seed, model.Score(heldOut)})
	}
	return reports, nil
}
