package sklearn

import (
	"errors"
	"sync"

	"serin/internal/model"
)

// pipeline is an engine behind transformers. Rows go through the transformers
// one by one, into a block that the engine answers at once.
type pipeline struct {
	chain   chain
	in, out int // width of a row before the chain and behind it
	engine  model.Engine
	scratch sync.Pool // of *[]float64: a block of results, a copy of a row, and the chain's room
}

// blockRows is how many rows are answered at once: enough to keep the engine's
// numbers in the cache from one row to the next.
const blockRows = 64

// behind puts a chain before an engine.
func behind(c chain, in, out int, engine model.Engine) model.Engine {
	p := &pipeline{chain: c, in: in, out: out, engine: engine}
	size := blockRows*out + in + c.room()
	p.scratch.New = func() any {
		numbers := make([]float64, size)
		return &numbers
	}
	return p
}

func (p *pipeline) Predict(in model.Rows, out model.Answers) error {
	scratch := p.scratch.Get().(*[]float64)
	defer p.scratch.Put(scratch)
	block, copied, room := (*scratch)[:blockRows*p.out], (*scratch)[blockRows*p.out:][:p.in], (*scratch)[blockRows*p.out+p.in:]
	outputs := len(out.Values) / in.N
	for begin := 0; begin < in.N; begin += blockRows {
		n := min(blockRows, in.N-begin)
		for i := range n {
			copy(copied, in.Numbers[(begin+i)*p.in:])
			result, ok := p.chain.apply(copied, room)
			if !ok {
				return &model.Unanswerable{Row: begin + i, Feature: -1, Reason: overflows}
			}
			copy(block[i*p.out:], result)
		}
		part := model.Answers{Values: out.Values[begin*outputs : (begin+n)*outputs]}
		if out.Classes != nil {
			part.Classes = out.Classes[begin : begin+n]
		}
		if err := p.engine.Predict(model.Rows{N: n, Numbers: block[:n*p.out]}, part); err != nil {
			return later(err, begin)
		}
	}
	return nil
}

// later counts the row of an engine's error from further up.
func later(err error, rows int) error {
	if u, ok := errors.AsType[*model.Unanswerable](err); ok {
		u.Row += rows
	}
	return err
}

// overflows is what happens to a row that scikit-learn refuses behind a step:
// the row itself is finite.
const overflows = "the features are so far from what the model was fitted on that it gives no number"
