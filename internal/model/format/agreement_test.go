package format

import (
	"math"
	"slices"

	"serin/internal/model"
)

// mostCancelled is how many of the corpus' numbers may need the second rule of
// close.
const mostCancelled = 10

// single tells that the library computes in float32 and that its answers are held
// to a millionth of themselves, however small they are.
func (e *expectation) single() bool { return e.Absolute == 0 }

// close tells whether number k of the answer to row i is near enough to want.
//
// The first rule is the tolerance of the file: the difference is at most that,
// relative to the number, or absolutely. In float32 it is 1e-6 and relative only.
//
// The second rule is for float32 alone, and for numbers that are what is left of
// larger ones: the difference of two scores, the far tail of an exponential. One
// rounding of those is more than a millionth of what is left, so it is the order of
// the sums that says what the library answers, not the model. Such a number may
// be off by as much as it moves when the row's numbers move by a millionth: the
// answer is then the right one for a row that nobody can tell from this one.
func (e *expectation) close(a *asked, i, k int, want float64) bool {
	got := a.values[i][k]
	if math.IsNaN(want) || math.IsInf(want, 0) {
		return got == want || math.IsNaN(got) && math.IsNaN(want)
	}
	off := math.Abs(got - want)
	if off <= max(e.Absolute, e.Relative*math.Abs(want)) {
		return true
	}
	if e.single() && off <= a.moved(i, k, e.Relative) {
		a.cancelled++
		return true
	}
	return false
}

// moved is how far number k of the answer to row i moves when each number of the
// row moves by a relative step, to the side where that does more.
func (a *asked) moved(i, k int, step float64) float64 {
	s, row, sum := a.p.Signature(), a.rows[i], 0.0
	values := make([]float64, s.Outputs)
	numbers := slices.Clone(row.Numbers)
	for j, v := range row.Numbers {
		farthest := 0.0
		for _, by := range [2]float64{-step, step} {
			numbers[j] = v * (1 + by)
			nudged := model.Rows{N: 1, Numbers: numbers, Texts: row.Texts}
			if a.p.Predict(nudged, model.Answers{Values: values}) == nil {
				farthest = max(farthest, math.Abs(values[k]-a.values[i][k]))
			}
		}
		numbers[j], sum = v, sum+farthest
	}
	return sum
}
