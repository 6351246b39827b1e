package record

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func armOf(latencies ...time.Duration) *Arm {
	var a Arm
	for _, l := range latencies {
		a.observe(l)
	}
	return &a
}

func TestBucketsMatchTheirEdges(t *testing.T) {
	t.Parallel()
	if last := edges[len(edges)-1]; last < widest || float64(edges[len(edges)-2]) >= widest {
		t.Errorf("the last bucket begins at %d ns", last)
	}
	if !slices.IsSorted(edges[:]) {
		t.Error("edges are not in order")
	}
	rapid.Check(t, func(t *rapid.T) {
		ns := uint64(math.Exp(rapid.Float64Range(0, math.Log(longest)).Draw(t, "ln ns")))
		want, exact := slices.BinarySearch(edges[:], ns)
		if exact {
			for want < len(edges) && edges[want] == ns {
				want++
			}
		}
		if got := bucketOf(ns); got != want {
			t.Fatalf("%d ns is in bucket %d, want %d", ns, got, want)
		}
	})
	for i, edge := range edges {
		if low, _ := bucketRange(bucketOf(edge)); low != float64(edge) {
			t.Errorf("edge %d: %d ns begins bucket at %v", i, edge, low)
		}
		if _, high := bucketRange(bucketOf(edge - 1)); high != float64(edge) {
			t.Errorf("edge %d: %d ns is in a bucket that ends at %v", i, edge-1, high)
		}
	}
}

func TestATenPercentSlowdownMovesFiveBuckets(t *testing.T) {
	t.Parallel()
	for _, ns := range []uint64{10_000, 123_456, 20_000_000, 999_999_999} {
		if got := bucketOf(ns*11/10) - bucketOf(ns); got < 4 || got > 6 {
			t.Errorf("from %d ns by 10 %%: %d buckets", ns, got)
		}
	}
}

// TestMomentsAreExact compares with rational arithmetic, where floating-point
// sums of squares fail: values near 1e12 ns that differ by single ns.
func TestMomentsAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.Int64Range(0, 1<<39).Draw(t, "base")
		xs := rapid.SliceOfN(rapid.Int64Range(0, 1000), 2, 50).Draw(t, "offsets")
		var a Arm
		sum, m2 := new(big.Rat), new(big.Rat)
		for _, x := range xs {
			a.observe(time.Duration(base + x))
			sum.Add(sum, new(big.Rat).SetInt64(base+x))
		}
		n := new(big.Rat).SetInt64(int64(len(xs)))
		mean := new(big.Rat).Quo(sum, n)
		for _, x := range xs {
			d := new(big.Rat).Sub(new(big.Rat).SetInt64(base+x), mean)
			m2.Add(m2, d.Mul(d, d))
		}
		wantMean, _ := mean.Float64()
		wantVar, _ := m2.Quo(m2, n.Sub(n, big.NewRat(1, 1))).Float64()
		if _, m, v := a.Moments(); m != wantMean || v != wantVar {
			t.Fatalf("mean %v variance %v, want %v %v", m, v, wantMean, wantVar)
		}
	})
}

func TestMergingInAnyOrderAndGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(-5, 1<<41), 0, 200).Draw(t, "latencies")
		var whole Arm
		parts := make([]Arm, rapid.IntRange(1, 8).Draw(t, "parts"))
		for _, ns := range all {
			whole.observe(time.Duration(ns))
			parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")].observe(time.Duration(ns))
		}
		order := rapid.Permutation(parts).Draw(t, "order")
		var merged Arm
		for i := range order {
			merged.Add(&order[i])
		}
		if merged != whole {
			t.Fatal("the merged arm differs from the whole")
		}
	})
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var a Arm
	xs := make([]float64, 10_000)
	for i := range xs {
		xs[i] = math.Exp(rng.NormFloat64())*1e6 + 100
		a.observe(time.Duration(xs[i]))
	}
	slices.Sort(xs)
	for _, q := range []float64{0.01, 0.25, 0.5, 0.95, 0.99} {
		want := xs[int(q*float64(len(xs)))]
		if got := a.Quantile(q); math.Abs(got/want-1) > 0.03 {
			t.Errorf("quantile %v = %v, want %v within 3 %%", q, got, want)
		}
	}
	if !math.IsNaN(new(Arm).Quantile(0.5)) {
		t.Error("an empty arm has a median")
	}
	if got := armOf(2000 * time.Second).Quantile(1); got != longest {
		t.Errorf("beyond the last edge: %v", got)
	}
}

func TestAtMost(t *testing.T) {
	t.Parallel()
	a := armOf(10*time.Nanosecond, time.Microsecond, time.Millisecond, time.Hour)
	for _, tt := range []struct {
		bound time.Duration
		want  uint64
	}{{0, 0}, {100 * time.Nanosecond, 1}, {10 * time.Microsecond, 2}, {time.Second, 3}, {time.Hour, 4}} {
		if got := a.AtMost(tt.bound); got != tt.want {
			t.Errorf("at most %v: %d, want %d", tt.bound, got, tt.want)
		}
	}
}

func TestGaugeLosesNothing(t *testing.T) {
	t.Parallel()
	const writers, each = 16, 5000
	base := *armOf(time.Millisecond, time.Second)
	g := NewGauge(base)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				g.Observe(time.Duration(w*each + i))
				if i%1000 == 0 {
					g.Fail()
					g.Snapshot()
				}
			}
		})
	}
	wg.Wait()
	want := base
	for i := range writers * each {
		want.observe(time.Duration(i))
	}
	want.Failures = writers * each / 1000
	if got := g.Snapshot(); got != want {
		t.Errorf("count %d, want %d", got.Count, want.Count)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	g := NewGauge(Arm{})
	if n := testing.AllocsPerRun(1000, func() { g.Observe(time.Millisecond) }); n >= 1 {
		t.Errorf("%v allocations per observation", n)
	}
}

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		arm := func(name string) Arm {
			a := Arm{Failures: rapid.Uint64Range(0, 9).Draw(t, name+" failures")}
			for _, ns := range rapid.SliceOf(rapid.Int64Range(0, 1<<41)).Draw(t, name) {
				a.observe(time.Duration(ns))
			}
			return a
		}
		e := Evidence{Stable: arm("stable"), Canary: arm("canary"), Elapsed: time.Hour, Looks: 3}
		data, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var back Evidence
		if err := back.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if back != e {
			t.Fatal("evidence changed on its way")
		}
	})
}

func TestATypicalArmIsSmall(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	var e Evidence
	for range 100_000 {
		e.Stable.observe(time.Duration(1e8 * math.Exp(0.5*rng.NormFloat64())))
	}
	data, _ := e.MarshalBinary()
	if len(data) > 1000 {
		t.Errorf("%d bytes", len(data))
	}
}

func TestCodecRefusesWhatCannotHaveBeenObserved(t *testing.T) {
	t.Parallel()
	e := Evidence{Stable: *armOf(time.Millisecond, time.Second), Canary: *armOf(time.Minute)}
	good, _ := e.MarshalBinary()
	for cut := range good {
		if err := new(Evidence).UnmarshalBinary(good[:cut]); err == nil {
			t.Errorf("accepted after %d of %d bytes", cut, len(good))
		}
	}
	lies := map[string]func(*Evidence){
		"count":   func(e *Evidence) { e.Stable.Count++ },
		"sum":     func(e *Evidence) { e.Stable.sum.lo *= 2 },
		"squares": func(e *Evidence) { e.Stable.squares = uint128{} },
		"huge":    func(e *Evidence) { e.Stable.Count, e.Stable.buckets[3] = 1<<60, 1<<60 },
		"elapsed": func(e *Evidence) { e.Elapsed = -1 },
	}
	for name, lie := range lies {
		bad := e
		lie(&bad)
		data, _ := bad.MarshalBinary()
		if err := new(Evidence).UnmarshalBinary(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := new(Evidence).UnmarshalBinary(append(good, 0)); err == nil {
		t.Error("trailing bytes accepted")
	}
	if err := new(Evidence).UnmarshalBinary(append([]byte{99}, good[1:]...)); err == nil {
		t.Error("another version accepted")
	}
}

func FuzzEvidence(f *testing.F) {
	e := Evidence{Stable: *armOf(1, time.Millisecond), Canary: *armOf(time.Hour), Elapsed: 5, Looks: 1}
	good, _ := e.MarshalBinary()
	f.Add(good)
	f.Add([]byte{codecVersion})
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Evidence
		if e.UnmarshalBinary(data) != nil {
			return
		}
		again, _ := e.MarshalBinary()
		var back Evidence
		if err := back.UnmarshalBinary(again); err != nil || back != e {
			t.Fatalf("what was accepted does not survive: %v\n%s", err, cmp.Diff(e.Elapsed, back.Elapsed))
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	g := NewGauge(Arm{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		d := time.Duration(0)
		for pb.Next() {
			d += 777
			g.Observe(d & (1<<30 - 1))
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
