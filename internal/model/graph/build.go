package graph

import (
	"maps"
	"slices"

	"serin/internal/model"
)

// The budgets of a plan: what its values may take, beside a multiple of the
// file, and what one run may cost.
const (
	maxPlanBytes = 64 << 20 // values of one row's plan
	maxBlockSize = 16 << 20 // values of a plan for many rows: more would leave the caches
	maxCalls     = 1 << 17  // of operators, and steps: a Scan calls its body's again and again
	maxWork      = 1 << 28  // multiplications of one run, and what takes as long
)

// step does the work of one operator on the buffers that it was built with. An
// error says in words why a row cannot be answered; steps make it, and
// allocate, only then.
type step func() error

// build makes the plan of a graph for a number of rows: every operator becomes
// steps on buffers of known shapes. What depends on constants alone is computed
// now and costs nothing later.
type build struct {
	file   *File
	rows   int
	bytes  int // budget left for values
	work   int // budget left for multiplications
	calls  int // operators called so far, a number that is the same in every build
	folded *Folded
	steps  []step
	Known  [][]model.Label // by feature: the categories that an encoder has
	// Missing: some operator says what to do with NaN.
	Missing bool
}

// Folded keeps what was computed from constants, by number of call, so that a
// second build of the same plan shares it.
type Folded struct {
	done    bool
	by      map[int]folded
	foreign []*Tensor // what the outputs of PlanForeign are like
}

// folded is what an operator gave, and the number of the call behind it: a Scan
// makes calls of its own.
type folded struct {
	out  []*Tensor
	next int
}

// scope holds the values that a graph's nodes may name.
type scope struct {
	values map[string]*Tensor
	outer  *scope
}

func (s *scope) find(name string) *Tensor {
	for ; s != nil; s = s.outer {
		if t, ok := s.values[name]; ok {
			return t
		}
	}
	return nil
}

// graph runs the operators of a graph in the order of the file and returns its
// outputs. ONNX wants nodes sorted: a name that is not yet there is a cycle or
// an error, and refused.
func (b *build) graph(g *graph, given []*Tensor, outer *scope) []*Tensor {
	s := &scope{values: make(map[string]*Tensor, len(g.constants)+2*len(g.nodes)), outer: outer}
	maps.Copy(s.values, g.constants)
	for i, t := range given {
		s.values[g.inputs[i].Name] = t
	}
	for _, n := range g.nodes {
		b.node(n, s)
	}
	out := make([]*Tensor, len(g.out))
	for i, p := range g.out {
		if out[i] = s.find(p.Name); out[i] == nil {
			Refuse(NextExport, "no node gives the output %s", model.Quote(p.Name))
		}
	}
	return out
}

// node calls one operator.
func (b *build) node(n *node, s *scope) {
	c := &Call{build: b, node: n, scope: s, version: b.file.opsets[n.domain], in: make([]*Tensor, len(n.in)), out: make([]*Tensor, len(n.out))}
	fixed := true
	for i, name := range n.in {
		if name == "" {
			continue // an optional input that was left out
		}
		if c.in[i] = s.find(name); c.in[i] == nil {
			c.Refuse("takes %s, which nothing before it gives", model.Quote(name))
		}
		if c.in[i].Keys != nil {
			c.Refuse("takes the maps of a ZipMap, which only callers can take")
		}
		fixed = fixed && c.in[i].Fixed
	}
	number := b.calls
	if b.calls++; b.calls > maxCalls || len(b.steps) > maxCalls {
		Refuse(NextSmaller, "the model takes more than %d steps", maxCalls)
	}
	if was, known := b.folded.by[number]; known && b.folded.done {
		c.out, b.calls = was.out, was.next
		b.define(c, s)
		return
	}
	c.first = len(b.steps)
	b.file.lookUp(Name{n.domain, n.op})(c)
	for i := range n.attributes {
		if !c.used[n.attributes[i].name] {
			c.Refuse("has the attribute %s, which this version of serin does not know", model.Quote(n.attributes[i].name))
		}
	}
	if fixed {
		c.RunNow()
		for _, t := range c.out {
			if t != nil {
				t.Fixed = true
			}
		}
	}
	if !b.folded.done && !slices.ContainsFunc(c.out, func(t *Tensor) bool { return t != nil && !t.Fixed }) {
		b.folded.by[number] = folded{c.out, b.calls}
	}
	b.define(c, s)
}

// fold runs steps now and takes them off the plan.
func (b *build) fold(c *Call, first int) {
	for _, step := range b.steps[first:] {
		if err := step(); err != nil {
			c.Refuse("cannot be computed: %v", err)
		}
	}
	clear(b.steps[first:])
	b.steps = b.steps[:first]
}

// define gives an operator's outputs their names.
func (b *build) define(c *Call, s *scope) {
	for i, name := range c.node.out {
		if name == "" {
			continue
		}
		if c.out[i] == nil {
			c.Refuse("has an output %s that serin does not compute", model.Quote(name))
		}
		if _, twice := s.values[name]; twice {
			c.Refuse("gives %s, which is there already", model.Quote(name))
		}
		s.values[name] = c.out[i]
	}
}

// Spend takes bytes for values from the budget.
func (b *build) Spend(bytes int) {
	if b.bytes -= bytes; b.bytes < 0 {
		Refuse(NextSmaller, "the values of the model take too much memory for %d rows", b.rows)
	}
}

// Toil takes multiplications from the budget.
func (b *build) Toil(work ...int) {
	cost := 1
	for _, w := range work {
		if cost *= max(w, 1); cost > maxWork {
			break
		}
	}
	if b.work -= cost; b.work < 0 {
		Refuse(NextSmaller, "the model takes more than %d multiplications a row", maxWork)
	}
}

// Name is that of an operator: its domain, "" for the standard one, and itself.
type Name struct{ Domain, Op string }

// String is the name as messages have it: "ai.onnx.ml.Scaler", "Add".
func (n Name) String() string {
	if n.Domain == "" {
		return n.Op
	}
	return n.Domain + "." + n.Op
}

// Missing lists the operators of a graph and of the graphs inside it that serin
// does not have, each once, with the version that the file asks for.
func (m *File) Missing() []string {
	seen := make(map[Name]bool)
	var list []string
	var walk func(g *graph)
	walk = func(g *graph) {
		for _, n := range g.nodes {
			name := Name{n.domain, n.op}
			if m.lookUp(name) == nil && !seen[name] {
				seen[name] = true
				version := "no version"
				if v, ok := m.opsets[n.domain]; ok {
					version = "version " + itoa(v)
				}
				domain := n.domain
				if domain == "" {
					domain = "ai.onnx"
				}
				list = append(list, model.Clip(domain)+"."+model.Clip(n.op)+" ("+version+")")
			}
			for i := range n.attributes {
				if g := n.attributes[i].body; g != nil {
					walk(g)
				}
			}
		}
	}
	walk(m.graph)
	slices.Sort(list)
	return list
}
