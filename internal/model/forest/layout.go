package forest

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// node is an inner node or a leaf, in 16 bytes. A plain one steps to child if
// row[column] < threshold or row[column] is NaN, and to child+1 if row[column]
// >= threshold. A leaf is its own child, and its threshold is NaN, which nothing
// is greater than; the lower bits of that NaN are the index of its value.
//
// With c the test's threshold, next(c) the least number above it and NaN above
// the greatest:
//
//	a missing value   test     looks at   threshold   child, child+1
//	goes left         x <= c    x         next(c)     left, right
//	goes left         x <  c    x         c           left, right
//	goes right        x <= c   -x         -c          right, left
//	goes right        x <  c   -x         next(-c)    right, left
//
// Other tests (special) cannot be had from one comparison; their trees are
// walked one row at a time.
type node struct {
	threshold float64
	column    uint32 // times lanes, as a block counts (walk.go)
	child     uint32
}

const (
	// Special nodes have one of these flags in their column. Both step to child+1
	// where the test says left.
	flagEqual   = 1 << 31
	flagMember  = 1 << 30
	flagMissing = 1 << 29 // a missing value steps to child+1
	flags       = flagEqual | flagMember | flagMissing

	// maxFeatures leaves a node room to tell all columns apart: there are fewer
	// than 8 ways to look at a feature.
	maxFeatures = flagMissing / lanes / 8

	// leafBits is the quiet NaN whose lower bits count leaf values.
	leafBits  = 0x7ff8 << 48
	leafIndex = 1<<51 - 1
)

// tree is where a tree begins and what it adds to.
type tree struct {
	root    uint32
	depth   uint32 // steps to the deepest leaf
	output  int32  // of a single value; negative: the value has all outputs
	special bool   // it has tests that need walkSpecial
}

// column is a feature as a test looks at it.
type column struct {
	feature int32
	missing Missing
	negated bool
}

// Builder makes a Forest tree by tree, so that a reader of a large file need not
// hold all of them in its own form.
type Builder struct {
	forest  *Forest
	columns map[column]uint32 // found so far, by what they are
	seen    []bool            // nodes of the tree at hand that have a parent
	stack   []task
}

// task is a node of a Tree to be written to its place.
type task struct{ from, to, depth uint32 }

// NewBuilder begins a forest without trees.
func NewBuilder(o Options) (*Builder, error) {
	if o.Features < 1 || o.Features > maxFeatures || o.Outputs < 1 || o.Outputs > math.MaxInt32 {
		return nil, fmt.Errorf("trees for %d features and %d outputs", o.Features, o.Outputs)
	}
	return &Builder{forest: &Forest{options: o}, columns: make(map[column]uint32)}, nil
}

// Forest returns what was built. The builder is of no use afterwards.
func (b *Builder) Forest() *Forest {
	f := b.forest
	b.forest = nil
	if len(f.columns) == 0 {
		f.columns = []column{{}} // a leaf looks at the first column, too, if in vain
	}
	f.nodes, f.values = slices.Clone(f.nodes), slices.Clone(f.values) // without the room behind them
	f.octets = octets(f.trees)
	size := len(f.columns) * f.blockRows()
	f.scratch.New = func() any {
		block := make([]float64, size)
		return &block
	}
	return f
}

// Add checks a tree and lays it out behind the others. After an error the
// builder is of no use.
func (b *Builder) Add(t *Tree) error {
	if err := b.add(t); err != nil {
		return fmt.Errorf("tree %d: %w", len(b.forest.trees), err)
	}
	return nil
}

func (b *Builder) add(t *Tree) error {
	f := b.forest
	first, width, err := b.values(t)
	if err != nil {
		return err
	}
	if len(t.Nodes) == 0 || len(t.Nodes) > math.MaxInt32 || len(f.nodes)+len(t.Nodes) >= math.MaxUint32-1 {
		return fmt.Errorf("%d nodes", len(t.Nodes))
	}
	whole := tree{root: uint32(len(f.nodes)), output: -1}
	if t.Single {
		whole.output = int32(t.Output)
	}
	b.seen = append(b.seen[:0], make([]bool, len(t.Nodes))...)
	b.seen[0] = true
	reached := 1
	f.nodes = room(f.nodes, len(t.Nodes)+1)
	f.nodes = append(f.nodes, node{}, node{}) // the root and its empty neighbour: pairs stay aligned
	b.stack = append(b.stack[:0], task{0, whole.root, 0})
	for len(b.stack) > 0 {
		at := b.stack[len(b.stack)-1]
		b.stack = b.stack[:len(b.stack)-1]
		n := &t.Nodes[at.from]
		whole.depth = max(whole.depth, at.depth)
		if n.Feature < 0 {
			if n.Value < 0 || int(n.Value) >= len(t.Values)/width {
				return fmt.Errorf("leaf %d has the value %d of %d", at.from, n.Value, len(t.Values)/width)
			}
			index := uint64(first + int(n.Value)*width)
			f.nodes[at.to] = node{threshold: math.Float64frombits(leafBits | index), child: at.to}
			continue
		}
		packed, exchanged, err := b.inner(n)
		if err != nil {
			return fmt.Errorf("node %d: %w", at.from, err)
		}
		packed.child = uint32(len(f.nodes))
		f.nodes[at.to] = packed
		whole.special = whole.special || packed.column&flags != 0
		children := [2]int32{n.Left, n.Right}
		if exchanged {
			children = [2]int32{n.Right, n.Left}
		}
		for _, child := range children {
			if child < 0 || int(child) >= len(t.Nodes) {
				return fmt.Errorf("node %d has the child %d of %d nodes", at.from, child, len(t.Nodes))
			}
			if b.seen[child] {
				return fmt.Errorf("node %d has the child %d, which is another's child or the root", at.from, child)
			}
			b.seen[child] = true
		}
		reached += 2
		f.nodes = append(f.nodes, node{}, node{})
		// The first child comes from the stack first, so that its own pair is next in memory.
		b.stack = append(b.stack, task{uint32(children[1]), packed.child + 1, at.depth + 1}, task{uint32(children[0]), packed.child, at.depth + 1})
	}
	if reached != len(t.Nodes) {
		return fmt.Errorf("%d of its %d nodes cannot be reached", len(t.Nodes)-reached, len(t.Nodes))
	}
	f.trees = append(f.trees, whole)
	return nil
}

// room makes room for n more, and doubles it where it has to grow: append alone
// would copy a large forest many times over.
func room[T any](s []T, n int) []T {
	if cap(s)-len(s) >= n {
		return s
	}
	return slices.Grow(s, max(n, len(s)))
}

// values takes over a tree's values and returns the index of the first and the
// width of each.
func (b *Builder) values(t *Tree) (first, width int, err error) {
	f := b.forest
	width = f.options.Outputs
	if t.Single {
		width = 1
		if t.Output < 0 || t.Output >= f.options.Outputs {
			return 0, 0, fmt.Errorf("it adds to output %d of %d", t.Output, f.options.Outputs)
		}
	}
	if len(t.Values)%width != 0 {
		return 0, 0, fmt.Errorf("%d values for leaves of %d", len(t.Values), width)
	}
	for i, v := range t.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, 0, fmt.Errorf("its value %d is %v", i, v)
		}
	}
	first = len(f.values)
	f.values = append(room(f.values, len(t.Values)), t.Values...)
	return first, width, nil
}

// inner packs a test; exchanged says that the right child comes first.
func (b *Builder) inner(n *Node) (packed node, exchanged bool, err error) {
	if int(n.Feature) >= b.forest.options.Features {
		return node{}, false, fmt.Errorf("it tests feature %d of %d", n.Feature, b.forest.options.Features)
	}
	if n.Missing > NeverMissing {
		return node{}, false, fmt.Errorf("unknown kind of missing values %d", n.Missing)
	}
	if n.Test != Member && math.IsNaN(n.Threshold) {
		return node{}, false, errors.New("its threshold is NaN")
	}
	look := column{feature: n.Feature, missing: n.Missing}
	c := n.Threshold
	switch n.Test {
	case AtMost, Below:
		// Where nothing is missing, the side that needs no negation.
		look.negated = !n.MissingLeft && n.Missing != NeverMissing
		if look.negated {
			c = -c
		}
		if (n.Test == AtMost) != look.negated {
			c = above(c)
		}
		return node{threshold: c, column: b.column(look)}, look.negated, nil
	case Equal:
		packed = node{threshold: c, column: b.column(look) | flagEqual}
	case Member:
		f := b.forest
		if len(f.sets)+len(n.Categories) > math.MaxInt32 {
			return node{}, false, errors.New("too many categories")
		}
		place := uint64(len(f.sets))<<32 | uint64(len(n.Categories))
		f.sets = append(f.sets, n.Categories...)
		packed = node{threshold: math.Float64frombits(place), column: b.column(look) | flagMember}
	default:
		return node{}, false, fmt.Errorf("unknown test %d", n.Test)
	}
	if n.MissingLeft {
		packed.column |= flagMissing
	}
	return packed, true, nil
}

// above is the least number greater than c, and NaN above them all, so that
// x > c is x >= above(c).
func above(c float64) float64 {
	if math.IsInf(c, 1) {
		return math.NaN()
	}
	return math.Nextafter(c, math.Inf(1))
}

// column finds or makes a column.
func (b *Builder) column(c column) uint32 {
	f := b.forest
	at, known := b.columns[c]
	if !known {
		at = uint32(len(f.columns)) * lanes
		b.columns[c] = at
		f.columns = append(f.columns, c)
	}
	return at
}
