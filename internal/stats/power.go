package stats

import (
	"fmt"
	"math"
)

// Alternative is what a test is meant to show. Its zero value is TwoSided.
type Alternative int

const (
	// TwoSided: the means differ.
	TwoSided Alternative = iota
	// Greater: mean 2 is higher than mean 1.
	Greater
)

// Design is a planned comparison of two means by the t-test with pooled
// variance, the plan that statsmodels' TTestIndPower computes:
//
//	df    = n1 + n2 - 2,  delta = effect sqrt(n1 n2/(n1 + n2))
//	power = P(T > t_alpha) + P(T < -t_alpha),   T noncentral t(df, delta)
//
// the second term only when two-sided, with t_alpha the central t's quantile at
// 1 - alpha/2 (two-sided) or 1 - alpha (greater). Assumes normal values of one
// variance; where the variances are equal Welch's test has nearly this power.
// Sizes are real numbers throughout, so that a root exists; Sizes rounds it.
// Source: J. Cohen, Statistical Power Analysis for the Behavioral Sciences (1988).
type Design struct {
	// Ratio is n2/n1, above 0: 1 for equal groups, 1/9 for a 10 % canary as group 2.
	Ratio float64
	// Alpha is the level of the test, from 1e-300 to 0.5: 0.05.
	Alpha float64
	// Alternative is what the test is meant to show.
	Alternative Alternative
}

// largestSize bounds a group: nobody counts beyond it.
const largestSize = 1e15

// Power is the probability that the test finds a difference of effect standard
// deviations with n1 values in group 1 and n1*Ratio in group 2. Both sizes must
// be at least 1 and together at least 3.
func (d Design) Power(effect, n1 float64) (float64, error) {
	if err := d.check(); err != nil {
		return 0, err
	}
	if !finite(effect) {
		return 0, fmt.Errorf("the effect is %v; it must be a finite number of standard deviations", effect)
	}
	if !(n1 >= d.smallest() && n1 <= largestSize && n1*d.Ratio <= largestSize) {
		return 0, fmt.Errorf("group sizes %v and %v: each must be at least 1, both together at least 3, and neither above %g", n1, n1*d.Ratio, float64(largestSize))
	}
	return d.power(effect, n1), nil
}

func (d Design) check() error {
	switch {
	case !(d.Ratio >= 1/largestSize && d.Ratio <= largestSize):
		return fmt.Errorf("the ratio n2/n1 is %v; it must be above 0, such as 1 for equal groups", d.Ratio)
	case !(d.Alpha >= 1e-300 && d.Alpha <= 0.5):
		return fmt.Errorf("alpha is %v; it must be from 1e-300 to 0.5, such as 0.05", d.Alpha)
	case d.Alternative != TwoSided && d.Alternative != Greater:
		return fmt.Errorf("the alternative is number %d, which does not exist", d.Alternative)
	}
	return nil
}

// smallest is the least n1 with which both groups have a value and the test a
// degree of freedom.
func (d Design) smallest() float64 {
	return math.Max(3/(1+d.Ratio), math.Max(1, 1/d.Ratio))
}

// power is Power on checked numbers.
func (d Design) power(effect, n1 float64) float64 {
	n2 := n1 * d.Ratio
	nu := n1 + n2 - 2
	// Beyond 1e15 the power is 0 or 1 to every digit, and infinity would give NaN.
	delta := math.Max(-1e15, math.Min(1e15, effect*math.Sqrt(n1/(n1+n2)*n2)))
	logq := math.Log(d.Alpha)
	if d.Alternative == TwoSided {
		logq -= math.Ln2
	}
	critical := studentQuantile(logq, nu)
	power := noncentralTail(critical, nu, delta)
	if d.Alternative == TwoSided {
		power += noncentralTail(critical, nu, -delta)
	}
	return math.Min(1, power)
}

// Sizes is how many values a design needs.
type Sizes struct {
	// Exact1 and Exact2 are the real numbers at which the power is what was asked.
	// They do not go below the smallest design there is, 3 values in all.
	Exact1, Exact2 float64
	// N1 and N2 are whole: the smaller group rounded up, the larger one rounded up
	// from its multiple, so that the allocation is kept (1 to 9: 20 and 180), and
	// neither below 2, which Welch's test needs.
	N1, N2 int64
}

// SampleSize is the number of values with which the test finds a difference of
// effect standard deviations with the given power, above alpha and below 1.
func (d Design) SampleSize(effect, power float64) (Sizes, error) {
	if err := d.checkTarget(power); err != nil {
		return Sizes{}, err
	}
	if !finite(effect) || effect == 0 || d.Alternative == Greater && effect < 0 {
		return Sizes{}, fmt.Errorf("no number of values shows an effect of %v standard deviations in this direction", effect)
	}
	lack := func(logN float64) float64 { return d.power(effect, math.Exp(logN)) - power }
	lo := math.Log(d.smallest())
	hi := lo + 1
	for lack(hi) < 0 {
		lo, hi = hi, hi+2
		if hi+math.Max(0, math.Log(d.Ratio)) > math.Log(largestSize) {
			return Sizes{}, fmt.Errorf("more than %g values would be needed to show an effect of %v standard deviations", float64(largestSize), effect)
		}
	}
	n1 := d.smallest()
	if lack(lo) < 0 {
		n1 = math.Exp(findRoot(lack, lo, hi))
	}
	return d.round(n1), nil
}

func (d Design) checkTarget(power float64) error {
	if err := d.check(); err != nil {
		return err
	}
	if !(power > d.Alpha && power < 1) {
		return fmt.Errorf("the power is %v; it must be above alpha (%v) and below 1, such as 0.8", power, d.Alpha)
	}
	return nil
}

func (d Design) round(n1 float64) Sizes {
	s := Sizes{Exact1: n1, Exact2: n1 * d.Ratio}
	if d.Ratio >= 1 {
		s.N1, s.N2 = multiples(s.Exact1, d.Ratio)
	} else {
		s.N2, s.N1 = multiples(s.Exact2, 1/d.Ratio)
	}
	return s
}

// multiples rounds the smaller group up, and the larger as its multiple; a hair
// of rounding in the ratio (9 times 20 is not 181) is not a value more.
func multiples(smaller, ratio float64) (small, large int64) {
	few := math.Max(2, math.Ceil(smaller))
	return int64(few), int64(math.Ceil(few * ratio * (1 - 1e-12)))
}

// SmallestEffect is the difference, in standard deviations, that the test finds
// with the given power from n1 values in group 1 and n1*Ratio in group 2.
func (d Design) SmallestEffect(n1, power float64) (float64, error) {
	if err := d.checkTarget(power); err != nil {
		return 0, err
	}
	if _, err := d.Power(0, n1); err != nil {
		return 0, err
	}
	lack := func(effect float64) float64 { return d.power(effect, n1) - power }
	hi := 1 / math.Sqrt(n1)
	for lack(hi) < 0 {
		hi *= 2
		if hi > 1e100 {
			return 0, fmt.Errorf("with %v values in group 1 no effect is found with power %v at alpha %v", n1, power, d.Alpha)
		}
	}
	return findRoot(lack, 0, hi), nil
}
