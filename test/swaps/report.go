package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// report is what a run has seen.
type report struct {
	swapped time.Duration // how long the blocks of swaps took
	settled atomic.Int64  // answers to requests that began and ended in one moment between calls

	mu        sync.Mutex
	latencies map[string]*[2]*hdrhistogram.Histogram // by protocol: in the pauses, among swaps
	faults    map[string]int
}

func newReport() *report {
	return &report{latencies: map[string]*[2]*hdrhistogram.Histogram{}, faults: map[string]int{}}
}

// maxFaults bounds how many different faults are kept.
const maxFaults = 20

func (r *report) fault(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.faults[what]; !known && len(r.faults) >= maxFaults {
		what = "other"
	}
	r.faults[what]++
}

// observe counts an answer that is right. Of one that began and ended in
// different blocks the latency is nobody's.
func (r *report) observe(protocol string, before, after *moment, took time.Duration) {
	if before == after && before.settled {
		r.settled.Add(1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	both := r.latencies[protocol]
	if both == nil {
		both = new([2]*hdrhistogram.Histogram)
		for i := range both {
			both[i] = hdrhistogram.New(int64(time.Microsecond), int64(2*requestLimit), 3)
		}
		r.latencies[protocol] = both
	}
	if before.swapping == after.swapping {
		i := 0
		if before.swapping {
			i = 1
		}
		_ = both[i].RecordValue(int64(took)) // within the bounds of every request
	}
}

// answers counts the right answers of a protocol whose latency is somebody's.
func (r *report) answers(protocol string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	both := r.latencies[protocol]
	if both == nil {
		return 0
	}
	return both[0].TotalCount() + both[1].TotalCount()
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "blocks of swaps took %v together, the pauses between them as long\n\n", r.swapped.Round(time.Millisecond))
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "protocol\tanswers\tp50 without\tp99 without\tp50 among swaps\tp99 among swaps\tp99 ratio\t")
	for _, protocol := range slices.Sorted(maps.Keys(r.latencies)) {
		calm, busy := r.latencies[protocol][0], r.latencies[protocol][1]
		ms := func(h *hdrhistogram.Histogram, q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e6 }
		fmt.Fprintf(table, "%s\t%d\t%.3f ms\t%.3f ms\t%.3f ms\t%.3f ms\t%.2f\t\n", protocol, calm.TotalCount()+busy.TotalCount(),
			ms(calm, 50), ms(calm, 99), ms(busy, 50), ms(busy, 99), ms(busy, 99)/max(ms(calm, 99), 1e-9))
	}
	_ = table.Flush() // to a terminal or a file
}

// holds is an error where an answer failed or was wrong.
func (r *report) holds() error {
	if len(r.faults) == 0 {
		return nil
	}
	var lines []string
	for what, n := range r.faults {
		lines = append(lines, fmt.Sprintf("%d x %s", n, what))
	}
	slices.Sort(lines)
	return fmt.Errorf("not every answer was right:\n%s", strings.Join(lines, "\n"))
}
