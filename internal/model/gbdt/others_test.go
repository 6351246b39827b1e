package gbdt

import (
	"errors"
	"math"
	"strings"
	"testing"

	"serin/internal/model"
)

func TestLightGBMRefusals(t *testing.T) {
	t.Parallel()
	refusals(t, "lightgbm.txt", []struct{ name, old, replacement, want string }{
		{"another file", "tree\n", "trees\n", "does not begin"},
		{"linear trees", "is_linear=0", "is_linear=1", "linear_tree"},
		{"unknown objective", "objective=binary", "objective=trinary", `does not know the objective "trinary`},
		{"unknown part", "sigmoid:1", "sigmoid:1 tanh:2", `"tanh:2"`},
		{"no sigmoid", "sigmoid:1", "sigmoid:-1", "sigmoid:-1"},
		{"names missing", "feature_names=a c b", "feature_names=a c", "2 feature names"},
		{"names twice", "feature_names=a c b", "feature_names=a c a", "same name"},
		{"a child too far", "left_child=2 ", "left_child=9 ", "left_child holds"},
		{"a leaf too far", "right_child=1 -3 -4", "right_child=1 -3 -5", "right_child holds"},
		{"a cycle", "left_child=2 ", "left_child=0 ", "tree 0"},
		{"a feature too far", "split_feature=1 2 2", "split_feature=1 2 3", "split_feature holds"},
		{"no number", "threshold=0 0.8", "threshold=0 x.8", "threshold holds"},
		{"a leaf missing", "num_leaves=4", "num_leaves=5", "leaf_value has 4 numbers instead of 5"},
		{"unknown decision", "decision_type=1 2 2", "decision_type=1 2 12", "decision type 12"},
		{"a set too far", "threshold=0 0.8", "threshold=1 0.8", "tests the set 1 of 1"},
		{"half a set", "threshold=0 0.8", "threshold=0.5 0.8", "tests the set 0.5 of 1"},
		{"a set without words", "cat_boundaries=0 1", "cat_boundaries=0 2", "cat_threshold has 1 numbers instead of 2"},
		{"backwards", "cat_boundaries=0 1", "cat_boundaries=2 1", "cat_boundaries goes from 2 to 1"},
		{"a line twice", "num_leaves=4\n", "num_leaves=4\nnum_leaves=5\n", "there twice"},
		{"a header twice", "num_class=1\n", "num_class=1\nnum_class=2\n", "there twice"},
		{"a tree left out", "Tree=0", "Tree=1", "where tree 0 should begin"},
		{"trees missing", "tree_sizes=", "tree_sizes=1 ", "2 trees instead of 3"},
		{"rounds", "num_tree_per_iteration=1", "num_tree_per_iteration=4", "no rounds of 4"},
		{"no end of the trees", "end of trees", "", "is no pair"},
		{"categories of which column", "[categorical_feature: 1]", "[categorical_feature: 0,1]", "cannot tell which"},
		{"codes that are not there", `[["u", "v", "w", "x"]]`, `[["u", "v"]]`, "cannot tell which"},
		{"a category twice", `[["u", "v", "w", "x"]]`, `[["u", "v", "w", "u"]]`, "there twice"},
		{"categories of two kinds", `[["u", "v", "w", "x"]]`, `[["u", "v", "w", 1]]`, "instead of a string"},
	})
}

// TestLightGBMCategories: a category that the model does not know is a missing
// value, as it is to pandas.
func TestLightGBMCategories(t *testing.T) {
	t.Parallel()
	p, err := LoadLightGBM(strings.NewReader(string(small(t, "lightgbm")["lightgbm.txt"])))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Signature()
	if s.Features[1].Kind != model.Text || len(s.Features[1].Known) != 4 || s.Features[0].Kind != model.Number || !s.Features[1].Missing {
		t.Errorf("the features are %+v", s.Features)
	}
	ask := func(text string, code float64) float64 {
		out := model.Answers{Values: make([]float64, 2), Classes: make([]int, 1)}
		if err := p.Predict(model.Rows{N: 1, Numbers: []float64{0, code, 0}, Texts: []string{"", text, ""}}, out); err != nil {
			t.Fatal(err)
		}
		return out.Values[1]
	}
	err = p.Predict(model.Row([]float64{0, 1, 0}), model.Answers{Values: make([]float64, 2), Classes: make([]int, 1)})
	if _, ok := errors.AsType[*model.Unanswerable](err); !ok {
		t.Errorf("a row without texts: %v", err)
	}
	if unknown, missing := ask("gold", 0), ask("", math.NaN()); unknown != missing {
		t.Errorf("an unknown category answers %v, a missing one %v", unknown, missing)
	}
	if known, missing := ask("v", 0), ask("", math.NaN()); known == missing {
		t.Errorf("a known category answers what a missing one does: %v", known)
	}
}

// TestLightGBMRounds: a pickled Booster says how many rounds are used.
func TestLightGBMRounds(t *testing.T) {
	t.Parallel()
	text := string(small(t, "lightgbm")["lightgbm.txt"])
	var answers []float64
	for _, rounds := range []int{0, 1, 2, 100} {
		p, margins, err := LightGBM(strings.NewReader(text), rounds)
		if err != nil {
			t.Fatal(err)
		}
		out := model.Answers{Values: make([]float64, 2), Classes: make([]int, 1)}
		if err := p.Predict(model.Rows{N: 1, Numbers: []float64{0, 0, 0}, Texts: []string{"", "v", ""}}, out); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, out.Values[1])
		sum := model.Answers{Values: make([]float64, 1)}
		if err := margins.Predict(model.Rows{N: 1, Numbers: []float64{0, 0, 0}, Texts: []string{"", "v", ""}}, sum); err != nil {
			t.Fatal(err)
		}
		if p := 1 / (1 + math.Exp(-sum.Values[0])); math.Abs(p-out.Values[1]) > 1e-15 {
			t.Errorf("%d rounds: the margin %v is for %v, not for %v", rounds, sum.Values[0], p, out.Values[1])
		}
	}
	if answers[0] != answers[2] || answers[0] != answers[3] || answers[0] == answers[1] {
		t.Errorf("all, 1, 2 and 100 of 2 rounds answer %v", answers)
	}
}

func TestCatBoostRefusals(t *testing.T) {
	t.Parallel()
	refusals(t, "catboost.json", []struct{ name, old, replacement, want string }{
		{"categories", `{"float_features"`, `{"categorical_features": [{}], "float_features"`, "categorical_features"},
		{"another split", `"split_type": "FloatFeature"`, `"split_type": "OnlineCtr"`, "OnlineCtr"},
		{"unknown loss", `"type": "MultiClass"`, `"type": "RMSEWithUncertainty"`, "RMSEWithUncertainty"},
		{"a threshold of its own", `"model_info": {`, `"model_info": {"binclass_probability_threshold": "0.7", `, "threshold"},
		{"a level too many", `"splits": [`, `"splits": [{"border": 1, "float_feature_index": 0, "split_type": "FloatFeature"}, `, "values for 8 leaves"},
		{"a feature too far", `"float_feature_index": 2`, `"float_feature_index": 3`, "float feature 3 of 3"},
		{"a feature twice", `"flat_feature_index": 1`, `"flat_feature_index": 0`, "not clear"},
		{"unknown missing", `"nan_value_treatment": "AsFalse"`, `"nan_value_treatment": "AsMean"`, "AsMean"},
		{"a class missing", `"class_names": [0, 1, 2]`, `"class_names": [0, 1]`, "2 class names instead of 3"},
		{"classes in another order", `"class_to_label": [0, 1, 2]`, `"class_to_label": [1, 0, 2]`, "not in order"},
		{"a bias missing", `"scale_and_bias": [1, [0, 0, 0]]`, `"scale_and_bias": [1, [0, 0]]`, "2 biases for leaves of 3"},
		{"no scale", `"scale_and_bias": [1, [0, 0, 0]]`, `"scale_and_bias": [null, [0, 0, 0]]`, "instead of a number"},
	})
	refusals(t, "catboost-depthwise.json", []struct{ name, old, replacement, want string }{
		{"half a node", `"right": {`, `"wrong": {`, "right: it is missing"},
		{"a value missing", `"value": [`, `"value": [1, `, "3 values, others have 4"},
	})
}
