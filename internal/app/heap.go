package app

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
)

// headroom is how much may be allocated between two garbage collections, in
// bytes, where the models take less than that.
const headroom = 32 << 20

// roomyHeap lets the garbage collector run less often while the models are
// small. Go collects when the heap has doubled; a few megabytes double many times
// a second under load. What was just loaded has left garbage of its own size, so
// it collects first. Who sets GOGC is left alone, and GOMEMLIMIT holds as always.
func roomyHeap() {
	runtime.GC()
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(live)
	debug.SetGCPercent(gcPercent(live[0].Value.Uint64()))
}

// gcPercent is GOGC for so many live bytes: Go's own 100 for a heap that is at
// least as large as the headroom, and more for a smaller one.
func gcPercent(live uint64) int {
	return max(100, int(math.Round(headroom/float64(max(live, 1<<20))*100)))
}
