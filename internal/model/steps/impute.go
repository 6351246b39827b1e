package steps

import (
	"math"

	"serin/internal/model"
)

// Impute fills what is missing, as SimpleImputer has it, and tells what was, as
// MissingIndicator has it (sklearn/impute/_base.py).
type Impute struct {
	// Number is the value that counts as missing; NaN where missing values do.
	// Text is the text that does, for columns that are texts, if it is not empty.
	Number float64
	Text   string
	// IsText tells which columns are texts; nil where none is.
	IsText []bool
	// Fill and FillTexts are what the columns get.
	Fill      []float64
	FillTexts []string
	// Keep are the columns that the result begins with, Indicate those for which
	// it goes on with a 1 where the value was missing, and a 0 elsewhere.
	Keep, Indicate []int32
	// Never are columns in which a missing value is refused.
	Never []int32
}

// missing tells whether column i of a row has no value.
func (m *Impute) missing(row Row, i int32) bool {
	x := row.Numbers[i]
	switch {
	case x != x:
		return m.Number != m.Number
	case m.IsText != nil && m.IsText[i]:
		return m.Text != "" && row.Texts[i] == m.Text
	default:
		return x == m.Number
	}
}

// Apply builds the result in memory of s.
func (m *Impute) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	for _, i := range m.Never {
		if m.missing(row, i) {
			return row, &model.Unanswerable{Feature: int(i), Reason: "the value is missing, and no value was missing when the model was fitted"}
		}
	}
	out := Row{Numbers: s.numbers.take(len(m.Keep) + len(m.Indicate))}
	if row.Texts != nil && m.IsText != nil {
		out.Texts = s.texts.take(len(out.Numbers))
		clear(out.Texts)
	}
	for k, i := range m.Keep {
		gone := m.missing(row, i)
		switch {
		case gone:
			out.Numbers[k] = m.Fill[i]
		default:
			out.Numbers[k] = row.Numbers[i]
		}
		if out.Texts != nil {
			if out.Texts[k] = row.Texts[i]; gone {
				out.Texts[k] = m.FillTexts[i]
			}
		}
	}
	for k, i := range m.Indicate {
		out.Numbers[len(m.Keep)+k] = 0
		if m.missing(row, i) {
			out.Numbers[len(m.Keep)+k] = 1
		}
	}
	return out, nil
}

// Nearest fills what is missing with the mean of the nearest rows of the
// training data that have the value, as KNNImputer has it
// (sklearn/impute/_knn.py): the distance is Euclidean over the columns that both
// rows have, scaled up by how many they have (nan_euclidean_distances).
type Nearest struct {
	// Fitted are the rows of the training data, one after another; NaN is missing.
	Fitted []float64
	// Means are what a column gets if no row is at any distance.
	Means []float64
	// K is how many rows are averaged.
	K int
	// Keep, Indicate and Number are those of Impute.
	Keep, Indicate []int32
	Number         float64
}

// Apply builds the result in memory of s.
func (n *Nearest) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	x := row.Numbers
	width := len(x)
	out := s.numbers.take(len(n.Keep) + len(n.Indicate))
	gone := false
	for i, v := range x {
		if v == n.Number {
			x[i] = math.NaN()
		}
		gone = gone || x[i] != x[i]
	}
	for k, i := range n.Indicate {
		out[len(n.Keep)+k] = 0
		if x[i] != x[i] {
			out[len(n.Keep)+k] = 1
		}
	}
	var distances, near []float64
	if gone {
		distances = s.numbers.take(len(n.Fitted) / width)
		near = s.numbers.take(2 * n.K)
		for r := range distances {
			distances[r] = nanEuclidean(x, n.Fitted[r*width:(r+1)*width])
		}
	}
	for k, i := range n.Keep {
		if out[k] = x[i]; x[i] != x[i] {
			out[k] = n.average(int(i), width, distances, near)
		}
	}
	return Row{Numbers: out}, nil
}

// nanEuclidean is NaN where the rows have no column in common.
func nanEuclidean(a, b []float64) float64 {
	sum, present := 0.0, 0
	for i, x := range a {
		if d := x - b[i]; d == d {
			sum += d * d
			present++
		}
	}
	if present == 0 {
		return math.NaN()
	}
	return math.Sqrt(sum / float64(present) * float64(len(a)))
}

// average is the mean of column i over the K nearest rows that have it. near
// holds their distances, ascending, and then their values.
func (n *Nearest) average(i, width int, distances, near []float64) float64 {
	found := 0
	values := near[n.K:]
	for r, d := range distances {
		v := n.Fitted[r*width+i]
		if v != v || d != d || found == n.K && d >= near[found-1] {
			continue
		}
		if found < n.K {
			found++
		}
		at := found - 1
		for ; at > 0 && near[at-1] > d; at-- {
			near[at], values[at] = near[at-1], values[at-1]
		}
		near[at], values[at] = d, v
	}
	if found == 0 {
		return n.Means[i]
	}
	sum := 0.0
	for _, v := range values[:found] {
		sum += v
	}
	return sum / float64(found)
}
