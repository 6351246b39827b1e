package train

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// small is a table whose columns differ by a factor of a thousand.
func small() Dataset {
	return Dataset{
		Names:    []string{"visits", "spent"},
		X:        []float64{0, 1000, 1, 2000, 2, 500, 3, 4000, 4, 1500, 5, 2500, 6, 1000, 7, 5000},
		Positive: []bool{false, false, true, false, true, false, true, true},
		Classes:  [2]any{int64(0), int64(1)},
	}
}

// Source: scikit-learn 1.9.1, LogisticRegression(C=C, solver="newton-cholesky",
// tol=1e-14, max_iter=100000).
func TestFitReference(t *testing.T) {
	t.Parallel()
	for c, want := range map[float64][3]float64{
		0.1: {0.3207356116810871, -0.0004315587810181968, -0.1699281731553561},
		1:   {0.8345217498104663, -0.0009240955870584463, -0.8663116017160474},
		1e6: {1.2295905320816545, -0.0013438537628480878, -1.3811696298319307},
	} {
		m, err := Fit(small(), Options{C: c})
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range []float64{m.Coef[0], m.Coef[1], m.Intercept} {
			if math.Abs(got-want[i]) > 1e-7*math.Abs(want[i]) {
				t.Errorf("C %v: %v with intercept %v, want %v", c, m.Coef, m.Intercept, want)
			}
		}
	}
}

// slope is the objective's gradient at m in the columns' own units: w - C Sum
// (y - p) x for each coefficient and -C Sum (y - p) for the intercept, with the
// size of the terms that must cancel.
func slope(m Model, d Dataset) (gradient, size []float64) {
	width := len(m.Coef)
	gradient, size = make([]float64, width+1), make([]float64, width+1)
	for j, w := range m.Coef {
		gradient[j], size[j] = w, math.Abs(w)
	}
	for i, positive := range d.Positive {
		wrong := -m.Probability(d.Row(i))
		if positive {
			wrong++
		}
		for j, x := range append(append([]float64(nil), d.Row(i)...), 1) {
			gradient[j] -= m.C * wrong * x
			size[j] += math.Abs(m.C * wrong * x)
		}
	}
	return gradient, size
}

// The fit is where the gradient vanishes, whatever the columns' units.
func TestFitIsTheMinimum(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(4, 60).Draw(t, "rows")
		width := rapid.IntRange(1, 4).Draw(t, "width")
		d := Dataset{Names: make([]string, width), Classes: [2]any{false, true}}
		units := rapid.SliceOfN(rapid.IntRange(-4, 4), width, width).Draw(t, "units")
		for i := range rows {
			for j := range width {
				d.X = append(d.X, rapid.Float64Range(-3, 3).Draw(t, "x")*math.Pow10(units[j]))
			}
			d.Positive = append(d.Positive, i < 2 || i > 3 && rapid.Bool().Draw(t, "positive"))
		}
		m, err := Fit(d, Options{C: math.Pow10(rapid.IntRange(-3, 3).Draw(t, "log C"))})
		if err != nil {
			t.Fatal(err)
		}
		gradient, size := slope(m, d)
		for j := range gradient {
			unit := 3.0
			if j < width {
				unit *= math.Pow10(units[j])
			}
			// Where every row is told apart, all terms are tiny: the goal is one of
			// the mean error of a row, in the column's unit.
			goal := 10 * gradientGoal * m.C * float64(rows) * unit
			if j < width { // the penalty's slope is 1: such a gradient is a coefficient within 1e-7
				goal += 1e-7
			}
			if math.Abs(gradient[j]) > 1e-6*size[j]+goal {
				t.Errorf("gradient %v against terms of %v", gradient, size)
			}
		}
	})
}

// Classes that a line separates have no finite optimum without the penalty; with
// it they have. A constant column gets the coefficient 0.
func TestFitOfAwkwardData(t *testing.T) {
	t.Parallel()
	d := Dataset{
		Names: []string{"x", "constant"}, X: []float64{1, 7, 2, 7, 3, 7, 4, 7},
		Positive: []bool{false, false, true, true}, Classes: [2]any{"no", "yes"},
	}
	for _, c := range []float64{1e-6, 1, 1e6} {
		m, err := Fit(d, Options{C: c})
		if err != nil {
			t.Fatalf("C %v: %v", c, err)
		}
		if m.Coef[0] <= 0 || m.Coef[1] != 0 {
			t.Errorf("C %v: coefficients %v", c, m.Coef)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	t.Parallel()
	change := func(f func(d *Dataset)) Dataset {
		d := small()
		f(&d)
		return d
	}
	tests := []struct {
		name string
		data Dataset
		c    float64
		want string
	}{
		{"negative C", small(), -1, "C is -1"},
		{"C not a number", small(), math.NaN(), "C is NaN"},
		{"infinite C", small(), math.Inf(1), "C is +Inf"},
		{"nothing", Dataset{}, 1, "no feature column"},
		{"no rows", Dataset{Names: []string{"x"}}, 1, "all 0 rows are of one class"},
		{"one class", change(func(d *Dataset) { d.Positive = make([]bool, 8) }), 1, "all 8 rows are of one class"},
		{"ragged", change(func(d *Dataset) { d.X = d.X[1:] }), 1, "15 numbers, which is not 8 rows of 2"},
		{"NaN", change(func(d *Dataset) { d.X[5] = math.NaN() }), 1, `row 2, feature "spent" is NaN`},
		{"too large", change(func(d *Dataset) {
			for i := 0; i < len(d.X); i += 2 {
				d.X[i] = 1.7e308
			}
			d.X[0] = -1.7e308
		}), 1, `column "visits" is too large`},
		{"too wide", Dataset{Names: make([]string, 1001), X: make([]float64, 2002), Positive: []bool{false, true}}, 1, "at most 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Fit(tt.data, Options{C: tt.c}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	d := Dataset{Names: []string{"x"}, X: []float64{-1, 1, 0, 2}, Positive: []bool{false, true, true, false}}
	m := Model{Coef: []float64{1}}
	s := m.Score(d)
	// Probabilities .2689, .7311, .5, .8808; of the four pairs the positives win
	// (1 over -1) and (0 over -1).
	logLoss := -(math.Log(1-1/(1+math.E)) + math.Log(1/(1+1/math.E)) + math.Log(0.5) + math.Log(1-1/(1+math.Exp(-2)))) / 4
	if s.Rows != 4 || s.Accuracy != 0.5 || s.AUC != 0.5 || math.Abs(s.LogLoss-logLoss) > 1e-15 {
		t.Errorf("Score = %+v, want accuracy and AUC 0.5, log-loss %v", s, logLoss)
	}
	if tied := (Model{Coef: []float64{0}}).Score(d); tied.AUC != 0.5 {
		t.Errorf("a model that cannot tell has AUC %v", tied.AUC)
	}
}
