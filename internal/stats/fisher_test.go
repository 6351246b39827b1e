package stats

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type fisherCase struct {
	A, B, C, D uint64
	pvalues
	Scipy []*float64
}

func TestFisherReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).Fisher {
		got, err := Fisher(c.A, c.B, c.C, c.D)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		c.check(t, got.TwoSided, got.Greater, got.Less)
		// SciPy loses digits with the counts: 2e-10 at a million, 4e-7 at a billion.
		relative := 1e-12
		switch n := c.A + c.B + c.C + c.D; {
		case n > 1e7:
			relative = 1e-6
		case n >= 1e6:
			relative = 1e-8
		}
		beside(t, "SciPy's greater", got.Greater, c.Scipy[0], relative)
		beside(t, "SciPy's less", got.Less, c.Scipy[1], relative)
		beside(t, "SciPy's two-sided", got.TwoSided, c.Scipy[2], relative)
		if t.Failed() {
			t.Fatalf("case %+v", c)
		}
	}
}

// Published: R. A. Fisher's tea, The Design of Experiments (1935): all eight cups
// right has a chance of 1 in 70, six 17 in 70.
func TestFisherTea(t *testing.T) {
	t.Parallel()
	for cups, want := range map[uint64]float64{4: 1. / 70, 3: 17. / 70} {
		got, err := Fisher(cups, 4-cups, 4-cups, cups)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "p", got.Greater.P, want, 1e-15)
	}
}

func TestFisherOddsRatio(t *testing.T) {
	t.Parallel()
	if got, err := Fisher(8, 2, 1, 5); err != nil || got.OddsRatio != 20 || got.NoOddsRatio {
		t.Errorf("%+v, %v; want an odds ratio of 20", got, err)
	}
	for _, c := range [][4]uint64{{1, 0, 2, 3}, {1, 2, 0, 3}, {0, 0, 0, 0}} {
		if got, err := Fisher(c[0], c[1], c[2], c[3]); err != nil || got.OddsRatio != 0 || !got.NoOddsRatio {
			t.Errorf("%v: %+v, %v; want none", c, got, err)
		}
	}
}

func TestFisherRefusesBadInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		table [4]uint64
		want  string
	}{
		{[4]uint64{1, 2, 3, math.MaxUint64}, "has a count of 18446744073709551615"},
		{[4]uint64{5e11, 5e11, 1, 0}, "sum to 1000000000001"},
	} {
		if got, err := Fisher(tt.table[0], tt.table[1], tt.table[2], tt.table[3]); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Fisher(%v) = %+v, error %v; want an error with %q", tt.table, got, err, tt.want)
		}
	}
}

func drawCount(t *rapid.T, name string, log float64) uint64 {
	return uint64(math.Exp(rapid.Float64Range(0, log).Draw(t, "log "+name))) - 1
}

func TestFisherProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]float64{2, 4, 10, 20}).Draw(t, "log of the largest")
		a, b, c, d := drawCount(t, "a", most), drawCount(t, "b", most), drawCount(t, "c", most), drawCount(t, "d", most)
		fisher := func(a, b, c, d uint64) FisherTest {
			r, err := Fisher(a, b, c, d)
			if err != nil {
				t.Fatal(err)
			}
			checkPValues(t, r.TwoSided, r.Greater, r.Less)
			return r
		}
		same := func(what string, p, q PValue) {
			t.Helper()
			if math.Abs(p.Log-q.Log) > 1e-11*(1-p.Log) {
				t.Errorf("%s: %v and %v", what, p, q)
			}
		}
		r := fisher(a, b, c, d)
		turned := fisher(a, c, b, d)
		same("rows and columns exchanged", r.Greater, turned.Greater)
		same("rows and columns exchanged", r.TwoSided, turned.TwoSided)
		mirrored := fisher(b, a, d, c)
		same("the columns' order", r.Greater, mirrored.Less)
		same("the columns' order", r.Less, mirrored.Greater)
		same("the columns' order", r.TwoSided, mirrored.TwoSided)
		if best := math.Min(r.Greater.P, r.Less.P); r.TwoSided.P < best*(1-1e-12) {
			t.Errorf("two-sided is below one-sided: %+v", r)
		}
		// The two one-sided p-values have one table in common.
		p := math.Exp(table{float64(a), float64(b), float64(c), float64(d)}.log())
		if off := r.Greater.P + r.Less.P - 1 - p; math.Abs(off) > 1e-10 {
			t.Errorf("greater and less sum to 1 + P(a) + %v: %+v", off, r)
		}
	})
}

func TestFisherIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 3e11), rapid.Uint64Range(0, 5))
		r, err := Fisher(count.Draw(t, "a"), count.Draw(t, "b"), count.Draw(t, "c"), count.Draw(t, "d"))
		if err == nil {
			checkPValues(t, r.TwoSided, r.Greater, r.Less)
			if !finite(r.OddsRatio) {
				t.Errorf("%+v", r)
			}
		}
	})
}

func BenchmarkFisher(b *testing.B) {
	for b.Loop() {
		if _, err := Fisher(100030, 1e9, 900000, 9e9); err != nil {
			b.Fatal(err)
		}
	}
}
