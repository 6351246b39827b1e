package stats

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type proportionsCase struct {
	X1, N1, X2, N2 uint64
	Confidence     float64
	Diff, Z        float64 `json:",string"`
	Low, High      float64 `json:",string"`
	pvalues
	// z, two-sided p, low and high.
	Statsmodels []*float64
}

func TestProportionsReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Proportions {
		got, err := Proportions(c.X1, c.N1, c.X2, c.N2, c.Confidence)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		near(t, "Diff", got.Diff, c.Diff, reached)
		near(t, "Z", got.Z, c.Z, reached)
		near(t, "Rate2 - Rate1", got.Rate2-got.Rate1, c.Diff, 1e-6)
		for _, end := range [][2]float64{{got.Low, c.Low}, {got.High, c.High}} {
			if off := math.Abs(end[0] - end[1]); off > reached*(math.Abs(c.Diff)+c.High-c.Low) {
				t.Errorf("interval end %v, reference %v", end[0], end[1])
			}
		}
		c.check(t, got.TwoSided, got.Greater, got.Less)
		beside(t, "statsmodels' p", got.TwoSided, c.Statsmodels[1], 1e-11)
		near(t, "statsmodels' low", got.Low, *c.Statsmodels[2], 1e-11)
		near(t, "statsmodels' high", got.High, *c.Statsmodels[3], 1e-11)
		if t.Failed() {
			t.Fatalf("case %+v", c)
		}
	}
}

// Published: Newcombe (1998), table II, method 10: 56/70 against 48/80 is 0.0524
// to 0.3339, 9/10 against 3/10 0.1705 to 0.8090, 10/10 against 0/20 0.6791 to 1.
func TestNewcombesTable(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		x2, n2, x1, n1 uint64
		low, high      float64
	}{
		{56, 70, 48, 80, 0.0524, 0.3339},
		{9, 10, 3, 10, 0.1705, 0.8090},
		{10, 10, 0, 20, 0.6791, 1},
		{5, 56, 0, 29, -0.0381, 0.1926},
	} {
		got, err := Proportions(tt.x1, tt.n1, tt.x2, tt.n2, 0.95)
		if err != nil || math.Abs(got.Low-tt.low) > 5e-5 || math.Abs(got.High-tt.high) > 5e-5 {
			t.Errorf("%+v: %v to %v, %v", tt, got.Low, got.High, err)
		}
	}
}

func TestProportionsRefusesBadInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		x1, n1, x2, n2 uint64
		confidence     float64
		want           string
	}{
		{0, 0, 1, 2, 0.95, "sample 1 has no trials"},
		{1, 2, 3, 2, 0.95, "sample 2 has 3 events in 2 trials"},
		{1, 2, 1, 2e12, 0.95, "sample 2 has 2000000000000 trials"},
		{1, 2, 1, 2, math.NaN(), "confidence is NaN"},
		{1, 2, 1, 2, 1, "confidence is 1"},
	} {
		if got, err := Proportions(tt.x1, tt.n1, tt.x2, tt.n2, tt.confidence); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Proportions = %+v, error %v; want an error with %q", got, err, tt.want)
		}
	}
}

func TestProportionsProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]float64{2, 8, 27}).Draw(t, "log of the largest")
		n1, n2 := drawCount(t, "n1", most)+1, drawCount(t, "n2", most)+1
		x1, x2 := rapid.Uint64Range(0, n1).Draw(t, "x1"), rapid.Uint64Range(0, n2).Draw(t, "x2")
		confidence := rapid.OneOf(rapid.Float64Range(0.5, 0.999), rapid.SampledFrom([]float64{5e-324, 1e-200, 1 - 1e-16})).Draw(t, "confidence")
		r, err := Proportions(x1, n1, x2, n2, confidence)
		if err != nil {
			t.Fatal(err)
		}
		checkPValues(t, r.TwoSided, r.Greater, r.Less)
		for _, v := range []float64{r.Rate1, r.Rate2, r.Diff, r.Z, r.Low, r.High} {
			if !finite(v) {
				t.Fatalf("not finite: %+v", r)
			}
		}
		if r.Low > r.Diff || r.High < r.Diff || r.Low < -1 || r.High > 1 {
			t.Errorf("interval: %+v", r)
		}
		swapped, err := Proportions(x2, n2, x1, n1, confidence)
		if err != nil || swapped.Z != -r.Z || swapped.Low != -r.High || swapped.Less != r.Greater {
			t.Errorf("not antisymmetric: %+v and %+v, %v", r, swapped, err)
		}
		others, err := Proportions(n1-x1, n1, n2-x2, n2, confidence)
		if err != nil || math.Abs(others.Z+r.Z) > 1e-12*math.Abs(r.Z) || math.Abs(others.Low+r.High) > 1e-12 {
			t.Errorf("events and the others: %+v and %+v, %v", r, others, err)
		}
	})
}
