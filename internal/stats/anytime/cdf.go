package anytime

import "math"

// CDFRadius is how far an empirical distribution function of n observations may
// be from the true one, anywhere, at all times together, with probability at
// least 1 - alpha:
//
//	radius = A sqrt((ln(1 + ln n) + C)/n),  A = 0.85,
//
// C being the smallest for which Howard and Ramdas's bound on the probability of
// ever leaving the band is alpha (8.123 for 0.05). At most 1, which says nothing:
// also for n = 0, and for an alpha that is not strictly between 0 and 1.
//
// Assumes independent observations of one distribution, of any kind: for plots of
// what was seen, not for decisions. Source: Howard and Ramdas, Bernoulli 28 (2022)
// 1704-1728, theorem 2.
func CDFRadius(n uint64, alpha float64) float64 {
	if n == 0 || !(alpha > 0 && alpha < 1) {
		return 1
	}
	count := float64(n)
	return math.Min(1, bandScale*math.Sqrt((math.Log1p(math.Log(count))+bandConstant(alpha))/count))
}

// bandScale is A: above 1/sqrt(2), the law of the iterated logarithm's own
// constant. The closer, the tighter in the far future, and the wider before.
const bandScale = 0.85

// bandConstant is C(alpha), by halving: the bound falls as C grows.
func bandConstant(alpha float64) float64 {
	target := math.Log(alpha)
	lo, hi := 0.0, 16-2*target
	for range 60 {
		middle := lo + (hi-lo)/2
		if logBandError(middle) > target {
			lo = middle
		} else {
			hi = middle
		}
	}
	return hi
}

// logBandError is the logarithm of theorem 2's bound on the probability of ever
// leaving the band,
//
//	4 exp(-g² C) (1 + 1/((g²-1) ln eta)),  g = sqrt(2/eta) (A - sqrt(2 (eta-1)/C)),
//
// at the best eta > 1 with g > 1. Any such eta gives a true bound, so a coarse
// minimum by golden section costs a little width and no validity.
func logBandError(c float64) float64 {
	bound := func(logEta float64) float64 {
		over := math.Expm1(logEta)
		g := math.Sqrt(2/(1+over)) * (bandScale - math.Sqrt(2*over/c))
		if !(g > 1) || !(logEta > 0) {
			return math.Inf(1)
		}
		return math.Log(4) - g*g*c + math.Log1p(1/((g*g-1)*logEta))
	}
	const golden = 0.6180339887498949
	lo, hi := 0.0, math.Log(2*bandScale*bandScale)
	for range 60 {
		left, right := hi-golden*(hi-lo), lo+golden*(hi-lo)
		if bound(left) <= bound(right) {
			hi = right
		} else {
			lo = left
		}
	}
	return bound(lo + (hi-lo)/2)
}
