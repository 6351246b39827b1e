package anytime

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// step and latencies are as record has them, without its edges: ln(1.1)/5.
const step = 0.019062035960864972

// histogram counts n lognormal latencies, sigma 0.5, over 400 buckets.
func histogram(rng *rand.Rand, n int, factor float64) []uint64 {
	counts := make([]uint64, 400)
	for range n {
		k := int((math.Log(factor)+0.5*rng.NormFloat64())/step) + 200
		counts[max(0, min(k, 399))]++
	}
	return counts
}

func TestStakesAreTheWholeCapital(t *testing.T) {
	t.Parallel()
	sum := 0.0
	for _, s := range stakes {
		sum += s
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("the stakes add up to %v", sum)
	}
}

// TestOddsMakeTheTestValid: for every reference the odds do not fall with the
// bucket, and each request's factor has mean 1 if its label is fair, whatever
// its bucket: share g/(1-share+share g) + (1-share)/(1-share+share g) = 1.
func TestOddsMakeTheTestValid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		reference := rapid.SliceOfN(rapid.Uint64Range(0, 50), 1, 120).Draw(t, "reference")
		share := rapid.Float64Range(0.001, 0.999).Draw(t, "share")
		slower, faster := NewSlower(reference, step), NewFaster(reference, step)
		for k := range slower.odds {
			for j := range bets {
				if k > 0 && (slower.odds[k][j] < slower.odds[k-1][j] || faster.odds[k][j] > faster.odds[k-1][j]) {
					t.Fatalf("bet %d: odds turn at bucket %d", j, k)
				}
			}
			one := make([]uint64, len(reference))
			one[k] = 1
			for name, s := range map[string]*Shape{"slower": slower, "faster": faster} {
				mean := share*math.Exp(s.LogE(one, nil, share)) + (1-share)*math.Exp(s.LogE(nil, one, share))
				if math.Abs(mean-1) > 1e-9 {
					t.Fatalf("%s: the factor of a request in bucket %d has mean %v", name, k, mean)
				}
			}
		}
	})
}

// TestOddsHaveMeanOneUnderTheReference keeps the bets centred.
func TestOddsHaveMeanOneUnderTheReference(t *testing.T) {
	t.Parallel()
	reference := histogram(rand.New(rand.NewPCG(1, 1)), 1000, 1)
	density, _ := smooth(reference)
	mass := 0.0
	for _, f := range density {
		mass += f
	}
	if math.Abs(mass-1) > 1e-3 {
		t.Errorf("the density adds up to %v", mass)
	}
	for _, slowdown := range slowdowns {
		odds := rising(shifted(density, math.Log1p(slowdown)/step), density)
		mean := 0.0
		for k, g := range odds {
			mean += g * density[k] / mass
		}
		if math.Abs(mean-1) > 1e-6 {
			t.Errorf("%v: mean odds %v", slowdown, mean)
		}
	}
}

// TestShapeIsMirrored: to be faster is to be slower in the mirror.
func TestShapeIsMirrored(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 1))
	reference, canary, stable := histogram(rng, 500, 1), histogram(rng, 300, 0.8), histogram(rng, 2700, 1)
	flip := func(counts []uint64) []uint64 {
		c := slices.Clone(counts)
		slices.Reverse(c)
		return c
	}
	faster := NewFaster(reference, step).LogE(canary, stable, 0.1)
	mirrored := NewSlower(flip(reference), step).LogE(flip(canary), flip(stable), 0.1)
	if faster < 3 || math.Abs(faster-mirrored) > 1e-9*faster {
		t.Errorf("faster %v, slower in the mirror %v", faster, mirrored)
	}
}

// TestShapeKeepsItsLevel looks after each ten requests, of which one is the
// canary's, at arms that are alike, and at a canary at the very margin of a
// promotion.
func TestShapeKeepsItsLevel(t *testing.T) {
	t.Parallel()
	const runs, alpha = 400, 0.05
	slow, fast := 0, 0
	for run := range uint64(runs) {
		rng := rand.New(rand.NewPCG(run, 3))
		reference := histogram(rng, 500, 1)
		slower, faster := NewSlower(reference, step), NewFaster(reference, step)
		canary, stable := make([]uint64, 400), make([]uint64, 400)
		alarmed, passed := false, false
		for range 200 {
			for i := range 10 {
				k := max(0, min(int(0.5*rng.NormFloat64()/step)+200, 399))
				if i == 0 {
					canary[k]++
				} else {
					stable[k]++
				}
			}
			alarmed = alarmed || slower.LogE(canary, stable, 0.1) >= -math.Log(alpha)
			passed = passed || faster.LogE(canary, stable, 0.1) >= -math.Log(alpha)
		}
		if alarmed {
			slow++
		}
		if passed {
			fast++
		}
	}
	const most = 34 // P(more) < 0.001 for 400 runs at 5 %
	if slow > most || fast > most {
		t.Errorf("of %d canaries like stable %d were called slower and %d faster", runs, slow, fast)
	}
}

// TestShapeIsTotal: nothing panics, and where there is nothing to go by it
// shows nothing.
func TestShapeIsTotal(t *testing.T) {
	t.Parallel()
	huge := make([]uint64, 1300)
	for i := range huge {
		huge[i] = 1 << 46
	}
	counts := map[string][]uint64{"nil": nil, "zeros": make([]uint64, 9), "one": {0, 0, 5, 0}, "first": {7}, "ends": {3, 0, 0, 0, 4}, "huge": huge}
	for rn, reference := range counts {
		for _, step := range []float64{0.019, 1e-9, 5, 0, -1, math.NaN(), math.Inf(1)} {
			for _, s := range []*Shape{NewSlower(reference, step), NewFaster(reference, step)} {
				for cn, canary := range counts {
					for sn, stable := range counts {
						for _, share := range []float64{0, 1e-9, 0.1, 0.999, 1, -1, math.NaN(), math.Inf(1)} {
							got := s.LogE(canary, stable, share)
							if math.IsNaN(got) || math.IsInf(got, 0) || len(s.odds) == 0 && got != 0 {
								t.Fatalf("reference %s, step %v, canary %s, stable %s, share %v: %v", rn, step, cn, sn, share, got)
							}
						}
					}
				}
			}
		}
	}
}

func TestShapeSeesWhatItBetsOn(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 1))
	reference, stable := histogram(rng, 6000, 1), histogram(rng, 18_000, 1)
	s := NewSlower(reference, step)
	for _, tt := range []struct {
		factor   float64
		from, to float64
	}{{0.9, -1000, 0}, {1, -1000, 3}, {1.1, 10, 1000}, {1.25, 80, 1000}, {2, 500, 1e4}} {
		if got := s.LogE(histogram(rng, 2000, tt.factor), stable, 0.1); got < tt.from || got > tt.to {
			t.Errorf("latencies times %v: ln E %v, want %v to %v", tt.factor, got, tt.from, tt.to)
		}
	}
}

func BenchmarkShape(b *testing.B) {
	rng := rand.New(rand.NewPCG(6, 1))
	reference, canary, stable := histogram(rng, 6000, 1), histogram(rng, 3600, 1), histogram(rng, 32_400, 1)
	s := NewSlower(reference, step)
	b.Run("LogE", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.LogE(canary, stable, 0.1)
		}
	})
	b.Run("NewSlower", func(b *testing.B) {
		for b.Loop() {
			NewSlower(reference, step)
		}
	})
}
