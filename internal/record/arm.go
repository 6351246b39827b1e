package record

import (
	"math"
	"math/big"
	"time"
)

// Arm is what was observed of one arm. The zero value has seen nothing. It is
// about 15 kB: pass it by pointer where it matters.
//
// All of it is whole numbers, so merging in any order and any grouping gives
// the same arm. Counters hold up to 2^46 (a year at two million a second);
// nothing stops at more, but evidence of more is refused when it is decoded.
type Arm struct {
	// Count is the number of observations: predictions that were finished.
	Count uint64
	// Failures is the number of predictions that gave no answer. Panics and
	// Deadlines are how many of them were Panicked and Late.
	Failures, Panics, Deadlines uint64
	// Started is the number of requests that were routed here. A Gauge counts it;
	// who fills an Arm by hand counts it by hand.
	Started uint64
	// Abandoned is how many of Count were finished for a client that had gone: to
	// that client, a timeout.
	Abandoned uint64
	// sum and squares are exact sums of the latencies in ns and of their squares.
	sum, squares int128
	// ln and lnSquares are those of the latencies' logarithms, in 2^-32 and 2^-64.
	ln, lnSquares int128
	latencies     [bucketCount]uint64
	scores        [scoreCount]uint64
}

// longest bounds a single latency, so that 2^46 observations cannot overflow
// the sum of squares. It is 1,099 s; a longer one counts as that long, and one
// below 0, from a clock that was set, as 0.
const longest = 1 << 40

// Observe counts one finished prediction: its latency, and its score, which is
// a probability; anything else, as NaN, is no score. The logarithm of a latency
// is that of at least 1 ns.
func (a *Arm) Observe(latency time.Duration, score float64) {
	ns := a.time(latency)
	ln := fixedLn(ns)
	a.ln.add(int128{0, ln})
	a.lnSquares.add(times(ln, ln))
	if i, ok := scoreBucket(score); ok {
		a.scores[i]++
	}
}

// time counts a latency alone.
func (a *Arm) time(latency time.Duration) (ns uint64) {
	ns = clamp(latency)
	a.Count++
	a.sum.add(int128{0, ns})
	a.squares.add(times(ns, ns))
	a.latencies[bucketOf(ns)]++
	return ns
}

func clamp(latency time.Duration) uint64 { return uint64(min(max(latency, 0), longest)) }

// counters are all that are no sums and no buckets.
func (a *Arm) counters() [6]*uint64 {
	return [...]*uint64{&a.Started, &a.Failures, &a.Panics, &a.Deadlines, &a.Abandoned, &a.Count}
}

// count adds the counters alone.
func (a *Arm) count(b *Arm) {
	theirs := b.counters()
	for i, n := range a.counters() {
		*n += *theirs[i]
	}
}

// Fewer says whether one of a's counters is below b's: then a is no later
// snapshot of the same gauge.
func (a *Arm) Fewer(b *Arm) bool {
	theirs := b.counters()
	for i, n := range a.counters() {
		if *n < *theirs[i] {
			return true
		}
	}
	return a.unanswerable() < b.unanswerable()
}

// unanswerable is the number of failures that are of no other kind.
func (a *Arm) unanswerable() uint64 { return a.Failures - a.Panics - a.Deadlines }

// Add merges another arm into this one. The order does not matter.
func (a *Arm) Add(b *Arm) {
	a.count(b)
	a.sum.add(b.sum)
	a.squares.add(b.squares)
	a.ln.add(b.ln)
	a.lnSquares.add(b.lnSquares)
	for i, n := range &b.latencies {
		a.latencies[i] += n
	}
	for i, n := range &b.scores {
		a.scores[i] += n
	}
}

// Sub takes away what an earlier snapshot of the same gauge holds, and leaves
// what was observed since. It undoes Add.
func (a *Arm) Sub(b *Arm) {
	theirs := b.counters()
	for i, n := range a.counters() {
		*n -= *theirs[i]
	}
	a.sum.sub(b.sum)
	a.squares.sub(b.squares)
	a.ln.sub(b.ln)
	a.lnSquares.sub(b.lnSquares)
	for i, n := range &b.latencies {
		a.latencies[i] -= n
	}
	for i, n := range &b.scores {
		a.scores[i] -= n
	}
}

// Unfinished is the number of requests that were routed here and neither
// answered nor failed: in flight, hung, or lost with the process. It is 0
// where more ended than began, as in a stage that inherits requests in flight.
func (a *Arm) Unfinished() uint64 { return a.Started - min(a.Started, a.Count+a.Failures) }

// Latencies are the counts of the buckets that BucketOf and BucketRange tell of.
// It is the arm itself, not a copy: read only.
func (a *Arm) Latencies() []uint64 { return a.latencies[:] }

// Scores are the counts of the buckets of scores, from low to high. The edges
// are fixed and the same for every arm, at evenly spaced odds, 16 to each doubling.
// It is the arm itself, not a copy: read only.
func (a *Arm) Scores() []uint64 { return a.scores[:] }

// Moments returns the number of observations, their mean in ns, and their
// sample variance in ns² (divisor n-1; 0 for n < 2). Both are the correctly
// rounded values of
//
//	mean = S/n,  variance = (n*Q - S²) / (n*(n-1)),  S = sum x, Q = sum x²
//
// computed in whole numbers, so the cancellation that makes this formula
// useless in floating point does not occur.
func (a *Arm) Moments() (n uint64, mean, variance float64) {
	mean, variance = moments(a.Count, a.sum, a.squares)
	return a.Count, mean, variance
}

// LogMoments returns the same of ln(latency in ns), each logarithm taken to the
// nearest 2^-32: the number of observations, their mean, and their sample
// variance (divisor n-1; 0 for n < 2).
func (a *Arm) LogMoments() (n, mean, variance float64) {
	mean, variance = moments(a.Count, a.ln, a.lnSquares)
	return float64(a.Count), math.Ldexp(mean, -lnDigits), math.Ldexp(variance, -2*lnDigits)
}

func moments(n uint64, sum, squares int128) (mean, variance float64) {
	if n == 0 {
		return 0, 0
	}
	count, s := new(big.Int).SetUint64(n), sum.big()
	mean = ratio(s, count)
	if n > 1 {
		m2 := new(big.Int).Mul(count, squares.big())
		m2.Sub(m2, new(big.Int).Mul(s, s))
		variance = ratio(m2, new(big.Int).Mul(count, new(big.Int).SetUint64(n-1)))
	}
	return mean, variance
}

// Sum is the total of all latencies in seconds, for meters that count it.
func (a *Arm) Sum() float64 { return ratio(a.sum.big(), big.NewInt(int64(time.Second))) }

func ratio(a, b *big.Int) float64 {
	f, _ := new(big.Rat).SetFrac(a, b).Float64()
	return f
}

// Quantile returns the latency in ns below which the share q of the
// observations lies, 0 <= q <= 1, interpolated within its bucket: at most 2 %
// off from 50 ns up to 1000 s. It is NaN when nothing was observed.
func (a *Arm) Quantile(q float64) float64 { return a.Quantiles([3]float64{q, q, q})[0] }

// Quantiles returns three of them, asked for in rising order, for the price of
// one.
func (a *Arm) Quantiles(q [3]float64) (at [3]float64) {
	if a.Count == 0 {
		nan := math.NaN()
		return [3]float64{nan, nan, nan}
	}
	next, below := 0, 0.0
	for i, n := range &a.latencies {
		if n == 0 {
			continue
		}
		here := float64(n)
		for next < len(q) && below+here >= q[next]*float64(a.Count) {
			low, high := BucketRange(i)
			at[next] = low + (high-low)*max(0, q[next]*float64(a.Count)-below)/here
			next++
		}
		if next == len(q) {
			return at
		}
		below += here
	}
	for _, high := BucketRange(bucketCount - 1); next < len(q); next++ {
		at[next] = high
	}
	return at
}

// AtMost returns how many observations were at most the given latency, up to
// the resolution of a bucket: those of every bucket that ends there or before.
func (a *Arm) AtMost(latency time.Duration) uint64 {
	total := uint64(0)
	for i, n := range &a.latencies {
		if _, high := BucketRange(i); high > float64(latency) {
			break
		}
		total += n
	}
	return total
}
