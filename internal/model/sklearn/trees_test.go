package sklearn

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/pickle"
)

// treeFiles are models made of trees.
func treeFiles(t testing.TB) map[string][]byte {
	t.Helper()
	return familyFiles(t, "trees", 100)
}

// familyFiles are models of two versions of scikit-learn, from the corpus of all
// formats, at least so many.
func familyFiles(t testing.TB, family string, least int) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, version := range []string{"1.0.2", "1.9.1"} {
		for name, content := range unpacked(t, "../format/testdata/corpus/"+family+"-sklearn-"+version+".zip", ".joblib") {
			files[version+" "+strings.TrimSuffix(name, ".joblib")] = content
		}
	}
	if len(files) < least {
		t.Fatalf("the corpus holds %d models of the family %s, want at least %d", len(files), family, least)
	}
	return files
}

// ask predicts a few rows, among them extreme ones, and fails only by a panic.
func ask(p model.Predictor) {
	s := p.Signature()
	n := len(s.Features)
	for _, v := range []float64{0, 1, -1, 3.5, 1e30, -1e30, math.MaxFloat64, math.Inf(-1), math.NaN()} {
		const rows = 5
		in := model.Rows{N: rows, Numbers: slices.Repeat([]float64{v}, rows*n), Texts: make([]string, rows*n)}
		out := model.Answers{Values: make([]float64, rows*s.Outputs)}
		if s.Task == model.Classification {
			out.Classes = make([]int, rows)
		}
		_ = p.Predict(in, out)
	}
}

// TestDamagedTrees changes bytes of real files, most of which are the arrays of
// nodes: each is refused, or answers without a panic.
func TestDamagedTrees(t *testing.T) {
	t.Parallel()
	files := treeFiles(t)
	rng := rand.New(rand.NewPCG(7, 7))
	refused, served := 0, 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for range 100 {
			content := slices.Clone(files[name])
			for range 1 + rng.IntN(3) {
				content[rng.IntN(len(content))] = byte(rng.Uint32() >> rng.IntN(32))
			}
			p, err := Load(bytes.NewReader(content))
			if err != nil {
				if _, ok := errors.AsType[*model.Refusal](err); !ok {
					t.Fatalf("%s: %v is no refusal", name, err)
				}
				refused++
				continue
			}
			served++
			ask(p)
		}
	}
	if refused < 1000 || served < 1000 {
		t.Errorf("%d files were refused and %d served: the damage is too small or too large to tell anything", refused, served)
	}
}

// FuzzTrees changes one place of a real file.
func FuzzTrees(f *testing.F) {
	files := treeFiles(f)
	names := slices.Sorted(maps.Keys(files))
	f.Add(uint8(0), uint16(3000), []byte{0xff, 0xff, 0xff, 0xff})
	f.Add(uint8(40), uint16(2000), []byte{1, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(_ *testing.T, which uint8, at uint16, bits []byte) {
		content := slices.Clone(files[names[int(which)%len(names)]])
		copy(content[int(at)%len(content):], bits)
		if p, err := Load(bytes.NewReader(content)); err == nil {
			ask(p)
		}
	})
}

func TestTamperedTrees(t *testing.T) {
	t.Parallel()
	files := treeFiles(t)
	for _, tt := range []struct {
		file   string
		change func(t *testing.T, o *pickle.Object)
		reason string
	}{
		{"tree", change("tree_", nil), "tree_ is None instead of a tree"},
		{"tree", change("n_outputs_", int64(2)), "it answers 2 outputs, and serin serves classifiers with one"},
		{"tree", change("n_features_in_", int64(6)), "tree_ is for other rows or other answers than the estimator, which has 6 features"},
		{"tree", change("n_features_in_", int64(1<<20+1)), "it expects 1048577 features, more than 1048576, the limit"},
		{"hist", change("n_features_in_", int64(math.MaxInt32)), "it expects 2147483647 features, more than 1048576"},
		{"tree", change("criterion", int64(1)), "criterion is the number 1 instead of a string"},
		{"tree", inTree("values", nil), "values is None instead of an array"},
		{"tree", inTree("values", &pickle.Array{}), "values is a "},
		{"tree", inTree("nodes", &pickle.Array{}), "nodes is a "},
		{"tree", inTree("categories", nil), `DecisionTreeClassifier tree_: it has the string "categories", which serin does not know`},
		{"tree-regressor", change("n_outputs_", int64(2)), "tree_ is for other rows or other answers"},
		{"tree-two", change("n_outputs_", int64(1)), "tree_ is for other rows or other answers"},
		{"forest", change("estimators_", list()), "estimators_ is a list of 0 instead of a list of trees"},
		{"forest", change("estimators_", list(int64(3))), "RandomForestClassifier tree 0: it is the number 3 instead of a DecisionTreeClassifier"},
		{"isolation", change("offset_", math.NaN()), "offset_ is the number NaN instead of a number"},
		{"isolation", change("estimators_features_", list()), "estimators_features_ is a list of 0 instead of an array of features for each tree"},
		{"isolation-part", change("estimators_features_", list(slices.Repeat([]pickle.Value{"a"}, 8)...)), `estimators_features_ is the string "a" instead of arrays of 3 features`},
		{"isolation", change("_max_features", int64(2)), "estimators_features_ is"},
		{"boosting", change("learning_rate", math.Inf(1)), "learning_rate is the number +Inf instead of a number"},
		{"boosting", change("estimators_", &pickle.Array{Shape: []int{1}}), "instead of an array of trees, 1 a row"},
		{"boosting", change("init_", "mean"), `init_ is the string "mean" instead of "zero" or an estimator`},
		{"boosting", change("_loss", int64(1)), "_loss is the number 1 instead of a loss for 2 classes that serin knows"},
		{"boosting-words", func(_ *testing.T, o *pickle.Object) {
			set(o, "_loss", &pickle.Object{Class: pickle.Global{Module: lossModule + ".loss", Name: "HalfBinomialLoss"}})
		}, "instead of a loss for 3 classes"},
		{"hist", change("_predictors", nil), "_predictors is None instead of a list"},
		{"hist", change("_predictors", list(list())), "_predictors[0] is a list of 0 instead of 1 trees"},
		{"hist", change("_predictors", list(list(int64(1)))), "a tree is the number 1 instead of a TreePredictor"},
		{"hist", change("_baseline_prediction", nil), "_baseline_prediction is None instead of an array"},
		{"hist-codes", change("is_categorical_", nil), "_transformer_to_input_indices is a list of 1 instead of what is_categorical_ says"},
		{"hist-codes", change("_preprocessor", nil), "_bin_mapper"},
		{"hist-codes", change("_preprocessor", "scale"), `_preprocessor is the string "scale" instead of a ColumnTransformer`},
		{"hist-texts", func(t *testing.T, o *pickle.Object) {
			encoder := step(t, attr(t, o, "_preprocessor").(*pickle.Object), "transformers_", 0).Items[1].(*pickle.Object)
			set(encoder, "unknown_value", -1.0)
		}, "_preprocessor encoder: it does not encode what is unknown as NaN"},
		{"hist-texts", func(t *testing.T, o *pickle.Object) {
			encoder := step(t, attr(t, o, "_preprocessor").(*pickle.Object), "transformers_", 0).Items[1].(*pickle.Object)
			set(encoder, "categories_", list())
		}, "_preprocessor encoder: categories_ is a list of 0 instead of a list of an array for each categorical feature"},
		{"hist-texts", func(t *testing.T, o *pickle.Object) {
			numbers := step(t, attr(t, o, "_preprocessor").(*pickle.Object), "transformers_", 1).Items[1].(*pickle.Object)
			set(numbers, "func", pickle.Global{Module: "numpy", Name: "log1p"})
		}, "_preprocessor numerical: func is the name numpy.log1p instead of check_array"},
	} {
		v, err := pickle.Read(bytes.NewReader(files["1.9.1 "+tt.file]), pickle.Options{Allow: allowed})
		if err != nil {
			t.Fatalf("%s: %v", tt.file, err)
		}
		root := v.(*pickle.Object)
		tt.change(t, root)
		wantRefusal(t, tt.file, root, tt.reason)
	}
}

// change sets an attribute of the estimator, inTree one of its tree.
func change(name string, v pickle.Value) func(*testing.T, *pickle.Object) {
	return func(_ *testing.T, o *pickle.Object) { set(o, name, v) }
}

func inTree(name string, v pickle.Value) func(*testing.T, *pickle.Object) {
	return func(t *testing.T, o *pickle.Object) {
		t.Helper()
		set(attr(t, o, "tree_").(*pickle.Object), name, v)
	}
}
