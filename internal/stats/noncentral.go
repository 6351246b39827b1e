package stats

import "math"

// noncentralTail returns P(T > t) for the noncentral t distribution with
// nu degrees of freedom and noncentrality delta, t >= 0 and nu > 0:
// T = (Z + delta)/R, Z standard normal, R = sqrt(chi²(nu)/nu).
//
//	P(T > t) = E Phi(delta - t R)
//	         = 1/Z(nu) Int exp(nu psi(x)) Phi(delta - t exp(x)) dx,   x = ln R
//	psi(x)   = x - (exp(2x) - 1)/2
//
// The usual series (AS 243, which is gonum's distuv.NoncentralT too) subtracts
// from 1 and gives up at delta = 38; this integrand is positive, so small powers
// keep their relative accuracy, and log-concave in x, so it has one peak.
func noncentralTail(t, nu, delta float64) float64 {
	p := noncentral{t: t, nu: nu, delta: delta}
	peak := p.peak()
	top := p.log(peak)
	if top < lowest {
		return 0
	}
	f := func(x float64) float64 { return math.Exp(p.log(x) - top) }

	width := 1 / math.Sqrt(p.curvature(peak))
	// A panel may disagree with its halves, which are far closer, by 1e-14. Rounding
	// of x, of delta - t exp(x) and of log sets a floor below which halving would
	// chase noise.
	tolerance := 1e-14 * (1 + math.Abs(delta)*(1-peak) - top) * width
	sum := 0.0
	for _, direction := range []float64{-1, 1} {
		at, panel := peak, direction*width
		for range 200 { // each panel is twice the last: far more than enough
			sum += math.Abs(integratePanel(f, at, at+panel, tolerance))
			at += panel
			panel *= 2
			if p.log(at) < top-reach {
				break
			}
		}
	}
	a := nu / 2
	logNorm := (math.Log(math.Pi/2)-math.Log(a))/2 + stirling(a)
	return math.Min(1, math.Exp(top+math.Log(sum)-logNorm))
}

// lowest is the peak, in natural logarithms, below which a tail is 0 as a float64.
const lowest = -800

// noncentral is the integrand of noncentralTail.
type noncentral struct {
	t, nu, delta float64
}

// log is the integrand's logarithm.
func (p noncentral) log(x float64) float64 {
	return p.nu*logChi(x) + logPhi(p.delta-p.t*math.Exp(x))
}

// slope is the derivative of log; it falls strictly.
func (p noncentral) slope(x float64) float64 {
	r := p.t * math.Exp(x)
	m, _ := hazard(p.delta - r)
	return -p.nu*math.Expm1(2*x) - r*m
}

// curvature is minus the second derivative of log, positive.
func (p noncentral) curvature(x float64) float64 {
	r := p.t * math.Exp(x)
	m, mPlusZ := hazard(p.delta - r)
	return 2*p.nu*math.Exp(2*x) + r*m*(1+r*mPlusZ)
}

// peak is the x of the integrand's maximum: the slope is not positive at 0 and
// tends to nu on the left, so doubling finds a bracket and halving the rest.
func (p noncentral) peak() float64 {
	hi, lo := 0.0, -1/math.Sqrt(1+p.nu)
	for p.slope(lo) <= 0 && lo > -1e4 {
		hi, lo = lo, 2*lo
	}
	for range 60 {
		middle := (lo + hi) / 2
		if p.slope(middle) > 0 {
			lo = middle
		} else {
			hi = middle
		}
	}
	return (lo + hi) / 2
}

// logChi is psi(x) = x - (exp(2x) - 1)/2, by its series near 0 where the two
// cancel: -(x² + 2x³/3 + ...) = -Sum_{k>=2} 2^(k-1) x^k/k!.
func logChi(x float64) float64 {
	if math.Abs(x) > 0.3 {
		return x - math.Expm1(2*x)/2
	}
	term := x * x
	sum := 0.0
	for k := 3.0; math.Abs(term) > 1e-18*math.Abs(sum); k++ {
		sum += term
		term *= 2 * x / k
	}
	return -sum
}
