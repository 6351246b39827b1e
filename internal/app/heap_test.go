package app

import (
	"context"
	"testing"
)

func TestGCPercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 500, 2 << 20: 500, 10 << 20: 200, 20 << 20: 100, 10 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d live bytes: GOGC %d, want %d", live, got, want)
		}
	}
}

// TestHeapWhileLoading is of a load that must not be collected for as seldom as
// what serves.
func TestHeapWhileLoading(t *testing.T) { //nolint:paralleltest // GOGC is the process's
	h := &heap{percent: goPercent}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	defer h.tend(ctx) // puts Go's own back
	h.set(800)
	if h.load(smallFile)(); h.percent != 800 {
		t.Errorf("GOGC is %d for the sake of a small file", h.percent)
	}
	first, second := h.load(smallFile+1), h.load(smallFile+1)
	if h.percent != goPercent {
		t.Errorf("GOGC is %d while large files load", h.percent)
	}
	second()
	if first(); h.loads != 0 {
		t.Errorf("%d loads after the last", h.loads)
	}
	if alive() < headroom/2 && h.percent == goPercent {
		t.Error("GOGC is still that of a load after the last")
	}
	if h.set(800); h.percent != 800 {
		t.Errorf("GOGC is %d after they have", h.percent)
	}
	if h.set(700); h.percent != 800 {
		t.Error("the world was stopped for little")
	}
	h.leave = true
	if h.set(100); h.percent != 800 {
		t.Error("a GOGC that is somebody else's was changed")
	}
	h.leave = false
}
