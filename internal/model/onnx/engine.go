package onnx

import (
	"math"
	"runtime"

	"serin/internal/model"
	"serin/internal/model/graph"
)

// sizes are the numbers of rows that plans are made for. A request is cut into
// such blocks, the largest first.
var sizes = [...]int{1, 8, 64}

// maxColumns bounds what the numbers of a file can make of a row.
const maxColumns = 1 << 16

// engine is a loaded model: its file, and plans for some numbers of rows.
type engine struct {
	file    *graph.File
	columns int // of all inputs together
	answer  answer
	width   int           // numbers of an answer
	labels  []model.Label // nil: a regression
	kinds   []*kind       // by size, the smallest first
	known   []([]model.Label)
	missing []bool
	// probable: the values are probabilities.
	probable bool
	// foreign computes the graph; nil: its plans do.
	foreign graph.Foreign
}

// kind is all plans of one size. Those at rest wait in idle; when there is none,
// another one is built, so that requests never wait for each other.
type kind struct {
	rows   int
	folded *graph.Folded
	idle   chan *graph.Plan
}

func newEngine(m *graph.File, foreign graph.Foreign) *engine {
	e := &engine{file: m, foreign: foreign}
	single := false // the file says a batch of exactly one row
	for i := range m.Inputs {
		kindOf(&m.Inputs[i]) // refuses what no request can send
		e.columns += m.Inputs[i].Columns()
		single = single || m.Inputs[i].Single()
	}
	if e.columns > maxColumns {
		graph.Refuse(graph.NextSmaller, "the model has %d features; serin takes up to %d", e.columns, maxColumns)
	}
	first := e.addKind(1)
	e.known, e.missing = first.Known, make([]bool, e.columns)
	e.interpret(first)
	if !single {
		for _, rows := range sizes[1:] {
			e.tryKind(rows)
		}
	}
	e.probe(first.Missing)
	return e
}

// addKind makes the plans of one size possible.
func (e *engine) addKind(rows int) *graph.Plan {
	k := &kind{rows: rows, folded: &graph.Folded{}, idle: make(chan *graph.Plan, 2*runtime.GOMAXPROCS(0))}
	p := e.plan(k)
	k.idle <- p
	e.kinds = append(e.kinds, k)
	return p
}

func (e *engine) plan(k *kind) *graph.Plan {
	if e.foreign != nil {
		return e.file.PlanForeign(k.rows, k.folded, e.foreign)
	}
	return e.file.Plan(k.rows, k.folded)
}

// tryKind adds plans for more rows than one, where the graph can be built for
// so many: some graphs say in their constants that there is one row.
func (e *engine) tryKind(rows int) {
	before := e.kinds
	one := before[0].peek()
	var many *graph.Plan
	if graph.Try(func() { many = e.addKind(rows) }) != nil {
		e.kinds = before
		return
	}
	for i, t := range many.Outputs {
		if t.Len() != rows*one.Outputs[i].Len() || t.Rank() == 0 || t.Shape[0] != rows {
			e.kinds = before
			return
		}
	}
}

// peek looks at a resting plan while nobody else can take one.
func (k *kind) peek() *graph.Plan {
	p := <-k.idle
	k.idle <- p
	return p
}

func (e *engine) take(k *kind) *graph.Plan {
	select {
	case p := <-k.idle:
		return p
	default:
		return e.plan(k)
	}
}

func (k *kind) rest(p *graph.Plan) {
	select {
	case k.idle <- p:
	default: // more than ever rest at once; the garbage collector takes it
	}
}

// Predict answers rows in blocks.
func (e *engine) Predict(in model.Rows, out model.Answers) error {
	at := len(e.kinds) - 1
	for row := 0; row < in.N; {
		for e.kinds[at].rows > in.N-row {
			at--
		}
		k := e.kinds[at]
		if problem := e.block(k, in, row, out); problem != nil {
			if k.rows == 1 {
				return problem
			}
			// Which row was it? The one that has no answer alone, either.
			for r := row; r < row+k.rows; r++ {
				if problem := e.block(e.kinds[0], in, r, out); problem != nil {
					return problem
				}
			}
		}
		row += k.rows
	}
	return nil
}

// block answers the rows from first on, as many as plans of kind k take.
func (e *engine) block(k *kind, in model.Rows, first int, out model.Answers) error {
	p := e.take(k)
	defer k.rest(p)
	column := 0
	for i, t := range p.Inputs {
		width := e.file.Inputs[i].Columns()
		if problem := fillInput(t, in, first, p.Rows, column, width, e.columns); problem != nil {
			return problem
		}
		column += width
	}
	if err := p.Run(); err != nil {
		return &model.Unanswerable{Row: first, Feature: -1, Reason: err.Error()}
	}
	values := out.Values[first*e.width : (first+p.Rows)*e.width]
	var classes []int
	if e.labels != nil && out.Classes != nil {
		classes = out.Classes[first : first+p.Rows]
	}
	if r := e.answer.write(p, values, classes, e.width); r >= 0 {
		return &model.Unanswerable{Row: first + r, Feature: -1, Reason: "the model answers a class that it does not name"}
	}
	return nil
}

// fillInput copies the columns of an input from the rows.
func fillInput(t *graph.Tensor, in model.Rows, first, rows, column, width, columns int) error {
	switch d := t.Data.(type) {
	case []float32:
		for r := range rows {
			for i, v := range in.Numbers[(first+r)*columns+column:][:width] {
				d[r*width+i] = float32(v)
			}
		}
	case []float64:
		for r := range rows {
			copy(d[r*width:(r+1)*width], in.Numbers[(first+r)*columns+column:])
		}
	case []string:
		for r := range rows {
			copy(d[r*width:(r+1)*width], in.Texts[(first+r)*columns+column:])
		}
	case []bool:
		for r := range rows {
			for i, v := range in.Numbers[(first+r)*columns+column:][:width] {
				d[r*width+i] = v != 0
			}
		}
	case []int64:
		return fillWhole(d, in, first, rows, column, width, columns, math.MaxInt64)
	case []int32:
		return fillWhole(d, in, first, rows, column, width, columns, math.MaxInt32)
	}
	return nil
}

// fillWhole copies whole numbers. A number that is none has no answer: cutting
// it off would answer another question.
func fillWhole[T int64 | int32](d []T, in model.Rows, first, rows, column, width, columns int, most float64) error {
	for r := range rows {
		for i, v := range in.Numbers[(first+r)*columns+column:][:width] {
			if v != math.Trunc(v) || math.Abs(v) >= most {
				return &model.Unanswerable{Row: first + r, Feature: column + i, Reason: "the model takes a whole number here"}
			}
			d[r*width+i] = T(v)
		}
	}
	return nil
}
