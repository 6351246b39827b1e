package stats

import (
	"errors"
	"fmt"
	"math"
)

// ShiftInterval says by how much the values of sample 2 lie above those of
// sample 1, in the values' unit. Every field is finite; Low <= Estimate <= High.
type ShiftInterval struct {
	// Estimate is that of Hodges and Lehmann: the median of all differences of a
	// value of 2 and one of 1. It is not the difference of the medians.
	Estimate float64
	// Low and High are the shifts at which the test stops to object: every shift
	// between them is one that MannWhitney, asymptotic and two-sided at the level
	// 1 - confidence, would not reject. Both are differences that were observed.
	Low, High float64
	// Whole is true where the samples are too small for any rejection. Low and High
	// are the least and the largest difference then, and their confidence is less
	// than was asked for.
	Whole bool
}

// Shift estimates the shift between two samples, with the confidence interval
// that belongs to the Mann-Whitney test: R's wilcox.test(two, one, conf.int =
// TRUE, exact = FALSE). Of the N = n1 n2 differences, sorted, the ends are the
// k-th and the k-th from above,
//
//	k = ceiling(N/2 - 1/2 - z s),   z = Phi^-1((1 + confidence)/2)
//
// with s as in MannWhitney, but corrected only for ties within a sample: between
// two differences, where the test is inverted, no others are left. R searches the
// ends to 1e-4 whatever the unit, and where many differences are the same, as for
// values that are mostly 0, it answers on either side of them; here the ends are
// exact. It takes some hundred passes over the values, and no memory for the
// differences.
//
// Assumes that the two distributions differ by a shift only, and independent
// values; valid for one look. An error tells what is wrong with a sample or with
// the confidence, which must be above 0 and at most 1 - 1e-12. Source: J. L.
// Hodges and E. L. Lehmann, Ann. Math. Statist. 34 (1963) 598-611.
func Shift(one, two []float64, confidence float64) (ShiftInterval, error) {
	one, err1 := sorted("sample 1", one)
	two, err2 := sorted("sample 2", two)
	if err := errors.Join(err1, err2); err != nil {
		return ShiftInterval{}, err
	}
	if !(confidence > 0 && confidence <= 1-1e-12) {
		return ShiftInterval{}, fmt.Errorf("confidence is %v; it must be above 0 and at most 1 - 1e-12", confidence)
	}
	d := differences{one, two}
	if !finite(d.least()) || !finite(d.largest()) {
		return ShiftInterval{}, errors.New("the values' differences exceed the range of numbers; use a larger unit")
	}
	n := float64(d.count())
	z := math.Sqrt2 * math.Erfcinv(1-confidence)
	k := max(0, math.Ceil(n/2-0.5-z*d.deviation()))
	answer := ShiftInterval{Low: d.least(), High: d.largest(), Whole: k < 1}
	if !answer.Whole {
		answer.Low, answer.High = d.nth(int(k)), d.nth(d.count()+1-int(k))
	}
	lower, upper := d.nth((d.count()+1)/2), d.nth(d.count()/2+1)
	answer.Estimate = lower + (upper-lower)/2
	if !finite(upper - lower) {
		answer.Estimate = lower/2 + upper/2
	}
	return answer, nil
}

// differences are all those of a value of two and a value of one, both sorted.
type differences struct{ one, two []float64 }

func (d differences) count() int       { return len(d.one) * len(d.two) }
func (d differences) least() float64   { return d.two[0] - d.one[len(d.one)-1] }
func (d differences) largest() float64 { return d.two[len(d.two)-1] - d.one[0] }

// deviation is the standard deviation of U without ties between the samples.
func (d differences) deviation() float64 {
	n1, n2 := float64(len(d.one)), float64(len(d.two))
	n := n1 + n2
	spread := n * (n - 1) * (n + 1)
	for v := range pooled(d.one, nil) {
		t := float64(v.n1)
		spread -= t * (t - 1) * (t + 1)
	}
	for v := range pooled(nil, d.two) {
		t := float64(v.n2)
		spread -= t * (t - 1) * (t + 1)
	}
	return math.Sqrt(n1 * n2 / 12 * spread / (n * (n - 1)))
}

// nth returns the k-th least difference, 1 <= k <= count, by halving the floats
// between the least and the largest.
func (d differences) nth(k int) float64 {
	lo, hi := rank(d.least()), rank(d.largest())
	for lo < hi {
		middle := lo + (hi-lo)/2
		if d.upTo(unrank(middle)) >= k {
			hi = middle
		} else {
			lo = middle + 1
		}
	}
	return unrank(lo) + 0 // and not -0
}

// upTo counts the differences of at most x. Subtraction never turns the order of
// its results round, so as the values of one rise, more of two qualify.
func (d differences) upTo(x float64) int {
	n, j := 0, 0
	for _, v := range d.one {
		for j < len(d.two) && d.two[j]-v <= x {
			j++
		}
		n += j
	}
	return n
}

// rank numbers the floats in their order, from 0 for the least; unrank undoes it.
func rank(x float64) uint64 {
	bits := math.Float64bits(x)
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

func unrank(r uint64) float64 {
	if r>>63 != 0 {
		return math.Float64frombits(r &^ (1 << 63))
	}
	return math.Float64frombits(^r)
}
