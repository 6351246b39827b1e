package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
)

// The size of the forest that makes a request dear: so many trees of so many
// levels, each walked for each row.
const (
	forestTrees  = 300
	forestLevels = 8
)

// forests are the files of the stable version and of the canary.
var forests = [...]string{"forest_v1.json", "forest_v2.json"}

// writeForest writes a boosted forest over five numbers, as XGBoost would, with
// random splits. Of different seeds it has different answers.
func writeForest(file string, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 1))
	trees, classes := make([]map[string]any, forestTrees), make([]int, forestTrees)
	for i := range trees {
		trees[i] = tree(random)
		trees[i]["id"] = i
	}
	type fields = map[string]any
	text, err := json.Marshal(fields{"version": []int{3, 0, 5}, "learner": fields{
		"attributes": fields{}, "feature_names": []string{}, "feature_types": []string{},
		"objective":           fields{"name": "binary:logistic", "reg_loss_param": fields{"scale_pos_weight": "1"}},
		"learner_model_param": fields{"base_score": "5E-1", "boost_from_average": "1", "num_class": "0", "num_feature": "5", "num_target": "1"},
		"gradient_booster": fields{"name": "gbtree", "model": fields{
			"gbtree_model_param": fields{"num_parallel_tree": "1", "num_trees": strconv.Itoa(forestTrees)},
			"tree_info":          classes, "trees": trees,
		}},
	}})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing a forest: %w", err)
	}
	return nil
}

// tree is a full one. Below node i are 2i+1 and 2i+2.
func tree(random *rand.Rand) map[string]any {
	const nodes, inner = 1<<(forestLevels+1) - 1, 1<<forestLevels - 1
	ints := func(of func(i int) int) []int {
		all := make([]int, nodes)
		for i := range all {
			all[i] = of(i)
		}
		return all
	}
	child := func(side int) func(int) int {
		return func(i int) int {
			if i < inner {
				return 2*i + side
			}
			return -1
		}
	}
	zero := func(int) int { return 0 }
	conditions, zeros := make([]float64, nodes), make([]float64, nodes)
	for i := range conditions {
		conditions[i] = random.NormFloat64()
		if i >= inner { // a leaf's value
			conditions[i] /= 100
		}
	}
	return map[string]any{
		"left_children": ints(child(1)), "right_children": ints(child(2)),
		"parents": ints(func(i int) int {
			if i == 0 {
				return 1<<31 - 1
			}
			return (i - 1) / 2
		}),
		"split_indices": ints(func(int) int { return random.IntN(5) }), "split_type": ints(zero), "default_left": ints(zero),
		"split_conditions": conditions, "base_weights": conditions, "loss_changes": zeros, "sum_hessian": zeros,
		"categories": []int{}, "categories_nodes": []int{}, "categories_segments": []int{}, "categories_sizes": []int{},
		"tree_param": map[string]string{"num_deleted": "0", "num_feature": "5", "num_nodes": strconv.Itoa(nodes), "size_leaf_vector": "1"},
	}
}
