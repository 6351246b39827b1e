package onnx

import (
	"math"

	"serin/internal/model"
	"serin/internal/model/forest"
	"serin/internal/model/graph"
)

// grove is a TreeEnsemble operator of any version as plain lists. Nodes of a
// tree are together, its root first.
type grove struct {
	trees    []grown
	outputs  int
	base     []float64
	has      []bool // outputs that some leaf adds to
	negative bool   // some weight is below zero
	missing  bool   // the file says for every test where a missing value goes
	features int
}

// grown is one tree while it is read.
type grown struct {
	nodes  []forest.Node
	values []float64
	single bool
	output int
}

// maxFeature bounds the number of a feature, so that it can be counted.
const maxFeature = 1 << 20

// Modes of tree nodes, in the numbers of TreeEnsemble version 5.
const (
	modeLEQ uint8 = iota
	modeLT
	modeGTE
	modeGT
	modeEQ
	modeNEQ
	modeMember
	modeLeaf
)

var modes = map[string]uint8{
	"BRANCH_LEQ": modeLEQ, "BRANCH_LT": modeLT, "BRANCH_GTE": modeGTE, "BRANCH_GT": modeGT,
	"BRANCH_EQ": modeEQ, "BRANCH_NEQ": modeNEQ, "LEAF": modeLeaf,
}

// branch makes the test of a node whose mode sends a row to yes or no. A NaN
// fails every comparison but "not equal", and goes to no, unless the node says
// that it tracks to yes.
// Source: core/providers/cpu/ml/tree_ensemble_common.h, ProcessTreeNodeLeave.
func branch(mode uint8, feature int32, threshold float64, tracks bool, yes, no int32) forest.Node {
	n := forest.Node{Feature: feature, Threshold: threshold, Left: yes, Right: no, MissingLeft: tracks}
	switch mode {
	case modeLT:
		n.Test = forest.Below
	case modeGTE: // not below
		n.Test, n.Left, n.Right, n.MissingLeft = forest.Below, no, yes, !tracks
	case modeGT: // not at most
		n.Test, n.Left, n.Right, n.MissingLeft = forest.AtMost, no, yes, !tracks
	case modeEQ:
		n.Test = forest.Equal
	case modeNEQ: // NaN is unequal to all
		n.Test, n.Left, n.Right, n.MissingLeft = forest.Equal, no, yes, false
	}
	return n
}

// treeLists are the attributes of TreeEnsembleClassifier and -Regressor. They
// are as compact as they can be: a forest has millions of nodes.
type treeLists struct {
	feature, id, tree, yes, no, tracks []int32
	modes                              []uint8
	thresholds                         reals
	targetNode, targetTree, target     []int32
	weights                            reals
}

// reals are floats, or, since version 3, a tensor of doubles.
type reals struct {
	single []float32
	double []float64
}

func (r *reals) len() int { return max(len(r.single), len(r.double)) }

func (r *reals) at(i int) float64 {
	if r.double != nil {
		return r.double[i]
	}
	return float64(r.single[i])
}

func (r *reals) list() []float64 {
	if r.double != nil {
		return r.double
	}
	return graph.Convert[float64](r.single)
}

func readReals(c *graph.Call, name string) reals {
	if t := c.Tensor(name + "_as_tensor"); t != nil {
		return realsOf(c, t)
	}
	return reals{single: c.Floats(name)}
}

func realsOf(c *graph.Call, t *graph.Tensor) reals {
	switch d := t.Data.(type) {
	case []float64:
		return reals{double: d}
	case []float32:
		return reals{single: d}
	}
	c.WrongKind(t)
	return reals{}
}

// smallInts is a list of whole numbers, of which about n are expected.
func smallInts(c *graph.Call, name string, n int) []int32 {
	var list []int32
	c.EachInt(name, func(v int64) {
		if list == nil {
			list = make([]int32, 0, n)
		}
		if v < math.MinInt32 || v > math.MaxInt32 {
			c.Refuse("has the number %d in %s", v, name)
		}
		list = append(list, int32(v))
	})
	return list
}

// readGrove reads the trees of versions 1 to 4. prefix is "class" or "target".
func readGrove(c *graph.Call, prefix string, outputs int) *grove {
	c.Ignore("nodes_hitrates", "nodes_hitrates_as_tensor")
	var l treeLists
	n := 0
	c.EachInt("nodes_nodeids", func(int64) { n++ })
	ints := func(name string) []int32 { return smallInts(c, name, n) }
	l.feature, l.id, l.tree = ints("nodes_featureids"), ints("nodes_nodeids"), ints("nodes_treeids")
	l.yes, l.no, l.tracks = ints("nodes_truenodeids"), ints("nodes_falsenodeids"), ints("nodes_missing_value_tracks_true")
	l.modes = make([]uint8, 0, n)
	c.EachText("nodes_modes", func(text []byte) {
		mode, known := modes[string(text)]
		if !known {
			c.Refuse("has a node of the mode %s", model.Quote(string(text)))
		}
		l.modes = append(l.modes, mode)
	})
	l.thresholds, l.weights = readReals(c, "nodes_values"), readReals(c, prefix+"_weights")
	l.targetNode, l.targetTree, l.target = ints(prefix+"_nodeids"), ints(prefix+"_treeids"), ints(prefix+"_ids")
	g := &grove{outputs: outputs, has: make([]bool, outputs)}
	base := readReals(c, "base_values")
	g.base, g.missing = base.list(), l.tracks != nil
	for _, n := range []int{len(l.feature), len(l.tree), len(l.yes), len(l.no), len(l.modes), l.thresholds.len()} {
		if n != len(l.id) || n == 0 {
			c.Refuse("has %d nodes and other lists of %d", len(l.id), n)
		}
	}
	if l.tracks != nil && len(l.tracks) != len(l.id) || len(l.targetTree) != len(l.targetNode) || len(l.target) != len(l.targetNode) || l.weights.len() != len(l.targetNode) {
		c.Refuse("has lists of weights that differ in length")
	}
	places := plant(c, g, &l)
	hang(c, g, &l, places)
	return g
}

// place is where a tree's nodes stand in the lists.
type place struct {
	tree, first int
	byID        map[int32]int32 // nil where node i of the tree has the id i
}

func (p *place) find(id int32, n int) int32 {
	if p.byID != nil {
		if at, ok := p.byID[id]; ok {
			return at
		}
		return -1
	}
	if id < 0 || int(id) >= n {
		return -1
	}
	return id
}

// plant makes the nodes of all trees.
func plant(c *graph.Call, g *grove, l *treeLists) map[int32]*place {
	places := make(map[int32]*place)
	for first := 0; first < len(l.id); {
		id, end, plain := l.tree[first], first, true
		for ; end < len(l.id) && l.tree[end] == id; end++ {
			plain = plain && int(l.id[end]) == end-first
		}
		if places[id] != nil {
			c.Refuse("has the nodes of tree %d in two places", id)
		}
		p := &place{tree: len(g.trees), first: first}
		if !plain {
			p.byID = make(map[int32]int32, end-first)
			for i := first; i < end; i++ {
				if _, twice := p.byID[l.id[i]]; twice {
					c.Refuse("has the node %d of tree %d twice", l.id[i], id)
				}
				p.byID[l.id[i]] = int32(i - first)
			}
		}
		places[id] = p
		nodes := make([]forest.Node, end-first)
		for i := range nodes {
			nodes[i] = planted(c, g, l, p, first+i, len(nodes))
		}
		g.trees = append(g.trees, grown{nodes: nodes})
		first = end
	}
	return places
}

func planted(c *graph.Call, g *grove, l *treeLists, p *place, i, n int) forest.Node {
	if l.modes[i] == modeLeaf {
		return forest.Node{Feature: -1}
	}
	yes, no, feature := p.find(l.yes[i], n), p.find(l.no[i], n), l.feature[i]
	if yes < 0 || no < 0 || feature < 0 || feature >= maxFeature {
		c.Refuse("has the node %d of tree %d, which tests the feature %d and goes to %d or %d", l.id[i], l.tree[i], feature, l.yes[i], l.no[i])
	}
	g.features = max(g.features, int(feature)+1)
	tracks := l.tracks != nil && l.tracks[i] != 0
	return branch(l.modes[i], feature, l.thresholds.at(i), tracks, yes, no)
}

// hang puts the weights on the leaves.
func hang(c *graph.Call, g *grove, l *treeLists, places map[int32]*place) {
	// First, which outputs a tree has: one, or a row of all.
	for i := range g.trees {
		g.trees[i].output = -1
	}
	at := make([]int32, len(l.target))
	for i, target := range l.target {
		p := places[l.targetTree[i]]
		if p == nil || target < 0 || int(target) >= g.outputs {
			c.Refuse("weights the output %d of tree %d", target, l.targetTree[i])
		}
		t := &g.trees[p.tree]
		if at[i] = p.find(l.targetNode[i], len(t.nodes)); at[i] < 0 || t.nodes[at[i]].Feature >= 0 {
			c.Refuse("weights the node %d of tree %d, which is no leaf", l.targetNode[i], l.targetTree[i])
		}
		g.has[target] = true
		g.negative = g.negative || l.weights.at(i) < 0
		switch t.output {
		case -1:
			t.output, t.single = int(target), true
		case int(target):
		default:
			t.single = false
		}
	}
	for i := range g.trees {
		t, width, leaves := &g.trees[i], g.outputs, int32(0)
		if t.single {
			width = 1
		} else {
			t.output = 0
		}
		for k := range t.nodes {
			if t.nodes[k].Feature < 0 {
				t.nodes[k].Value = leaves
				leaves++
			}
		}
		c.Spend(8 * width * int(leaves))
		t.values = make([]float64, width*int(leaves))
	}
	for i, target := range l.target {
		t := &g.trees[places[l.targetTree[i]].tree]
		row := int(t.nodes[at[i]].Value)
		if t.single {
			t.values[row] += l.weights.at(i)
		} else {
			t.values[row*g.outputs+int(target)] += l.weights.at(i)
		}
	}
}

// compile makes the forest for rows of the given width.
func (g *grove) compile(c *graph.Call, width int, narrow bool) *forest.Forest {
	if g.features > width {
		c.Refuse("tests the feature %d of %d", g.features-1, width)
	}
	b, err := forest.NewBuilder(forest.Options{Features: width, Outputs: g.outputs, Sum32: narrow, Category: forest.Whole})
	if err != nil {
		c.Refuse("cannot be used: %v", err)
	}
	for i := range g.trees {
		t := &g.trees[i]
		gatherTests(c, t)
		if err := b.Add(&forest.Tree{Nodes: t.nodes, Values: t.values, Single: t.single, Output: t.output}); err != nil {
			c.Refuse("cannot be used: tree %d: %v", i, err)
		}
	}
	return b.Forest()
}

// gatherTests makes one test of a chain of "equal" tests: exporters write "is one of
// a, b, c" as three nodes that share their yes.
// Source: onnxmltools, convert/lightgbm/operator_converters/LightGbm.py.
func gatherTests(c *graph.Call, t *grown) {
	var gone []bool // nodes that became part of another
	for i := range t.nodes {
		n := &t.nodes[i]
		for next := n.Right; links(t, int32(i), next) && (gone == nil || !gone[next]); next = n.Right {
			if gone == nil {
				gone = make([]bool, len(t.nodes))
			}
			if n.Test == forest.Equal {
				n.Test, n.Categories = forest.Member, include(c, nil, n.Threshold)
			}
			n.Categories = include(c, n.Categories, t.nodes[next].Threshold)
			n.Right, n.Threshold, gone[next] = t.nodes[next].Right, 0, true
		}
	}
	if gone != nil {
		t.nodes = reachable(t.nodes)
	}
}

// links tells whether a node's no asks the same feature for another value, and
// goes to the same yes.
func links(t *grown, at, next int32) bool {
	a, b := &t.nodes[at], &t.nodes[next]
	return a.Feature >= 0 && next != at && (a.Test == forest.Equal || a.Test == forest.Member) && b.Test == forest.Equal &&
		a.Feature == b.Feature && a.Left == b.Left && a.MissingLeft == b.MissingLeft
}

// include adds a category to a set.
func include(c *graph.Call, set []uint32, v float64) []uint32 {
	const largest = 1 << 16
	if v < 0 || v >= largest || v != float64(int(v)) {
		c.Refuse("asks for membership of %v; serin knows whole numbers from 0 to %d", v, largest-1)
	}
	for len(set) <= int(v)/32 {
		c.Spend(4)
		set = append(set, 0)
	}
	set[int(v)/32] |= 1 << (int(v) % 32)
	return set
}

// reachable leaves out the nodes that no longer have a parent. Nodes with two
// parents come out twice, so that a limit is needed; the forest refuses them.
func reachable(nodes []forest.Node) []forest.Node {
	order := []int32{0}
	out := make([]forest.Node, 0, len(nodes))
	for at := 0; at < len(order) && at < len(nodes); at++ {
		n := nodes[order[at]]
		if n.Feature >= 0 {
			order = append(order, n.Left, n.Right)
			n.Left, n.Right = int32(len(order)-2), int32(len(order)-1)
		}
		out = append(out, n)
	}
	return out
}

// ensemble is a compiled operator.
type ensemble struct {
	grove  *grove
	forest *forest.Forest
	count  int
	wide   bool // thresholds and sums are float64, as the input is
}

// newEnsemble compiles the trees of an operator once for all plans.
func newEnsemble(c *graph.Call, read func() *grove) *ensemble {
	t := c.Input(0)
	if t.Rank() < 1 || t.Rank() > 2 || t.Shape[t.Rank()-1] == 0 {
		c.Refuse("takes a tensor of the shape %v", t.Shape)
	}
	_, wide := t.Data.([]float64)
	width := t.Shape[t.Rank()-1]
	e := graph.Prepare(c, func() *ensemble {
		g := read()
		e := &ensemble{grove: g, forest: g.compile(c, width, !wide), count: len(g.trees), wide: wide}
		g.trees = nil // the forest has its own
		return e
	})
	if e.forest.Features() != width || e.wide != wide {
		c.Refuse("takes tensors that differ from turn to turn")
	}
	c.Missing = c.Missing || e.grove.missing
	return e
}

// sumTrees adds the steps that fill rows x outputs with the sums over all trees.
func sumTrees(c *graph.Call, e *ensemble) (sums []float64, rows int) {
	t := c.Input(0)
	if _, text := t.Data.([]string); text {
		c.WrongKind(t)
	}
	rows = 1
	if t.Rank() == 2 {
		rows = t.Shape[0]
	}
	if !e.wide { // tests compare float32, from whole numbers, too
		t = c.Cast(t, graph.ElemFloat)
	}
	x := graph.Values[float64](c, c.Cast(t, graph.ElemDouble))
	c.Toil(rows, e.count, 16)
	_, sums = graph.Alloc[float64](c, rows, e.grove.outputs)
	c.Always(func() {
		clear(sums)
		e.forest.Add(x, rows, sums)
	})
	return sums, rows
}

// treeRegressor is TreeEnsembleRegressor.
// Source: core/providers/cpu/ml/tree_ensemble_aggregator.h.
func treeRegressor(c *graph.Call) {
	c.AtMost(1, 1)
	change, outputs := readTransform(c), c.Int("n_targets", 1)
	how := c.Text("aggregate_function", "SUM")
	if how != "SUM" && how != "AVERAGE" {
		c.Refuse("aggregates its trees by %s; serin does by SUM and AVERAGE", model.Quote(how))
	}
	if outputs < 1 || outputs > c.Limit() {
		c.Refuse("has %d targets", outputs)
	}
	if outputs == 1 && change != nil {
		c.Refuse("transforms the sum of a single target, which ONNX Runtime does not do")
	}
	e := newEnsemble(c, func() *grove { return readGrove(c, "target", outputs) })
	finishSums(c, e, how == "AVERAGE", change)
}

// finishSums makes the output of a regressor of its sums: divided by the number
// of trees where they are averaged, shifted by the base values, transformed.
func finishSums(c *graph.Call, e *ensemble, average bool, change transform) {
	sums, rows := sumTrees(c, e)
	base, outputs := e.grove.base, e.grove.outputs
	if len(base) != 0 && len(base) != outputs {
		c.Refuse("has %d base values for %d targets", len(base), outputs)
	}
	t, out := graph.Alloc[float32](c, rows, outputs)
	c.Give(0, t)
	c.Always(func() {
		for i, v := range sums {
			if average {
				v /= float64(e.count)
			}
			if len(base) > 0 {
				if v += base[i%outputs]; !e.wide {
					v = float64(float32(v))
				}
			}
			out[i] = float32(v)
		}
		if change != nil {
			for r := range rows {
				change(out[r*outputs : (r+1)*outputs])
			}
		}
	})
}

// treeClassifier is TreeEnsembleClassifier.
// Source: core/providers/cpu/ml/tree_ensemble_aggregator.h,
// TreeAggregatorClassifier.
func treeClassifier(c *graph.Call) {
	c.AtMost(1, 2)
	l, change := readLabels(c, "classlabels_int64s"), readTransform(c)
	classes := l.len()
	e := newEnsemble(c, func() *grove { return readGrove(c, "class", classes) })
	base := e.grove.base
	if want := max(1, classes*truth(classes > 2)); len(base) != 0 && len(base) != want {
		c.Refuse("has %d base values for %d classes", len(base), classes)
	}
	sums, rows := sumTrees(c, e)
	t, out := graph.Alloc[float32](c, rows, classes)
	winner := make([]int, rows)
	if classes > 2 {
		c.Always(func() {
			for r := range rows {
				row := out[r*classes : (r+1)*classes]
				for i := range row {
					row[i] = float32(sums[r*classes+i])
					if len(base) > 0 {
						row[i] += float32(base[i])
					}
				}
				winner[r] = firstBest(row)
				if change != nil {
					change(row)
				}
			}
		})
	} else {
		two := twoClasses(c, e)
		c.Always(func() {
			for r := range rows {
				winner[r] = two(sums[2*r:2*r+2], out[2*r:2*r+2])
			}
		})
	}
	giveLabels(c, l, rows, func(r int) int { return winner[r] })
	c.Give(1, t)
}

// twoClasses makes both scores of a row from the only sum that two classes have,
// and returns the class that wins. Weights that are all positive are taken for
// probabilities; sums of others are for the second class if positive.
func twoClasses(c *graph.Call, e *ensemble) func(sums []float64, out []float32) int {
	g := e.grove
	if g.has[1] {
		c.Refuse("has weights for both of two classes, for which ONNX Runtime has no useful answer")
	}
	name := c.Text("post_transform", "NONE")
	if name == "PROBIT" || name != "NONE" && name != "LOGISTIC" && g.negative {
		c.Refuse("transforms the scores of two classes by %s", name)
	}
	base := 0.0
	if len(g.base) == 1 {
		base = g.base[0]
	}
	return func(sums []float64, out []float32) int {
		s := sums[0] + base
		if !e.wide {
			s = float64(float32(s))
		}
		switch {
		case !g.negative:
			out[0], out[1] = float32(1-s), float32(s)
			return truth(s > 0.5)
		case name == "LOGISTIC":
			out[0], out[1] = logistic(float32(-s)), logistic(float32(s))
		default:
			out[0], out[1] = float32(-s), float32(s)
		}
		return truth(s > 0)
	}
}
