package forest

import "math"

// lanes is how many walks go in lock step: enough for their memory accesses to
// overlap, few enough for their positions to stay in registers.
const lanes = 4

// stride is the number of steps between two looks whether all have arrived.
const stride = 6

// block answers prepared rows, or rows as they are.
func (f *Forest) block(x []float64, rows int, out []float64) {
	width, outputs := f.columns(), f.options.Outputs
	done := 0
	if whole := rows - rows%lanes; whole > 0 {
		for t := range f.trees {
			f.tree(&f.trees[t], x, width, whole, out)
		}
		done = whole
	}
	for ; done < rows; done++ {
		f.row(x[done*width:(done+1)*width], out[done*outputs:(done+1)*outputs])
	}
}

// tree walks one tree with several rows at once; rows is a multiple of lanes.
func (f *Forest) tree(t *tree, x []float64, width, rows int, out []float64) {
	outputs := f.options.Outputs
	nodes := f.nodes
	for r := 0; r < rows; r += lanes {
		x0 := x[r*width : (r+1)*width]
		x1 := x[(r+1)*width : (r+2)*width]
		x2 := x[(r+2)*width : (r+3)*width]
		x3 := x[(r+3)*width : (r+4)*width]
		to := out[r*outputs : (r+lanes)*outputs]
		if t.special {
			f.leaf(t, f.walkSpecial(t.root, x0), to)
			f.leaf(t, f.walkSpecial(t.root, x1), to[outputs:])
			f.leaf(t, f.walkSpecial(t.root, x2), to[2*outputs:])
			f.leaf(t, f.walkSpecial(t.root, x3), to[3*outputs:])
			continue
		}
		a, b, c, d := t.root, t.root, t.root, t.root
		for left := int(t.depth); left > 0; left -= stride {
			for range min(left, stride) {
				a, b, c, d = step(nodes, x0, a), step(nodes, x1, b), step(nodes, x2, c), step(nodes, x3, d)
			}
			if nodes[a].child == a && nodes[b].child == b && nodes[c].child == c && nodes[d].child == d {
				break
			}
		}
		f.leaf(t, a, to)
		f.leaf(t, b, to[outputs:])
		f.leaf(t, c, to[2*outputs:])
		f.leaf(t, d, to[3*outputs:])
	}
}

// row walks all trees with one row, several trees at once.
func (f *Forest) row(x, out []float64) {
	nodes, trees := f.nodes, f.trees
	for len(trees) >= lanes {
		t0, t1, t2, t3 := &trees[0], &trees[1], &trees[2], &trees[3]
		trees = trees[lanes:]
		if t0.special || t1.special || t2.special || t3.special {
			f.leaf(t0, f.walkSpecial(t0.root, x), out)
			f.leaf(t1, f.walkSpecial(t1.root, x), out)
			f.leaf(t2, f.walkSpecial(t2.root, x), out)
			f.leaf(t3, f.walkSpecial(t3.root, x), out)
			continue
		}
		a, b, c, d := t0.root, t1.root, t2.root, t3.root
		for left := int(max(t0.depth, t1.depth, t2.depth, t3.depth)); left > 0; left -= stride {
			for range min(left, stride) {
				a, b, c, d = step(nodes, x, a), step(nodes, x, b), step(nodes, x, c), step(nodes, x, d)
			}
			if nodes[a].child == a && nodes[b].child == b && nodes[c].child == c && nodes[d].child == d {
				break
			}
		}
		f.leaf(t0, a, out)
		f.leaf(t1, b, out)
		f.leaf(t2, c, out)
		f.leaf(t3, d, out)
	}
	for i := range trees {
		f.leaf(&trees[i], f.walkSpecial(trees[i].root, x), out)
	}
}

// step goes from a plain node to its child, and from a leaf to itself.
func step(nodes []node, x []float64, at uint32) uint32 {
	n := &nodes[at]
	var second uint32
	if x[n.column] >= n.threshold {
		second = 1
	}
	return n.child + second
}

// walkSpecial goes from a root to a leaf through nodes of any kind.
func (f *Forest) walkSpecial(at uint32, x []float64) uint32 {
	for {
		n := &f.nodes[at]
		if n.child == at {
			return at
		}
		at = n.child
		if n.column&flags == 0 {
			if x[n.column] >= n.threshold {
				at++
			}
		} else if f.special(n, x[n.column&^flags]) {
			at++
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

// leaf adds a leaf's value to the answer of one row.
func (f *Forest) leaf(t *tree, at uint32, out []float64) {
	value := f.values[math.Float64bits(f.nodes[at].threshold)&leafIndex:]
	if t.output >= 0 {
		out = out[t.output:][:1]
	} else {
		out = out[:f.options.Outputs]
	}
	value = value[:len(out)]
	if f.options.Sum32 {
		for i, v := range value {
			out[i] = float64(float32(out[i]) + float32(v))
		}
		return
	}
	for i, v := range value {
		out[i] += v
	}
}
