package stats

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type mannWhitneyCase struct {
	Name              string
	X, Y              []float64
	U2                float64
	Exact, Asymptotic pvalues
	// SciPy's for greater, less and two-sided. It has no exact values with ties
	// but those of an enumeration.
	ScipyExact      []*float64 `json:"scipy_exact"`
	ScipyAsymptotic []*float64 `json:"scipy_asymptotic"`
}

func TestMannWhitneyReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).MannWhitney {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			for method, want := range map[Method]pvalues{Exact: c.Exact, Asymptotic: c.Asymptotic} {
				got, err := MannWhitney(c.X, c.Y, method)
				if err != nil {
					t.Fatal(err)
				}
				if n1, n2 := float64(len(c.X)), float64(len(c.Y)); got.U2 != c.U2 || got.U1 != n1*n2-c.U2 || got.Higher != c.U2/(n1*n2) || got.Method != method {
					t.Errorf("%+v, reference U2 %v", got, c.U2)
				}
				want.check(t, got.TwoSided, got.Greater, got.Less)
				scipy := map[Method][]*float64{Exact: c.ScipyExact, Asymptotic: c.ScipyAsymptotic}[method]
				if scipy != nil {
					beside(t, "SciPy's greater", got.Greater, scipy[0], 1e-12)
					beside(t, "SciPy's less", got.Less, scipy[1], 1e-12)
					beside(t, "SciPy's two-sided", got.TwoSided, scipy[2], 1e-12)
				}
			}
			auto, err := MannWhitney(c.X, c.Y, Auto)
			if err != nil || auto.Method != Exact && len(c.X)+len(c.Y) < 200 {
				t.Errorf("Auto gives %+v, %v; want the exact distribution", auto, err)
			}
		})
	}
}

// Published: the tortoise and the hare of Wikipedia's article; one tortoise
// beats five hares, five are beaten by the others.
func TestMannWhitneyTortoises(t *testing.T) {
	t.Parallel()
	tortoises, hares := []float64{1, 7, 8, 9, 10, 11}, []float64{2, 3, 4, 5, 6, 12}
	got, err := MannWhitney(tortoises, hares, Auto)
	if err != nil || got.U1 != 25 || got.U2 != 11 {
		t.Errorf("%+v, %v; want U1 = 25 and U2 = 11", got, err)
	}
}

func TestMannWhitneyRefusesBadInput(t *testing.T) {
	t.Parallel()
	long := make([]float64, 2000)
	for i := range long {
		long[i] = float64(i)
	}
	tests := []struct {
		name     string
		one, two []float64
		method   Method
		want     string
	}{
		{"empty", nil, []float64{1}, Auto, "sample 1 has no values"},
		{"both empty", nil, nil, Auto, "sample 2 has no values"},
		{"NaN", []float64{1}, []float64{1, math.NaN()}, Auto, "sample 2: value 1 is NaN"},
		{"infinite", []float64{math.Inf(1)}, []float64{1}, Auto, "sample 1: value 0 is +Inf"},
		{"no such method", []float64{1}, []float64{1}, 7, "method is number 7"},
		{"too many for exact", long, long, Exact, "samples of 2000 and 2000 values are too large for the exact"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := MannWhitney(tt.one, tt.two, tt.method); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("MannWhitney = %+v, error %v; want an error with %q", got, err, tt.want)
			}
			if got, err := KolmogorovSmirnov(tt.one, tt.two, tt.method); len(tt.one) < 2000 && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("KolmogorovSmirnov = %+v, error %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}

// grades are few different values, so that there are ties.
func grades(t *rapid.T, name string, most int) []float64 {
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(-3, 6), func(i int) float64 { return float64(i) / 2 }), 1, most).Draw(t, name)
}

// With few values every way to divide them can be tried.
func TestMannWhitneyIsTheShareOfDivisions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one, two := grades(t, "one", 6), grades(t, "two", 6)
		got, err := MannWhitney(one, two, Exact)
		if err != nil {
			t.Fatal(err)
		}
		pool := slices.Concat(one, two)
		all, up, down := 0., 0., 0.
		for members := range 1 << len(pool) {
			var in, out []float64
			for i, v := range pool {
				if members>>i&1 == 1 {
					in = append(in, v)
				} else {
					out = append(out, v)
				}
			}
			if len(in) != len(two) {
				continue
			}
			u := 0.
			for _, y := range in {
				for _, x := range out {
					if y > x {
						u++
					} else if y == x {
						u += 0.5
					}
				}
			}
			all++
			if u >= got.U2 {
				up++
			}
			if u <= got.U2 {
				down++
			}
		}
		if math.Abs(got.Greater.P-up/all) > 1e-14 || math.Abs(got.Less.P-down/all) > 1e-14 {
			t.Errorf("%+v; by enumeration %v and %v", got, up/all, down/all)
		}
	})
}

func TestMannWhitneyProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := grades
		if rapid.Bool().Draw(t, "wild") {
			draw = func(t *rapid.T, name string, most int) []float64 {
				return rapid.SliceOfN(rapid.Float64(), 1, most).Draw(t, name)
			}
		}
		one, two := draw(t, "one", 30), draw(t, "two", 30)
		method := rapid.SampledFrom([]Method{Auto, Exact, Asymptotic}).Draw(t, "method")
		got, err := MannWhitney(one, two, method)
		if err != nil {
			t.Fatal(err)
		}
		checkPValues(t, got.TwoSided, got.Greater, got.Less)
		if got.Greater.P+got.Less.P < 1-1e-12 {
			t.Errorf("the two directions' p-values sum to less than 1: %+v", got)
		}
		swapped, err := MannWhitney(two, one, method)
		if err != nil || swapped.U1 != got.U2 || math.Abs(swapped.Less.Log-got.Greater.Log) > 1e-12*(1-got.Greater.Log) {
			t.Errorf("not antisymmetric: %+v and %+v, %v", got, swapped, err)
		}
		again, err := MannWhitney(mapped(one), mapped(two), method)
		if err != nil || again != got {
			t.Errorf("only the order counts: %+v and %+v, %v", got, again, err)
		}
	})
}

// mapped are the values by another rising scale.
func mapped(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Copysign(math.Abs(v)/2, v)
		if math.Abs(v) < 1e-300 {
			out[i] = v
		}
	}
	return out
}

func checkPValues(t *rapid.T, all ...PValue) {
	for _, p := range all {
		if !(p.P >= 0 && p.P <= 1 && p.Log <= 0) || math.IsInf(p.Log, 0) || math.Abs(math.Exp(p.Log)-p.P) > 1e-12*p.P {
			t.Fatalf("no p-value: %+v", p)
		}
	}
}

// Both ways to count, on the same values without ties.
func TestTwoCountsAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.Permutation(slices.Repeat([]int{1, 2}, 20)).Draw(t, "order")
		r := ranks{}
		var values []tie
		for _, from := range order[:rapid.IntRange(2, 40).Draw(t, "count")] {
			v := tie{n1: 2 - from, n2: from - 1}
			values = append(values, v)
			r.add(v)
			r.n1, r.n2 = r.n1+v.n1, r.n2+v.n2
		}
		if r.n1 == 0 || r.n2 == 0 {
			return
		}
		greater, less := r.untied()
		greater2, less2 := r.tied(slices.Values(values))
		if math.Abs(greater.P-greater2.P) > 1e-13*greater.P || math.Abs(less.P-less2.P) > 1e-13*less.P {
			t.Errorf("%+v: %v, %v and %v, %v", r, greater, less, greater2, less2)
		}
	})
}

func BenchmarkMannWhitney(b *testing.B) {
	for _, bench := range []struct {
		name   string
		n      int
		levels int
		method Method
	}{{"exact, 500", 500, 1 << 30, Exact}, {"exact with ties, 100", 100, 50, Exact}, {"asymptotic, 100000", 100000, 1 << 30, Asymptotic}} {
		b.Run(bench.name, func(b *testing.B) {
			one, two := make([]float64, bench.n), make([]float64, bench.n)
			for i := range one {
				one[i], two[i] = float64(i%bench.levels), float64(i%bench.levels)+0.5
				if bench.levels < bench.n {
					two[i] = one[i]
				}
			}
			for b.Loop() {
				if _, err := MannWhitney(one, two, bench.method); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
