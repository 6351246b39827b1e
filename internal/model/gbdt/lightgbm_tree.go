package gbdt

import (
	"math"
	"strconv"
	"strings"

	"serin/internal/model"
	"serin/internal/model/forest"
)

// lightgbmTree is the block of one tree (src/io/tree.cpp Tree::Tree): n leaves,
// and n-1 inner nodes, in arrays. A child c below zero is the leaf ^c.
type lightgbmTree struct {
	l     *lightgbm
	lines map[string]string
	path  string
}

// The bits of decision_type (include/LightGBM/tree.h).
const (
	bitCategorical = 1
	bitDefaultLeft = 2
	missingShift   = 2
)

func (t *lightgbmTree) fail(format string, args ...any) { t.l.fail(t.path+": "+format, args...) }

// numbers reads n numbers.
func (t *lightgbmTree) numbers(key string, n int) []float64 {
	text, ok := t.lines[key]
	if !ok {
		t.fail("%s is missing", key)
	}
	if t.l.in.err != nil {
		return nil
	}
	all := make([]float64, 0, min(n, len(text)/2+1))
	for word := range strings.FieldsSeq(text) {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil && !math.IsInf(x, 0) {
			t.fail("%s holds %s", key, model.Quote(word))
			return nil
		}
		all = append(all, x)
	}
	if len(all) != n {
		t.fail("%s has %d numbers instead of %d", key, len(all), n)
		return nil
	}
	return all
}

// integers reads n whole numbers from least to most.
func (t *lightgbmTree) integers(key string, n, least, most int) []int {
	text, ok := t.lines[key]
	if !ok {
		t.fail("%s is missing", key)
	}
	if t.l.in.err != nil {
		return nil
	}
	all := make([]int, 0, min(n, len(text)/2+1))
	for word := range strings.FieldsSeq(text) {
		x, err := strconv.Atoi(word)
		if err != nil || x < least || x > most {
			t.fail("%s holds %s instead of a whole number from %d to %d", key, model.Quote(word), least, most)
			return nil
		}
		all = append(all, x)
	}
	if len(all) != n {
		t.fail("%s has %d numbers instead of %d", key, len(all), n)
		return nil
	}
	return all
}

func (t *lightgbmTree) read() forest.Tree {
	if linear, ok := t.lines["is_linear"]; ok && linear != "0" {
		t.l.refuseLinear()
	}
	leaves := t.l.integer(t.path+": num_leaves", t.lines["num_leaves"], 1, math.MaxInt32)
	values := t.numbers("leaf_value", leaves)
	if t.l.in.err != nil {
		return forest.Tree{}
	}
	inner := leaves - 1
	tree := forest.Tree{Single: true, Values: values, Nodes: make([]forest.Node, inner+leaves)}
	for i := range leaves {
		tree.Nodes[inner+i] = forest.Node{Feature: -1, Value: int32(i)}
	}
	if inner == 0 {
		return tree
	}
	left := t.integers("left_child", inner, -leaves, inner-1)
	right := t.integers("right_child", inner, -leaves, inner-1)
	feature := t.integers("split_feature", inner, 0, len(t.l.names)-1)
	thresholds := t.numbers("threshold", inner)
	types := make([]int, inner)
	if _, ok := t.lines["decision_type"]; ok {
		types = t.integers("decision_type", inner, 0, 1<<4-1)
	}
	sets := t.sets()
	if t.l.in.err != nil {
		return forest.Tree{}
	}
	child := func(c int) int32 {
		if c < 0 {
			return int32(inner + ^c)
		}
		return int32(c)
	}
	for i := range inner {
		n := forest.Node{
			Feature: int32(feature[i]), Left: child(left[i]), Right: child(right[i]),
			Test: forest.AtMost, Threshold: thresholds[i],
			MissingLeft: types[i]&bitDefaultLeft != 0,
		}
		switch types[i] >> missingShift {
		case 0:
			n.Missing = forest.NeverMissing
		case 1:
			n.Missing = forest.MissingZero
		case 2:
			n.Missing = forest.MissingNaN
		default:
			t.fail("node %d has the decision type %d, which serin does not know", i, types[i])
			return forest.Tree{}
		}
		if types[i]&bitCategorical != 0 {
			at := int(thresholds[i])
			if thresholds[i] != float64(at) || at < 0 || at >= len(sets) {
				t.fail("node %d tests the set %v of %d", i, thresholds[i], len(sets))
				return forest.Tree{}
			}
			// A missing value is in no set and goes right.
			n.Test, n.Categories, n.Threshold = forest.Member, sets[at], 0
			n.Missing, n.MissingLeft = forest.MissingNaN, false
		}
		tree.Nodes[i] = n
	}
	return tree
}

// sets reads the bitsets of categories.
func (t *lightgbmTree) sets() [][]uint32 {
	n := t.l.integer(t.path+": num_cat", t.lines["num_cat"], 0, math.MaxInt32)
	if n == 0 || t.l.in.err != nil {
		return nil
	}
	bounds := t.integers("cat_boundaries", n+1, 0, math.MaxInt32)
	if t.l.in.err != nil {
		return nil
	}
	words := t.integers("cat_threshold", bounds[n], 0, math.MaxUint32)
	sets := make([][]uint32, 0, n)
	for i := 0; t.l.in.err == nil && i < n; i++ {
		if bounds[i] > bounds[i+1] || bounds[i+1] > len(words) {
			t.fail("cat_boundaries goes from %d to %d of %d", bounds[i], bounds[i+1], len(words))
			return nil
		}
		set := make([]uint32, 0, bounds[i+1]-bounds[i])
		for _, word := range words[bounds[i]:bounds[i+1]] {
			set = append(set, uint32(word))
		}
		if t.l.budget.words += len(set); t.l.budget.words > maxSetWords {
			t.fail("the sets of categories take more than %d bits, the limit", 32*maxSetWords)
		}
		sets = append(sets, set)
	}
	return sets
}
