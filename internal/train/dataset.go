package train

import (
	"errors"
	"fmt"
	"math"
)

// Dataset is a table of numbers and, for each row, which of two classes it is.
type Dataset struct {
	// Names are the features' names, in column order.
	Names []string
	// X holds the rows one after the other, len(Names) numbers each.
	X []float64
	// Positive tells for each row whether it is of the second class.
	Positive []bool
	// Classes are the two values of the target, sorted: both int64, both string,
	// or false and true.
	Classes [2]any
}

// Rows is the number of rows.
func (d Dataset) Rows() int { return len(d.Positive) }

// Row is row i, not a copy.
func (d Dataset) Row(i int) []float64 {
	width := len(d.Names)
	return d.X[i*width : (i+1)*width]
}

// check refuses what Fit cannot work with.
func (d Dataset) check() error {
	if len(d.Names) == 0 {
		return errors.New("the data has no feature column")
	}
	if len(d.X) != d.Rows()*len(d.Names) {
		return fmt.Errorf("the data has %d numbers, which is not %d rows of %d features", len(d.X), d.Rows(), len(d.Names))
	}
	for i, x := range d.X {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("row %d, feature %q is %v", i/len(d.Names), d.Names[i%len(d.Names)], x)
		}
	}
	positive := 0
	for _, p := range d.Positive {
		if p {
			positive++
		}
	}
	if positive == 0 || positive == d.Rows() {
		return fmt.Errorf("all %d rows are of one class; rows of both are needed", d.Rows())
	}
	return nil
}
