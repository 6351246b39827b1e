package graph

import (
	"io"
	"slices"

	"serin/internal/model"
)

// Plan is a graph made ready for a number of rows: steps on buffers of its own.
// One request at a time fills Inputs, runs it and reads Outputs.
type Plan struct {
	Rows    int
	Inputs  []*Tensor
	Outputs []*Tensor
	// Known are the categories of features, by the number of the feature, as far
	// as encoders tell them.
	Known [][]model.Label
	// Missing: some operator says what to do with NaN.
	Missing bool
	steps   []step
}

// Run computes the outputs. Its error says in words why a row has none.
func (p *Plan) Run() error {
	for _, step := range p.steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// Read reads an ONNX model from r to its end. Operators that are not in the
// standard domain are the caller's: more. Only an error of r is an error; a
// refusal of the content goes to Try.
func Read(r io.Reader, more map[Name]func(*Call)) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxBytes {
		Refuse(NextSmaller, "the file is longer than %d bytes", maxBytes)
	}
	m := readModel(data)
	m.more = more
	return m, nil
}

// Plan builds the plan for a number of rows, 1 or more. shared keeps what plans
// of this size share; it is the same for all of them, and once the first is
// built, any number may be built at a time. A file whose first plan could be
// built never refuses another.
func (m *File) Plan(rows int, shared *Folded) *Plan {
	const bytesOfFile = 8 // values may take so many times the file's size
	limit := maxPlanBytes
	if rows > 1 {
		limit = maxBlockSize
	}
	columns := 0
	for i := range m.Inputs {
		columns += m.Inputs[i].Columns()
	}
	b := &build{
		file: m, rows: rows, bytes: limit + bytesOfFile*m.size, work: maxWork * rows, folded: shared,
		Known: make([][]model.Label, columns),
	}
	if shared.by == nil {
		shared.by = make(map[int]folded)
	}
	p := &Plan{Rows: rows}
	s := &scope{values: make(map[string]*Tensor)}
	column := 1
	for i := range m.Inputs {
		port := &m.Inputs[i]
		t := b.input(port)
		if port.Columns() == 1 {
			t.Column = column
		}
		column += port.Columns()
		p.Inputs = append(p.Inputs, t)
		if s.values[port.Name] != nil {
			Refuse(NextExport, "two inputs are called %s", model.Quote(port.Name))
		}
		s.values[port.Name] = t
	}
	p.Outputs = b.graph(m.graph, nil, s)
	p.steps, p.Known, p.Missing = slices.Clip(b.steps), b.Known, b.Missing
	if !shared.done { // later plans are built at the same time, and only read
		shared.done = true
	}
	return p
}

// input makes the buffer of a graph's input.
func (b *build) input(p *Port) *Tensor {
	c := &Call{build: b, node: &node{}}
	shape := []int{b.rows, p.Columns()}[:len(p.Shape)]
	var t *Tensor
	switch p.Element {
	case ElemFloat:
		t, _ = Alloc[float32](c, shape...)
	case ElemDouble:
		t, _ = Alloc[float64](c, shape...)
	case ElemInt64:
		t, _ = Alloc[int64](c, shape...)
	case ElemInt32:
		t, _ = Alloc[int32](c, shape...)
	case ElemBool:
		t, _ = Alloc[bool](c, shape...)
	default:
		t, _ = Alloc[string](c, shape...)
	}
	return t
}

// Columns is how many features an input has; its first dimension is the rows.
func (p *Port) Columns() int {
	if !p.Ranked || len(p.Shape) < 1 || len(p.Shape) > 2 {
		Refuse(nextShape, "the input %s has %d dimensions; rows of columns are expected", model.Quote(p.Name), len(p.Shape))
	}
	if n := p.Shape[0]; n > 1 {
		Refuse("Export it with a batch size that is left open (dynamic_axes, or None).", "the input %s takes exactly %d rows", model.Quote(p.Name), n)
	}
	if len(p.Shape) == 1 {
		return 1
	}
	const most = 1 << 16
	n := p.Shape[1]
	if n > most {
		Refuse(NextSmaller, "the input %s has %d columns; serin takes up to %d", model.Quote(p.Name), n, most)
	}
	if n < 1 {
		Refuse(nextShape, "the input %s does not say how many columns it has", model.Quote(p.Name))
	}
	return int(n)
}

// Single tells whether the input takes one row only.
func (p *Port) Single() bool { return p.Shape[0] == 1 }
