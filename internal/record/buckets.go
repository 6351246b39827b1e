package record

import (
	"math"
	"math/bits"
	"time"
)

// Step is the distance of two neighbouring buckets in ln(latency): ln(1.1)/5.
const Step = 0.019062035960864972

// The buckets divide latencies at fixed edges, 50 ns times growth^i, so that
// the counts of any two gauges may be added. Five buckets are a factor of 1.1:
// a slowdown by 10 % moves an observation by exactly five buckets.
//
//	bucket 0           latencies below 50 ns
//	bucket i           [edges[i-1], edges[i])
//	last bucket        1000 s and longer
const (
	shortest    = 50         // ns, lower edge of bucket 1
	widest      = 1000 * 1e9 // ns, the last bucket begins at or just above
	bucketCount = 1247
)

// edges are in whole ns, rounded up; bucket i ends at edges[i].
var edges = makeEdges()

func makeEdges() *[bucketCount - 1]uint64 {
	growth := math.Pow(1.1, 1.0/5)
	var e [bucketCount - 1]uint64
	for i := range e {
		e[i] = uint64(math.Ceil(shortest * math.Pow(growth, float64(i))))
	}
	return &e
}

// The index of an observation is found without a logarithm: the position of
// its highest bit and the six bits below it select an entry of starts, which
// is the bucket where that 64th of an octave begins. A 64th of an octave is
// narrower than a bucket, so one or two steps over the edges finish it.
const (
	fine  = 6
	cells = 64 << fine
)

var starts = makeStarts()

func makeStarts() *[cells]uint16 {
	var s [cells]uint16
	bucket := uint16(0)
	for c := range s {
		for int(bucket) < len(edges) && edges[bucket] <= cellLow(c) {
			bucket++
		}
		s[c] = bucket
	}
	return &s
}

// cellOf is monotone in ns.
func cellOf(ns uint64) int {
	if ns < 1<<fine {
		return int(ns)
	}
	octave := bits.Len64(ns) - 1
	return octave<<fine | int(ns>>(octave-fine))&(1<<fine-1)
}

// cellLow is the smallest ns of a cell; cells between 64 and 6*64 are empty.
func cellLow(c int) uint64 {
	octave := c >> fine
	if octave < fine {
		return uint64(min(c, 1<<fine))
	}
	return 1<<octave | uint64(c&(1<<fine-1))<<(octave-fine)
}

func bucketOf(ns uint64) int {
	i := int(starts[cellOf(ns)])
	for i < len(edges) && edges[i] <= ns {
		i++
	}
	return i
}

// BucketOf says in which of an arm's buckets a latency is counted. Negative
// ones are counted as 0.
func BucketOf(latency time.Duration) int { return bucketOf(clamp(latency)) }

// BucketRange returns the ends of a bucket in ns: the low one is in it, the high
// one is not. The last one, which has no upper end, gets the longest latency
// that is counted.
func BucketRange(i int) (low, high float64) {
	if i > 0 {
		low = float64(edges[i-1])
	}
	if i < len(edges) {
		return low, float64(edges[i])
	}
	return low, longest
}
