package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// edges are where a logistic function may go wrong: its ends, where exp leaves
// the range of doubles, and where its result is subnormal.
var edges = []float64{
	0, math.Copysign(0, -1), 1, -1, 1e-300, 5e-324, 36, 37, 40, 699, 700, 701, 745, 746, -699, -700, -707, -708.4, -709, -709.7,
	-709.79, -709.9, -710, -711, -745.2, -1e300, 1e300, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN(), math.Ln2, -math.Ln2 / 2,
}

// TestExpit holds both forms against each other, to the last bit and wherever a
// number stands, and against the definition.
func TestExpit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.SampledFrom(edges), rapid.Float64Range(-40, 40), rapid.Float64Range(-800, 800), rapid.Float64())
		x := rapid.SliceOfN(number, 0, 23).Draw(t, "x")
		fast := append([]float64{7}, append(append([]float64(nil), x...), 7)...)
		plain := append([]float64(nil), x...)
		Expit(fast[1 : 1+len(x)])
		plainExpit(plain)
		if fast[0] != 7 || fast[1+len(x)] != 7 {
			t.Fatal("it wrote beside its numbers")
		}
		for i, v := range x {
			alone := []float64{v}
			Expit(alone)
			got, want := fast[1+i], 1/(1+math.Exp(-v))
			if !same(got, plain[i]) || !same(got, alone[0]) {
				t.Fatalf("expit(%v): %v by assembly, %v without, %v alone", v, got, plain[i], alone[0])
			}
			if isNaN(want) != isNaN(got) || math.Abs(got-want) > 4e-16*want && math.Abs(got-want) > 1e-300 {
				t.Fatalf("expit(%v): %v, want %v", v, got, want)
			}
		}
	})
}

func TestExpitOfItsEnds(t *testing.T) {
	t.Parallel()
	x := []float64{0, math.Inf(1), math.Inf(-1), 1000, -1000, math.NaN()}
	Expit(x)
	for i, want := range []float64{0.5, 1, 0, 1, 0} {
		if x[i] != want {
			t.Errorf("number %d: %v, want %v", i, x[i], want)
		}
	}
	if !math.IsNaN(x[5]) {
		t.Errorf("NaN became %v", x[5])
	}
}

func TestExpitDoesNotAllocate(t *testing.T) {
	x := make([]float64, 7)
	if n := testing.AllocsPerRun(100, func() { Expit(x) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkExpit(b *testing.B) {
	x := make([]float64, 1000)
	for b.Loop() {
		Expit(x)
	}
}
