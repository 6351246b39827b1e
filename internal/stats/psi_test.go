package stats

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type psiCase struct {
	Name             string
	Expected, Actual []uint64
	PSI, Noise       float64 `json:",string"`
	Halves           int
}

func TestPSIReference(t *testing.T) {
	t.Parallel()
	for _, c := range readReferences(t).PSI {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			got, err := PSI(c.Expected, c.Actual)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "PSI", got.PSI, c.PSI, reached)
			near(t, "Noise", got.Noise, c.Noise, reached)
			if got.Halves != c.Halves {
				t.Errorf("%d halves, reference %d", got.Halves, c.Halves)
			}
		})
	}
}

func TestPSIRefusesBadInput(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		expected, actual []uint64
		want             string
	}{
		{nil, nil, "expected counts nothing"},
		{[]uint64{1, 2}, []uint64{0, 0}, "actual counts nothing"},
		{[]uint64{1, 2}, []uint64{1, 2, 3}, "expected has 2 bins and actual has 3"},
		{[]uint64{1, math.MaxUint64}, []uint64{1, 2}, "expected: bin 1 brings the total above 1e+12"},
		{[]uint64{1, 2, 3}, []uint64{6e11, 0, 6e11}, "actual: bin 2 brings the total above 1e+12"},
	} {
		if got, err := PSI(tt.expected, tt.actual); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("PSI = %+v, error %v; want an error with %q", got, err, tt.want)
		}
	}
}

func TestPSIProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bins := rapid.IntRange(1, 20).Draw(t, "bins")
		count := rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(0, 4e10))
		one := rapid.SliceOfN(count, bins, bins).Draw(t, "one")
		two := rapid.SliceOfN(count, bins, bins).Draw(t, "two")
		r, err := PSI(one, two)
		if err != nil {
			return // counts nothing
		}
		if !finite(r.PSI) || r.PSI < 0 || !finite(r.Noise) || r.Noise < 0 {
			t.Fatalf("%+v", r)
		}
		swapped, err := PSI(two, one)
		if err != nil || math.Abs(swapped.PSI-r.PSI) > 1e-12*r.PSI || swapped.Halves != r.Halves {
			t.Errorf("not symmetric: %+v and %+v, %v", r, swapped, err)
		}
		if itself, err := PSI(one, one); err != nil || itself.PSI != 0 {
			t.Errorf("from itself it has moved: %+v, %v", itself, err)
		}
		with, err := PSI(append(one, 0), append(two, 0))
		if err != nil || with != r {
			t.Errorf("a bin that is empty in both matters: %+v and %+v, %v", r, with, err)
		}
	})
}
