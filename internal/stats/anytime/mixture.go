package anytime

import "math"

// NormalScore turns Student's t with df degrees of freedom into the z that has
// the same tail, by Wallace's approximation
//
//	z = sign(t) (8 df + 1)/(8 df + 3) sqrt(df ln(1 + t²/df))
//
// so that what assumes a known variance may be fed with an estimated one. It is
// within 0.04 of the exact z for df >= 5 and |t| <= 10, on the cautious side for
// |t| >= 2. df is above 0, and +Inf leaves t as it is. A t or df that is no
// number, or a df of 0 or below, scores 0.
//
// Source: D. L. Wallace, Annals of Mathematical Statistics 30 (1959) 1121-1130.
func NormalScore(t, df float64) float64 {
	if math.IsNaN(t) || !(df > 0) {
		return 0
	}
	if math.IsInf(df, 1) {
		return t
	}
	// u = |t|/sqrt(df). Where u² would over- or underflow the 1 beside it, or all
	// but the logarithm's first term, is lost anyway.
	root := math.Sqrt(df)
	u := math.Abs(t) / root
	distance := math.Abs(t)
	switch {
	case math.IsInf(u, 1):
		distance = root * math.Sqrt(2*(math.Log(math.Abs(t))-math.Log(root)))
	case u > 1e8:
		distance = root * math.Sqrt(2*math.Log(u))
	case u > 1e-8:
		distance = root * math.Sqrt(math.Log1p(u*u))
	}
	return math.Copysign((1-2/(8*df+3))*distance, t)
}

// BestRho is the Rho with which a two-sided Mixture at level alpha has its
// tightest boundary when the clock stands at n:
//
//	rho = n/(2 ln(1/alpha) + ln(1 + 2 ln(1/alpha)))
//
// For a one-sided mixture give twice its alpha. Choose n, in units of the clock,
// before the data: the smaller, the sooner large effects are seen, the larger,
// the sooner small ones. It is 0, the mixture that shows nothing, unless n is
// above 0 and alpha strictly between 0 and 1.
//
// Source: Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49 (2021)
// 1055-1080, section 3.5.
func BestRho(n, alpha float64) float64 {
	if !(n > 0 && alpha > 0 && alpha < 1) {
		return 0
	}
	twice := -2 * math.Log(alpha)
	return n / (twice + math.Log1p(twice))
}

// Mixture is the normal mixture: an e-process for the mean of a stream of
// differences, from its standardised mean z alone. Whoever bets that the effect
// is d standard deviations has multiplied his stake by exp(d z sqrt(n) - d² n/2)
// after n observations; the mixture spreads the stake over all d by a normal
// distribution with variance 1/Rho.
//
// The clock n counts independent observations of the difference; for two arms
// it is n1 n2/(n1 + n2). z is the difference minus its value under the
// hypothesis, divided by its standard error; give NormalScore(t, df).
//
// Assumes finite variance and, because the standard error is estimated, a normal
// limit: from some 20 observations an arm (or 10 blocks) on the level is kept
// in practice. Sources: Howard et al. (2021), proposition 5 and 6; the
// asymptotic version is Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals
// of Statistics 52 (2024), and for a start after a burn-in Bibaut, Kallus and
// Lindon, arXiv:2212.14411 (2022).
type Mixture struct {
	// Rho is the prior's precision in units of the clock, above 0; see BestRho.
	// With any other value the mixture shows nothing.
	Rho float64
}

// LogE is ln E against "the effect is at most 0", with the stake spread over
// d > 0 only. With r = n/(n + rho),
//
//	ln E = ln 2 + ln(1 - r)/2 + r z²/2 + ln Phi(sqrt(r) z)
//
// It grows with z. Without a clock, or where z is no finite number, it is 0.
func (m Mixture) LogE(z, n float64) float64 {
	w, spread, ok := m.scale(z, n)
	if !ok {
		return 0
	}
	return math.Ln2 - spread + logScaledPhi(w)
}

// LogETwoSided is ln E against "the effect is 0":
//
//	ln E = ln(1 - r)/2 + r z²/2,  r = n/(n + rho)
func (m Mixture) LogETwoSided(z, n float64) float64 {
	w, spread, ok := m.scale(z, n)
	if !ok {
		return 0
	}
	return w*w/2 - spread
}

// scale returns w = sqrt(r) z and -ln(1 - r)/2.
func (m Mixture) scale(z, n float64) (w, spread float64, ok bool) {
	const largest = 1e150 // beyond it squares overflow
	if !(m.Rho > 0 && n > 0) || math.IsInf(m.Rho, 1) || math.IsInf(n, 1) || math.IsNaN(z) || math.IsInf(z, 0) {
		return 0, 0, false
	}
	z = math.Max(-largest, math.Min(z, largest))
	spread = math.Log1p(n/m.Rho) / 2
	if math.IsInf(spread, 1) {
		spread = (math.Log(n) - math.Log(m.Rho)) / 2
	}
	return z / math.Sqrt(1+m.Rho/n), spread, true
}

// Boundary is the z at which LogE reaches ln(1/alpha) when the clock stands at
// n. Turned round it is a confidence sequence: the effect exceeds
//
//	difference - Boundary(n, alpha) standard errors
//
// at all times together with probability at least 1 - alpha. It is +Inf, nothing
// can be shown, unless n is above 0 and alpha strictly between 0 and 1.
func (m Mixture) Boundary(n, alpha float64) float64 {
	_, spread, ok := m.scale(0, n)
	if !ok || !(alpha > 0 && alpha < 1) {
		return math.Inf(1)
	}
	// Solve logScaledPhi(w) = target by Newton's method. The function is convex and
	// rising and the first w, from Phi >= 1/2, is too high, so every step is too.
	target := spread - math.Log(alpha) - math.Ln2
	w := math.Sqrt(2 * (target + math.Ln2))
	for range 50 {
		f := logScaledPhi(w)
		slope := w + math.Exp(-f)/math.Sqrt(2*math.Pi)
		step := (f - target) / slope
		w -= step
		if step <= 1e-16*w {
			break
		}
	}
	return w * math.Sqrt(1+m.Rho/n)
}

// BoundaryTwoSided is the |z| at which LogETwoSided reaches ln(1/alpha):
//
//	z = sqrt((n + rho)/n (ln(1 + n/rho) + 2 ln(1/alpha)))
//
// difference -+ z standard errors is a confidence sequence. +Inf as Boundary.
func (m Mixture) BoundaryTwoSided(n, alpha float64) float64 {
	_, spread, ok := m.scale(0, n)
	if !ok || !(alpha > 0 && alpha < 1) {
		return math.Inf(1)
	}
	return math.Sqrt((1 + m.Rho/n) * 2 * (spread - math.Log(alpha)))
}

// logScaledPhi is ln Phi(w) + w²/2. On the left, where the two cancel, it is
// Laplace's continued fraction 1/(y + 1/(y + 2/(y + ...))), y = -w, evaluated
// from its tail (Abramowitz and Stegun 26.2.14): from y = 8 on, 40 terms leave
// an error below 1e-16.
func logScaledPhi(w float64) float64 {
	switch {
	case w > 1:
		return w*w/2 + math.Log1p(-math.Erfc(w/math.Sqrt2)/2)
	case w > -8:
		return w*w/2 + math.Log(math.Erfc(-w/math.Sqrt2)/2)
	}
	tail := -w
	for k := 40.0; k >= 1; k-- {
		tail = k/tail - w
	}
	return -math.Log(tail) - halfLogTwoPi
}
