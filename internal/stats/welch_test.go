package stats

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWelchRefusesBadInput(t *testing.T) {
	t.Parallel()
	good := Sample{N: 20, Mean: 1, Variance: 2}
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name       string
		one, two   Sample
		confidence float64
		want       string
	}{
		{"one value", Sample{1, 1, 0}, good, 0.95, "sample 1 has n = 1"},
		{"no value", good, Sample{}, 0.95, "sample 2 has n = 0"},
		{"negative count", Sample{-5, 1, 1}, good, 0.95, "sample 1 has n = -5"},
		{"mean NaN", Sample{5, nan, 1}, good, 0.95, "sample 1 has mean NaN"},
		{"mean infinite", good, Sample{5, inf, 1}, 0.95, "sample 2 has mean +Inf"},
		{"variance NaN", good, Sample{5, 1, nan}, 0.95, "sample 2 has variance NaN"},
		{"variance infinite", good, Sample{5, 1, inf}, 0.95, "sample 2 has variance +Inf"},
		{"variance negative", Sample{5, 1, -1e-300}, good, 0.95, "sample 1 has variance -1e-300"},
		{"both", Sample{1, 1, 1}, Sample{1, 1, 1}, 0.95, "sample 2 has n = 1"},
		{"confidence 0", good, good, 0, "confidence is 0"},
		{"confidence 1", good, good, 1, "confidence is 1"},
		{"confidence NaN", good, good, nan, "confidence is NaN"},
		{"difference overflows", Sample{5, -1.7e308, 1}, Sample{5, 1.7e308, 1}, 0.95, "difference of the means exceeds"},
		{"t overflows", Sample{5, 0, 1e-300}, Sample{5, 1e300, 1e-300}, 0.95, "by more than the range of numbers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Welch(tt.one, tt.two, tt.confidence)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Welch = %+v, error %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}

func TestWelchValuesRefusesBadInput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		one, two []float64
		want     string
	}{
		{"empty", nil, []float64{1, 2}, "sample 1 has 0 values"},
		{"one value", []float64{1, 2}, []float64{1}, "sample 2 has 1 values"},
		{"NaN", []float64{1, 2, math.NaN()}, []float64{1, 2}, "sample 1: value 2 is NaN"},
		{"infinite", []float64{1, 2}, []float64{math.Inf(-1), 2}, "sample 2: value 0 is -Inf"},
		{"out of range", []float64{-1.7e308, 1.7e308}, []float64{-1e308, 1.7e308}, "exceed the range"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := WelchValues(tt.one, tt.two, 0.95)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("WelchValues = %+v, error %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}

// Neither arm varies: no scale, no evidence, no alarm, whatever the difference.
func TestNoVarianceIsNoAlarm(t *testing.T) {
	t.Parallel()
	for _, mean := range []float64{5, 7, 3, 1e300} {
		want := WelchTest{
			Diff: mean - 5, DF: 58, P: 1, PGreater: 0.5, LogPGreater: -math.Ln2,
			Low: mean - 5, High: mean - 5, NoVariance: true,
		}
		got, err := Welch(Sample{40, 5, 0}, Sample{20, mean, 0}, 0.95)
		if err != nil || got != want {
			t.Errorf("Welch with means 5 and %v = %+v, %v; want %+v", mean, got, err, want)
		}
	}
	got, err := WelchValues([]float64{2, 2, 2}, []float64{3, 3}, 0.95)
	want := WelchTest{Diff: 1, DF: 3, P: 1, PGreater: 0.5, LogPGreater: -math.Ln2, Low: 1, High: 1, NoVariance: true}
	if err != nil || got != want {
		t.Errorf("WelchValues = %+v, %v; want %+v", got, err, want)
	}
}

func drawSample(t *rapid.T, name string) Sample {
	return Sample{
		N:        rapid.Int64Range(2, 1e12).Draw(t, name+".n"),
		Mean:     float64(rapid.Int32().Draw(t, name+".mean")) / 1024,
		Variance: math.Exp(rapid.Float64Range(-30, 30).Draw(t, name+".log variance")),
	}
}

func mustWelch(t *rapid.T, one, two Sample, confidence float64) WelchTest {
	r, err := Welch(one, two, confidence)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWelchProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one, two := drawSample(t, "one"), drawSample(t, "two")
		r := mustWelch(t, one, two, 0.95)

		swapped := mustWelch(t, two, one, 0.95)
		if swapped.T != -r.T || swapped.P != r.P || swapped.LogP != r.LogP || swapped.Low != -r.High || swapped.High != -r.Low {
			t.Errorf("not antisymmetric: %+v and %+v", r, swapped)
		}
		if sum := r.PGreater + swapped.PGreater; math.Abs(sum-1) > 1e-14 {
			t.Errorf("the two directions' p-values sum to %v", sum)
		}

		k := rapid.IntRange(-100, 100).Draw(t, "scale")
		scaled := func(s Sample) Sample {
			return Sample{s.N, math.Ldexp(s.Mean, k), math.Ldexp(s.Variance, 2*k)}
		}
		if u := mustWelch(t, scaled(one), scaled(two), 0.95); u.T != r.T || u.DF != r.DF || u.LogP != r.LogP || u.SE != math.Ldexp(r.SE, k) {
			t.Errorf("the unit matters: %+v and %+v", r, u)
		}

		if lo, hi := float64(min(one.N, two.N)-1), float64(one.N+two.N-2); r.DF < lo*(1-1e-14) || r.DF > hi*(1+1e-14) {
			t.Errorf("df %v is outside %v to %v", r.DF, lo, hi)
		}
		if wider := mustWelch(t, one, two, 0.99); wider.Low > r.Low || wider.High < r.High {
			t.Errorf("more confidence, narrower interval: %+v and %+v", r, wider)
		}
		if outside := r.Low > 0 || r.High < 0; math.Abs(r.P-0.05) > 1e-9 && outside != (r.P < 0.05) {
			t.Errorf("p = %v, but the 95 %% interval is %v to %v", r.P, r.Low, r.High)
		}

		further := two
		further.Mean += math.Copysign(r.SE*rapid.Float64Range(0.01, 5).Draw(t, "further"), r.T)
		if u := mustWelch(t, one, further, 0.95); further.Mean != two.Mean && u.LogP > r.LogP {
			t.Errorf("a larger difference has a larger p: %+v and %+v", r, u)
		}
	})
}

func TestWelchValuesProperties(t *testing.T) {
	t.Parallel()
	values := rapid.SliceOfN(rapid.Int32Range(-1e6, 1e6), 2, 40)
	rapid.Check(t, func(t *rapid.T) {
		one, two := values.Draw(t, "one"), values.Draw(t, "two")
		origin := float64(rapid.IntRange(-1<<30, 1<<30).Draw(t, "origin"))
		k := rapid.IntRange(-900, 900).Draw(t, "scale")
		as := func(values []int32, origin float64, k int) []float64 {
			out := make([]float64, len(values))
			for i, v := range values {
				out[i] = math.Ldexp(origin+float64(v), k)
			}
			return out
		}
		plain, err := WelchValues(as(one, 0, 0), as(two, 0, 0), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		moved, err := WelchValues(as(one, origin, k), as(two, origin, k), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(moved.T-plain.T) > 1e-13*math.Abs(plain.T) || math.Abs(moved.DF-plain.DF) > 1e-13*plain.DF || moved.NoVariance != plain.NoVariance {
			t.Errorf("origin %v, scale 2^%d: %+v and %+v", origin, k, plain, moved)
		}
	})
}

// Whatever the numbers, the answer is an error or finite: no panic, no NaN.
func TestWelchIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wild := rapid.Float64()
		one := Sample{rapid.Int64().Draw(t, "n1"), wild.Draw(t, "m1"), wild.Draw(t, "v1")}
		two := Sample{rapid.Int64().Draw(t, "n2"), wild.Draw(t, "m2"), wild.Draw(t, "v2")}
		r, err := Welch(one, two, rapid.Float64Range(0, 1).Draw(t, "confidence"))
		checkFinite(t, r, err)
		r, err = WelchValues(rapid.SliceOf(wild).Draw(t, "x"), rapid.SliceOf(wild).Draw(t, "y"), 0.95)
		checkFinite(t, r, err)
	})
}

func checkFinite(t *rapid.T, r WelchTest, err error) {
	if err != nil {
		return
	}
	for _, v := range []float64{r.Diff, r.SE, r.T, r.DF, r.P, r.LogP, r.PGreater, r.LogPGreater, r.Low, r.High} {
		if !finite(v) {
			t.Fatalf("not finite: %+v", r)
		}
	}
	if r.P < 0 || r.P > 1 || r.PGreater < 0 || r.PGreater > 1 || r.LogP > 0 || r.LogPGreater > 0 || r.Low > r.Diff || r.High < r.Diff {
		t.Fatalf("out of range: %+v", r)
	}
}
