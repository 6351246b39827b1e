package steps

import (
	"errors"
	"sync"

	"serin/internal/model"
)

// Sparse is an engine that also answers one row of which only some numbers are
// given: x[k] is column at[k], the columns ascend, all others are 0.
type Sparse interface {
	model.Engine
	PredictAt(x []float64, at []int32, out model.Answers) error
}

// engine is a chain before an engine.
type engine struct {
	chain   Chain
	behind  model.Engine
	sparse  Sparse // behind, or nil
	last    Link
	scratch sync.Pool // of *Scratch
}

// New puts a chain before an engine. last describes the rows that the engine
// gets: how many columns they have, their origins, what the engine accepts, and
// whether it is Sparse; its Step is not used.
func New(chain Chain, last Link, behind model.Engine) model.Engine {
	e := &engine{chain: chain, behind: behind, last: last}
	if last.Sparse {
		e.sparse, _ = behind.(Sparse)
	}
	e.scratch.New = func() any { return &Scratch{} }
	return e
}

// blockNumbers bounds the numbers that are transformed before the engine behind
// is asked: few enough for the processor's cache, many rows where rows are short.
const blockNumbers = 1 << 14

// Predict transforms the rows block by block and has the engine behind answer.
func (e *engine) Predict(in model.Rows, out model.Answers) error {
	s := e.scratch.Get().(*Scratch)
	defer e.scratch.Put(s)
	most := min(max(blockNumbers/max(e.last.Width, 1), 1), 256)
	for first := 0; first < in.N; first += most {
		if u := e.block(in, out, first, min(most, in.N-first), s); u != nil {
			return u
		}
	}
	return nil
}

// block answers n rows from the first on.
func (e *engine) block(in model.Rows, out model.Answers, first, n int, s *Scratch) *model.Unanswerable {
	s.reset()
	rows := model.Rows{N: n, Numbers: s.numbers.take(n * e.last.Width)}
	start := s.mark()
	for i := range n {
		s.release(start)
		row, u := e.chain.Apply(s.copied(in, first+i), s)
		if u == nil && row.At != nil && e.sparse == nil {
			row = s.spelledOut(row, e.last.Width)
		}
		if u == nil {
			u = e.last.check(row)
		}
		if u != nil {
			u.Row = first + i
			return u
		}
		if row.At != nil {
			// A chain gives every row in this form, or none.
			if u := e.told(e.sparse.PredictAt(row.Numbers, row.At, part(in, out, first+i, 1)), first+i); u != nil {
				return u
			}
			rows.N = 0
			continue
		}
		copy(rows.Numbers[i*e.last.Width:], row.Numbers)
		if row.Texts != nil {
			if rows.Texts == nil {
				rows.Texts = s.texts.take(n * e.last.Width)
				start = s.mark()
			}
			copy(rows.Texts[i*e.last.Width:], row.Texts)
		}
	}
	if rows.N == 0 {
		return nil
	}
	return e.told(e.behind.Predict(rows, part(in, out, first, n)), first)
}

// told passes on what the engine behind said of a block's row and of its column.
func (e *engine) told(err error, first int) *model.Unanswerable {
	if err == nil {
		return nil
	}
	u, ok := errors.AsType[*model.Unanswerable](err)
	if !ok {
		return &model.Unanswerable{Row: first, Feature: -1, Reason: err.Error()}
	}
	u.Row += first
	u.Feature = origin(e.last.Origins, u.Feature)
	return u
}

// copied takes one row of the client, for steps overwrite rows.
func (s *Scratch) copied(in model.Rows, i int) Row {
	width := len(in.Numbers) / in.N
	row := Row{Numbers: s.numbers.take(width)}
	copy(row.Numbers, in.Numbers[i*width:])
	if in.Texts != nil {
		row.Texts = s.texts.take(width)
		copy(row.Texts, in.Texts[i*width:])
	}
	return row
}

// part is the answers of n rows from the first on.
func part(in model.Rows, out model.Answers, first, n int) model.Answers {
	outputs := len(out.Values) / in.N
	some := model.Answers{Values: out.Values[first*outputs : (first+n)*outputs]}
	if out.Classes != nil {
		some.Classes = out.Classes[first : first+n]
	}
	return some
}
