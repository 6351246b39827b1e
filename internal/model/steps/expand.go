package steps

import "serin/internal/model"

// Polynomial makes products of columns, as PolynomialFeatures has it
// (sklearn/preprocessing/_polynomial.py): product k is the column Factor[k] times
// product Parent[k], or alone where Parent[k] is negative.
type Polynomial struct {
	Parent, Factor []int32
	// Bias puts a 1 first. Skip is how many of the products are left out after
	// that, those of a degree that is too low.
	Bias bool
	Skip int
}

// Apply builds the products in memory of s.
func (p *Polynomial) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	all := s.numbers.take(1 + len(p.Parent))
	products := all[1:]
	for k, parent := range p.Parent {
		if products[k] = row.Numbers[p.Factor[k]]; parent >= 0 {
			products[k] *= products[parent]
		}
	}
	if !p.Bias {
		return Row{Numbers: products[p.Skip:]}, nil
	}
	all = all[p.Skip:]
	all[0] = 1
	return Row{Numbers: all}, nil
}

// Project is components . (x - Shift), then minus Offset and divided by Divide:
// PCA, IncrementalPCA, TruncatedSVD and FastICA (sklearn/decomposition). A nil
// field leaves its operation out.
type Project struct {
	Shift []float64
	// Components are as many numbers for each column of the row as the result is
	// wide, column after column, so that a zero saves them all.
	Components     []float64
	Offset, Divide []float64
	Width          int
}

// Apply builds the result in memory of s. With At there is no Shift.
func (p *Project) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	out := s.zeros(p.Width)
	for i, x := range row.Numbers {
		at := i
		if row.At != nil {
			at = int(row.At[i])
		}
		if p.Shift != nil {
			x -= p.Shift[at]
		}
		if x == 0 {
			continue
		}
		for k, c := range p.Components[at*p.Width : (at+1)*p.Width] {
			out[k] += x * c
		}
	}
	for k, offset := range p.Offset {
		out[k] -= offset
	}
	for k, divide := range p.Divide {
		out[k] /= divide
	}
	return Row{Numbers: out}, nil
}
