package steps

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"serin/internal/model"
)

// Code is what a Coder makes of a value: its place among the results, or one of
// these.
type Code int32

const (
	// None is a value that leaves all columns 0.
	None Code = iota - 2
	// Refused is a value that scikit-learn refuses.
	Refused
)

// Coder finds the code of a value of one column among its categories.
type Coder struct {
	// Numbers are the categories that are numbers, ascending, and Codes what they
	// are coded as.
	Numbers []float64
	Codes   []Code
	// Texts are the categories that are texts, and their codes; not nil where the
	// column is text.
	Texts map[string]Code
	// Missing and Unknown are the codes of no value and of any other value.
	Missing, Unknown Code
}

// code is the code of column i of a row.
func (c *Coder) code(row Row, i int) Code {
	x := row.Numbers[i]
	if x != x {
		return c.Missing
	}
	if c.Texts != nil {
		if code, ok := c.Texts[row.Texts[i]]; ok {
			return code
		}
		return c.Unknown
	}
	if k, ok := slices.BinarySearch(c.Numbers, x); ok {
		return c.Codes[k]
	}
	return c.Unknown
}

// Encode is an encoder of categories (sklearn/preprocessing/_encoders.py,
// _target_encoder.py). Without Table it is a OneHotEncoder: a code is the column
// that becomes 1. With it, each column of the row becomes Each numbers, those of
// row code of Table, as OrdinalEncoder and TargetEncoder have it.
type Encode struct {
	Coders []Coder
	Width  int // of the result
	Table  []float64
	Each   int
	// Sparse tells that the result has At. Not with Table.
	Sparse bool
}

// Apply refuses a value that has the code Refused.
func (e *Encode) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	var out Row
	if e.Sparse {
		out = Row{Numbers: s.numbers.take(len(e.Coders))[:0], At: s.at.take(len(e.Coders))[:0]}
	} else {
		out.Numbers = s.zeros(e.Width)
	}
	for i := range e.Coders {
		code := e.Coders[i].code(row, i)
		switch {
		case code == Refused:
			return row, refused(row, i)
		case code == None:
		case e.Table != nil:
			copy(out.Numbers[i*e.Each:(i+1)*e.Each], e.Table[int(code)*e.Each:])
		case e.Sparse:
			out.Numbers, out.At = append(out.Numbers, 1), append(out.At, int32(code))
		default:
			out.Numbers[code] = 1
		}
	}
	return out, nil
}

// refused says which value a model was not fitted on.
func refused(row Row, column int) *model.Unanswerable {
	x := row.Numbers[column]
	switch {
	case math.IsNaN(x):
		return &model.Unanswerable{Feature: column, Reason: "the value is missing, and no value was missing when the model was fitted"}
	case row.Texts != nil && row.Texts[column] != "":
		const most = 100
		text := row.Texts[column]
		if len(text) > most {
			text = strings.ToValidUTF8(text[:most], "") + "..."
		}
		return &model.Unanswerable{Feature: column, Reason: "the value " + strconv.Quote(text) + " was not among those that the model was fitted on"}
	}
	return &model.Unanswerable{Feature: column, Reason: "the value " + strconv.FormatFloat(x, 'g', -1, 64) + " was not among those that the model was fitted on"}
}

// Bins puts numbers into intervals, as KBinsDiscretizer has it
// (sklearn/preprocessing/_discretization.py), and as Binarizer has it with one
// edge: the result counts the edges that are at most x.
type Bins struct {
	// Edges are the inner edges of each column, ascending.
	Edges [][]float64
	// Tolerance widens bins to the left, as scikit-learn 1.0 did: x counts as
	// x + 1e-8 + 1e-5 |x|.
	Tolerance bool
	// First are the columns that bin 0 of each column becomes, if each bin is a
	// column of its own; nil if the result is the number of the bin. Width is the
	// number of columns of the result.
	First []int32
	Width int
	// Sparse tells that the result has At. Only with First.
	Sparse bool
}

// Apply finds the bins.
func (b *Bins) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	x := row.Numbers
	if b.First == nil {
		for i := range x {
			x[i] = float64(b.bin(i, x[i]))
		}
		return Row{Numbers: x}, nil
	}
	if b.Sparse {
		out := Row{Numbers: s.numbers.take(len(x)), At: s.at.take(len(x))}
		for i := range x {
			out.Numbers[i], out.At[i] = 1, b.First[i]+b.bin(i, x[i])
		}
		return out, nil
	}
	out := s.zeros(b.Width)
	for i := range x {
		out[b.First[i]+b.bin(i, x[i])] = 1
	}
	return Row{Numbers: out}, nil
}

func (b *Bins) bin(i int, x float64) int32 {
	if b.Tolerance {
		x += 1e-8 + float64(1e-5*math.Abs(x))
	}
	n, _ := slices.BinarySearchFunc(b.Edges[i], x, func(edge, x float64) int {
		if edge <= x {
			return -1
		}
		return 1
	})
	return int32(n)
}
