package kernel

import "math"

// Expit replaces each x[i] by 1 / (1 + exp(-x[i])). NaN stays NaN, and the
// infinities become 0 and 1. exp is right to one unit in the last place, and the
// same number gives the same bits wherever it stands.
func Expit(x []float64) {
	if !assembly {
		plainExpit(x)
		return
	}
	whole := len(x) / expitLanes * expitLanes
	if whole > 0 {
		expit64(&x[0], whole)
	}
	if rest := x[whole:]; len(rest) > 0 {
		var buffer [expitLanes]float64
		copy(buffer[:], rest)
		expit64(&buffer[0], expitLanes)
		copy(rest, buffer[:])
	}
}

// expitLanes is how many numbers expit64 takes at a time.
const expitLanes = 4

// What plainExpit computes with; kernel_expit_amd64.s has the same numbers. ln2 is the
// double nearest to the logarithm of 2, and ln2Rest what is missing. Adding
// rounder leaves an integer in the lowest bits.
const (
	expMost  = 710  // exp of it is beyond the greatest double
	expLeast = -700 // exp of it does nothing to 1
	log2e    = 0x1.71547652b82fep+00
	ln2      = 0x1.62e42fefa39efp-01
	ln2Rest  = 0x1.abc9e3b39803fp-56
	rounder  = 3 << 51
)

// plainExpit takes exp(y) apart into 2^n * exp(r), |r| <= ln(2)/2, and exp(r)
// into the Taylor series to r^13/13!, even and odd powers apart.
func plainExpit(x []float64) {
	for i, v := range x {
		y := -v
		if y > expMost {
			y = expMost
		}
		if y < expLeast {
			y = expLeast
		}
		t := math.FMA(y, log2e, rounder)
		n := t - rounder
		r := math.FMA(-n, ln2Rest, math.FMA(-n, ln2, y))
		square := r * r
		odd, even := 1./6227020800, 1./479001600
		for _, c := range [...][2]float64{
			{1. / 39916800, 1. / 3628800}, {1. / 362880, 1. / 40320}, {1. / 5040, 1. / 720}, {1. / 120, 1. / 24}, {1. / 6, 1. / 2},
		} {
			odd, even = math.FMA(odd, square, c[0]), math.FMA(even, square, c[1])
		}
		e := 1 + math.FMA(square, math.FMA(odd, r, even), r)
		// 2^n in two steps: it may be above the greatest double where e times it is not.
		half := math.Float64frombits((math.Float64bits(t) + 1022) << 52)
		e = float64(e*half) * 2
		x[i] = 1 / (1 + e)
	}
}
