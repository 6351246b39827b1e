package stats

import (
	"fmt"
	"math"
)

// Stability is how far one histogram has moved from another.
type Stability struct {
	// PSI is the population stability index; 0 for equal shares, and finite.
	PSI float64
	// Noise is what it is on average if nothing has moved: (k-1)(1/n1 + 1/n2) over
	// the k bins that are not empty in both. A PSI below some multiples of it says nothing.
	Noise float64
	// Halves is the number of bins that one of the two histograms does not reach,
	// where half an observation was put; 0 means that PSI is the plain formula's.
	Halves int
}

// PSI is the population stability index of two histograms over the same bins,
//
//	PSI = Sum (a - e) ln(a/e),   e and a the shares of expected and actual
//
// that is Jeffreys' symmetric form of Kullback and Leibler's divergence, in
// nats. By habit 0.1 is called small and 0.25 large, whatever the sample size;
// Noise says what the size makes of it, and this is no test.
//
// An empty bin would make it infinite. The policy: a bin that is empty in both is
// left out; one that is empty in one of them only counts as half an observation
// there, and belongs to the total. Counts go up to 1e12 in all. An error says
// which vector is empty, too large or of another length.
// Sources: H. Jeffreys, Proc. R. Soc. A 186 (1946) 453-461; for its mean
// B. Yurdakul, Statistical Properties of Population Stability Index (2018).
func PSI(expected, actual []uint64) (Stability, error) {
	if len(expected) != len(actual) {
		return Stability{}, fmt.Errorf("expected has %d bins and actual has %d; both need the same bins", len(expected), len(actual))
	}
	n1, err := total("expected", expected)
	if err != nil {
		return Stability{}, err
	}
	n2, err := total("actual", actual)
	if err != nil {
		return Stability{}, err
	}
	r, used := Stability{}, 0
	filled := func(count uint64) float64 {
		if count == 0 {
			return 0.5
		}
		return float64(count)
	}
	for i := range expected {
		if expected[i] == 0 && actual[i] == 0 {
			continue
		}
		used++
		if expected[i] == 0 {
			n1 += 0.5
			r.Halves++
		}
		if actual[i] == 0 {
			n2 += 0.5
			r.Halves++
		}
	}
	for i := range expected {
		if expected[i] == 0 && actual[i] == 0 {
			continue
		}
		e, a := filled(expected[i]), filled(actual[i])
		moved := cross(a, n1, e, n2) // (share - share) n1 n2, to the last digit
		ratio := math.Log(a / n2 * (n1 / e))
		if u := moved / (e * n2); math.Abs(u) < 0.5 {
			ratio = math.Log1p(u)
		}
		r.PSI += moved / (n1 * n2) * ratio
	}
	r.Noise = float64(used-1) * (1/n1 + 1/n2)
	return r, nil
}

func total(name string, counts []uint64) (float64, error) {
	var sum uint64
	for i, count := range counts {
		if count > largestTable || sum+count > largestTable {
			return 0, fmt.Errorf("%s: bin %d brings the total above %g, which is the most", name, i, largestTable)
		}
		sum += count
	}
	if sum == 0 {
		return 0, fmt.Errorf("%s counts nothing; at least 1 observation is needed", name)
	}
	return float64(sum), nil
}
