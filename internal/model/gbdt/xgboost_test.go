package gbdt

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
)

// stumps writes a document of XGBoost with trees of two leaves, v and -v, for
// each of some values: x0 < 0 goes to v, and so does a missing value.
type stumps struct {
	version         string // "3,4,1"; default 3,0,0
	objective, base string // default reg:squarederror, 0
	classes         int
	values          []float64
	attributes      string // members of attributes
	more            string // members of the model beside the trees
	drop            string // weights of dart
}

func (s stumps) String() string {
	or := func(text, otherwise string) string {
		if text == "" {
			return otherwise
		}
		return text
	}
	var trees, groups []string
	for i, v := range s.values {
		trees = append(trees, fmt.Sprintf(`{"left_children":[1,-1,-1],"right_children":[2,-1,-1],"split_indices":[0,0,0],
			"split_conditions":[0,%v,%v],"default_left":[1,0,0],"tree_param":{"num_nodes":"3","size_leaf_vector":"1"}}`, v, -v))
		groups = append(groups, fmt.Sprint(i%max(s.classes, 1)))
	}
	gradient := fmt.Sprintf(`{"name":"gbtree","model":{"gbtree_model_param":{"num_parallel_tree":"1"},"tree_info":[%s]%s,"trees":[%s]}}`,
		strings.Join(groups, ","), s.more, strings.Join(trees, ","))
	if s.drop != "" {
		gradient = fmt.Sprintf(`{"name":"dart","gbtree":%s,"weight_drop":[%s]}`, gradient, s.drop)
	}
	return fmt.Sprintf(`{"learner":{"attributes":{%s},"gradient_booster":%s,
		"learner_model_param":{"base_score":%q,"num_class":"%d","num_feature":"1"},"objective":{"name":%q}},"version":[%s]}`,
		s.attributes, gradient, or(s.base, "0"), s.classes, or(s.objective, "reg:squarederror"), or(s.version, "3,0,0"))
}

// answer loads a document and asks it one row.
func answer(t *testing.T, document string, o XGBoostOptions, x ...float64) (values []float64, class int) {
	t.Helper()
	p, err := XGBoost(strings.NewReader(document), o)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Signature()
	out := model.Answers{Values: make([]float64, s.Outputs)}
	if s.Classes != nil {
		out.Classes = make([]int, 1)
	}
	if err := p.Predict(model.Row(x), out); err != nil {
		t.Fatal(err)
	}
	if s.Classes != nil {
		class = out.Classes[0]
	}
	return out.Values, class
}

// TestXGBoostAnswers pins what versions and options change; what the libraries
// answer otherwise is in the corpus of model/format.
func TestXGBoostAnswers(t *testing.T) {
	t.Parallel()
	const minus100 = 3.720076e-44 // 1/(1+exp(100)), which float32 cannot tell from 0 before 1.6
	two := float64(2)
	five := []float64{1, 2, 4, 8, 16}
	tests := []struct {
		name    string
		file    stumps
		options XGBoostOptions
		x       float64
		want    []float64
	}{
		{"below", stumps{values: five}, XGBoostOptions{}, -1, []float64{31}},
		{"not below", stumps{values: five}, XGBoostOptions{}, 0, []float64{-31}},
		{"missing", stumps{values: five}, XGBoostOptions{}, math.NaN(), []float64{31}},
		{"another missing", stumps{values: five}, XGBoostOptions{Missing: &two}, 2, []float64{31}},
		{"not the other missing", stumps{values: five}, XGBoostOptions{Missing: &two}, 3, []float64{-31}},
		{"a row is float32", stumps{values: five}, XGBoostOptions{}, -1e-50, []float64{-31}},
		{"the base is first", stumps{values: []float64{1, 1}, base: "16777216"}, XGBoostOptions{}, -1, []float64{16777216}},
		{"the base is last", stumps{version: "1,2,0", values: []float64{1, 1}, base: "16777216"}, XGBoostOptions{}, -1, []float64{16777218}},
		{"the base of dart is last", stumps{version: "1,3,0", values: []float64{1, 1}, base: "16777216", drop: "1,1"}, XGBoostOptions{}, -1, []float64{16777218}},
		{"dart", stumps{values: []float64{1, 2}, drop: "0.5,0.25"}, XGBoostOptions{}, -1, []float64{1}},
		{"weights beside the trees", stumps{version: "3,4,0", values: []float64{1, 2}, more: `,"weight_drop":[0.5]`}, XGBoostOptions{}, -1, []float64{2.5}},
		{"a base for each output", stumps{version: "3,1,0", objective: "reg:quantileerror", classes: 2, base: "[1E0,2E0]", values: []float64{1, 1}}, XGBoostOptions{}, -1, []float64{2, 3}},
		{"quantiles cross", stumps{version: "3,3,0", objective: "reg:quantileerror", classes: 2, values: []float64{2, 1}}, XGBoostOptions{}, -1, []float64{2, 1}},
		{"quantiles do not cross", stumps{version: "3,4,0", objective: "reg:quantileerror", classes: 2, values: []float64{2, 1}}, XGBoostOptions{}, -1, []float64{1, 2}},
		{"a booster uses all trees", stumps{values: five, attributes: `"best_iteration":"1"`}, XGBoostOptions{}, -1, []float64{31}},
		{"a wrapper stops", stumps{values: five, attributes: `"best_iteration":"1"`}, XGBoostOptions{Best: true}, -1, []float64{3}},
		{"a wrapper's file stops", stumps{values: five, attributes: `"best_iteration":"1","scikit_learn":"{}"`}, XGBoostOptions{}, -1, []float64{3}},
		{"rounds of two trees", stumps{values: five, attributes: `"best_iteration":"1"`, more: `,"iteration_indptr":[0,2,4,5]`}, XGBoostOptions{Best: true}, -1, []float64{15}},
		{"rounds of two trees of 1.5", stumps{version: "1,5,0", values: five, attributes: `"best_iteration":"1","best_ntree_limit":"4"`}, XGBoostOptions{Best: true}, -1, []float64{15}},
		{"a wrapper before 1.4 stops", stumps{version: "1,3,0", values: five, attributes: `"best_iteration":"0"`}, XGBoostOptions{Best: true, Limit: 2}, -1, []float64{3}},
		{"a wrapper's file has another missing", stumps{values: five, attributes: `"scikit_learn":"{\"missing\": -1.0, \"kwargs\": {}}"`}, XGBoostOptions{}, -1, []float64{31}},
		{"or none", stumps{values: five, attributes: `"scikit_learn":"{\"missing\": NaN}"`}, XGBoostOptions{}, 1, []float64{-31}},
		{"a base is a probability", stumps{objective: "reg:logistic", base: "0.25"}, XGBoostOptions{}, -1, []float64{0.25}},
		{"a certain base", stumps{version: "3,2,0", objective: "reg:logistic", base: "0"}, XGBoostOptions{}, -1, []float64{1e-6}},
		{"an improbable class", stumps{version: "1,5,0", objective: "reg:logistic", base: "0.5", values: []float64{-100}}, XGBoostOptions{}, -1, []float64{0}},
		{"an improbable class since 1.6", stumps{version: "1,6,0", objective: "reg:logistic", base: "0.5", values: []float64{-100}}, XGBoostOptions{}, -1, []float64{minus100}},
		{"an exponent", stumps{objective: "count:poisson", base: "2", values: []float64{0}}, XGBoostOptions{}, -1, []float64{2}},
		{"a regressor of probabilities", stumps{objective: "binary:logistic", base: "0.25"}, XGBoostOptions{Regression: true}, -1, []float64{0.25}},
		{"a classifier of them", stumps{objective: "binary:logistic", base: "0.25"}, XGBoostOptions{}, -1, []float64{0.75, 0.25}},
		{"raw before 1.3", stumps{version: "1,2,0", objective: "binary:logitraw", base: "0.75"}, XGBoostOptions{}, -1, []float64{math.Log(3)}},
		{"raw", stumps{version: "1,3,0", objective: "binary:logitraw", base: "0.75"}, XGBoostOptions{}, -1, []float64{0.75}},
	}
	for _, tt := range tests {
		got, class := answer(t, tt.file.String(), tt.options, tt.x)
		near := func(a, b float64) bool {
			return math.Abs(a-b) <= 1e-6*math.Abs(b) || b == minus100 && a > 0 && a < 1e-37
		}
		if !slices.EqualFunc(got, tt.want, near) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if len(got) == 2 && tt.file.objective == "binary:logistic" && class != 0 {
			t.Errorf("%s: class %d", tt.name, class)
		}
	}
}

// TestFormatsAreEqual: JSON and UBJSON of one model answer the same bits.
func TestFormatsAreEqual(t *testing.T) {
	t.Parallel()
	files := small(t, "xgboost")
	for _, c := range []float64{math.NaN(), -1, 0, 1, 2, 3, 4, 40, 2.5, -0.5, 1e9} {
		for _, a := range []float64{math.NaN(), -1, 0.2, 3} {
			fromText, class := answer(t, string(files["xgboost.json"]), XGBoostOptions{}, a, c, -a)
			fromBytes, again := answer(t, string(files["xgboost.ubj"]), XGBoostOptions{}, a, c, -a)
			if !slices.Equal(fromText, fromBytes) || class != again {
				t.Errorf("(%v, %v): %v and %v", a, c, fromText, fromBytes)
			}
		}
	}
}

// refusals loads files with one place changed.
func refusals(t *testing.T, file string, tests []struct{ name, old, replacement, want string }) {
	t.Helper()
	prefix := file[:strings.IndexAny(file, ".-")]
	data := small(t, file)[file]
	for _, tt := range tests {
		if !bytes.Contains(data, []byte(tt.old)) {
			t.Errorf("%s: %s has no %s", tt.name, file, tt.old)
			continue
		}
		_, err := loaders[prefix](bytes.NewReader(bytes.Replace(data, []byte(tt.old), []byte(tt.replacement), 1)))
		refusal, ok := errors.AsType[*model.Refusal](err)
		if !ok || !strings.Contains(refusal.Reason, tt.want) || refusal.Next == "" {
			t.Errorf("%s: %v, want a refusal that says %q", tt.name, err, tt.want)
		}
	}
}

func TestXGBoostRefusals(t *testing.T) {
	t.Parallel()
	refusals(t, "xgboost.json", []struct{ name, old, replacement, want string }{
		{"no objective", `"objective":{"name":`, `"objective":{"nome":`, "learner.objective.name: it is missing"},
		{"unknown objective", `"multi:softprob"`, `"reg:expectileerror"`, "does not know its objective"},
		{"many questions", `"multi:softprob"`, `"binary:logistic"`, "answers 3 questions at once"},
		{"a cycle", `"left_children":[1,3`, `"left_children":[1,0`, "tree 0: node 1 has a child that is another's, or the root"},
		{"two parents", `"left_children":[1,3`, `"left_children":[1,5`, "has a child that is another's"},
		{"a child too far", `"left_children":[1,3`, `"left_children":[1,7`, "whole number from 0 to 6"},
		{"half a child", `"left_children":[1,3`, `"left_children":[1,2.5`, "whole number"},
		{"a feature too far", `"split_indices":[2,`, `"split_indices":[3,`, "feature 3 of 3"},
		{"short arrays", `"right_children":[2,4,`, `"right_children":[4,`, "6 numbers instead of 7"},
		{"a wrong count", `"num_nodes":"7"`, `"num_nodes":"8"`, "7 nodes and claims 8"},
		{"vectors in leaves", `"size_leaf_vector":"1"`, `"size_leaf_vector":"2"`, "multi_output_tree"},
		{"no categories", `"categories_sizes":[2]`, `"categories_sizes":[0]`, "has no categories"},
		{"categories too far", `"categories_sizes":[2]`, `"categories_sizes":[3]`, "whole number from 0 to 2"},
		{"a category too large", `"categories":[1,3]`, `"categories":[1,99999999]`, "categories"},
		{"a negative category", `"categories":[1,3]`, `"categories":[1,-3]`, "categories"},
		{"an undeclared split", `"split_type":[0,1`, `"split_type":[1,1`, "split type"},
		{"no leaf's value", `4.114286E-1,7.0786506E-2,-7.663455E-9,-2.1063831E-1],"split_indices"`, `NaN,7.0786506E-2,-7.663455E-9,-2.1063831E-1],"split_indices"`, "NaN"},
		{"an output too far", `"tree_info":[0,1,2]`, `"tree_info":[0,1,3]`, "whole number from 0 to 2"},
		{"weights missing", `"weight_drop":[1E0,1E0,1E0]`, `"weight_drop":[1E0,1E0]`, "2 weights for 3 trees"},
		{"a base that cannot be", `"base_score":"5E-1"`, `"base_score":"[1,2]"`, "2 numbers for 3 outputs"},
		{"a base that is no number", `"base_score":"5E-1"`, `"base_score":"half"`, "instead of numbers"},
		{"names missing", `"feature_names":["a","c","b"]`, `"feature_names":["a","c"]`, "2 feature names for 3 features"},
		{"names twice", `"feature_names":["a","c","b"]`, `"feature_names":["a","c","a"]`, "same name"},
		{"no features", `"num_class":"3","num_feature":"3"`, `"num_class":"3","num_feature":"0"`, "no features"},
		{"too many classes", `"num_class":"3","num_feature"`, `"num_class":"99999","num_feature"`, "num_class"},
		{"not JSON", `"version":[3,0,5]`, `"version":[3,0,5`, "byte"},
		{"something behind", `"version":[3,0,5]}`, `"version":[3,0,5]}{}`, "follows the end"},
		{"a name twice", `"version":[3,0,5]}`, `"version":[3,0,5],"version":[3,0,5]}`, "duplicate"},
	})
	refusals(t, "xgboost.deprecated", []struct{ name, old, replacement, want string }{
		{"another booster", "gbtree", "gbtwig", "its booster is"},
		{"another objective", "binary:logistic", "binary:acoustic", "does not know its objective"},
	})
}

// TestWrappersFile: a file that a wrapper saved before 1.6 has its labels.
func TestWrappersFile(t *testing.T) {
	t.Parallel()
	for labels, want := range map[string][]model.Label{
		`[\"no\",\"yes\"]`: {`"no"`, `"yes"`},
		`[1,2.5]`:          {"1", "2.5"},
		`[1,2,3]`:          nil,
	} {
		file := stumps{version: "1,5,0", objective: "binary:logistic", base: "0.5", values: []float64{1}, attributes: `"scikit_learn":"{\"_le\":{\"classes_\":` + labels + `}}"`}
		p, err := LoadXGBoost(strings.NewReader(file.String()))
		if want == nil && (err == nil || !strings.Contains(err.Error(), "3 classes instead of 2")) {
			t.Errorf("%s: %v", labels, err)
		}
		if want != nil && (err != nil || !slices.Equal(p.Signature().Classes, want)) {
			t.Errorf("%s: %v, %v", labels, p, err)
		}
	}
}

// TestUnseenCategories16: where 1.6 sent them another way, the file is refused.
func TestUnseenCategories16(t *testing.T) {
	t.Parallel()
	file := strings.Replace(string(small(t, "xgboost.json")["xgboost.json"]), `"version":[3,0,5]`, `"version":[1,6,2]`, 1)
	if _, err := LoadXGBoost(strings.NewReader(file)); err != nil {
		t.Errorf("where it is the same way: %v", err)
	}
	file = strings.Replace(file, `"default_left":[0,1,0`, `"default_left":[0,0,0`, 1)
	if _, err := LoadXGBoost(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), "XGBoost 1.6") {
		t.Errorf("where it is another: %v", err)
	}
}

// TestUnseenCategories: XGBoost's own re-coder takes no value that it does not know.
func TestUnseenCategories(t *testing.T) {
	t.Parallel()
	file := stumps{values: []float64{1}, more: `,"cats":{"enc":[{"offsets":[0,1,3],"values":[120,-61,-87]}]}`}.String()
	p, err := LoadXGBoost(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if f := p.Signature().Features[0]; f.Kind != model.Text || !slices.Equal(f.Known, []model.Label{`"x"`, `"é"`}) {
		t.Errorf("the feature is %+v", f)
	}
	ask := func(text string, number float64) (float64, error) {
		out := model.Answers{Values: make([]float64, 1)}
		err := p.Predict(model.Rows{N: 1, Numbers: []float64{number}, Texts: []string{text}}, out)
		return out.Values[0], err
	}
	if v, err := ask("é", 0); v != -1 || err != nil {
		t.Errorf("é answers %v, %v", v, err)
	}
	if v, err := ask("", math.NaN()); v != 1 || err != nil {
		t.Errorf("a missing value answers %v, %v", v, err)
	}
	if _, err := ask("y", 0); err == nil || err.Error() != `the value "y" was not among those the model was fitted on` {
		t.Errorf("y: %v", err)
	}
}
