package graph

import (
	"fmt"
	"slices"

	"serin/internal/model"
)

// Foreign computes a whole graph somewhere else: from its inputs, as a plan has
// them, all of its outputs. It may be called by many at a time. What it returns
// is the caller's.
type Foreign func(inputs []*Tensor) ([]*Tensor, error)

// CheckForeign refuses what no reader but serin's own may see: data outside the
// file, and attributes that hold what was not read. Plan finds these when an
// operator asks for its attributes; here none will.
func (m *File) CheckForeign() { m.graph.checkForeign() }

func (g *graph) checkForeign() {
	for _, n := range g.nodes {
		for i := range n.attributes {
			bodies := 0
			fields("AttributeProto", n.attributes[i].raw, func(f field) {
				switch f.number {
				case 1, 2, 3, 4, 7, 8, 9, 13, 20: // name, f, i, s, floats, ints, strings, doc_string, type
				case 5, 10: // t, tensors
					readTensor(f.body())
				case 6: // g, which readAttribute has followed if it came before any list
					bodies++
				default:
					f.unknown()
				}
			})
			body := n.attributes[i].body
			if bodies > 1 || bodies == 1 && body == nil {
				Refuse(NextExport, "the attribute %s of %s holds more than one thing", model.Quote(n.attributes[i].name), model.Clip(n.op))
			}
			if body != nil {
				body.checkForeign()
			}
		}
	}
}

// PlanForeign is Plan for a graph that is computed elsewhere. The first plan of
// a size answers a row of zeros and empty texts, to learn the outputs' shapes.
func (m *File) PlanForeign(rows int, shared *Folded, run Foreign) *Plan {
	p := &Plan{Rows: rows}
	b := &build{file: m, rows: rows, bytes: maxPlanBytes}
	columns := 0
	for i := range m.Inputs {
		p.Inputs = append(p.Inputs, b.input(&m.Inputs[i]))
		columns += m.Inputs[i].Columns()
	}
	p.Known = make([][]model.Label, columns)
	if shared.foreign == nil {
		shared.foreign = m.tryForeign(p, run)
	}
	for _, t := range shared.foreign {
		p.Outputs = append(p.Outputs, &Tensor{Shape: t.Shape, Data: t.Data, Classes: t.Classes})
	}
	p.steps = []step{func() error {
		out, err := run(p.Inputs)
		if err != nil {
			return err
		}
		for i, t := range p.Outputs {
			if out[i].Element() != t.Element() || !slices.Equal(out[i].Shape, t.Shape) {
				return fmt.Errorf("the output %s has another shape for this row than for others", model.Quote(m.Outputs[i].Name))
			}
			t.Data = out[i].Data
		}
		return nil
	}}
	return p
}

// tryForeign is what a plan's outputs are like.
func (m *File) tryForeign(p *Plan, run Foreign) []*Tensor {
	const most = 1 << 16 // elements a row
	out, err := run(p.Inputs)
	if err != nil {
		Refuse(NextExport, "the model has no answer to a row of zeros: %v", err)
	}
	for i, t := range out {
		if t.Len() > most*p.Rows {
			Refuse(NextSmaller, "the output %s has %d elements a row", model.Quote(m.Outputs[i].Name), t.Len()/p.Rows)
		}
		t.Classes = m.classesOf(m.Outputs[i].Name)
	}
	return out
}

// classesOf finds the classes that an output of labels can name: those of the
// classifier that makes it, or the constant that it is picked from. It is nil
// where the file does not tell.
func (m *File) classesOf(output string) *Tensor {
	n, place := m.maker(output)
	if n == nil {
		return nil
	}
	if n.op == "ArrayFeatureExtractor" && len(n.in) > 0 {
		t := m.graph.constants[n.in[0]]
		if t == nil {
			return nil
		}
		if d, ok := t.Data.([]int32); ok { // skl2onnx casts what was picked
			return &Tensor{Shape: t.Shape, Data: Convert[int64](d), Fixed: true}
		}
		return t
	}
	if place > 0 {
		return nil // a classifier's second output is its scores
	}
	c := &Call{build: &build{file: m}, node: n, used: make(map[string]bool)}
	if texts := c.Texts("classlabels_strings"); len(texts) > 0 {
		return &Tensor{Shape: []int{len(texts)}, Data: texts, Fixed: true}
	}
	for _, name := range []string{"classlabels_int64s", "classlabels_ints"} {
		if ints := c.Ints(name); len(ints) > 0 {
			return &Tensor{Shape: []int{len(ints)}, Data: ints, Fixed: true}
		}
	}
	return nil
}
