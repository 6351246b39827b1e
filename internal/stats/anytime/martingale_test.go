package anytime

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// What makes an e-value one is that under the hypothesis its mean is at most 1.
// Where the observations are few enough that mean is added up here, over
// everything that can happen; where they are many, step by step.

// mean adds up E over all sequences of n events, each of them the canary's with
// probability p.
func mean(n int, p float64, logE func(canary, stable uint64) float64) float64 {
	total := 0.0
	for sequence := range 1 << n {
		probability, canary := 1.0, uint64(0)
		for i := range n {
			if sequence>>i&1 == 1 {
				probability *= p
				canary++
			} else {
				probability *= 1 - p
			}
		}
		total += probability * math.Exp(logE(canary, uint64(n)-canary))
	}
	return total
}

func TestLabelsMeanOverAllSequences(t *testing.T) {
	t.Parallel()
	const rounding = 1e-12
	for _, l := range []Label{
		{Share: 0.1, Ratio: 1, Concentration: 10},
		{Share: 0.1, Ratio: 1.5, Concentration: 10},
		{Share: 0.5, Ratio: 0.5, Concentration: 1},
		{Share: 0.9, Ratio: 3, Concentration: 1000},
		{Share: 0.02, Ratio: 1.02, Concentration: 1e5},
	} {
		theta, _, _ := l.null()
		for n := range 11 {
			for name, logE := range map[string]func(c, s uint64) float64{"TwoSided": l.TwoSided, "Above": l.Above, "Below": l.Below} {
				if got := mean(n, theta, logE); math.Abs(got-1) > rounding {
					t.Errorf("%+v: mean of %s over %d events at the null is %v, want 1", l, name, n, got)
				}
			}
			for _, part := range []float64{0, 0.01, 0.5, 0.99} {
				below, above := part*theta, 1-part*(1-theta)
				if got := mean(n, below, l.Above); got > 1+rounding || n > 0 && got >= 1 {
					t.Errorf("%+v: mean of Above over %d events at theta = %v, below %v, is %v", l, n, below, theta, got)
				}
				if got := mean(n, above, l.Below); got > 1+rounding || n > 0 && got >= 1 {
					t.Errorf("%+v: mean of Below over %d events at theta = %v, above %v, is %v", l, n, above, theta, got)
				}
				// And it is no e-value of the other side: it grows there.
				if got := mean(n, above, l.Above); n > 0 && got <= 1 {
					t.Errorf("%+v: mean of Above over %d events at theta = %v, above %v, is %v", l, n, above, theta, got)
				}
			}
		}
	}
}

// One more event: E is what it will be on average.
func TestLabelIsAMartingale(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l, c, s := drawLabel(t), drawCount(t, "canary"), drawCount(t, "stable")
		theta, rest, _ := l.null()
		for _, e := range []struct {
			name   string
			logE   func(c, s uint64) float64
			margin func(p float64) bool // whether the mean may be below E
			p      float64
		}{
			{"TwoSided", l.TwoSided, nil, theta},
			{"Above", l.Above, nil, theta},
			{"Below", l.Below, nil, theta},
			{"Above", l.Above, func(p float64) bool { return p < theta }, theta * rapid.Float64Range(0, 1).Draw(t, "lower")},
			{"Below", l.Below, func(p float64) bool { return p > theta }, 1 - rest*rapid.Float64Range(0, 1).Draw(t, "higher")},
		} {
			now := e.logE(c, s)
			next := e.p*math.Exp(e.logE(c+1, s)-now) + (1-e.p)*math.Exp(e.logE(c, s+1)-now)
			if allowed := 1e-9 * math.Max(1, math.Abs(now)); next > 1+allowed || e.margin == nil && next < 1-allowed {
				t.Errorf("%+v: after %d and %d events %s is multiplied by %v on average at theta = %v", l, c, s, e.name, next, e.p)
			}
		}
	})
}

// Every sequence of up to 5 observations, in any of 3 bins whose frequencies are not
// what the test knows, of either arm.
func TestDriftsMeanOverAllSequences(t *testing.T) {
	t.Parallel()
	const share = 0.1
	bins := []float64{0.7, 0.25, 0.05}
	for n := 1; n <= 5; n++ {
		total := 0.0
		var add func(left int, probability float64, canary, stable []uint64)
		add = func(left int, probability float64, canary, stable []uint64) {
			if left == 0 {
				total += probability * math.Exp(Drift(canary, stable, share, 10, 100))
				return
			}
			for bin, frequency := range bins {
				canary[bin]++
				add(left-1, probability*frequency*share, canary, stable)
				canary[bin]--
				stable[bin]++
				add(left-1, probability*frequency*(1-share), canary, stable)
				stable[bin]--
			}
		}
		add(n, 1, make([]uint64, 3), make([]uint64, 3))
		if math.Abs(total-1) > 1e-12 {
			t.Errorf("mean of Drift over %d observations is %v, want 1", n, total)
		}
	}
}

// normalMean integrates exp(logE(z)) over z ~ N(effect, 1) by the trapezoidal rule,
// which is as good as exact for what is smooth and falls off at both ends.
func normalMean(effect, reach float64, logE func(z float64) float64) float64 {
	const step = 0.05
	total := 0.0
	for z := -reach; z <= reach; z += step {
		total += math.Exp(logE(z) - (z-effect)*(z-effect)/2)
	}
	return total * step / math.Sqrt(2*math.Pi)
}

func TestMixturesMean(t *testing.T) {
	t.Parallel()
	for _, rho := range []float64{0.5, 39.5, 1000} {
		m := Mixture{Rho: rho}
		for _, n := range []float64{1, 10, 250, 1000} {
			one := func(z float64) float64 { return m.LogE(z, n) }
			two := func(z float64) float64 { return m.LogETwoSided(z, n) }
			// E phi(z) has the variance (n + rho)/rho.
			reach := 9 * math.Sqrt(1+n/rho)
			for name, logE := range map[string]func(float64) float64{"LogE": one, "LogETwoSided": two} {
				if got := normalMean(0, reach, logE); math.Abs(got-1) > 1e-12 {
					t.Errorf("rho %v: mean of exp %s at n = %v without an effect is %v, want 1", rho, name, n, got)
				}
			}
			for _, effect := range []float64{-0.01, -1, -5} {
				if got := normalMean(effect, reach, one); got >= 1 {
					t.Errorf("rho %v: mean of exp LogE at n = %v with effect %v is %v, want less than 1", rho, n, effect, got)
				}
			}
		}
	}
}
