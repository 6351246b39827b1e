package anytime

import (
	"math"
	"testing"
)

func finite(xs ...float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// checkTotal holds every function of this room that takes numbers against what it
// promises for any of them.
func checkTotal(t *testing.T, x, y, z, w float64, c, s uint64) {
	t.Helper()
	demand := func(holds bool, what string, got ...any) {
		t.Helper()
		if !holds {
			t.Errorf("%s(%v, %v, %v, %v; %d, %d) = %v", what, x, y, z, w, c, s, got)
		}
	}
	score := NormalScore(x, y)
	demand(finite(score) || math.IsInf(x, 0) && score == x, "NormalScore", score)
	rho := BestRho(x, y)
	demand(rho >= 0, "BestRho", rho)
	m := Mixture{Rho: x}
	demand(finite(m.LogE(y, z)), "LogE", m.LogE(y, z))
	demand(finite(m.LogETwoSided(y, z)), "LogETwoSided", m.LogETwoSided(y, z))
	demand(m.Boundary(y, z) > 0, "Boundary", m.Boundary(y, z))
	demand(m.BoundaryTwoSided(y, z) > 0, "BoundaryTwoSided", m.BoundaryTwoSided(y, z))
	l := Label{Share: x, Ratio: y, Concentration: z}
	labels := []float64{l.Above(c, s), l.Below(c, s), l.TwoSided(c, s)}
	demand(finite(labels...), "Label", labels)
	if _, _, ok := l.null(); !ok {
		demand(labels[0] == 0 && labels[1] == 0 && labels[2] == 0, "Label shows something", labels)
	}
	drift := Drift([]uint64{c, s}, []uint64{s}, x, z, w)
	demand(finite(drift), "Drift", drift)
	radius := CDFRadius(c, x)
	demand(radius >= 0 && radius <= 1, "CDFRadius", radius)
	test, ok := Blocks{N: x, W: y, S1: z, S2: w}.Test(z)
	demand(finite(test.Mean, test.SE, test.T, test.DF, test.Z), "Test", test)
	demand(!ok || test.SE > 0 && test.DF >= MinBlocks-1, "Test", test)
	average := Average([]float64{x, y}, []float64{z, w})
	demand(!math.IsNaN(average), "Average", average)
	if finite(z, w) && x > 0 && y > 0 && finite(x, y) {
		demand(finite(average), "Average", average)
	}
}

var extremes = []float64{
	math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), math.SmallestNonzeroFloat64, 1e-300, 1e-12, 1e-6, 1e-3, 0.1, 0.5,
	1 - 0x1p-53, 1, 1 + 0x1p-52, 3, 1e3, 1e6, 1e9, 1e16, 1e150, 1e300, math.MaxFloat64, -1e-300, -0.1, -1, -40, -1e16, -1e300, -math.MaxFloat64,
}

// Every pair of extremes beside every ordinary set of the other inputs.
func TestTotal(t *testing.T) {
	t.Parallel()
	counts := [][2]uint64{{0, 0}, {1, 0}, {0, math.MaxUint64}, {math.MaxUint64, 0}, {math.MaxUint64, math.MaxUint64}, {12, 1e9}}
	for i, x := range extremes {
		for j, y := range extremes {
			n := counts[(i+j)%len(counts)]
			checkTotal(t, x, y, 10, 0.5, n[0], n[1])
			checkTotal(t, 0.5, x, y, 10, n[0], n[1])
			checkTotal(t, 10, 0.5, x, y, n[0], n[1])
			checkTotal(t, x, 1, y, x, n[0], n[1])
			checkTotal(t, y, x, x, y, n[0], n[1])
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

// Labels where every field is at an end of its range.
func TestLabelIsTotalAtItsEnds(t *testing.T) {
	t.Parallel()
	counts := []uint64{0, 1, 7, 2999, 3000, 1e6, 1e9, 1e12, math.MaxUint64}
	for _, share := range []float64{1e-6, 0.1, 0.5, 1 - 1e-6} {
		for _, ratio := range []float64{1e-6, 1, 1e6} {
			for _, concentration := range []float64{1e-3, 1, 1e9} {
				l := Label{Share: share, Ratio: ratio, Concentration: concentration}
				for _, c := range counts {
					for _, s := range counts {
						if got := []float64{l.Above(c, s), l.Below(c, s), l.TwoSided(c, s)}; !finite(got...) {
							t.Errorf("%+v of %d, %d = %v", l, c, s, got)
						}
					}
				}
			}
		}
	}
}

func FuzzTotal(f *testing.F) {
	f.Add(0.1, 1.0, 10.0, 0.5, uint64(10), uint64(90))
	f.Add(60.0, 540.0, 3.0, 2.0, uint64(0), uint64(1e9))
	for _, x := range extremes {
		f.Add(x, 1e300, 1e-300, x, uint64(math.MaxUint64), uint64(3))
	}
	f.Fuzz(func(t *testing.T, x, y, z, w float64, c, s uint64) { checkTotal(t, x, y, z, w, c, s) })
}
