package load

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are counted from 1 us to 10 min, each to three digits; what is
// outside is counted at the end of the scale.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(10 * time.Minute)
	digits  = 3
)

// maxSheets bounds how many histograms there are, whatever the number of
// connections: each takes some 200 kB.
const maxSheets = 16

// sheet is what some connections have seen.
type sheet struct {
	mu     sync.Mutex
	arms   map[string]*hdrhistogram.Histogram
	waited *hdrhistogram.Histogram
	faults map[string]uint64
	// details are what the server said first with each fault.
	details map[string]string
}

func newSheet() *sheet {
	return &sheet{
		arms: map[string]*hdrhistogram.Histogram{}, waited: hdrhistogram.New(lowest, highest, digits),
		faults: map[string]uint64{}, details: map[string]string{},
	}
}

func (s *sheet) observe(arm string, latency, waited time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.arms[arm]
	if h == nil {
		h = hdrhistogram.New(lowest, highest, digits)
		s.arms[arm] = h
	}
	record(h, latency)
	record(s.waited, waited)
}

func record(h *hdrhistogram.Histogram, d time.Duration) {
	// Within its bounds RecordValue has no error.
	_ = h.RecordValue(min(max(int64(d), 0), highest))
}

// maxFaults bounds how many different texts are kept of what went wrong.
const maxFaults = 20

func (s *sheet) note(what, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.faults[what]; !known && len(s.faults) >= maxFaults {
		what, detail = "other", ""
	}
	s.faults[what]++
	if s.details[what] == "" && detail != "" {
		s.details[what] = detail
	}
}

// Report is what a run has seen.
type Report struct {
	Plan    Plan          `json:"-"`
	Elapsed time.Duration `json:"-"`
	// Seconds is Elapsed, and Rate is answered requests per second.
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"requests_per_second"`
	// Requests are all that were sent, Failed those that got no prediction.
	Requests uint64 `json:"requests"`
	Failed   uint64 `json:"failed"`
	// All are the latencies of every prediction, Arms those of each arm that
	// named itself.
	All  Latencies            `json:"all"`
	Arms map[string]Latencies `json:"arms"`
	// Waited is the part of All that passed before a connection was free.
	Waited Latencies `json:"waited"`
	// Faults counts what came instead of a prediction.
	Faults map[string]uint64 `json:"faults"`
	// Details has, for some faults, what the server said about one of them.
	Details map[string]string `json:"details"`
}

// Latencies are a distribution, in milliseconds.
type Latencies struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_ms"`
	Min   float64 `json:"min_ms"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P95   float64 `json:"p95_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p99_9_ms"`
	Max   float64 `json:"max_ms"`
	// HDR is all of it, in nanoseconds, as HdrHistogram's compressed format (V2) in
	// base64, so that runs can be added up; only of Report.All.
	HDR string `json:"hdr,omitempty"`

	histogram *hdrhistogram.Histogram
}

func newReport(p Plan, elapsed time.Duration, parts []*sheet) *Report {
	all, waited := hdrhistogram.New(lowest, highest, digits), hdrhistogram.New(lowest, highest, digits)
	arms := map[string]*hdrhistogram.Histogram{}
	r := &Report{Plan: p, Elapsed: elapsed, Seconds: elapsed.Seconds(), Arms: map[string]Latencies{}, Faults: map[string]uint64{}, Details: map[string]string{}}
	for _, s := range parts {
		for arm, h := range s.arms {
			all.Merge(h)
			if arm == "" {
				continue
			}
			if arms[arm] == nil {
				arms[arm] = hdrhistogram.New(lowest, highest, digits)
			}
			arms[arm].Merge(h)
		}
		waited.Merge(s.waited)
		for what, n := range s.faults {
			r.Faults[what] += n
			r.Failed += n
		}
		maps.Copy(r.Details, s.details)
	}
	r.All, r.Waited = latencies(all), latencies(waited)
	if encoded, err := all.Encode(hdrhistogram.V2CompressedEncodingCookieBase); err == nil { // it is base64 already, and writes to memory
		r.All.HDR = string(encoded)
	}
	for arm, h := range arms {
		r.Arms[arm] = latencies(h)
	}
	r.Requests = r.All.Count + r.Failed
	r.Rate = float64(r.All.Count) / max(r.Seconds, 1e-9)
	return r
}

func latencies(h *hdrhistogram.Histogram) Latencies {
	ms := func(ns int64) float64 { return float64(ns) / 1e6 }
	l := Latencies{Count: uint64(h.TotalCount()), histogram: h}
	if l.Count == 0 {
		return l
	}
	l.Mean, l.Min, l.Max = h.Mean()/1e6, ms(h.Min()), ms(h.Max())
	l.P50, l.P90, l.P95, l.P99, l.P999 = ms(h.ValueAtQuantile(50)), ms(h.ValueAtQuantile(90)), ms(h.ValueAtQuantile(95)), ms(h.ValueAtQuantile(99)), ms(h.ValueAtQuantile(99.9))
	return l
}

// Quantile is the latency in milliseconds that a share of the requests did not
// exceed, 0 < share <= 1; 0 where there were none.
func (l Latencies) Quantile(share float64) float64 {
	if l.Count == 0 {
		return 0
	}
	return float64(l.histogram.ValueAtQuantile(100*share)) / 1e6
}

// Within counts the latencies from low, inclusive, to high, exclusive, in milliseconds.
func (l Latencies) Within(low, high float64) uint64 {
	var n uint64
	for _, bar := range l.histogram.Distribution() {
		if at := float64(bar.From) / 1e6; at >= low && at < high {
			n += uint64(bar.Count)
		}
	}
	return n
}

// FaultsByCount are the texts of Faults, the most frequent first.
func (r *Report) FaultsByCount() []string {
	return slices.SortedFunc(maps.Keys(r.Faults), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Faults[b], r.Faults[a]), cmp.Compare(a, b))
	})
}
