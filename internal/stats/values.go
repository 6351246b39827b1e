package stats

import (
	"errors"
	"fmt"
	"math"
)

// WelchValues is Welch on the values themselves. Means, their difference and
// the variances are right to the last digits of a float64 even where values near
// 1e9 differ by 1e-3, or where squares would overflow.
func WelchValues(one, two []float64, confidence float64) (WelchTest, error) {
	if err := errors.Join(checkValues("sample 1", one), checkValues("sample 2", two)); err != nil {
		return WelchTest{}, err
	}
	// Scaling by a power of two is exact and undone at the end; with the largest
	// deviation near 1 no square overflows and none that matters vanishes.
	exponent := max(scale(one), scale(two))
	a, b := summarize(one, exponent), summarize(two, exponent)
	r, err := welch(a.sample, b.sample, a.meanUpTo(b), confidence)
	if err != nil {
		return WelchTest{}, err
	}
	for _, field := range []*float64{&r.Diff, &r.SE, &r.Low, &r.High} {
		*field = math.Ldexp(*field, exponent)
		if !finite(*field) {
			return WelchTest{}, errors.New("the values' differences exceed the range of numbers; use a larger unit")
		}
	}
	return r, nil
}

func checkValues(name string, values []float64) error {
	if len(values) < 2 {
		return fmt.Errorf("%s has %d values; a variance needs at least 2", name, len(values))
	}
	for i, v := range values {
		if !finite(v) {
			return fmt.Errorf("%s: value %d is %v; it must be a finite number", name, i, v)
		}
	}
	return nil
}

// scale is the binary exponent of the largest distance of a value from the
// first, or as much more as keeps the values themselves in range.
func scale(values []float64) int {
	var largest, spread float64
	for _, v := range values {
		largest = math.Max(largest, math.Abs(v))
		spread = math.Max(spread, math.Abs(v-values[0]))
	}
	_, size := math.Frexp(largest)
	_, exponent := math.Frexp(math.Min(spread, math.MaxFloat64))
	if spread == 0 {
		return size - 1000
	}
	return max(exponent, size-1000)
}

// summary holds a sample in the scaled unit, its mean split: origin, the first
// value, plus mean.hi + mean.lo.
type summary struct {
	sample Sample
	origin float64
	mean   pair
}

// summarize goes over the values twice: first for the mean of their deviations
// from the first value, then for the squares about that mean, corrected for the
// mean's own rounding (Chan, Golub and LeVeque, American Statistician 37, 1983).
func summarize(values []float64, exponent int) summary {
	n := float64(len(values))
	origin := math.Ldexp(values[0], -exponent)
	deviation := func(v float64) pair { return difference(math.Ldexp(v, -exponent), origin) }
	var sum pair
	for _, v := range values {
		sum = sum.plus(deviation(v))
	}
	mean := pair{hi: sum.hi / n}
	mean.lo = (math.FMA(-mean.hi, n, sum.hi) + sum.lo) / n

	var squares, rest pair
	for _, v := range values {
		d := deviation(v).plus(pair{-mean.hi, -mean.lo})
		e := d.hi + d.lo
		squares = squares.plus(pair{hi: e * e})
		rest = rest.plus(pair{hi: e})
	}
	correction := rest.hi + rest.lo
	variance := math.Max(0, squares.hi+squares.lo-correction*correction/n) / (n - 1)
	return summary{Sample{N: int64(len(values)), Variance: variance}, origin, mean}
}

// meanUpTo is b's mean minus a's, in the scaled unit.
func (a summary) meanUpTo(b summary) float64 {
	d := difference(b.origin, a.origin)
	d = d.plus(b.mean).plus(pair{-a.mean.hi, -a.mean.lo})
	return d.hi + d.lo
}

// pair is an unevaluated sum of two numbers, twice a float64's digits.
type pair struct{ hi, lo float64 }

// difference is a - b without rounding (Knuth's two-sum).
func difference(a, b float64) pair {
	hi := a - b
	t := hi - a
	return pair{hi, (a - (hi - t)) - (b + t)}
}

func (p pair) plus(q pair) pair {
	s := difference(p.hi, -q.hi)
	lo := s.lo + p.lo + q.lo
	hi := s.hi + lo
	return pair{hi, lo - (hi - s.hi)}
}
