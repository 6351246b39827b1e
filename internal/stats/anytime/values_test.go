package anytime

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Values that a person can check, and inputs that are refused.

func TestAverageByHand(t *testing.T) {
	t.Parallel()
	none, all := math.Inf(-1), math.Inf(1)
	for _, tt := range []struct {
		name          string
		weights, logs []float64
		want          float64
	}{
		{"one", []float64{1}, []float64{3}, 3},
		{"10 and 30", []float64{0.5, 0.5}, []float64{math.Log(10), math.Log(30)}, math.Log(20)},
		{"a fifth of 100", []float64{0.2, 0.8}, []float64{math.Log(100), none}, math.Log(20)},
		{"beyond any float64", []float64{0.5, 0.5}, []float64{5000, 5000}, 5000},
		{"below any float64", []float64{0.5, 0.5}, []float64{-5000, -5000}, -5000},
		{"longer logarithms", []float64{1}, []float64{2, 9}, 2},
		{"longer weights", []float64{1, 7}, []float64{2}, 2},
		{"weights that do not count", []float64{1, 0, -1, math.NaN(), all}, []float64{2, 9, 9, 9, 9}, 2},
		{"no number", []float64{0.5, 0.5}, []float64{math.NaN(), math.Log(4)}, math.Log(2)},
		{"all is lost", []float64{0.5, 0.5}, []float64{none, none}, none},
		{"one is proven", []float64{0.5, 0.5}, []float64{all, none}, all},
		{"nothing", nil, nil, none},
		{"nothing that counts", []float64{0, math.NaN()}, []float64{1, 1}, none},
	} {
		if got := Average(tt.weights, tt.logs); got != tt.want && !(math.Abs(got-tt.want) <= 1e-15*math.Abs(tt.want)) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAverageProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		logs := rapid.SliceOfN(rapid.Float64Range(-2000, 2000), n, n).Draw(t, "logs")
		weights := rapid.SliceOfN(rapid.Float64Range(1e-6, 1), n, n).Draw(t, "weights")
		total := 0.0
		for _, w := range weights {
			total += w
		}
		least, most, heaviest := math.Inf(1), math.Inf(-1), math.Inf(-1)
		for i := range weights {
			weights[i] /= total
			least, most = math.Min(least, logs[i]), math.Max(most, logs[i])
			heaviest = math.Max(heaviest, logs[i]+math.Log(weights[i]))
		}
		got := Average(weights, logs)
		atMost(t, "above the least", least, got)
		atMost(t, "below the most", got, most)
		// No weaker than to ask each for its own share of alpha.
		atMost(t, "above every w E", heaviest, got)
	})
}

func TestLabelByHand(t *testing.T) {
	t.Parallel()
	// With a = b = 1 the prior is flat: one event on either side has the probability
	// 1/2 as it should, two alike 1/3 instead of 1/4.
	flat := Label{Share: 0.5, Ratio: 1, Concentration: 2}
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"one event", flat.TwoSided(1, 0), 0},
		{"two alike", flat.TwoSided(2, 0), math.Log(4. / 3)},
		{"two different", flat.TwoSided(1, 1), math.Log(2. / 3)},
		// Flat above 1/2: the mean of 2 theta is 3/2, and of 2 (1-theta) 1/2.
		{"the canary's, above", flat.Above(1, 0), math.Log(1.5)},
		{"stable's, above", flat.Above(0, 1), math.Log(0.5)},
		{"the canary's, below", flat.Below(1, 0), math.Log(0.5)},
		{"stable's, below", flat.Below(0, 1), math.Log(1.5)},
		{"two bins, two alike in each", Drift([]uint64{2, 0}, []uint64{0, 2}, 0.5, 2), 2 * math.Log(4./3)},
	} {
		if !(math.Abs(tt.got-tt.want) <= 4e-15) {
			t.Errorf("%s: %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestLabelOutsideOfItsRangesShowsNothing(t *testing.T) {
	t.Parallel()
	good := Label{Share: 0.1, Ratio: 1, Concentration: 10}
	if good.Above(50, 50) < 10 {
		t.Fatalf("%+v shows nothing", good)
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 1e-7, 1e10} {
		for _, l := range []Label{{x, 1, 10}, {0.1, x, 10}, {0.1, 1, x}} {
			if a, b, c := l.Above(50, 50), l.Below(50, 5000), l.TwoSided(50, 50); a != 0 || b != 0 || c != 0 {
				t.Errorf("%+v shows %v, %v, %v", l, a, b, c)
			}
		}
	}
}

func TestMixtureShowsNothingWithoutSense(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	for _, tt := range []struct{ rho, z, n float64 }{
		{0, 9, 100}, {-1, 9, 100}, {nan, 9, 100}, {inf, 9, 100},
		{10, nan, 100}, {10, inf, 100}, {10, -inf, 100},
		{10, 9, 0}, {10, 9, -1}, {10, 9, nan}, {10, 9, inf},
	} {
		m := Mixture{Rho: tt.rho}
		if one, two := m.LogE(tt.z, tt.n), m.LogETwoSided(tt.z, tt.n); one != 0 || two != 0 {
			t.Errorf("%+v shows %v, %v", tt, one, two)
		}
		if one, two := m.Boundary(tt.n, 0.05), m.BoundaryTwoSided(tt.n, 0.05); !finite(tt.z) {
			continue
		} else if one != inf || two != inf {
			t.Errorf("%+v has boundaries %v, %v", tt, one, two)
		}
	}
	for _, alpha := range []float64{0, 1, -1, 2, nan, inf} {
		m := Mixture{Rho: 10}
		if one, two := m.Boundary(100, alpha), m.BoundaryTwoSided(100, alpha); one != inf || two != inf {
			t.Errorf("alpha %v has boundaries %v, %v", alpha, one, two)
		}
		if got := CDFRadius(100, alpha); got != 1 {
			t.Errorf("alpha %v has a band of %v", alpha, got)
		}
		if got := BestRho(100, alpha); got != 0 {
			t.Errorf("alpha %v has a rho of %v", alpha, got)
		}
	}
	for _, tt := range []struct{ t, df float64 }{{nan, 5}, {3, nan}, {3, 0}, {3, -1}, {3, -inf}} {
		if got := NormalScore(tt.t, tt.df); got != 0 {
			t.Errorf("NormalScore(%v, %v) = %v", tt.t, tt.df, got)
		}
	}
}

func TestBlocksFromWindows(t *testing.T) {
	t.Parallel()
	// Twelve windows of weight 9, differences in turn 0.1 and 0.3: mean 0.2,
	// s² = 9 (12 0.1²)/11, SE² = s²/108 = 0.01/11.
	var b Blocks
	for i := range 12 {
		d := 0.1 + 0.2*float64(i%2)
		b = Blocks{N: b.N + 1, W: b.W + 9, S1: b.S1 + 9*d, S2: b.S2 + 9*d*d}
		if _, ok := b.Test(0); ok != (b.N >= MinBlocks) {
			t.Errorf("after %v windows ok = %v", b.N, ok)
		}
	}
	got, ok := b.Test(0.1)
	if !ok || math.Abs(got.Mean-0.2) > 1e-15 || math.Abs(got.SE-0.1/math.Sqrt(11)) > 1e-15 || math.Abs(got.T-math.Sqrt(11)) > 1e-13 || got.DF != 11 || got.Z != NormalScore(got.T, 11) {
		t.Errorf("%+v, %v", got, ok)
	}
	nan, inf := math.NaN(), math.Inf(1)
	for name, bad := range map[string]Blocks{
		"no windows":            {},
		"few windows":           {9, 81, 1, 1},
		"all alike":             {12, 108, 21.6, 4.32},
		"alike but rounding":    {12, 108, 21.6, 4.32 * (1 + 1e-14)},
		"no weight":             {12, 0, 0, 1},
		"weight below 0":        {12, -108, 21.6, 5},
		"squares too small":     {12, 108, 21.6, 1},
		"windows no number":     {nan, 108, 21.6, 5},
		"windows without end":   {inf, 108, 21.6, 5},
		"weight without end":    {12, inf, 21.6, 5},
		"sum without end":       {12, 108, inf, 5},
		"squares without end":   {12, 108, 21.6, inf},
		"squares no number":     {12, 108, 21.6, nan},
		"standard error beyond": {12, 5e-324, 0, 1000},
	} {
		if got, ok := bad.Test(0); ok || got != (BlockTest{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, ok := b.Test(nan); ok {
		t.Errorf("a margin that is no number: %+v", got)
	}
}
