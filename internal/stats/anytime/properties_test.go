package anytime

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// atMost asks for low <= high but for rounding.
func atMost(t *rapid.T, what string, low, high float64) {
	t.Helper()
	if !(low <= high+1e-9*math.Max(1, math.Abs(high))) {
		t.Errorf("%s: %v is above %v", what, low, high)
	}
}

func drawLabel(t *rapid.T) Label {
	return Label{
		Share:         rapid.OneOf(rapid.Float64Range(1e-4, 1-1e-4), rapid.Just(0.1)).Draw(t, "share"),
		Ratio:         rapid.OneOf(rapid.Float64Range(0.3, 3), rapid.Just(1.0)).Draw(t, "ratio"),
		Concentration: math.Exp(rapid.Float64Range(0, math.Log(1e5)).Draw(t, "log concentration")),
	}
}

// drawCount draws counts of every size, up to a million.
func drawCount(t *rapid.T, name string) uint64 {
	return uint64(math.Exp(rapid.Float64Range(0, math.Log(1e6)).Draw(t, "log "+name))) - 1
}

func TestMixtureProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := func(name string) float64 { return math.Exp(rapid.Float64Range(-5, 20).Draw(t, "log "+name)) }
		m, n := Mixture{Rho: clock("rho")}, clock("n")
		z, more := rapid.Float64Range(-50, 50).Draw(t, "z"), rapid.Float64Range(0, 10).Draw(t, "more")
		atMost(t, "LogE rises with z", m.LogE(z, n), m.LogE(z+more, n))
		atMost(t, "LogETwoSided rises with |z|", m.LogETwoSided(math.Abs(z), n), m.LogETwoSided(-math.Abs(z)-more, n))
		// E of one side and of the other make up both.
		both := Average([]float64{0.5, 0.5}, []float64{m.LogE(z, n), m.LogE(-z, n)})
		if want := m.LogETwoSided(z, n); math.Abs(both-want) > 1e-12*math.Max(1, math.Abs(want)) {
			t.Errorf("the mean of both sides is %v, two-sided %v", both, want)
		}

		alpha := math.Exp(rapid.Float64Range(-28, -0.01).Draw(t, "log alpha"))
		for name, got := range map[string]float64{"Boundary": m.LogE(m.Boundary(n, alpha), n), "BoundaryTwoSided": m.LogETwoSided(m.BoundaryTwoSided(n, alpha), n)} {
			if want := -math.Log(alpha); math.Abs(got-want) > 1e-12*math.Max(1, want) {
				t.Errorf("ln E at %s(%v, %v) is %v, want %v", name, n, alpha, got, want)
			}
		}
		// E one-sided is at most twice E two-sided, and above it where z > 0.
		atMost(t, "Boundary", m.Boundary(n, alpha), m.BoundaryTwoSided(n, alpha))
		if alpha < 0.5 {
			atMost(t, "twice alpha", m.BoundaryTwoSided(n, 2*alpha), m.Boundary(n, alpha))
		}

		// No other Rho has a tighter boundary than the best, to the approximation's promise.
		if alpha <= 0.1 {
			best := Mixture{Rho: BestRho(n, alpha)}.BoundaryTwoSided(n, alpha)
			if other := m.BoundaryTwoSided(n, alpha); other < best*0.999 {
				t.Errorf("at n = %v, alpha = %v the best rho gives %v, %v gives %v", n, alpha, best, m.Rho, other)
			}
		}
	})
}

func TestLabelProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l, c, s := drawLabel(t), drawCount(t, "canary"), drawCount(t, "stable")
		atMost(t, "Above falls with stable's events", l.Above(c, s+1), l.Above(c, s))
		atMost(t, "Above rises with the canary's", l.Above(c, s), l.Above(c+1, s))
		atMost(t, "Above rises at a fixed total", l.Above(c, s+1), l.Above(c+1, s))
		atMost(t, "Below falls with the canary's events", l.Below(c+1, s), l.Below(c, s))
		atMost(t, "Below rises with stable's", l.Below(c, s), l.Below(c, s+1))
		atMost(t, "Below falls at a fixed total", l.Below(c+1, s), l.Below(c, s+1))
		for _, got := range []float64{l.Above(0, 0), l.Below(0, 0), l.TwoSided(0, 0)} {
			if got != 0 {
				t.Errorf("%+v: ln E of no events is %v", l, got)
			}
		}

		// The arms exchanged.
		mirror := Label{Share: 1 - l.Share, Ratio: 1 / l.Ratio, Concentration: l.Concentration}
		want := l.TwoSided(c, s)
		if got := mirror.TwoSided(s, c); math.Abs(got-want) > 1e-8*math.Max(1, math.Abs(want)) {
			t.Errorf("%+v: TwoSided(%d, %d) = %v, and with the arms exchanged %v", l, c, s, want, got)
		}
		// At equal rates both priors are one, cut at theta0: the sides make up the whole.
		l.Ratio = 1
		theta, rest, _ := l.null()
		a, b := l.Concentration*theta, l.Concentration*rest
		below := math.Exp(betaTail(a, b, theta, rest) - betaWhole(a, b, theta, rest))
		both := Average([]float64{below, 1 - below}, []float64{l.Below(c, s), l.Above(c, s)})
		if want := l.TwoSided(c, s); math.Abs(both-want) > 1e-8*math.Max(1, math.Abs(want)) {
			t.Errorf("%+v: Below and Above make %v, TwoSided is %v", l, both, want)
		}
	})
}

func TestDriftProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.IntRange(1, 10).Draw(t, "bins")
		counts := rapid.SliceOfN(rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, 1e6)), bins, bins)
		canary, stable := counts.Draw(t, "canary"), counts.Draw(t, "stable")
		share := rapid.Float64Range(1e-3, 1-1e-3).Draw(t, "share")
		want := Drift(canary, stable, share, 10, 100)
		same := func(what string, got float64) {
			t.Helper()
			if math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
				t.Errorf("%s: %v instead of %v", what, got, want)
			}
		}
		same("empty bins", Drift(append([]uint64{0}, canary...), append([]uint64{0}, append(stable, 0)...), share, 10, 100))
		same("concentrations in another order", Drift(canary, stable, share, 100, 10))
		same("a concentration out of range", Drift(canary, stable, share, 10, math.NaN(), 100, -1))
		rotated := func(x []uint64) []uint64 { return append(append([]uint64{}, x[1:]...), x[0]) }
		same("bins in another order", Drift(rotated(canary), rotated(stable), share, 10, 100))
		same("no bet", want+Drift(canary, stable, 0, 10)+Drift(canary, stable, share)+Drift(nil, nil, share, 10))
		one, two := Drift(canary, stable, share, 10), Drift(canary, stable, share, 100)
		atMost(t, "the mean is above the smaller", math.Min(one, two), want)
		atMost(t, "the mean is below the larger", want, math.Max(one, two))
	})
}

func TestNormalScoreProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		df := math.Exp(rapid.Float64Range(-2, 30).Draw(t, "log df"))
		x, more := rapid.Float64Range(-1e3, 1e3).Draw(t, "t"), rapid.Float64Range(0, 10).Draw(t, "more")
		z := NormalScore(x, df)
		atMost(t, "rises with t", z, NormalScore(x+more, df))
		atMost(t, "is nearer to 0", math.Abs(z), math.Abs(x))
		if got := NormalScore(-x, df); got != -z {
			t.Errorf("of -t is %v, of t %v", got, z)
		}
		if got := NormalScore(x, math.Inf(1)); got != x {
			t.Errorf("with the variance known it is %v, not t = %v", got, x)
		}
	})
}

func TestCDFRadiusProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := drawCount(t, "n")
		alpha := math.Exp(rapid.Float64Range(-28, -0.01).Draw(t, "log alpha"))
		radius := CDFRadius(n, alpha)
		if !(radius > 0 && radius <= 1) {
			t.Fatalf("CDFRadius(%d, %v) = %v", n, alpha, radius)
		}
		atMost(t, "narrows with n", CDFRadius(n+1, alpha), radius)
		atMost(t, "widens with certainty", radius, CDFRadius(n, alpha*0.9))
		if dkw := math.Sqrt(-math.Log(alpha/2) / 2 / float64(n)); radius < math.Min(1, dkw) {
			t.Errorf("CDFRadius(%d, %v) = %v is narrower than for one look, %v", n, alpha, radius, dkw)
		}
	})
}
