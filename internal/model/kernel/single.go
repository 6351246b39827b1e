package kernel

import (
	"math"
	"slices"
)

// Float32 arithmetic as ONNX Runtime has it on x86-64 (its library MLAS), step by
// step: the same approximations, rounded at the same places, so that the same
// inputs give the same bits. More exact functions are easy to have; but a file that
// says float32 was tested with these, and where a probability is 1 - p or the
// argument of an exponential is large, the last bit of a step is many bits of the
// answer.

// Single is a*b + c, rounded once. The product of two float32 is exact in float64;
// the sum there may end halfway between two float32, and then what it lost says
// which of them is nearer.
func Single(a, b, c float32) float32 {
	p, q := float64(a)*float64(b), float64(c)
	sum := p + q
	if bits := math.Float64bits(sum); bits&(1<<29-1) == 1<<28 {
		back := sum - p
		if lost := (p - (sum - back)) + (q - back); lost != 0 {
			away := math.Copysign(math.Inf(1), lost)
			sum = math.Nextafter(sum, away)
		}
	}
	return float32(sum)
}

// polynomial is the sum of c[i] * x^(len(c)-1-i).
func polynomial(x float32, c ...float32) float32 {
	sum := c[0]
	for _, v := range c[1:] {
		sum = Single(sum, x, v)
	}
	return sum
}

// ratio is x * above(x^2) / below(x^2) + shift, between two bounds: most of |x|, 7
// coefficients above and 6 below, the highest power first, the shift and the bounds.
type ratio = [17]float32

var (
	// Source: core/mlas/lib/logistic.cpp.
	logistic32 = ratio{
		18,
		0, 0, 4.37031012579801e-11, 1.15627324459942e-07, 6.08574864600143e-05, 8.51377133304701e-03, 2.48287947061529e-01,
		6.10247389755681e-13, 5.76102136993427e-09, 6.29106785017040e-06, 1.70198817374094e-03, 1.16817656904453e-01, 9.93151921023180e-01,
		0.5, 0, 1,
	}
	// Source: core/mlas/lib/tanh.cpp.
	tanh32 = ratio{
		9,
		-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
		0, 0, 1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03,
		0, -2, 2,
	}
)

// Logistic32 replaces each x[i] by 1 / (1 + exp(-x[i])) in float32. NaN stays NaN.
func Logistic32(x []float32) { ratios(x, &logistic32) }

// Tanh32 replaces each x[i] by its hyperbolic tangent in float32. NaN stays NaN.
func Tanh32(x []float32) { ratios(x, &tanh32) }

func ratios(x []float32, c *ratio) {
	if !assembly {
		plainRatios(x, c)
		return
	}
	whole := len(x) &^ 7
	if whole > 0 {
		ratio32(&x[0], whole, c)
	}
	if rest := x[whole:]; len(rest) > 0 {
		var buffer [8]float32
		copy(buffer[:], rest)
		ratio32(&buffer[0], 8, c)
		copy(rest, buffer[:])
	}
}

func plainRatios(x []float32, c *ratio) {
	for i, v := range x {
		v = min(c[0], max(-c[0], v))
		square := v * v
		v = v*polynomial(square, c[1:8]...)/polynomial(square, c[8:14]...) + c[14]
		x[i] = min(c[16], max(c[15], v))
	}
}

// Softmax32 turns scores into probabilities, exp(x - max) / sum, in place. A row
// with a NaN or +Inf has no probabilities but NaN.
// Source: core/mlas/lib/compute.cpp and x86_64/TransKernelAvx512F.asm.
func Softmax32(x []float32) {
	most := slices.Max(x)
	var sums [16]float32
	for i, v := range x {
		x[i] = exponential(v - most)
		sums[i%16] += x[i]
	}
	for half := 8; half > 0; half /= 2 {
		for i := range half {
			sums[i] += sums[half+i]
		}
	}
	scale := 1 / sums[0]
	for i := range x {
		x[i] *= scale
	}
}

// exponential is exp(x) for x up to 0, as 2^n * exp(r), |r| <= ln(2)/2.
func exponential(x float32) float32 {
	const rounder = 3 << 22 // adding it leaves an integer
	n := Single(x, 1.44269504088896341, rounder) - rounder
	r := Single(n, -1.42860677e-6, Single(n, -6.93145752e-1, x))
	p := polynomial(r, 0x1.694000p-10, 0x1.125edcp-7, 0x1.555b5ap-5, 0x1.555450p-3, 0x1.fffff6p-2, 1, 1)
	return float32(math.Ldexp(float64(p), int(n)))
}

// Unfused fills out with the dot products of x and as many rows of weights, plus
// bias, a number for each or nil. Each product is rounded before it is added, in
// eight running sums: so ONNX Runtime computes a single row where it has not
// packed the weights. out has a number for each row of weights.
// Source: core/mlas/lib/x86_64/SgemmKernelM1TransposeBAvx.S.
func Unfused(x, weights, bias, out []float32) {
	whole := 0
	if assembly {
		whole = len(x) &^ 7
	}
	for o := range out {
		var s [8]float32
		w := weights[o*len(x) : (o+1)*len(x)]
		if whole > 0 {
			lanes32(&x[0], &w[0], whole, &s)
		}
		for i := whole; i < len(x); i++ {
			s[i%8] += float32(x[i] * w[i])
		}
		left := len(out) - o
		switch fours := len(out) &^ 3; { // outputs go by fours, then by two, then alone
		case o < fours:
			out[o] = (((s[0] + s[1]) + s[2]) + s[3]) + (((s[4] + s[5]) + s[6]) + s[7])
		case left > 1 || len(out)&1 == 0:
			out[o] = ((s[0] + s[2]) + (s[4] + s[6])) + ((s[1] + s[3]) + (s[5] + s[7]))
		default:
			out[o] = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
		}
		if bias != nil {
			out[o] += bias[o]
		}
	}
}
