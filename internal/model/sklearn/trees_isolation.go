package sklearn

import (
	"fmt"
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/forest"
	"serin/internal/pickle"
)

// IsolationForest: how deep a row falls, on average over trees that were grown
// at random. An outlier falls less deep.

const isolationKnown = "base_estimator base_estimator_ estimator estimator_ n_estimators estimator_params max_samples max_features bootstrap " +
	"bootstrap_features oob_score warm_start n_jobs random_state verbose contamination max_samples_ _n_samples _max_samples _max_features " +
	"_sample_weight estimators_ estimators_features_ _seeds offset_ _average_path_length_per_tree _decision_path_lengths"

func (p place) isolation(object *pickle.Object) (fitted, *model.Refusal) {
	e := p.read(object, isolationKnown)
	version := e.version()
	n := e.treeFeatures(p)
	names := e.names(n)
	offset := e.real64("offset_")
	samples, used := e.count("max_samples_"), e.count("_max_features")
	if e.err == nil && atLeast(version, 1, 3) {
		samples = e.count("_max_samples")
	}
	v := e.value("estimators_")
	trees := items(v)
	if e.err == nil && len(trees) == 0 {
		e.wrong("estimators_", v, "a list of trees")
	}
	v = e.value("estimators_features_")
	subsets := items(v)
	if e.err == nil && len(subsets) != len(trees) {
		e.wrong("estimators_features_", v, "an array of features for each tree")
	}
	g := e.grove(forest.Options{Features: max(n, 1), Outputs: 1, Float32: true})
	for i, tree := range trees {
		if e.err != nil {
			break
		}
		var subset []int
		if used != n {
			subset = e.subset(subsets[i], used, n)
		}
		t := p.member(tree, pickle.Global{Module: treeModule, Name: "ExtraTreeRegressor"}, fmt.Sprintf("tree %d", i))
		raw := t.rawTree(t.value("tree_"), shape{features: used, outputs: 1, classes: 1})
		if e.err == nil {
			e.err = t.err
		}
		if e.err == nil {
			depths := raw.depths(e)
			g.single(0)
			g.plant(e, raw, subset, func(to []float64, node int) []float64 {
				return append(to, float64(depths[node])+averagePath(raw.samples[node])-1)
			})
		}
	}
	if e.err != nil {
		return fitted{}, e.err
	}
	denominator := float64(len(trees)) * averagePath(int64(samples))
	missing := atLeast(version, 1, 6) // and nothing is checked (IsolationForest.score_samples)
	m := &methods{classes: []model.Label{"-1", "1"}, decision: &woods{
		forest: g.builder.Forest(), outputs: 1, input: range32{anything: missing},
		finish: func(sums, values []float64) int {
			share := 1.0 // a single sample
			if denominator != 0 {
				share = sums[0] / denominator
			}
			values[0] = -math.Exp2(-share) - offset
			if values[0] < 0 {
				return 0
			}
			return 1
		},
	}}
	return fitted{methods: m, in: n, names: names, features: numbersOrMissing(n, names, missing)}, nil
}

// subset reads the features that one tree was fitted on.
func (e *estimator) subset(v pickle.Value, used, n int) []int {
	a, ok := v.(*pickle.Array)
	if !ok || !slices.Equal(a.Shape, []int{used}) {
		e.wrong("estimators_features_", v, fmt.Sprintf("arrays of %d features", used))
		return nil
	}
	e.spend(used)
	all, err := a.Ints()
	if err != nil {
		e.fail(nextRefit, "estimators_features_: %v", err)
	}
	features := make([]int, len(all))
	for i, feature := range all {
		if feature < 0 || feature >= int64(n) {
			e.fail(nextRefit, "estimators_features_ holds %d of %d features", feature, n)
			return nil
		}
		features[i] = int(feature)
	}
	return features
}

// depths counts for each node the nodes on the way to it, the root and itself
// among them. A child stands behind its parent, as scikit-learn writes trees.
func (t *rawTree) depths(e *estimator) []int {
	depths := make([]int, len(t.left))
	for i := range depths {
		if i == 0 {
			depths[0] = 1
		}
		for _, child := range []int64{t.left[i], t.right[i]} {
			if child == -1 {
				continue
			}
			if child <= int64(i) || child >= int64(len(depths)) {
				e.fail(nextRefit, "node %d of a tree has the child %d of %d nodes", i, child, len(depths))
				return nil
			}
			depths[child] = depths[i] + 1
		}
	}
	return depths
}

// averagePath is _average_path_length of ensemble/_iforest.py: how deep a row
// falls on average in a tree of n samples.
func averagePath(n int64) float64 {
	const euler = 0.577215664901532860606512090082402431
	switch {
	case n <= 1:
		return 0
	case n == 2:
		return 1
	}
	m := float64(n)
	return 2*(math.Log(m-1)+euler) - 2*(m-1)/m
}
