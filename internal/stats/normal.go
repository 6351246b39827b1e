package stats

import "math"

// halfLogTwoPi is ln(2 pi)/2.
const halfLogTwoPi = 0.918938533204672741780329736405617640

// millsFrom is the -z from which the continued fraction is used: below it
// math.Erfc has all its digits, above it the fraction needs few terms.
const millsFrom = 8

// logPhi returns ln Phi(z), the logarithm of the standard normal distribution
// function, for every finite z, also where Phi itself underflows (z < -38).
func logPhi(z float64) float64 {
	if z > -millsFrom {
		if z > 1 {
			return math.Log1p(-math.Erfc(z/math.Sqrt2) / 2)
		}
		return math.Log(math.Erfc(-z/math.Sqrt2) / 2)
	}
	m, _ := hazard(z)
	return -z*z/2 - halfLogTwoPi - math.Log(m)
}

// hazard returns m = phi(z)/Phi(z), the slope of ln Phi, and m + z, which is
// positive and for large -z has no digits left as a sum. There it is Laplace's
// continued fraction 1/(y + 2/(y + 3/(y + ...))), y = -z, evaluated from its tail
// (Abramowitz and Stegun 26.2.14); 40 terms leave an error below 1e-16.
func hazard(z float64) (m, mPlusZ float64) {
	if z > -millsFrom {
		m = math.Exp(-z*z/2 - halfLogTwoPi - logPhi(z))
		return m, m + z
	}
	tail := -z
	for k := 40; k >= 2; k-- {
		tail = -z + float64(k)/tail
	}
	return 1/tail - z, 1 / tail
}
