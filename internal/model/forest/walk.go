package forest

import (
	"math"
	"slices"
)

// A walk is a chain of loads that wait for each other: the node, then the
// number that it looks at. So eight walks go in lock step, and while one waits
// the others go on. What the eight are depends on the rows:
//
//	many rows   one tree, eight rows: a group. Its numbers are interleaved,
//	            block[column*lanes + row], so that the eight lie side by side
//	one row     eight trees, row[column]
//
// The loops are written out, because positions in an array would live in
// memory instead of registers.
const (
	lanes = 8
	// few rows are answered one at a time: a group would be mostly empty.
	few = 4
	// stride is the number of steps between two looks whether all have arrived.
	stride = 8
)

// positions are the nodes that the eight walks stand on.
type positions [lanes]uint32

// octet is eight trees that are next to each other. The last one may be partly
// empty: its further roots are the first tree's, walked in vain.
type octet struct {
	roots   positions
	depth   uint32
	special bool
}

func octets(trees []tree) []octet {
	var all []octet
	for group := range slices.Chunk(trees, lanes) {
		var o octet
		for k := range o.roots {
			t := &group[0]
			if k < len(group) {
				t = &group[k]
			}
			o.roots[k], o.depth, o.special = t.root, max(o.depth, t.depth), o.special || t.special
		}
		all = append(all, o)
	}
	return all
}

// block answers groups of prepared rows; the last one may be partly empty.
func (f *Forest) block(x []float64, rows int, out []float64) {
	size, outputs := len(f.columns)*lanes, f.options.Outputs
	var at positions
	for i := range f.trees {
		t := &f.trees[i]
		for r := 0; r < rows; r += lanes {
			group := x[r/lanes*size:][:size]
			n := min(lanes, rows-r)
			if t.special {
				for k := range n {
					at[k] = f.walkSpecial(t.root, group[k:], 0)
				}
			} else {
				for k := range at {
					at[k] = t.root
				}
				for left := int(t.depth); left > 0; left -= stride {
					stepRows(f.nodes, group, &at, min(left, stride))
					if left > stride && f.arrived(&at) {
						break
					}
				}
			}
			for k, leaf := range at[:n] {
				to := out[(r+k)*outputs:][:outputs]
				if t.output >= 0 {
					f.add(&to[t.output], f.values[f.value(leaf)])
				} else {
					f.addAll(to, f.value(leaf))
				}
			}
		}
	}
}

// row answers one row.
func (f *Forest) row(x, out []float64) {
	for i := range f.octets {
		o := &f.octets[i]
		at := o.roots
		if o.special {
			for k := range at {
				at[k] = f.walkSpecial(at[k], x, 3)
			}
		} else {
			for left := int(o.depth); left > 0; left -= stride {
				stepTrees(f.nodes, x, &at, min(left, stride))
				if left > stride && f.arrived(&at) {
					break
				}
			}
		}
		trees := f.trees[i*lanes:]
		for k := range min(lanes, len(trees)) {
			if output := trees[k].output; output >= 0 {
				f.add(&out[output], f.values[f.value(at[k])])
			} else {
				f.addAll(out, f.value(at[k]))
			}
		}
	}
}

// arrived tells whether all positions are leaves.
func (f *Forest) arrived(at *positions) bool {
	for _, i := range at {
		if f.nodes[i].child != i {
			return false
		}
	}
	return true
}

// bit is compiled to a comparison that sets a register, not to a branch.
func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// stepRows goes some steps down one tree with a group of rows.
func stepRows(nodes []node, x []float64, at *positions, steps int) {
	a, b, c, d, e, f, g, h := at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7]
	for range steps {
		n := &nodes[a]
		a = n.child + bit(x[n.column] >= n.threshold)
		n = &nodes[b]
		b = n.child + bit(x[n.column+1] >= n.threshold)
		n = &nodes[c]
		c = n.child + bit(x[n.column+2] >= n.threshold)
		n = &nodes[d]
		d = n.child + bit(x[n.column+3] >= n.threshold)
		n = &nodes[e]
		e = n.child + bit(x[n.column+4] >= n.threshold)
		n = &nodes[f]
		f = n.child + bit(x[n.column+5] >= n.threshold)
		n = &nodes[g]
		g = n.child + bit(x[n.column+6] >= n.threshold)
		n = &nodes[h]
		h = n.child + bit(x[n.column+7] >= n.threshold)
	}
	*at = positions{a, b, c, d, e, f, g, h}
}

// stepTrees goes some steps down eight trees with one row.
func stepTrees(nodes []node, x []float64, at *positions, steps int) {
	a, b, c, d, e, f, g, h := at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7]
	for range steps {
		n := &nodes[a]
		a = n.child + bit(x[n.column/lanes] >= n.threshold)
		n = &nodes[b]
		b = n.child + bit(x[n.column/lanes] >= n.threshold)
		n = &nodes[c]
		c = n.child + bit(x[n.column/lanes] >= n.threshold)
		n = &nodes[d]
		d = n.child + bit(x[n.column/lanes] >= n.threshold)
		n = &nodes[e]
		e = n.child + bit(x[n.column/lanes] >= n.threshold)
		n = &nodes[f]
		f = n.child + bit(x[n.column/lanes] >= n.threshold)
		n = &nodes[g]
		g = n.child + bit(x[n.column/lanes] >= n.threshold)
		n = &nodes[h]
		h = n.child + bit(x[n.column/lanes] >= n.threshold)
	}
	*at = positions{a, b, c, d, e, f, g, h}
}

// walkSpecial goes from a root to a leaf through nodes of any kind. A column is
// at its place in the block shifted right by shift: 0 for a row of a group, 3
// for a row alone.
func (f *Forest) walkSpecial(at uint32, x []float64, shift uint8) uint32 {
	for {
		n := &f.nodes[at]
		if n.child == at {
			return at
		}
		v := x[n.column&^flags>>(shift&7)]
		at = n.child
		if n.column&flags == 0 {
			at += bit(v >= n.threshold)
		} else {
			at += bit(f.special(n, v))
		}
	}
}

func (f *Forest) special(n *node, v float64) bool {
	switch {
	case math.IsNaN(v):
		return n.column&flagMissing != 0
	case n.column&flagEqual != 0:
		return v == n.threshold
	}
	place := math.Float64bits(n.threshold)
	set := f.sets[place>>32:][:uint32(place)]
	c, is := f.options.Category.of(v)
	return is && c/32 < uint32(len(set)) && set[c/32]>>(c%32)&1 != 0
}

// of returns the category that a number stands for.
func (c Category) of(v float64) (category uint32, is bool) {
	if !(v > -1 && v < 1<<31) || c != Truncate && v < 0 {
		return 0, false
	}
	category = uint32(int64(v))
	return category, c != Whole || float64(category) == v
}

// value is the index of a leaf's value.
func (f *Forest) value(leaf uint32) uint64 {
	return math.Float64bits(f.nodes[leaf].threshold) & leafIndex
}

func (f *Forest) add(to *float64, v float64) {
	if f.options.Sum32 {
		*to = float64(float32(*to) + float32(v))
	} else {
		*to += v
	}
}

// addAll adds a value of all outputs.
func (f *Forest) addAll(out []float64, value uint64) {
	for i, v := range f.values[value:][:len(out)] {
		f.add(&out[i], v)
	}
}
