package steps

import (
	"math"

	"serin/internal/model"
)

// Row is one row on its way through a chain.
type Row struct {
	// Numbers are the values. NaN is a missing value, also of a text.
	Numbers []float64
	// Texts are the texts, "" where a column is none; nil where none is.
	Texts []string
	// At are the columns of Numbers, ascending, where all other columns are 0. Nil
	// where Numbers are the whole row. A row with At has no Texts.
	At []int32
}

// Step is one fitted transformer. It is immutable and safe for concurrent use.
type Step interface {
	// Apply transforms a row, which it may overwrite. The result is the row itself
	// or memory of s. The Feature of its Unanswerable is a column of the row.
	Apply(row Row, s *Scratch) (Row, *model.Unanswerable)
}

// Link is a step and what must hold of the rows that come to it.
type Link struct {
	Step Step
	// Missing and Infinite tell what scikit-learn's check_array lets through
	// before the step, besides finite numbers.
	Missing, Infinite bool
	// Sparse tells that the step knows rows with At.
	Sparse bool
	// Width is the number of columns that come in.
	Width int
	// Origins are the features of those columns, counted in the row that the chain
	// gets; -1 where there is no single one. One alone stands for all columns.
	Origins []int32
}

// Chain is several steps in a line.
type Chain []Link

// Apply passes a row through all steps. The Feature of its Unanswerable is a
// column of the row that it got.
func (c Chain) Apply(row Row, s *Scratch) (Row, *model.Unanswerable) {
	for i := range c {
		l := &c[i]
		if row.At != nil && !l.Sparse {
			row = s.spelledOut(row, l.Width)
		}
		if u := l.check(row); u != nil {
			return row, u
		}
		var u *model.Unanswerable
		if row, u = l.Step.Apply(row, s); u != nil {
			u.Feature = origin(l.Origins, u.Feature)
			return row, u
		}
	}
	return row, nil
}

func origin(origins []int32, column int) int {
	switch {
	case column < 0 || len(origins) == 0:
		return -1
	case len(origins) == 1:
		return int(origins[0])
	}
	return int(origins[column])
}

// check tells whether a row may be passed on to the step.
func (l *Link) check(row Row) *model.Unanswerable {
	if l.Missing && l.Infinite || allFinite(row.Numbers) {
		return nil
	}
	for k, x := range row.Numbers {
		missing := math.IsNaN(x)
		if missing && l.Missing || !missing && (l.Infinite || !math.IsInf(x, 0)) {
			continue
		}
		column := k
		if row.At != nil {
			column = int(row.At[k])
		}
		reason := "the value is too large for the model's arithmetic"
		if missing {
			reason = "the value is missing, or the model's arithmetic has no number for it, and the model takes no missing values there"
		}
		return &model.Unanswerable{Feature: origin(l.Origins, column), Reason: reason}
	}
	return nil
}

// allFinite tells NaN and infinities from numbers by their common exponent.
func allFinite(x []float64) bool {
	const exponent = 0x7ff << 52
	for _, v := range x {
		if math.Float64bits(v)&exponent == exponent {
			return false
		}
	}
	return true
}

// Scratch is the memory of one row on its way. It grows until it has what the
// longest way needs, and is used again by the next row. Its zero value is ready.
type Scratch struct {
	numbers pile[float64]
	texts   pile[string]
	at      pile[int32]
	words   gramsOf
}

// pile hands out pieces of one slice. Where it is too short the piece is made
// alone, and the slice is made long enough when the next row comes.
type pile[T any] struct {
	all        []T
	used, most int
}

// take is a piece of n. It is never nil, also if n is 0: a row without words
// still says where its numbers stand.
func (p *pile[T]) take(n int) []T {
	from := p.used
	p.used += n
	p.most = max(p.most, p.used)
	if p.all == nil || p.used > len(p.all) {
		return make([]T, n)
	}
	return p.all[from:p.used:p.used]
}

func (p *pile[T]) reset() {
	if p.used = 0; p.most > len(p.all) {
		p.all = make([]T, p.most)
	}
}

// mark is a place in a Scratch: what was taken after it can be given back.
type mark struct{ numbers, texts, at int }

func (s *Scratch) mark() mark { return mark{s.numbers.used, s.texts.used, s.at.used} }

func (s *Scratch) release(m mark) { s.numbers.used, s.texts.used, s.at.used = m.numbers, m.texts, m.at }

func (s *Scratch) reset() {
	s.numbers.reset()
	s.texts.reset()
	s.at.reset()
}

// zeros takes n numbers that are 0.
func (s *Scratch) zeros(n int) []float64 {
	x := s.numbers.take(n)
	clear(x)
	return x
}

// spelledOut makes a whole row of one with At.
func (s *Scratch) spelledOut(row Row, width int) Row {
	whole := s.zeros(width)
	for k, at := range row.At {
		whole[at] = row.Numbers[k]
	}
	return Row{Numbers: whole}
}
