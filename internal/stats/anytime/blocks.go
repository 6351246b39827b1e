package anytime

import "math"

// Blocks sums up closed windows of time. Within window i the two arms differ by
// D_i (mean of the canary minus mean of stable, of logarithms by preference), which
// weighs w_i = n1 n2/(n1 + n2) by the numbers of observations. Four sums are all
// that is kept, and sums of different replicas may be added.
//
// Comparing within windows makes whatever moves both arms together cancel,
// load above all, and makes the window, not the request, the independent unit:
// what lasts shorter than a window (a burst, a session) is counted once.
type Blocks struct {
	// N is the number of windows, W = sum w, S1 = sum w D, S2 = sum w D².
	N, W, S1, S2 float64
}

// MinBlocks is the number of windows below which Blocks has no answer: a
// standard error from fewer is not yet worth a bet.
const MinBlocks = 10

// BlockTest is Student's t of the windows' weighted mean difference.
type BlockTest struct {
	// Mean is the weighted mean of the differences and SE its standard error, both
	// in the differences' unit.
	Mean, SE float64
	// T is (Mean - margin)/SE, DF = N - 1, and Z = NormalScore(T, DF): what a
	// Mixture takes, with N as its clock.
	T, DF, Z float64
}

// Test compares the mean difference with a margin, in the differences' unit:
//
//	mean = S1/W,  s² = (S2 - W mean²)/(N - 1),  SE = sqrt(s²/W)
//
// Assumes that the windows' differences are independent with the variance of
// each inversely proportional to its weight. ok is false with fewer than
// MinBlocks windows, where the windows do not differ at all (then there is no
// scale to judge by, and that is no evidence), and where a sum makes no sense.
func (b Blocks) Test(margin float64) (test BlockTest, ok bool) {
	mean := b.S1 / b.W
	squares := b.S2 - b.S1*mean
	// Below this the squares are what rounding left of a difference.
	noise := 1e-13 * b.S2
	if !(b.N >= MinBlocks && b.W > 0 && squares > noise) || math.IsInf(b.W, 1) || math.IsInf(squares, 1) || math.IsInf(b.N, 1) {
		return BlockTest{}, false
	}
	r := BlockTest{Mean: mean, DF: b.N - 1, SE: math.Sqrt(squares / (b.N - 1) / b.W)}
	r.T = (mean - margin) / r.SE
	if math.IsInf(r.SE, 1) || math.IsNaN(r.T) || math.IsInf(r.T, 0) {
		return BlockTest{}, false
	}
	r.Z = NormalScore(r.T, r.DF)
	return r, true
}
