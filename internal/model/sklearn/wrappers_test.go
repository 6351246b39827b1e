package sklearn

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/pickle"
)

// wrapperFiles are joblib files of XGBoost's and LightGBM's wrappers, from the
// corpus of all formats.
func wrapperFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, environment := range []string{"0b", "4"} {
		for name, content := range unpacked(t, "../format/testdata/corpus/gbdt-gbdt-"+environment+".zip", ".joblib") {
			files[strings.TrimSuffix(name, ".joblib")+" "+environment] = content
		}
	}
	if len(files) < 30 {
		t.Fatalf("the corpus holds %d wrappers, want at least 30", len(files))
	}
	return files
}

func TestTamperedWrappers(t *testing.T) {
	t.Parallel()
	files := wrapperFiles(t)
	read := func(name string) *pickle.Object {
		v, err := pickle.Read(bytes.NewReader(files[name]), pickle.Options{Allow: allowed})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return v.(*pickle.Object)
	}
	for _, tt := range []struct{ name, file, attribute, reason string }{
		{"of your own", "xgb-classifier 4", "mine", `it has the string "mine" as an attribute`},
		{"a prediction parameter", "lgb-classifier 4", "pred_early_stop", `it has the string "pred_early_stop"`},
		{"no booster", "xgb-classifier 4", "_Booster", "_Booster is the string"},
		{"no missing", "xgb-classifier 4", "missing", "missing is the string"},
		{"no label encoder", "xgb-classifier-words 0b", "_le", "_le is the string"},
		{"no classes", "xgb-classifier 4", "classes_", "classes_ is the string"},
	} {
		root := read(tt.file)
		set(root, tt.attribute, "binary:logitraw")
		wantRefusal(t, tt.name, root, tt.reason)
	}

	unfitted := read("xgb-classifier 4")
	forget(unfitted, "_Booster")
	wantRefusal(t, "unfitted", unfitted, "it is not fitted: it has no _Booster")

	others := read("lgb-classifier-words 4")
	set(others, "_le", attr(t, read("xgb-classifier-words 0b"), "_le"))
	if _, err := fromValue(others); err != nil {
		t.Errorf("another encoder of as many classes: %v", err)
	}
	others = read("lgb-classifier 4")
	set(others, "_le", attr(t, read("xgb-classifier-words 0b"), "_le"))
	wantRefusal(t, "an encoder of more classes", others, "it has 3 classes and its booster 2")

	regressor := read("xgb-classifier 4")
	set(regressor, "_Booster", attr(t, read("xgb-regressor 4"), "_Booster"))
	wantRefusal(t, "a regressor's booster", regressor, "its booster is a regression")

	parameter := read("lgb-classifier 4")
	set(parameter, "_other_params", &pickle.Dict{Entries: []pickle.Entry{{Key: "verbose", Value: int64(-1)}, {Key: "predict_raw_score", Value: true}}})
	set(parameter, "predict_raw_score", true)
	wantRefusal(t, "a parameter of predict", parameter, `it has the string "predict_raw_score"`)

	for name, handle := range map[string]string{"xgb-classifier 4": "handle", "lgb-classifier 4": "_handle"} {
		for _, content := range []pickle.Value{nil, "", pickle.Bytes("tree"), "tree\n", int64(7)} {
			root := read(name)
			set(attr(t, root, "_Booster").(*pickle.Object), handle, content)
			wantRefusal(t, name, root, "ooster")
		}
	}
}

// TestDamagedWrappers changes bytes of real files: each is refused, or answers
// without a panic.
func TestDamagedWrappers(t *testing.T) {
	t.Parallel()
	files := wrapperFiles(t)
	rng := rand.New(rand.NewPCG(3, 9))
	refused, served := 0, 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for range 50 {
			content := slices.Clone(files[name])
			for range 1 + rng.IntN(3) {
				content[rng.IntN(len(content))] = byte(rng.Uint32() >> rng.IntN(32))
			}
			p, err := Load(bytes.NewReader(content))
			if _, ok := errors.AsType[*model.Refusal](err); ok {
				refused++
				continue
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			ask(p)
			served++
		}
	}
	if refused < 100 || served < 100 {
		t.Errorf("%d damaged files were refused and %d served: the test no longer tests both", refused, served)
	}
}
