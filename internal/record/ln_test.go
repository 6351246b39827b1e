package record

import (
	_ "embed"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

//go:embed testdata/ln.txt
var lnReference string

// TestLn compares with 50 digits, the table of constants to the last bit.
func TestLn(t *testing.T) {
	t.Parallel()
	seen, worst := 0, 0.0
	for line := range strings.Lines(lnReference) {
		var a uint64
		var b string
		var kind string
		if _, err := fmt.Sscan(line, &kind, &a, &b); err != nil {
			t.Fatal(err)
		}
		if kind == "part" {
			if got := parts[seen]; got.inverse != a || fmt.Sprint(got.ln) != b {
				t.Errorf("part %d is %+v, want %s", seen, got, line)
			}
			seen++
			continue
		}
		var want float64
		if _, err := fmt.Sscan(b, &want); err != nil {
			t.Fatal(err)
		}
		worst = max(worst, math.Abs(float64(fixedLn(a))-want))
		if !(math.Abs(float64(fixedLn(a))-want) <= 0.51) {
			t.Errorf("ln %d is %d, want %v in 2^-32", a, fixedLn(a), want)
		}
	}
	if seen != len(parts) || worst == 0 {
		t.Errorf("%d parts, worst %v: the reference is not there", seen, worst)
	}
	if lnMax != fixedLn(longest)+1 && lnMax != fixedLn(longest) {
		t.Errorf("the largest ln is %d", fixedLn(longest))
	}
}

// TestLnIsFineEverywhere compares with the library's.
func TestLnIsFineEverywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ns := uint64(math.Exp(rapid.Float64Range(0, math.Log(longest)).Draw(t, "ln ns")))
		if got, want := float64(fixedLn(ns)), math.Ldexp(math.Log(float64(ns)), 32); math.Abs(got-want) > 0.51 {
			t.Fatalf("ln %d is %v, want %v in 2^-32", ns, got, want)
		}
	})
	if fixedLn(0) != 0 || fixedLn(1) != 0 {
		t.Error("the floor of 1 ns is missing")
	}
}

func TestLogMoments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		xs := rapid.SliceOfN(rapid.Int64Range(1, 1e12), 0, 100).Draw(t, "ns")
		var a Arm
		n, mean, m2 := 0.0, 0.0, 0.0
		for _, x := range xs {
			a.Observe(time.Duration(x), none)
			n++
			d := math.Log(float64(x)) - mean
			mean += d / n
			m2 += d * (math.Log(float64(x)) - mean)
		}
		gotN, gotMean, gotVariance := a.LogMoments()
		if variance := m2 / max(1, n-1); gotN != n || math.Abs(gotMean-mean) > 1e-9 || math.Abs(gotVariance-variance) > 1e-8 {
			t.Fatalf("%v, %v, %v; want %v, %v, %v", gotN, gotMean, gotVariance, n, mean, variance)
		}
	})
	same := armOf(time.Millisecond, time.Millisecond, time.Millisecond)
	if _, _, variance := same.LogMoments(); variance != 0 {
		t.Errorf("equal latencies vary by %v", variance)
	}
}
