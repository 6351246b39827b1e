package anytime

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
)

// Beta functions relative to a point. With counts of 1e9 the logarithms of
// gamma functions are near 1e10, and what is asked for is their difference, a
// few units: everything here is therefore written relative to the hypothesis
// theta, where nothing large remains to cancel.
//
//	betaWhole = ln integral over 0 < x < 1     of (x/theta)^a ((1-x)/rest)^b dx/(x(1-x))
//	betaTail  = ln integral over 0 < x < theta of the same

// halfLogTwoPi is ln(2 pi)/2.
const halfLogTwoPi = 0.918938533204672741780329736405617640

// betaWhole is ln(B(a, b)/(theta^a rest^b)), rest = 1 - theta: by Stirling's
// formula the deviance of a/(a+b) from theta, a slowly varying factor, and
// Stirling's remainders.
func betaWhole(a, b, theta, rest float64) float64 {
	n := a + b
	d := math.FMA(a, rest, -b*theta) // a - n theta
	return deviance(a, n*theta, d) + deviance(b, n*rest, -d) +
		halfLogTwoPi + (math.Log(n/a)-math.Log(b))/2 +
		stirling(a) + stirling(b) - stirling(n)
}

// betaTail is ln(B(a, b) I(theta; a, b)/(theta^a rest^b)). The continued
// fraction and the quadrature answer for the side of theta that a/(a+b) is not
// on; the other side is the whole minus that.
func betaTail(a, b, theta, rest float64) float64 {
	if theta*(a+b+2) < a+1 {
		return farTail(a, b, theta, rest)
	}
	whole := betaWhole(a, b, theta, rest)
	left := -math.Expm1(farTail(b, a, rest, theta) - whole)
	return whole + math.Log(math.Max(left, 0x1p-53)) // less is rounding
}

// manyEvents is the count from which farTail integrates: the continued
// fraction needs in the order of sqrt(min(a, b)) terms.
const manyEvents = 3000

func farTail(a, b, theta, rest float64) float64 {
	if min(a, b) < manyEvents {
		return math.Log(betaFraction(a, b, theta) / a)
	}
	return integrateTail(a, b, theta, rest)
}

// betaFraction is the continued fraction of the incomplete beta function
// (Abramowitz and Stegun 26.5.8), summed by Lentz's method. It converges fast
// for x < (a+1)/(a+b+2).
func betaFraction(a, b, x float64) float64 {
	const tiny = 1e-300
	away := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/away(1-(a+b)*x/(a+1))
	h := d
	for m := 1.0; m < 1e5; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / away(1+even*d)
		c = away(1 + even/c)
		h *= c * d
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / away(1+odd*d)
		c = away(1 + odd/c)
		h *= c * d
		if math.Abs(c*d-1) < 2e-16 {
			break
		}
	}
	return h
}

// integrateTail is betaTail in the logit's distance s below theta,
//
//	ln integral over s > 0 of exp(-a s - n ln(1 + theta (exp(-s) - 1))),
//
// whose integrand falls from 1 with nothing narrower than itself in it: one
// fixed Gauss-Legendre rule up to where it has fallen to exp(-42) is enough.
func integrateTail(a, b, theta, rest float64) float64 {
	n := a + b
	f := func(s float64) float64 { return -a*s - n*math.Log1p(theta*math.Expm1(-s)) }
	const end = 42
	slope, curve := math.Max(0, math.FMA(a, rest, -b*theta)), n*theta*rest
	s := 2 * end / (slope + math.Sqrt(slope*slope+2*curve*end))
	for range 4 { // Newton
		e := math.Exp(-s)
		s -= (f(s) + end) / (n*theta*e/(rest+theta*e) - a)
	}
	sum := 0.0
	for i, x := range tailNodes {
		sum += tailWeights[i] * math.Exp(f(s*x))
	}
	return math.Log(sum * s)
}

// The Gauss-Legendre rule on [0, 1].
var tailNodes, tailWeights = legendre(64)

func legendre(points int) (nodes, weights []float64) {
	nodes, weights = make([]float64, points), make([]float64, points)
	quad.Legendre{}.FixedLocations(nodes, weights, 0, 1)
	return nodes, weights
}

// deviance is x ln(x/m) + m - x with d = x - m, which is all that matters where
// x and m are close: Loader's series (Fast and Accurate Computation of Binomial
// Probabilities, 2000).
func deviance(x, m, d float64) float64 {
	if math.Abs(d) > 0.1*(x+m) {
		return x*math.Log(x/m) - d
	}
	v := d / (x + m)
	sum, term := d*v, 2*x*v
	for k := 3.0; ; k += 2 {
		term *= v * v
		next := sum + term/k
		if next == sum {
			return sum
		}
		sum = next
	}
}

// stirling is ln Gamma(x) - (x - 1/2) ln x + x - ln(2 pi)/2, x > 0.
func stirling(x float64) float64 {
	if x < 16 {
		g, _ := math.Lgamma(x)
		return g - (x-0.5)*math.Log(x) + x - halfLogTwoPi
	}
	y := 1 / (x * x)
	return (1./12 - y*(1./360-y*(1./1260-y*(1./1680-y*(1./1188-y*691/360360))))) / x
}
