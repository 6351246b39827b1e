package app

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"serin/internal/record"
)

// bounds are the upper ends of the classic buckets, about three to a decade.
var bounds = []time.Duration{
	time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

// schema is the resolution of native histograms: 2^3 buckets to a factor of two,
// each 9 % wide, as Prometheus' own clients have it. A gauge's buckets are 1.9 %
// wide and begin elsewhere, so each is counted whole where its middle lies: what
// is within 1 % of a border may be on the other side of it. Nothing is lost or
// counted twice, and a quantile read from them is within 10 % of the true one.
const schema = 3

// shortest is the end of the gauge's first bucket, and so the width of the native
// histogram's bucket around zero, in seconds.
const shortest = 50e-9

// places say where each of a gauge's buckets is counted: the first classic bucket
// that holds all of it, len(bounds) for the last one, and the native one. The first
// of the gauge's has no native place: it is around zero.
var places = makePlaces()

type place struct{ classic, native int }

func makePlaces() []place {
	all := make([]place, len(new(record.Arm).Latencies()))
	for i := range all {
		low, high := record.BucketRange(i)
		all[i].classic, _ = slices.BinarySearchFunc(bounds, high, func(bound time.Duration, high float64) int {
			if float64(bound) < high {
				return -1
			}
			return 1
		})
		if middle := math.Sqrt(low*high) / float64(time.Second); middle > 0 {
			all[i].native = int(math.Ceil(math.Ldexp(math.Log2(middle), schema)))
		}
	}
	return all
}

// ends are the bounds in seconds; messages point to them, and nobody writes there.
var ends = func() (seconds [64]float64) {
	for i, b := range bounds {
		seconds[i] = b.Seconds()
	}
	return seconds
}()

// distribution is what a gauge has seen as a histogram, native with classic buckets
// beside it: whoever asks in protobuf gets both and keeps what it knows, all others
// get the classic ones.
type distribution struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	seen   dto.Histogram
	next   int     // the native bucket after the last one that was put
	last   int64   // how many that one had
	length *uint32 // of the span that it is in
}

func distributed(d *prometheus.Desc, seen *record.Arm, labels ...string) *distribution {
	h := &distribution{desc: d, labels: prometheus.MakeLabelPairs(d, labels)}
	latencies := seen.Latencies()
	h.seen.SampleCount, h.seen.SampleSum = new(seen.Count), new(seen.Sum())
	h.seen.Schema, h.seen.ZeroThreshold, h.seen.ZeroCount = new(int32(schema)), new(shortest), new(latencies[0])
	classic := make([]uint64, len(bounds)+1)
	at, here := 0, uint64(0)
	for i, n := range latencies {
		if n == 0 {
			continue
		}
		classic[places[i].classic] += n
		if i == 0 {
			continue
		}
		if places[i].native != at {
			h.put(at, here)
			at, here = places[i].native, 0
		}
		here += n
	}
	h.put(at, here)
	buckets := make([]dto.Bucket, len(bounds))
	h.seen.Bucket = make([]*dto.Bucket, len(bounds))
	for i := range buckets {
		if i > 0 {
			classic[i] += classic[i-1]
		}
		buckets[i].CumulativeCount, buckets[i].UpperBound = &classic[i], &ends[i]
		h.seen.Bucket[i] = &buckets[i]
	}
	return h
}

// put adds a native bucket; they come in rising order.
func (h *distribution) put(at int, n uint64) {
	if n == 0 {
		return
	}
	if h.length == nil || at != h.next {
		h.length = new(uint32)
		h.seen.PositiveSpan = append(h.seen.PositiveSpan, &dto.BucketSpan{Offset: new(int32(at - h.next)), Length: h.length})
	}
	*h.length++
	h.seen.PositiveDelta = append(h.seen.PositiveDelta, int64(n)-h.last)
	h.next, h.last = at+1, int64(n)
}

// Desc is for Prometheus.
func (h *distribution) Desc() *prometheus.Desc { return h.desc }

// Write is for Prometheus.
func (h *distribution) Write(out *dto.Metric) error {
	out.Label, out.Histogram = h.labels, &h.seen
	return nil
}
