package stats

import (
	"errors"
	"fmt"
	"math"
)

// ProportionsTest is the answer of the comparison of two proportions. Every
// field is finite.
type ProportionsTest struct {
	// Rate1 and Rate2 are x/n, Diff is rate 2 minus rate 1.
	Rate1, Rate2, Diff float64
	// Z is Diff over its standard error under equal rates; 0 if no event or nothing
	// but events was counted, which is no evidence: every p-value is 1 then.
	Z float64
	// TwoSided, Greater and Less are the p-values against "the rates differ",
	// "rate 2 is higher" and "rate 2 is lower".
	TwoSided, Greater, Less PValue
	// Low and High enclose the difference of the true rates with the confidence
	// asked for. They may disagree with the test near its level, since they do not
	// assume equal rates.
	Low, High float64
}

// Proportions compares x1 events in n1 trials with x2 in n2 by the z-test with
// pooled variance (statsmodels' proportions_ztest, K. Pearson's chi-squared test
// with its sign kept):
//
//	z = (x2/n2 - x1/n1)/sqrt(p (1-p) (1/n1 + 1/n2)),   p = (x1+x2)/(n1+n2)
//
// and gives Newcombe's hybrid score interval for the difference, the two Wilson
// intervals (l, u) put together:
//
//	Low  = d - sqrt((r2-l2)² + (u1-r1)²),   High = d + sqrt((u2-r2)² + (r1-l1)²)
//
// Unlike the Wald interval it stays within -1 to 1 and has a width where no
// event was seen. Both are approximations for independent trials with some five
// events expected in each arm; for fewer Fisher is exact. Valid for one look. An
// error tells which number makes no sense; counts go up to 1e12. Source: R. G.
// Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.
func Proportions(x1, n1, x2, n2 uint64, confidence float64) (ProportionsTest, error) {
	if err := errors.Join(checkTrials("sample 1", x1, n1), checkTrials("sample 2", x2, n2), checkConfidence(confidence)); err != nil {
		return ProportionsTest{}, err
	}
	a, b := trials{float64(x1), float64(n1)}, trials{float64(x2), float64(n2)}
	r := ProportionsTest{
		Rate1: a.events / a.n, Rate2: b.events / b.n,
		Diff:     cross(b.events, a.n, a.events, b.n) / (a.n * b.n),
		TwoSided: PValue{P: 1}, Greater: PValue{P: 1}, Less: PValue{P: 1},
	}
	n := a.n + b.n
	if p, q := (a.events+b.events)/n, (n-a.events-b.events)/n; p > 0 && q > 0 {
		r.Z = r.Diff / math.Sqrt(p*q*(1/a.n+1/b.n))
		r.Greater, r.Less = fromLog(logPhi(-r.Z)), fromLog(logPhi(r.Z))
		r.TwoSided = twice(r.Greater, r.Less)
	}
	z := math.Sqrt2 * math.Erfinv(confidence)
	down1, up1 := a.wilson(z)
	down2, up2 := b.wilson(z)
	r.Low = math.Max(-1, r.Diff-math.Hypot(down2, up1))
	r.High = math.Min(1, r.Diff+math.Hypot(up2, down1))
	return r, nil
}

func checkTrials(name string, events, n uint64) error {
	switch {
	case n == 0:
		return fmt.Errorf("%s has no trials; at least 1 is needed", name)
	case n > largestTable:
		return fmt.Errorf("%s has %d trials; %g is the most", name, n, largestTable)
	case events > n:
		return fmt.Errorf("%s has %d events in %d trials", name, events, n)
	}
	return nil
}

// trials are so many events among n.
type trials struct{ events, n float64 }

// wilson is how far Wilson's interval reaches below and above the rate,
//
//	(z sqrt(z² + 4 x (n-x)/n) -+ z² (n-2x)/n) / (2 (n + z²))
//
// by the form in which nothing cancels for the shorter side (E. B. Wilson,
// J. Am. Stat. Assoc. 22 (1927) 209-212).
func (t trials) wilson(z float64) (down, up float64) {
	variance := 4 * t.events * ((t.n - t.events) / t.n)
	root, lean := z*math.Sqrt(z*z+variance), z*z*((t.n-2*t.events)/t.n)
	scale := 2 * (t.n + z*z)
	long := (root + math.Abs(lean)) / scale
	short := 0.
	if variance > 0 { // root² - lean² = z² variance (1 + z²/n)
		short = z * z * variance * (1 + z*z/t.n) / (root + math.Abs(lean)) / scale
	}
	if lean < 0 {
		return long, short
	}
	return short, long
}
