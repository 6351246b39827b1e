package stats

import (
	"errors"
	"fmt"
	"math"
)

// Sample is what Welch's test needs to know of one arm.
type Sample struct {
	// N is the number of values, at least 2.
	N int64
	// Mean is their mean. Only the difference of the two means is used, so both
	// may be relative to any common origin; for values far from zero compared with
	// their spread they should be, because a float64 near 1e9 has no digit below 1e-7.
	Mean float64
	// Variance is the sample variance, divisor N-1, not negative.
	Variance float64
}

// WelchTest is the answer of Welch's t-test. Every field is finite, except that
// LogP and LogPGreater have no lower limit.
type WelchTest struct {
	// Diff is mean 2 minus mean 1 and SE its standard error, in the samples' unit.
	Diff, SE float64
	// T is Diff/SE and DF the Welch-Satterthwaite degrees of freedom, between
	// min(n1, n2)-1 and n1+n2-2.
	T, DF float64
	// P is the two-sided p-value and LogP its natural logarithm, which is still
	// right where P underflows to 0 (below about 1e-308).
	P, LogP float64
	// PGreater is the p-value against "mean 2 is higher", LogPGreater its logarithm.
	PGreater, LogPGreater float64
	// Low and High enclose the difference of the true means with the confidence
	// asked for: Diff -+ t_quantile SE.
	Low, High float64
	// NoVariance tells that neither sample varies. There is no scale to judge a
	// difference by then, and the stated policy is that this is no evidence and
	// never an alarm: T = 0, DF = n1+n2-2, P = 1, LogP = 0, PGreater = 1/2,
	// LogPGreater = ln(1/2), SE = 0, Low = High = Diff, whatever Diff is.
	NoVariance bool
}

// Welch compares the means of two samples that need not have the same variance.
//
//	t  = (m2 - m1)/sqrt(u1 + u2),            u = variance/n
//	df = 1/(c²/(n1-1) + (1-c)²/(n2-1)),      c = u1/(u1 + u2)
//
// The second line is Welch-Satterthwaite's (u1+u2)²/(u1²/(n1-1) + u2²/(n2-1))
// without squares that overflow or vanish for variances near 1e+-200. Assumes
// independent values and means that are nearly normal; valid for one look at
// the data. Source: B. L. Welch, Biometrika 34 (1947) 28-35.
//
// confidence is the level of the interval, above 0 and below 1: 0.95. An error
// tells which number makes no sense.
func Welch(one, two Sample, confidence float64) (WelchTest, error) {
	if err := errors.Join(one.check("sample 1"), two.check("sample 2")); err != nil {
		return WelchTest{}, err
	}
	return welch(one, two, two.Mean-one.Mean, confidence)
}

func (s Sample) check(name string) error {
	switch {
	case s.N < 2:
		return fmt.Errorf("%s has n = %d; a variance needs at least 2 values", name, s.N)
	case !finite(s.Mean):
		return fmt.Errorf("%s has mean %v; it must be a finite number", name, s.Mean)
	case !finite(s.Variance) || s.Variance < 0:
		return fmt.Errorf("%s has variance %v; it must be a finite number, not negative", name, s.Variance)
	}
	return nil
}

func checkConfidence(confidence float64) error {
	if !(confidence > 0 && confidence < 1) {
		return fmt.Errorf("the confidence is %v; it must be above 0 and below 1, such as 0.95", confidence)
	}
	return nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// welch is the test on checked samples, with the difference of means given apart
// because raw values know it to more digits than two rounded means do.
func welch(one, two Sample, diff, confidence float64) (WelchTest, error) {
	if err := checkConfidence(confidence); err != nil {
		return WelchTest{}, err
	}
	if !finite(diff) {
		return WelchTest{}, errors.New("the difference of the means exceeds the range of numbers; use a larger unit")
	}
	n1, n2 := float64(one.N), float64(two.N)
	if one.Variance == 0 && two.Variance == 0 {
		return WelchTest{
			Diff: diff, DF: n1 + n2 - 2, P: 1, PGreater: 0.5, LogPGreater: -math.Ln2,
			Low: diff, High: diff, NoVariance: true,
		}, nil
	}
	// An even power of two brings the variances to ordinary size, exactly.
	_, exponent := math.Frexp(math.Max(one.Variance, two.Variance))
	half := exponent / 2
	u1 := math.Ldexp(one.Variance, -2*half) / n1
	u2 := math.Ldexp(two.Variance, -2*half) / n2
	c := u1 / (u1 + u2)
	d := u2 / (u1 + u2)

	r := WelchTest{
		Diff: diff,
		SE:   math.Ldexp(math.Sqrt(u1+u2), half),
		DF:   1 / (c*c/(n1-1) + d*d/(n2-1)),
	}
	r.T = diff / r.SE
	if math.IsInf(r.T, 0) {
		return WelchTest{}, errors.New("the difference of the means exceeds its standard error by more than the range of numbers")
	}
	r.LogP = logStudentTails(math.Abs(r.T), r.DF)
	r.P = math.Exp(r.LogP)
	tail := r.LogP - math.Ln2
	if r.T > 0 {
		r.PGreater, r.LogPGreater = math.Exp(tail), tail
	} else {
		r.PGreater, r.LogPGreater = -math.Expm1(tail), math.Log1p(-math.Exp(tail))
	}
	reach := studentQuantile(math.Log1p(-confidence)-math.Ln2, r.DF) * r.SE
	r.Low, r.High = diff-reach, diff+reach
	return r, nil
}
