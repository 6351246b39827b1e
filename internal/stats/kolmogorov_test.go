package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

type walkCase struct {
	N1, N2, Height int
	LogOne         float64 `json:"log_one,string"`
	LogTwo         float64 `json:"log_two,string"`
}

type smirnovCase struct {
	Name     string
	X, Y     []float64
	D        float64 `json:",string"`
	Location float64
	Sign     int
	pvalues
	Scipy []*float64
}

// Lattice paths counted in whole numbers, and for equal sizes of 5,000
// Gnedenko and Korolyuk's closed form.
func TestWalkReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Walks {
		w := newWalk(c.N2, c.N1)
		checkP(t, "one side", w.atLeast(c.Height), c.LogOne)
		checkP(t, "both sides", w.atLeastAbs(c.Height), c.LogTwo)
		if t.Failed() {
			t.Fatalf("case %+v", c)
		}
	}
}

func TestKolmogorovSmirnovReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Smirnov {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, err := KolmogorovSmirnov(c.X, c.Y, Auto)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "D", got.D, c.D, 1e-15)
			if got.Location != c.Location || got.Sign != c.Sign || got.Method != Exact {
				t.Errorf("%+v, reference location %v and sign %v", got, c.Location, c.Sign)
			}
			c.check(t, got.TwoSided, got.Greater, got.Less)
			beside(t, "SciPy's greater", got.Greater, c.Scipy[0], 1e-12)
			beside(t, "SciPy's less", got.Less, c.Scipy[1], 1e-12)
			beside(t, "SciPy's two-sided", got.TwoSided, c.Scipy[2], 1e-12)
		})
	}
}

// mpmath at 30 digits, by Kolmogorov's series; below 1, 1 - p is what has digits.
func TestKolmogorovLimit(t *testing.T) {
	t.Parallel()
	for z, want := range map[float64]float64{
		0.4:    -0.002811622130391395930,
		0.9999: -1.308937539171412667,
		1:      -1.309334535994299704,
		1.36:   -3.006067968191611839,
		3:      -17.30685281944005469,
		40:     -3199.30685281944005469,
	} {
		checkP(t, "limit", limit(z), want)
	}
	for _, z := range []float64{0, 1e-300, 1e-3, 0.05} {
		if got := limit(z); got.P != 1 || got.Log < -1e-200 {
			t.Errorf("limit(%v) = %+v, want 1", z, got)
		}
	}
}

// What the comment of KolmogorovSmirnov says of the asymptotic law.
func TestAsymptoticIsNearExact(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{4000, 4000}, {4000, 3999}, {4000, 2000}, {20000, 300}} {
		w := newWalk(size[0], size[1])
		for _, z := range []float64{0.5, 1, 1.36, 1.63} {
			height := int(z*w.scale()) / w.n2 * w.n2
			for _, pair := range [][2]PValue{{w.atLeast(height), w.limitAtLeast(height)}, {w.atLeastAbs(height), w.limitAtLeastAbs(height)}} {
				if off := math.Abs(pair[1].P/pair[0].P - 1); off > 0.02 {
					t.Errorf("sizes %v, z %v: exact %v, asymptotic %v", size, z, pair[0].P, pair[1].P)
				}
			}
		}
	}
}

func TestKolmogorovSmirnovProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one, two := grades(t, "one", 40), grades(t, "two", 40)
		method := rapid.SampledFrom([]Method{Auto, Exact, Asymptotic}).Draw(t, "method")
		got, err := KolmogorovSmirnov(one, two, method)
		if err != nil {
			t.Fatal(err)
		}
		checkPValues(t, got.TwoSided, got.Greater, got.Less)
		if got.D != math.Max(got.DGreater, got.DLess) || got.D > 1 || got.DGreater < 0 || got.DLess < 0 {
			t.Errorf("distances: %+v", got)
		}
		if best := math.Min(got.Greater.Log, got.Less.Log); got.TwoSided.Log > math.Ln2+best+1e-9 || got.TwoSided.Log < best-1e-9 {
			t.Errorf("two-sided is not between once and twice the smaller one: %+v", got)
		}
		share := func(values []float64) float64 {
			n := 0
			for _, v := range values {
				if v <= got.Location {
					n++
				}
			}
			return float64(n) / float64(len(values))
		}
		if at := share(one) - share(two); math.Abs(at-float64(got.Sign)*got.D) > 1e-15 {
			t.Errorf("at %v the functions differ by %v: %+v", got.Location, at, got)
		}
		swapped, err := KolmogorovSmirnov(two, one, method)
		if err != nil || swapped.D != got.D || swapped.Greater != got.Less || swapped.TwoSided != got.TwoSided {
			t.Errorf("not antisymmetric: %+v and %+v, %v", got, swapped, err)
		}
	})
}

func TestWalkFalls(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWalk(rapid.IntRange(1, 60).Draw(t, "n1"), rapid.IntRange(1, 60).Draw(t, "n2"))
		lower := rapid.IntRange(0, w.n1*w.n2).Draw(t, "height")
		higher := rapid.IntRange(lower, w.n1*w.n2).Draw(t, "higher")
		for _, law := range []func(int) PValue{w.atLeast, w.atLeastAbs, w.limitAtLeast, w.limitAtLeastAbs} {
			p, q := law(lower), law(higher)
			checkPValues(t, p, q)
			if q.Log > p.Log+1e-12 {
				t.Errorf("%+v: at %d %v, at %d %v", w, lower, p, higher, q)
			}
		}
	})
}

func BenchmarkKolmogorovSmirnov(b *testing.B) {
	const n = 25000
	one, two := make([]float64, n), make([]float64, n)
	for i := range one {
		one[i], two[i] = float64(i), float64(i)+200.5
	}
	for b.Loop() {
		if _, err := KolmogorovSmirnov(one, two, Exact); err != nil {
			b.Fatal(err)
		}
	}
}
