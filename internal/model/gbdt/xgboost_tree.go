package gbdt

import (
	"math"

	"serin/internal/model/forest"
)

// maxCategory bounds a category's number, and maxSetWords the bits of all sets
// together: a set is written by its members, and a single large one would take
// much memory for a few bytes.
const (
	maxCategory = 1 << 16
	maxSetWords = 1 << 23
)

// setBudget counts the words of sets.
type setBudget struct{ words int }

// bits makes the bitset of some categories.
func (s *setBudget) bits(p part, members []float64) []uint32 {
	largest := 0
	for _, c := range members {
		largest = max(largest, p.whole(c, maxCategory))
	}
	if p.in.err != nil {
		return nil
	}
	words := largest/32 + 1
	if s.words += words; s.words > maxSetWords {
		p.fail("the sets of categories take more than %d bits, the limit", 32*maxSetWords)
		return nil
	}
	set := make([]uint32, words)
	for _, c := range members {
		set[int(c)/32] |= 1 << (int(c) % 32)
	}
	return set
}

// xgboostTree reads one tree of a document (src/tree/tree_model.cc
// RegTree::LoadModel): arrays with an entry for each node. Pruned nodes may
// stay in them; what cannot be reached from the root is left out.
func xgboostTree(p part, budget *setBudget) forest.Tree {
	width := p.at("tree_param").at("size_leaf_vector").digits(maxOutputs)
	if width > 1 || p.has("leaf_weights") {
		p.in.refuse("Fit with multi_strategy=\"one_output_per_tree\", the default.", "%s: it has vectors in its leaves (multi_output_tree), which is not served", p.path)
	}
	n := len(p.at("left_children").numbers())
	raw := rawTree{
		left: p.at("left_children").fixed(n), right: p.at("right_children").fixed(n),
		feature: p.at("split_indices").fixed(n), condition: p.at("split_conditions").fixed(n),
		defaultLeft: p.at("default_left").fixed(n),
	}
	if nodes := p.at("tree_param").at("num_nodes").digits(math.MaxInt32); nodes != n {
		p.fail("it has %d nodes and claims %d", n, nodes)
	}
	if p.has("split_type") {
		raw.sets = categoricalNodes(p, n, budget)
	}
	return raw.tree(p)
}

// categoricalNodes reads the sets of the nodes that test a category, nil for
// others.
func categoricalNodes(p part, n int, budget *setBudget) [][]uint32 {
	types := p.at("split_type").fixed(n)
	nodes := p.at("categories_nodes").numbers()
	starts := p.at("categories_segments").fixed(len(nodes))
	sizes := p.at("categories_sizes").fixed(len(nodes))
	members := p.at("categories")
	all := members.numbers()
	if p.in.err != nil {
		return nil
	}
	var sets [][]uint32
	for i, at := range nodes {
		node := p.at("categories_nodes").whole(at, n-1)
		start := p.at("categories_segments").whole(starts[i], len(all))
		size := p.at("categories_sizes").whole(sizes[i], len(all)-start)
		if p.in.err != nil {
			return nil
		}
		if sets == nil {
			sets = make([][]uint32, n)
		}
		if size == 0 || sets[node] != nil {
			p.fail("node %d has no categories, or has them twice", node)
			return nil
		}
		sets[node] = budget.bits(members, all[start:start+size])
	}
	for node, of := range types {
		if of != 0 && of != 1 || (of == 1) != (sets != nil && sets[node] != nil) {
			p.fail("node %d has the split type %v and does not agree with the list of categories", node, of)
			return nil
		}
	}
	return sets
}

// rawTree is a tree in XGBoost's arrays.
type rawTree struct {
	left, right, feature, condition, defaultLeft []float64
	sets                                         [][]uint32
}

// tree lays out what can be reached from the root. A node without a left child
// is a leaf, and its condition is its value.
func (r rawTree) tree(p part) forest.Tree {
	n := len(r.left)
	if n == 0 {
		p.fail("it has no nodes")
	}
	if p.in.err != nil {
		return forest.Tree{}
	}
	tree := forest.Tree{Single: true, Nodes: make([]forest.Node, 1, n)}
	from := make([]int, 1, n) // where each node stands in the file
	seen := make([]bool, n)
	seen[0] = true
	for at := 0; at < len(from); at++ {
		node := from[at]
		value := float64(float32(r.condition[node]))
		if r.left[node] == -1 {
			tree.Nodes[at] = forest.Node{Feature: -1, Value: int32(len(tree.Values))}
			tree.Values = append(tree.Values, value)
			continue
		}
		left, right := p.whole(r.left[node], n-1), p.whole(r.right[node], n-1)
		feature := p.whole(r.feature[node], maxFeatures-1)
		if p.in.err != nil {
			return forest.Tree{}
		}
		if seen[left] || seen[right] || left == right {
			p.fail("node %d has a child that is another's, or the root", node)
			return forest.Tree{}
		}
		seen[left], seen[right] = true, true
		inner := forest.Node{
			Feature: int32(feature), Left: int32(len(from)), Right: int32(len(from) + 1),
			Test: forest.Below, Threshold: value, MissingLeft: r.defaultLeft[node] != 0,
		}
		if r.sets != nil && r.sets[node] != nil {
			// XGBoost sends what is in the set to the right.
			inner.Test, inner.Categories, inner.Threshold = forest.Member, r.sets[node], 0
			inner.Left, inner.Right, inner.MissingLeft = inner.Right, inner.Left, !inner.MissingLeft
		}
		tree.Nodes[at] = inner
		from = append(from, left, right)
		tree.Nodes = append(tree.Nodes, forest.Node{}, forest.Node{})
	}
	return tree
}
