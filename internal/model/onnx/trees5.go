package onnx

import (
	"serin/internal/model/forest"
	"serin/internal/model/graph"
)

// treeEnsemble is TreeEnsemble, the one operator since version 5: leaves are
// lists of their own, and a test may ask for membership in a set.
func treeEnsemble(c *graph.Call) {
	c.AtMost(1, 1)
	outputs, how, change := c.Int("n_targets", 1), c.Int("aggregate_function", 1), c.Int("post_transform", 0)
	if how != 0 && how != 1 {
		c.Refuse("aggregates its trees in the way %d; serin knows 0, the average, and 1, the sum", how)
	}
	if change != 0 {
		c.Refuse("transforms its sums in the way %d; serin knows 0, not at all", change)
	}
	if outputs < 1 || outputs > c.Limit() {
		c.Refuse("has %d targets", outputs)
	}
	if kind := c.Tensor("nodes_splits"); kind == nil || kind.Kind() != c.Input(0).Kind() {
		c.Refuse("has no splits of its input's kind")
	}
	e := newEnsemble(c, func() *grove { return groveOf5(c, outputs) })
	finishSums(c, e, how == 0, nil)
}

// treeTensors are the attributes of TreeEnsemble version 5.
type treeTensors struct {
	splits, weights               []float64
	modes                         []int32
	feature, yes, no              []int64
	yesLeaf, noLeaf, tracks, root []int64
	target                        []int64
	sets                          [][]uint32
}

func groveOf5(c *graph.Call, outputs int) *grove {
	c.Ignore("nodes_hitrates")
	var l treeTensors
	weights, modes := c.Tensor("leaf_weights"), c.Tensor("nodes_modes")
	if weights == nil || modes == nil {
		c.Refuse("has no weights or no modes")
	}
	splits, leaves := realsOf(c, c.Tensor("nodes_splits")), realsOf(c, weights)
	l.splits, l.weights = splits.list(), leaves.list()
	l.modes, _ = modes.Data.([]int32)
	l.feature, l.yes, l.no = c.Ints("nodes_featureids"), c.Ints("nodes_truenodeids"), c.Ints("nodes_falsenodeids")
	l.yesLeaf, l.noLeaf, l.root = c.Ints("nodes_trueleafs"), c.Ints("nodes_falseleafs"), c.Ints("tree_roots")
	l.tracks, l.target = c.Ints("nodes_missing_value_tracks_true"), c.Ints("leaf_targetids")
	n := len(l.splits)
	for _, m := range []int{len(l.modes), len(l.feature), len(l.yes), len(l.no), len(l.yesLeaf), len(l.noLeaf)} {
		if m != n || n == 0 {
			c.Refuse("has %d nodes and other lists of %d", n, m)
		}
	}
	if l.tracks != nil && len(l.tracks) != n || len(l.weights) != len(l.target) {
		c.Refuse("has %d weights for %d leaves", len(l.weights), len(l.target))
	}
	for _, target := range l.target {
		if target < 0 || target >= int64(outputs) {
			c.Refuse("weights the output %d of %d", target, outputs)
		}
	}
	l.sets = memberSets(c, &l)
	g := &grove{outputs: outputs, missing: l.tracks != nil}
	left := 2*n + len(l.root) + 1 // nodes and leaves that trees can have together
	for _, root := range l.root {
		g.trees = append(g.trees, walk5(c, g, &l, root, &left))
	}
	return g
}

// memberSets reads the sets of member nodes: values in the order of the nodes,
// each set closed by a NaN.
func memberSets(c *graph.Call, l *treeTensors) [][]uint32 {
	sets := make([][]uint32, len(l.modes))
	var values []float64
	if t := c.Tensor("membership_values"); t != nil {
		members := realsOf(c, t)
		values = members.list()
	}
	for i, mode := range l.modes {
		if mode != int32(modeMember) {
			continue
		}
		set, at := []uint32{0}, 0 // no category is a set, too
		for ; at < len(values) && values[at] == values[at]; at++ {
			set = include(c, set, values[at])
		}
		if at == len(values) {
			c.Refuse("has a set of members without an end")
		}
		sets[i], values = set, values[at+1:]
	}
	return sets
}

// walk5 makes the nodes of one tree, from its root on, without recursion.
func walk5(c *graph.Call, g *grove, l *treeTensors, root int64, left *int) grown {
	t := grown{single: g.outputs == 1}
	type todo struct {
		id   int64
		leaf bool
	}
	order := []todo{{root, false}}
	for at := 0; at < len(order); at++ {
		if *left--; *left < 0 {
			c.Refuse("has a node in two places of its trees")
		}
		next := order[at]
		if next.leaf {
			if next.id < 0 || next.id >= int64(len(l.target)) {
				c.Refuse("goes to the leaf %d of %d", next.id, len(l.target))
			}
			row := make([]float64, g.outputs)
			row[l.target[next.id]] = l.weights[next.id]
			t.nodes = append(t.nodes, forest.Node{Feature: -1, Value: int32(len(t.values) / g.outputs)})
			c.Spend(8 * g.outputs)
			t.values = append(t.values, row...)
			continue
		}
		i := next.id
		if i < 0 || i >= int64(len(l.splits)) || l.feature[i] < 0 || l.feature[i] >= maxFeature || l.modes[i] < 0 || l.modes[i] > int32(modeMember) {
			c.Refuse("goes to the node %d of %d, or that node tests what cannot be tested", i, len(l.splits))
		}
		g.features = max(g.features, int(l.feature[i])+1)
		tracks := l.tracks != nil && l.tracks[i] != 0
		first := int32(len(order))
		node := branch(uint8(l.modes[i]), int32(l.feature[i]), l.splits[i], tracks, first, first+1)
		if l.modes[i] == int32(modeMember) {
			node.Test, node.Categories, node.Threshold = forest.Member, l.sets[i], 0
		}
		t.nodes = append(t.nodes, node)
		order = append(order, todo{l.yes[i], l.yesLeaf[i] != 0}, todo{l.no[i], l.noLeaf[i] != 0})
	}
	return t
}
