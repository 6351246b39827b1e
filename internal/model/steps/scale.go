package steps

import (
	"math"

	"serin/internal/model"
)

// clip cuts numbers off at the two bounds, if there are any. NaN stays NaN.
func clip(x, bounds []float64) {
	if bounds == nil {
		return
	}
	low, high := bounds[0], bounds[1]
	for i, v := range x {
		x[i] = min(max(v, low), high)
	}
}

// Center is (x - Shift) / Divide, column by column, and then Clip, as
// StandardScaler, RobustScaler and MaxAbsScaler have it
// (sklearn/preprocessing/_data.py). A nil field leaves its operation out. Divide
// holds no 0.
type Center struct {
	Shift, Divide []float64
	Clip          []float64 // nil, or the lower and the upper bound
}

// Apply changes the row in place. With At it may only divide.
func (c *Center) Apply(row Row, _ *Scratch) (Row, *model.Unanswerable) {
	x := row.Numbers
	switch {
	case row.At != nil && c.Divide != nil:
		for k, at := range row.At {
			x[k] /= c.Divide[at]
		}
	case row.At == nil:
		if c.Shift != nil {
			for i, shift := range c.Shift[:len(x)] {
				x[i] -= shift
			}
		}
		if c.Divide != nil {
			for i, divide := range c.Divide[:len(x)] {
				x[i] /= divide
			}
		}
	}
	clip(x, c.Clip)
	return numbersOf(row), nil
}

// numbersOf is a row whose columns are all numbers.
func numbersOf(row Row) Row { return Row{Numbers: row.Numbers, At: row.At} }

// Stretch is x*Scale + Shift, column by column, and then Clip, as MinMaxScaler
// has it (sklearn/preprocessing/_data.py).
type Stretch struct {
	Scale, Shift []float64
	Clip         []float64 // as in Center
}

// Apply changes the row in place.
func (s *Stretch) Apply(row Row, _ *Scratch) (Row, *model.Unanswerable) {
	x := row.Numbers
	for i := range x {
		// Two operations that round each for itself, as numpy's do; the conversion
		// keeps compilers from fusing them.
		x[i] = float64(x[i]*s.Scale[i]) + s.Shift[i]
	}
	clip(x, s.Clip)
	return numbersOf(row), nil
}

// Normalize divides a row by its norm (sklearn.preprocessing.normalize). A norm
// below Zero counts as none, and the row stays as it is: Zero is 10 epsilon for
// a matrix of numbers (_handle_zeros_in_scale) and 0 for a sparse one.
type Normalize struct {
	// P is 1 for the sum of absolute values, 2 for the square root of the sum of
	// squares, 0 for the greatest absolute value.
	P    int
	Zero float64
}

// Apply changes the row in place.
func (n *Normalize) Apply(row Row, _ *Scratch) (Row, *model.Unanswerable) {
	norm := 0.0
	switch n.P {
	case 1:
		for _, v := range row.Numbers {
			norm += math.Abs(v)
		}
	case 2:
		for _, v := range row.Numbers {
			norm += v * v
		}
		norm = math.Sqrt(norm)
	default:
		for _, v := range row.Numbers {
			norm = max(norm, math.Abs(v))
		}
	}
	if norm != 0 && norm >= n.Zero {
		for i := range row.Numbers {
			row.Numbers[i] /= norm
		}
	}
	return numbersOf(row), nil
}
