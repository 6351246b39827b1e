package stats

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The reference values are made by testdata/shift.py. The first case is also in
// the tests of Spinnaker's Kayenta, with the same three numbers.
func TestShiftReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/shift.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name                            string
		One, Two                        []float64
		Confidence, Low, High, Estimate float64
		Whole                           bool
		BrentLow, BrentHigh             *float64
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) < 12 {
		t.Fatalf("%d cases, error %v; the reference file was cut", len(cases), err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, err := Shift(c.One, c.Two, c.Confidence)
			if err != nil {
				t.Fatal(err)
			}
			if got.Low != c.Low || got.High != c.High || got.Whole != c.Whole || math.Abs(got.Estimate-c.Estimate) > 1e-12 {
				t.Errorf("Shift = %+v; want %+v", got, c)
			}
			if c.BrentLow != nil && (math.Abs(got.Low-*c.BrentLow) > 1e-9 || math.Abs(got.High-*c.BrentHigh) > 1e-9) {
				t.Errorf("Shift = %+v; SciPy's roots are %v and %v", got, *c.BrentLow, *c.BrentHigh)
			}
		})
	}
}

// What the interval is for: outside of it the test objects, inside it does not.
func TestShiftIsTheTestInverted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one, two := grades(t, "one", 30), grades(t, "two", 30)
		confidence := rapid.SampledFrom([]float64{0.5, 0.9, 0.98}).Draw(t, "confidence")
		s, err := Shift(one, two, confidence)
		if err != nil || !(s.Low <= s.Estimate && s.Estimate <= s.High) {
			t.Fatalf("%+v, %v", s, err)
		}
		rejects := func(shift float64) bool {
			moved := slices.Clone(one)
			for i := range moved {
				moved[i] += shift
			}
			r, err := MannWhitney(moved, two, Asymptotic)
			if err != nil {
				t.Fatal(err)
			}
			return r.TwoSided.P <= 1-confidence
		}
		// Differences are multiples of 1/2, so a quarter is between two of them.
		if outside := rejects(s.Low-0.25) && rejects(s.High+0.25); outside == s.Whole {
			t.Errorf("%+v: rejected beyond both ends: %v", s, outside)
		}
		for shift := s.Low + 0.25; shift < s.High; shift += 0.5 {
			if rejects(shift) {
				t.Errorf("%+v: %v is rejected, which is between the ends", s, shift)
			}
		}
	})
}

func TestShiftRefusesBadInput(t *testing.T) {
	t.Parallel()
	huge := []float64{-math.MaxFloat64, math.MaxFloat64}
	tests := []struct {
		name       string
		one, two   []float64
		confidence float64
		want       string
	}{
		{"empty", nil, []float64{1}, 0.9, "sample 1 has no values"},
		{"NaN", []float64{1}, []float64{math.NaN()}, 0.9, "sample 2: value 0 is NaN"},
		{"confidence 1", []float64{1}, []float64{2}, 1, "confidence is 1"},
		{"confidence 0", []float64{1}, []float64{2}, 0, "confidence is 0"},
		{"confidence NaN", []float64{1}, []float64{2}, math.NaN(), "confidence is NaN"},
		{"beyond the floats", huge, huge, 0.9, "exceed the range of numbers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := Shift(tt.one, tt.two, tt.confidence); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Shift = %+v, error %v; want an error with %q", got, err, tt.want)
			}
		})
	}
}
