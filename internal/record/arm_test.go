package record

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// none is the score of a prediction that has none.
var none = math.NaN()

func armOf(latencies ...time.Duration) *Arm {
	var a Arm
	for _, l := range latencies {
		a.Started++
		a.Observe(l, none)
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
		if low, _ := BucketRange(bucketOf(edge)); low != float64(edge) {
			t.Errorf("edge %d: %d ns begins bucket at %v", i, edge, low)
		}
		if _, high := BucketRange(bucketOf(edge - 1)); high != float64(edge) {
			t.Errorf("edge %d: %d ns is in a bucket that ends at %v", i, edge-1, high)
		}
	}
}

func TestLatenciesOutsideTheBuckets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		latency time.Duration
		bucket  int
		ns, ln  float64
	}{
		{math.MinInt64, 0, 0, 0},
		{-1, 0, 0, 0},
		{0, 0, 0, 0},
		{1, 0, 1, 0},
		{49, 0, 49, math.Log(49)},
		{50, 1, 50, math.Log(50)},
		{999 * time.Second, bucketCount - 2, 999e9, math.Log(999e9)},
		{time.Hour, bucketCount - 1, longest, 40 * math.Ln2},
		{math.MaxInt64, bucketCount - 1, longest, 40 * math.Ln2},
	} {
		a := armOf(tt.latency)
		_, mean, _ := a.Moments()
		_, ln, _ := a.LogMoments()
		if a.Latencies()[tt.bucket] != 1 || BucketOf(tt.latency) != tt.bucket || mean != tt.ns || math.Abs(ln-tt.ln) > 1e-9 {
			t.Errorf("%d ns: in bucket %d, mean %v, ln %v; want %+v", tt.latency, BucketOf(tt.latency), mean, ln, tt)
		}
	}
}

func TestStep(t *testing.T) {
	t.Parallel()
	if want := math.Log(1.1) / 5; math.Abs(Step-want) > 1e-16 { // 1.1 is no float64
		t.Errorf("%v, want %v", Step, want)
	}
	low, _ := BucketRange(BucketOf(time.Millisecond))
	high, _ := BucketRange(BucketOf(time.Millisecond) + 500)
	if got := math.Log(high/low) / 500; math.Abs(got/Step-1) > 1e-6 {
		t.Errorf("buckets are %v apart in ln, want %v", got, Step)
	}
}

func TestScores(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p      float64
		bucket int // -1 for none
	}{
		{math.NaN(), -1},
		{math.Inf(-1), -1},
		{math.Inf(1), -1},
		{-1e-300, -1},
		{math.Nextafter(1, 2), -1},
		{math.Copysign(0, -1), 0},
		{0, 0},
		{math.SmallestNonzeroFloat64, 0},
		{0.000015, 0},
		{0.0000153, 1},
		{0.2, 1 + 16*14},
		{math.Nextafter(0.5, 0), 16 * 16},
		{0.5, 1 + 16*16},
		{0.8, 1 + 16*18},
		{0.9999845, scoreCount - 2},
		{0.99999, scoreCount - 1},
		{1, scoreCount - 1},
	} {
		var a Arm
		a.Observe(time.Millisecond, tt.p)
		got := slices.Index(a.Scores(), 1)
		if got != tt.bucket || a.Count != 1 {
			t.Errorf("%v is in bucket %d, want %d", tt.p, got, tt.bucket)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p, q := rapid.Float64Range(0, 1).Draw(t, "p"), rapid.Float64Range(0, 1).Draw(t, "q")
		i, _ := scoreBucket(min(p, q))
		j, _ := scoreBucket(max(p, q))
		if i > j || j >= scoreCount {
			t.Fatalf("%v is in bucket %d, %v in %d", min(p, q), i, max(p, q), j)
		}
	})
}

func TestUnfinished(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a    Arm
		want uint64
	}{
		{Arm{}, 0},
		{Arm{Started: 10, Count: 6, Failures: 1, Abandoned: 5}, 3},
		{Arm{Started: 1, Count: 6, Failures: 1}, 0},
	} {
		if got := tt.a.Unfinished(); got != tt.want {
			t.Errorf("%d of %d, want %d", got, tt.a.Started, tt.want)
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
			a.Observe(time.Duration(base+x), none)
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
		for i, ns := range all {
			for _, a := range []*Arm{&whole, &parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")]} {
				a.Started += 3
				a.Observe(time.Duration(ns), float64(i%12)/10)
				a.Abandoned += uint64(i % 2)
				a.Failures++
			}
		}
		order := rapid.Permutation(parts).Draw(t, "order")
		var merged Arm
		for i := range order {
			merged.Add(&order[i])
		}
		if merged != whole {
			t.Fatal("the merged arm differs from the whole")
		}
		for i := range order {
			merged.Sub(&order[i])
		}
		if merged != (Arm{}) {
			t.Fatal("something is left when all has been taken away")
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
		a.Observe(time.Duration(xs[i]), none)
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
