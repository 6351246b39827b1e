package sklearn

import (
	"math"
	"sync"

	"serin/internal/model"
)

// logistic is a logistic regression alone.
type logistic struct {
	signature model.Signature
	head      *head
}

func (l *logistic) Signature() *model.Signature { return &l.signature }

func (l *logistic) Predict(row, probs []float64) int { return l.head.predict(row, probs) }

// pipeline is a logistic regression behind transformers.
type pipeline struct {
	signature model.Signature
	chain     chain
	head      *head
	scratch   sync.Pool // of *[]float64: a copy of the row and the chain's room
}

func newPipeline(s model.Signature, c chain, h *head) *pipeline {
	p := &pipeline{signature: s, chain: c, head: h}
	size := s.Features + c.room()
	p.scratch.New = func() any {
		numbers := make([]float64, size)
		return &numbers
	}
	return p
}

func (p *pipeline) Signature() *model.Signature { return &p.signature }

func (p *pipeline) Predict(row, probs []float64) int {
	scratch := p.scratch.Get().(*[]float64)
	defer p.scratch.Put(scratch)
	x := (*scratch)[:len(row)]
	copy(x, row)
	x, ok := p.chain.apply(x, (*scratch)[len(row):])
	if !ok {
		for i := range probs {
			probs[i] = math.NaN()
		}
		return 0
	}
	return p.head.predict(x, probs)
}
