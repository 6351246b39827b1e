package stats

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDesignRefusesBadInput(t *testing.T) {
	t.Parallel()
	good := Design{Ratio: 1, Alpha: 0.05}
	nan, inf := math.NaN(), math.Inf(1)
	power := func(d Design, effect, n1 float64) func() error {
		return func() error { _, err := d.Power(effect, n1); return err }
	}
	size := func(d Design, effect, power float64) func() error {
		return func() error { _, err := d.SampleSize(effect, power); return err }
	}
	smallest := func(d Design, n1, power float64) func() error {
		return func() error { _, err := d.SmallestEffect(n1, power); return err }
	}
	tests := []struct {
		name string
		call func() error
		want string
	}{
		{"ratio 0", power(Design{0, 0.05, TwoSided}, 1, 20), "ratio n2/n1 is 0"},
		{"ratio NaN", power(Design{nan, 0.05, TwoSided}, 1, 20), "ratio n2/n1 is NaN"},
		{"ratio infinite", size(Design{inf, 0.05, TwoSided}, 1, 0.8), "ratio n2/n1 is +Inf"},
		{"alpha 0", power(Design{1, 0, TwoSided}, 1, 20), "alpha is 0"},
		{"alpha above half", size(Design{1, 0.6, TwoSided}, 1, 0.8), "alpha is 0.6"},
		{"alpha NaN", smallest(Design{1, nan, TwoSided}, 20, 0.8), "alpha is NaN"},
		{"alternative", power(Design{1, 0.05, 7}, 1, 20), "alternative is number 7"},
		{"effect NaN", power(good, nan, 20), "effect is NaN"},
		{"effect infinite", power(good, inf, 20), "effect is +Inf"},
		{"too few", power(good, 1, 1.4), "group sizes 1.4 and 1.4"},
		{"empty second group", power(Design{0.01, 0.05, TwoSided}, 1, 20), "group sizes 20 and 0.2"},
		{"size NaN", power(good, 1, nan), "group sizes NaN"},
		{"size beyond counting", smallest(good, 1e16, 0.8), "group sizes 1e+16"},
		{"no effect", size(good, 0, 0.8), "no number of values shows an effect of 0"},
		{"wrong direction", size(Design{1, 0.05, Greater}, -1, 0.8), "in this direction"},
		{"effect of nothing", size(good, 1e-12, 0.8), "more than 1e+15 values"},
		{"power 1", size(good, 1, 1), "power is 1"},
		{"power of alpha", size(good, 1, 0.05), "power is 0.05"},
		{"power NaN", smallest(good, 20, nan), "power is NaN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := tt.call(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// An effect that three values show: the exact sizes stop at the smallest design,
// the whole ones at what Welch's test needs.
func TestSampleSizeStopsAtTheSmallestDesign(t *testing.T) {
	t.Parallel()
	got, err := Design{Ratio: 1, Alpha: 0.05}.SampleSize(1e6, 0.8)
	if want := (Sizes{1.5, 1.5, 2, 2}); err != nil || got != want {
		t.Errorf("SampleSize = %+v, %v; want %+v", got, err, want)
	}
}

func drawDesign(t *rapid.T) Design {
	return Design{
		Ratio:       math.Exp(rapid.Float64Range(-3, 3).Draw(t, "log ratio")),
		Alpha:       math.Exp(rapid.Float64Range(-40, math.Log(0.5)).Draw(t, "log alpha")),
		Alternative: rapid.SampledFrom([]Alternative{TwoSided, Greater}).Draw(t, "alternative"),
	}
}

func TestPowerProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDesign(t)
		effect := math.Exp(rapid.Float64Range(-6, 3).Draw(t, "log effect"))
		n1 := d.smallest() * math.Exp(rapid.Float64Range(0, 15).Draw(t, "log n1"))
		power := func(d Design, effect, n1 float64) float64 {
			p, err := d.Power(effect, n1)
			if err != nil || p < 0 || p > 1 || math.IsNaN(p) {
				t.Fatalf("%+v.Power(%v, %v) = %v, %v", d, effect, n1, p, err)
			}
			return p
		}
		const rounding = 1e-13
		p := power(d, effect, n1)
		more := 1 + rapid.Float64Range(0.001, 2).Draw(t, "more")
		if q := power(d, effect*more, n1); q < p*(1-rounding) {
			t.Errorf("a larger effect has less power: %v and %v", p, q)
		}
		if q := power(d, effect, n1*more); q < p*(1-rounding) {
			t.Errorf("more values have less power: %v and %v", p, q)
		}
		stricter := d
		stricter.Alpha /= more
		if q := power(stricter, effect, n1); q > p*(1+rounding) {
			t.Errorf("a stricter test has more power: %v and %v", p, q)
		}
		if null := power(d, 0, n1); math.Abs(null-d.Alpha) > 1e-12*d.Alpha {
			t.Errorf("power without an effect is %v, alpha %v", null, d.Alpha)
		}
		mirrored := Design{1 / d.Ratio, d.Alpha, d.Alternative}
		if q := power(mirrored, effect, n1*d.Ratio*(1+1e-15)); math.Abs(q-p) > 1e-11*p {
			t.Errorf("the groups' names matter: %v and %v", p, q)
		}
	})
}

func TestSampleSizeSolvesPower(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := drawDesign(t)
		effect := math.Exp(rapid.Float64Range(-6, 1).Draw(t, "log effect"))
		target := d.Alpha + (1-d.Alpha)*rapid.Float64Range(0.01, 0.9999).Draw(t, "power")
		size, err := d.SampleSize(effect, target)
		if err != nil {
			t.Fatal(err)
		}
		reached, err := d.Power(effect, size.Exact1)
		if err != nil {
			t.Fatal(err)
		}
		if size.Exact1 > d.smallest() && math.Abs(reached-target) > 1e-12 {
			t.Errorf("%+v, effect %v: power at the root is %v, asked was %v", d, effect, reached, target)
		}
		if float64(size.N1) < size.Exact1 || float64(size.N2) < size.Exact2*(1-1e-9) || size.N1 < 2 || size.N2 < 2 {
			t.Errorf("whole sizes below the exact ones: %+v", size)
		}
	})
}

// Whatever the numbers, the answer is an error or a probability, soon.
func TestDesignIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wild := rapid.Float64()
		d := Design{math.Exp(rapid.Float64Range(-40, 40).Draw(t, "log ratio")), math.Exp(rapid.Float64Range(-700, 0).Draw(t, "log alpha")), TwoSided}
		effect, n1 := wild.Draw(t, "effect"), math.Exp(rapid.Float64Range(0, 40).Draw(t, "log n1"))
		if p, err := d.Power(effect, n1); err == nil && !(p >= 0 && p <= 1) {
			t.Errorf("%+v.Power(%v, %v) = %v", d, effect, n1, p)
		}
		if s, err := d.SampleSize(effect, 0.8); err == nil && !(s.Exact1 >= 1 && s.Exact2 >= 1-1e-9 && s.N1 >= 2 && s.N2 >= 2) {
			t.Errorf("%+v.SampleSize(%v) = %+v", d, effect, s)
		}
		if e, err := d.SmallestEffect(n1, 0.8); err == nil && !(e > 0 && finite(e)) {
			t.Errorf("%+v.SmallestEffect(%v) = %v", d, n1, e)
		}
	})
}
