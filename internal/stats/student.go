package stats

import "math"

// reach is how far below its peak, in natural logarithms, an integrand is still
// added up: exp(-45) is 3e-20.
const reach = 45

// logStudentTails returns ln P(|T| > t) for Student's t with nu degrees of
// freedom, t >= 0 and nu >= 1; one tail is half of it.
//
// With w² = nu ln(1 + t²/nu) and s = v²/nu,
//
//	P(T > t) = C Int_w^inf exp(-v²/2) sqrt(s/(1-exp(-s))) dv,
//	C = Gamma((nu+1)/2) / (Gamma(nu/2) sqrt(pi nu)),
//
// an exact change of variable in the density (it is the one behind Wallace's
// 1959 normal approximation and Temme's uniform expansions of the incomplete
// beta function). Taking exp(-w²/2) = (1 + t²/nu)^(-nu/2) out of the integral
// leaves a value of ordinary size for every t and nu. Near the centre the
// integral from 0 to w is taken instead, so that ln P keeps its digits as P goes
// to 1.
func logStudentTails(t, nu float64) float64 {
	w2 := nu * logOnePlusSquare(t, nu)
	w, constant := math.Sqrt(w2), logStudentConstant(nu)
	if w > centre {
		return math.Ln2 + constant - w2/2 + math.Log(studentIntegral(w, nu))
	}
	if w == 0 {
		return 0 // and not -0
	}
	half := studentRule.integrate(func(v float64) float64 {
		return math.Exp(-v*v/2) * studentFactor(v*v/nu)
	}, 0, w)
	return math.Log1p(-2 * math.Exp(constant) * half)
}

// centre is the w up to which more than half of the probability lies outside.
const centre = 0.67

// logOnePlusSquare returns ln(1 + t²/nu) where t² may overflow.
func logOnePlusSquare(t, nu float64) float64 {
	if t > 1e100 {
		return 2*math.Log(t) - math.Log(nu)
	}
	return math.Log1p(t * t / nu)
}

// studentIntegral is Int_0^inf exp(-w y - y²/2) g((w+y)²/nu) dy.
func studentIntegral(w, nu float64) float64 {
	end := 2 * reach / (w + math.Sqrt(w*w+2*reach)) // where w y + y²/2 = reach
	return studentRule.integrate(func(y float64) float64 {
		v := w + y
		return math.Exp(-y*(w+y/2)) * studentFactor(v*v/nu)
	}, 0, end)
}

// studentFactor is g(s) = sqrt(s/(1-exp(-s))).
func studentFactor(s float64) float64 {
	if s == 0 {
		return 1
	}
	return math.Sqrt(s / -math.Expm1(-s))
}

// logStudentConstant returns ln C of logStudentTails; it tends to -ln(2 pi)/2.
func logStudentConstant(nu float64) float64 {
	a := nu / 2
	return a*math.Log1p(1/nu) - 0.5 + stirling(a+0.5) - stirling(a) - halfLogTwoPi
}

// stirling returns ln Gamma(a) - ((a - 1/2) ln a - a + ln(2 pi)/2), what
// Stirling's formula leaves over, for a > 0. Differences of ln Gamma are made
// from it because at a = 1e9 ln Gamma itself has lost the digits that matter.
func stirling(a float64) float64 {
	sum := 0.0
	for a < 16 { // stirling(a) - stirling(a+1)
		sum += (a+0.5)*math.Log1p(1/a) - 1
		a++
	}
	x := 1 / (a * a) // Abramowitz and Stegun 6.1.41
	series := 1./12 - x*(1./360-x*(1./1260-x*(1./1680-x*(1./1188-x*691./360360))))
	return sum + series/a
}

// studentQuantile returns the t with ln P(T > t) = logq, for q <= 1/2 and
// nu >= 1.
//
// Newton's method in w: ln P is concave in w for nu > 1/2, so the first step
// lands to the right of the root and all others come down to it.
func studentQuantile(logq, nu float64) float64 {
	constant := logStudentConstant(nu)
	w := math.Sqrt(math.Max(0, -2*(logq+math.Ln2)))
	for range 100 {
		integral := studentIntegral(w, nu)
		excess := constant - w*w/2 + math.Log(integral) - logq
		step := excess * integral / studentFactor(w*w/nu)
		w = math.Max(0, w+step)
		if math.Abs(step) <= 1e-15*w || w == 0 {
			break
		}
	}
	s := w * w / nu
	return math.Exp(s/2) * math.Sqrt(-nu*math.Expm1(-s))
}
