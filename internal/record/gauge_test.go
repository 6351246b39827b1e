package record

import (
	"sync"
	"testing"
	"time"
)

func TestGaugeLosesNothing(t *testing.T) {
	t.Parallel()
	const writers, each = 16, 5000
	base := *armOf(time.Millisecond, time.Second)
	g := NewGauge(base)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				g.Begin()
				g.Observe(time.Duration(w*each+i), 0.5)
				if i%1000 == 0 {
					g.Abandon()
					for _, why := range []Failure{Panicked, Late, Late, Unanswerable, Unanswerable, Unanswerable} {
						g.Begin()
						g.Fail(why)
					}
				}
			}
		})
	}
	wg.Wait()
	want := base
	for i := range writers * each {
		want.Observe(time.Duration(i), 0.5)
	}
	want.Abandoned = writers * each / 1000
	want.Panics, want.Deadlines, want.Failures = want.Abandoned, 2*want.Abandoned, 6*want.Abandoned
	want.Started = want.Count + want.Failures
	if got := g.Snapshot(); got != want {
		t.Errorf("count %d, want %d", got.Count, want.Count)
	}
}

// TestSnapshotsAreInOrder reads while others write: no snapshot has more ended
// than begun, or more abandoned than ended, or less than the one before.
func TestSnapshotsAreInOrder(t *testing.T) {
	t.Parallel()
	g := NewGauge(Arm{})
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for i := range 20_000 {
				g.Begin()
				if i%3 == 0 {
					g.Fail(Failure(i % FailureKinds))
					continue
				}
				g.Observe(time.Duration(i), 0.5)
				g.Abandon()
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); writers.Wait() }()
	before := Evidence{Stages: []Stage{{Share: 1000}}}
	for writing := true; writing; {
		select {
		case <-done:
			writing = false
		default:
		}
		now := Evidence{Stages: []Stage{{Share: 1000, Stable: g.Snapshot()}}}
		data, _ := now.MarshalBinary()
		if err := new(Evidence).UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if a, b := &before.Stages[0].Stable, &now.Stages[0].Stable; b.Fewer(a) {
			t.Fatal("a snapshot is behind an earlier one")
		}
		before = now
	}
}

func TestTimeCountsTheLatencyAlone(t *testing.T) {
	t.Parallel()
	g := NewGauge(Arm{})
	g.Time(time.Millisecond)
	g.Time(-time.Millisecond)
	seen := g.Snapshot()
	if seen.Count != 2 || seen.Sum() != 0.001 || seen.AtMost(time.Second) != 2 || seen.ln != (int128{}) {
		t.Errorf("%d observations of %v s", seen.Count, seen.Sum())
	}
}

func TestObservingAllocatesNothing(t *testing.T) {
	g := NewGauge(Arm{})
	if n := testing.AllocsPerRun(1000, func() { g.Begin(); g.Observe(time.Millisecond, 0.3); g.Abandon(); g.Fail(Late) }); n >= 1 {
		t.Errorf("%v allocations per observation", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	g := NewGauge(Arm{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := time.Duration(0)
		for pb.Next() {
			d += 777
			g.Observe(d&(1<<30-1), float64(d&1023)/1024)
		}
	})
}

// BenchmarkTime is what the meter of the whole handler costs.
func BenchmarkTime(b *testing.B) {
	g := NewGauge(Arm{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := time.Duration(0)
		for pb.Next() {
			d += 777
			g.Time(d & (1<<30 - 1))
		}
	})
}

func BenchmarkSnapshot(b *testing.B) {
	g := NewGauge(*armOf(time.Millisecond, time.Second))
	for b.Loop() {
		s := g.Snapshot()
		s.Moments()
	}
}
