package stats

import "math"

// noncentralTail returns P(T > t) for the noncentral t distribution with nu
// degrees of freedom and noncentrality delta, t >= 0 and nu > 0:
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
	p := newNoncentral(t, nu, delta)
	peak := p.peak()
	top := p.log(peak)
	if top < lowest {
		return 0
	}
	width := 1 / math.Sqrt(p.curvature(peak))
	integral := adaptive{
		f: func(u float64) float64 { return math.Exp(p.log(u) - top) },
		// The halves are far closer than their disagreement with the whole; rounding
		// of a logarithm of this size sets a floor, below which is only noise.
		relative: 1e-14 * (1 - top),
		halvings: 1 << 10,
	}
	for _, direction := range []float64{-1, 1} {
		at, panel := peak, direction*width
		for range 200 { // each panel is twice the last: far more than enough
			integral.add(at, at+panel)
			at += panel
			panel *= 2
			if p.log(at) < top-reach {
				break
			}
		}
	}
	a := nu / 2
	logNorm := (math.Log(math.Pi/2)-math.Log(a))/2 + stirling(a)
	return math.Min(1, math.Exp(top+math.Log(integral.total)-logNorm))
}

// lowest is the peak, in natural logarithms, below which a tail is 0 as a float64.
const lowest = -800

// noncentral is the integrand of noncentralTail at x = origin + u.
type noncentral struct {
	t, nu, delta float64
	// origin is where delta = t exp(x), unless that is of no interest and it is 0.
	// Phi falls from 1 to 0 within 1/delta of it, so for a large delta u has the
	// digits there that x would lack.
	origin float64
}

func newNoncentral(t, nu, delta float64) noncentral {
	p := noncentral{t: t, nu: nu, delta: delta}
	if delta > 1 && math.Log(delta)-math.Log(t) < 1 {
		p.origin = math.Log(delta) - math.Log(t)
	}
	return p
}

// arguments returns r = t exp(x) and z = delta - r.
func (p noncentral) arguments(u float64) (r, z float64) {
	if p.origin != 0 {
		return p.delta * math.Exp(u), -p.delta * math.Expm1(u)
	}
	r = p.t * math.Exp(u)
	return r, p.delta - r
}

// log is the integrand's logarithm.
func (p noncentral) log(u float64) float64 {
	_, z := p.arguments(u)
	return p.nu*logChi(p.origin+u) + logPhi(z)
}

// slope is the derivative of log; it falls strictly.
func (p noncentral) slope(u float64) float64 {
	r, z := p.arguments(u)
	m, _ := hazard(z)
	return -p.nu*math.Expm1(2*(p.origin+u)) - r*m
}

// curvature is minus the second derivative of log, positive.
func (p noncentral) curvature(u float64) float64 {
	r, z := p.arguments(u)
	m, mPlusZ := hazard(z)
	return 2*p.nu*math.Exp(2*(p.origin+u)) + r*m*(1+r*mPlusZ)
}

// peak is the integrand's maximum: the slope is not positive at x = 0 and tends
// to nu on the left, so doubling finds a bracket and halving the rest.
func (p noncentral) peak() float64 {
	hi, step := -p.origin, 1/math.Sqrt(1+p.nu)
	lo := hi - step
	for p.slope(lo) <= 0 && step < 1e4 {
		step *= 2
		hi, lo = lo, lo-step
	}
	for range 100 {
		middle := lo + (hi-lo)/2
		if middle == lo || middle == hi {
			break
		}
		if p.slope(middle) > 0 {
			lo = middle
		} else {
			hi = middle
		}
	}
	return lo + (hi-lo)/2
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
