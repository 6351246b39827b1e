package route

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
	"serin/internal/record"
	"serin/internal/rollout"
)

func TestEveryBlockHoldsItsShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := rollout.Weight(rapid.IntRange(1, 10_000).Draw(t, "weight"))
		s := NewSplit(w, rapid.Uint64().Draw(t, "seed"))
		for range 3 {
			got := uint64(0)
			for range s.block {
				if s.canary() {
					got++
				}
			}
			if got != s.canaries {
				t.Fatalf("%s: %d of %d, want %d", w, got, s.block, s.canaries)
			}
		}
	})
}

// TestExactFrom32Clients is the promise of the seed's split under concurrency:
// 1,000 requests at 10 % are exactly 100 canary requests.
func TestExactFrom32Clients(t *testing.T) {
	t.Parallel()
	s := NewSplit(1000, 42)
	var canaries, sent atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for sent.Add(1) <= 1000 {
				if s.canary() {
					canaries.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := canaries.Load(); got != 100 {
		t.Errorf("%d canary requests of 1000", got)
	}
}

// TestPositionsAreUniform counts how often each position of a block is the
// canary's: chi-squared with B-1 degrees of freedom, far below its 1e-9 tail.
func TestPositionsAreUniform(t *testing.T) {
	t.Parallel()
	for _, w := range []rollout.Weight{1000, 1500, 2500, 3300, 7000} {
		s := NewSplit(w, 7)
		const blocks = 20_000
		counts := make([]float64, s.block)
		for b := range uint64(blocks) {
			for p := range s.block {
				if s.at(b, p) {
					counts[p]++
				}
			}
		}
		want := blocks * float64(s.canaries) / float64(s.block)
		chi2 := 0.0
		for _, n := range counts {
			chi2 += (n - want) * (n - want) / want
		}
		df := float64(s.block - 1)
		if chi2 > df+6*math.Sqrt(2*df)+20 {
			t.Errorf("%s: chi-squared %.1f with %v degrees of freedom", w, chi2, df)
		}
	}
}

// TestNeighbouringBlocksAreIndependent looks for a pattern that a client could
// fall in step with: the same position in one block and the next.
func TestNeighbouringBlocksAreIndependent(t *testing.T) {
	t.Parallel()
	s := NewSplit(1000, 99)
	position := func(block uint64) (p uint64) {
		for !s.at(block, p) {
			p++
		}
		return p
	}
	same := 0.0
	const blocks = 50_000
	for b := range uint64(blocks) {
		if position(b) == position(b+1) {
			same++
		}
	}
	if math.Abs(same/blocks-0.1) > 0.008 {
		t.Errorf("%.3f of the blocks repeat the position before, want 0.1", same/blocks)
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	stable, canary := &Arm{Role: Stable}, &Arm{Role: Canary}
	if got := (&Table{Stable: stable}).Pick(); got != stable {
		t.Error("without a canary the request did not go to stable")
	}
	all := &Table{Stable: stable, Canary: canary, Split: NewSplit(10_000, 1)}
	for range 10 {
		if all.Pick() != canary {
			t.Error("at 100 % a request went to stable")
		}
	}
	var s Switch
	if s.Table() != nil {
		t.Error("an empty switch has a table")
	}
	if s.Swap(all); s.Table() != all {
		t.Error("the switch lost its table")
	}
}

// BenchmarkPickAndObserve is what every request pays for being part of a
// canary. Goal: under 150 ns, no allocation.
func BenchmarkPickAndObserve(b *testing.B) {
	arm := func(r Role) *Arm { return &Arm{Role: r, Evidence: record.NewGauge(record.Arm{})} }
	var s Switch
	s.Swap(&Table{Stable: arm(Stable), Canary: arm(Canary), Split: NewSplit(1000, 1)})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			arm := s.Table().Pick()
			arm.Evidence.Begin()
			arm.Evidence.Observe(300*time.Nanosecond, 0.8)
		}
	})
}
