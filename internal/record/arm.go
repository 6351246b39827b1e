package record

import (
	"math"
	"math/big"
	"math/bits"
	"time"
)

// Arm is what was observed of one arm. The zero value has seen nothing. It is
// about 10 kB: pass it by pointer where it matters.
type Arm struct {
	// Count is the number of observations.
	Count uint64
	// Failures is the number of predictions that gave no answer.
	Failures uint64
	// sum and squares are exact sums of the latencies in ns and of their squares.
	sum, squares uint128
	buckets      [bucketCount]uint64
}

// longest bounds a single latency, so that 2^48 observations cannot overflow
// the sum of squares. It is 1,099 s; a longer one counts as that long.
const longest = 1 << 40

func (a *Arm) observe(latency time.Duration) {
	ns := uint64(min(max(latency, 0), longest))
	a.Count++
	a.sum.add(uint128{0, ns})
	hi, lo := bits.Mul64(ns, ns)
	a.squares.add(uint128{hi, lo})
	a.buckets[bucketOf(ns)]++
}

// Add merges another arm into this one. The order does not matter.
func (a *Arm) Add(b *Arm) {
	a.Count += b.Count
	a.Failures += b.Failures
	a.sum.add(b.sum)
	a.squares.add(b.squares)
	for i, n := range &b.buckets {
		a.buckets[i] += n
	}
}

// Moments returns the number of observations, their mean in ns, and their
// sample variance in ns² (divisor n-1; 0 for n < 2). Both are the correctly
// rounded values of
//
//	mean = S/n,  variance = (n*Q - S²) / (n*(n-1)),  S = sum x, Q = sum x²
//
// computed in whole numbers, so the cancellation that makes this formula
// useless in floating point does not occur.
func (a *Arm) Moments() (n uint64, mean, variance float64) {
	if a.Count == 0 {
		return 0, 0, 0
	}
	count := new(big.Int).SetUint64(a.Count)
	sum := a.sum.big()
	mean = ratio(sum, count)
	if a.Count > 1 {
		m2 := new(big.Int).Mul(count, a.squares.big())
		m2.Sub(m2, new(big.Int).Mul(sum, sum))
		variance = ratio(m2, new(big.Int).Mul(count, new(big.Int).SetUint64(a.Count-1)))
	}
	return a.Count, mean, variance
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
func (a *Arm) Quantile(q float64) float64 {
	if a.Count == 0 {
		return math.NaN()
	}
	rank := q * float64(a.Count)
	below := 0.0
	for i, n := range &a.buckets {
		if n == 0 {
			continue
		}
		here := float64(n)
		if below+here >= rank {
			low, high := bucketRange(i)
			return low + (high-low)*max(0, rank-below)/here
		}
		below += here
	}
	_, high := bucketRange(bucketCount - 1)
	return high
}

// AtMost returns how many observations were at most the given latency, up to
// the resolution of a bucket: those of every bucket that ends there or before.
func (a *Arm) AtMost(latency time.Duration) uint64 {
	total := uint64(0)
	for i, n := range &a.buckets {
		if _, high := bucketRange(i); high > float64(latency) {
			break
		}
		total += n
	}
	return total
}

// Evidence is what was observed during one rollout.
type Evidence struct {
	Stable, Canary Arm
	// Elapsed is how much of the period was observed: time in which the process
	// served, by the monotonic clock.
	Elapsed time.Duration
	// Looks counts how often somebody asked for the verdict.
	Looks uint64
}

// uint128 is an exact sum.
type uint128 struct{ hi, lo uint64 }

func (u *uint128) add(v uint128) {
	var carry uint64
	u.lo, carry = bits.Add64(u.lo, v.lo, 0)
	u.hi, _ = bits.Add64(u.hi, v.hi, carry)
}

func (u uint128) big() *big.Int {
	b := new(big.Int).SetUint64(u.hi)
	return b.Or(b.Lsh(b, 64), new(big.Int).SetUint64(u.lo))
}
