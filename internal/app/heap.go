package app

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"sync"
	"time"
)

// headroom is how much may be allocated between two garbage collections, in
// bytes, where less than that is alive.
const headroom = 20 << 20

// leastLive is the smallest heap that Go reckons with, in bytes: GOGC is of that
// where less is alive.
const leastLive = 4 << 20

// heap lets the garbage collector run less often while little is alive. Go
// collects when the heap has doubled; the two megabytes of a server with small
// models double many times a second under load. What is alive is looked at each
// second, so that ten thousand connections or a large model get Go's own GOGC
// again. While a large file loads they have it in any case: what it leaves behind
// is not worth keeping. Who sets GOGC is left alone, and GOMEMLIMIT always holds.
type heap struct {
	leave bool // GOGC is somebody else's

	mu      sync.Mutex
	loads   int
	percent int // in force
}

func newHeap() *heap { return &heap{leave: os.Getenv("GOGC") != "", percent: goPercent} }

// goPercent is Go's GOGC where nobody sets it.
const goPercent = 100

// tend looks at what is alive until ctx ends.
func (h *heap) tend(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		h.mu.Lock()
		if h.loads == 0 {
			h.set(gcPercent(alive()))
		}
		h.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			h.mu.Lock()
			h.set(goPercent)
			h.mu.Unlock()
			return
		}
	}
}

// smallFile is a model file of which loading leaves nothing worth collecting for,
// in bytes: two collections and two stops of the world would be most of its cost to
// those who are answered meanwhile.
const smallFile = 1 << 20

// load says that a file of so many bytes is being loaded, and what it returns that
// it is.
func (h *heap) load(size int64) (loaded func()) {
	if size <= smallFile {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loads++
	h.set(goPercent)
	return func() {
		runtime.GC() // or what the file left behind would be taken for alive
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.loads--; h.loads == 0 { // at once: until the next look there may be many collections
			h.set(gcPercent(alive()))
		}
	}
}

// set stops the world for a moment, so it is spared where it would change little.
func (h *heap) set(percent int) {
	ratio := float64(percent) / float64(h.percent)
	near := ratio > 0.8 && ratio < 1.25 && percent != goPercent
	if h.leave || near || percent == h.percent {
		return
	}
	debug.SetGCPercent(percent)
	h.percent = percent
}

// alive is what the last collection left, and what it begins from, in bytes: GOGC
// is of both, and globals and stacks are more than a small model.
func alive() uint64 {
	parts := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/globals:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	runtimemetrics.Read(parts)
	var sum uint64
	for _, part := range parts {
		sum += part.Value.Uint64()
	}
	return sum
}

// gcPercent is GOGC for so many live bytes: Go's own for what is at least as large
// as the headroom, and more for less.
func gcPercent(live uint64) int {
	return max(goPercent, int(math.Round(headroom/float64(max(live, leastLive))*100)))
}
