package stats

import (
	"fmt"
	"math"
)

// FisherTest is the answer of Fisher's exact test. Every field is finite.
type FisherTest struct {
	// OddsRatio is the sample's, a d/(b c). Where b or c is 0 there is none:
	// NoOddsRatio is true then, and OddsRatio is 0.
	OddsRatio   float64
	NoOddsRatio bool
	// TwoSided sums the probabilities of all tables that are at most as probable as
	// the observed one, Greater those with at least as large an a (an odds ratio
	// above 1), Less those with at most as large a one.
	TwoSided, Greater, Less PValue
}

// largestTable bounds the sum of a 2x2 table, so that products of two counts are
// exact as sums of two floats and a tail has no more than some million terms.
const largestTable = 1e12

// Fisher tests whether rows and columns of the table
//
//	a b
//	c d
//
// are independent, by the distribution of a with all four margins as they are,
// the hypergeometric one:
//
//	P(a) = (a+b)! (c+d)! (a+c)! (b+d)! / (n! a! b! c! d!),   n = a+b+c+d
//
// The two-sided p-value has SciPy's definition (and R's). Tables that are equally
// probable, such as mirror images, must count as equal though rounding tells
// them apart, so a hair is let pass: some 1e-12 here, more where ln P(a) is
// large; 1e-14 in SciPy, 1e-7 in R. SciPy's own digits go as the counts grow
// (off by 1e-9 at a million, by 4e-7 at a billion), and its p underflows.
// Note the direction, which is SciPy's: with arms as rows and events as the first
// column, Greater says that row 1 has more of them.
//
// Assumes independent counts; conservative, because a is discrete; valid for one
// look. If a row or column is empty, every p-value is 1. The only error is a
// table of more than 1e12. Source: R. A. Fisher, J. R. Stat. Soc. 98 (1935) 39-82.
func Fisher(a, b, c, d uint64) (FisherTest, error) {
	for _, count := range []uint64{a, b, c, d} {
		if count > largestTable {
			return FisherTest{}, fmt.Errorf("the table has a count of %d; all four together may be %g at most", count, largestTable)
		}
	}
	if sum := a + b + c + d; sum > largestTable {
		return FisherTest{}, fmt.Errorf("the table's counts sum to %d; %g is the most", sum, largestTable)
	}
	t := table{float64(a), float64(b), float64(c), float64(d)}
	r := FisherTest{NoOddsRatio: b == 0 || c == 0}
	if !r.NoOddsRatio {
		r.OddsRatio = t.a * t.d / (t.b * t.c)
	}
	switch {
	case t.falls() && t.mirrored().falls(): // nothing is more probable
		log := t.log()
		r.Greater, r.Less = fromLog(log+math.Log(t.tail())), fromLog(log+math.Log(t.mirrored().tail()))
		r.TwoSided = PValue{P: 1}
	case t.falls():
		r.Greater, r.Less, r.TwoSided = t.pvalues()
	default:
		r.Less, r.Greater, r.TwoSided = t.mirrored().pvalues()
	}
	return r, nil
}

// table is a 2x2 table of counts, with sum and products exact enough: see largestTable.
type table struct{ a, b, c, d float64 }

// mirrored exchanges the columns, so that a large a becomes a small one.
func (t table) mirrored() table { return table{t.b, t.a, t.d, t.c} }

// plus is the table with the same margins and an a that is k larger.
func (t table) plus(k float64) table { return table{t.a + k, t.b - k, t.c - k, t.d + k} }

// falls says whether the table with a+1 is at most as probable, that is whether
// P(a+1)/P(a) = b c/((a+1)(d+1)) is at most 1.
func (t table) falls() bool { return t.b*t.c <= (t.a+1)*(t.d+1) }

// tail is P(A >= a)/P(A = a).
func (t table) tail() float64 {
	sum, term := 1., 1.
	for t.b > 0 && t.c > 0 && term > 1e-18*sum {
		term *= t.b * t.c / ((t.a + 1) * (t.d + 1))
		sum += term
		t = t.plus(1)
	}
	return sum
}

// pvalues are P(A >= a), P(A <= a) and the two-sided one of a table above the
// most probable one.
func (t table) pvalues() (above, below, both PValue) {
	log := t.log()
	near := log + math.Log(t.tail())
	above = fromLog(near)
	// By the rest: on this side of the peak P(A <= a) is no small number.
	below = without(math.Exp(log) * (t.tail() - 1))
	other, found := t.opposite(log)
	if !found {
		return above, below, above
	}
	far := other.log() + math.Log(other.mirrored().tail())
	return above, below, fromLog(logSum(near, far))
}

// opposite is the most probable table on the other side of the peak that is not
// more probable than t, whose ln P is log.
func (t table) opposite(log float64) (table, bool) {
	slack := 1e-14 * (100 + math.Abs(log))
	first := -math.Min(t.a, t.d) // the smallest step that is possible
	if t.plus(first).log() > log+slack {
		return table{}, false
	}
	// The peak, or next to it; P rises from the first table up to it.
	lo, hi := first, math.Min(0, math.Floor((t.a+t.b+1)*(t.a+t.c+1)/(t.a+t.b+t.c+t.d+2))-t.a)
	for hi-lo > 1 {
		middle := math.Floor(lo + (hi-lo)/2)
		if t.plus(middle).log() <= log+slack {
			lo = middle
		} else {
			hi = middle
		}
	}
	return t.plus(lo), true
}

// log is ln P(A = a), right to a few units in the last place of the larger of 1
// and itself: with n! = sqrt(2 pi n) (n/e)^n exp(stirling(n)) the large terms
// make up half of the likelihood-ratio statistic, which is a sum over cells of
// deviances, none of them negative (C. Loader's saddle-point form, 2000).
func (t table) log() float64 {
	n := t.a + t.b + t.c + t.d
	row1, row2, column1, column2 := t.a+t.b, t.c+t.d, t.a+t.c, t.b+t.d
	if row1 == 0 || row2 == 0 || column1 == 0 || column2 == 0 {
		return 0
	}
	excess := cross(t.a, t.d, t.b, t.c) / n // of a over what is expected of it
	return factorialRest(row1) + factorialRest(row2) + factorialRest(column1) + factorialRest(column2) - factorialRest(n) -
		factorialRest(t.a) - factorialRest(t.b) - factorialRest(t.c) - factorialRest(t.d) -
		deviance(t.a, row1/n*column1, excess) - deviance(t.b, row1/n*column2, -excess) -
		deviance(t.c, row2/n*column1, -excess) - deviance(t.d, row2/n*column2, excess)
}

// cross is a d - b c to the last digit, for whole numbers up to largestTable.
func cross(a, d, b, c float64) float64 {
	ad, bc := a*d, b*c
	return (ad - bc) + (math.FMA(a, d, -ad) - math.FMA(b, c, -bc))
}

// factorialRest is ln n! - (n ln n - n).
func factorialRest(n float64) float64 {
	if n == 0 {
		return 0
	}
	return math.Log(n)/2 + halfLogTwoPi + stirling(n)
}

// deviance is x ln(x/e) - (x - e), not negative, with the difference x - e given
// apart because it knows that to more digits.
func deviance(x, e, difference float64) float64 {
	u := difference / e
	switch {
	case x == 0:
		return e
	case u < -0.5:
		return x*math.Log(x/e) - difference
	case math.Abs(u) > 0.1:
		return x*math.Log1p(u) - difference
	}
	// e ((1+u) ln(1+u) - u) = e Sum_{k>=2} (-u)^k/(k(k-1))
	sum, power := 0., u*u
	for k := 2.; math.Abs(power) > 1e-18*sum; k++ {
		sum += power / (k * (k - 1))
		power *= -u
	}
	return e * sum
}
