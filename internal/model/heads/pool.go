package heads

import "sync"

// scratch is memory for one call of Predict.
type scratch struct {
	numbers []float64
	classes []int
}

// pool keeps scratch between calls, so that they allocate nothing once batches
// have reached their size. What it keeps is bounded by the model and not by
// traffic, because callers hand over large batches in blocks (model/rows).
type pool struct{ free sync.Pool }

// get returns scratch of so many numbers and classes, with whatever is in it.
func (p *pool) get(numbers, classes int) *scratch {
	s, ok := p.free.Get().(*scratch)
	if !ok {
		s = new(scratch)
	}
	if cap(s.numbers) < numbers {
		s.numbers = make([]float64, numbers)
	}
	if cap(s.classes) < classes {
		s.classes = make([]int, classes)
	}
	s.numbers, s.classes = s.numbers[:numbers], s.classes[:classes]
	return s
}

func (p *pool) put(s *scratch) { p.free.Put(s) }
