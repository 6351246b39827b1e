package sklearn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/pickle"
)

// tree is a file of the newest corpus, read and not yet judged, for a test to
// change.
func tree(t *testing.T, c *corpus, name string) *pickle.Object {
	t.Helper()
	v, err := pickle.Read(bytes.NewReader(c.files[name]), pickle.Options{Allow: allowed})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v.(*pickle.Object)
}

var logisticClass = pickle.Global{Module: "sklearn.linear_model._logistic", Name: "LogisticRegression"}

// set gives an object's attribute a value; forget takes it away.
func set(o *pickle.Object, name string, v pickle.Value) {
	d := o.State.(*pickle.Dict)
	d.Entries = append(d.Entries, pickle.Entry{Key: name, Value: v})
}

func forget(o *pickle.Object, name string) {
	d := o.State.(*pickle.Dict)
	for i, e := range d.Entries {
		if e.Key == name {
			d.Entries = append(d.Entries[:i], d.Entries[i+1:]...)
			return
		}
	}
}

func attr(t *testing.T, o *pickle.Object, name string) pickle.Value {
	t.Helper()
	v, ok := o.Attr(name)
	if !ok {
		t.Fatalf("%s has no %s", o.Class, name)
	}
	return v
}

// step returns a pipeline's step or a column transformer's part.
func step(t *testing.T, o *pickle.Object, list string, i int) *pickle.Tuple {
	t.Helper()
	return attr(t, o, list).(*pickle.List).Items[i].(*pickle.Tuple)
}

func list(items ...pickle.Value) *pickle.List   { return &pickle.List{Items: items} }
func tuple(items ...pickle.Value) *pickle.Tuple { return &pickle.Tuple{Items: items} }
func dict(key string, v pickle.Value) *pickle.Dict {
	return &pickle.Dict{Entries: []pickle.Entry{{Key: key, Value: v}}}
}

// wantRefusal checks that a changed tree is refused for the reason.
func wantRefusal(t *testing.T, name string, root pickle.Value, reason string) {
	t.Helper()
	_, err := fromValue(root)
	var refusal *model.Refusal
	if !errors.As(err, &refusal) || refusal.Next == "" || !strings.Contains(refusal.Reason, reason) {
		t.Errorf("%s: %v, want %q", name, err, reason)
	}
}

func TestTamperedClassifier(t *testing.T) {
	t.Parallel()
	c := readCorpus(t, newest)
	multi := tree(t, c, "multi.joblib")
	words := attr(t, tree(t, c, "multi-strings.joblib"), "feature_names_in_")
	for _, tt := range []struct {
		attribute string
		value     pickle.Value
		reason    string
	}{
		{"coef_", attr(t, multi, "coef_"), "coef_ is a float64 array of shape (3, 5) instead of an array of shape (1, 5)"},
		{"coef_", attr(t, multi, "classes_"), "coef_ is a int64 array of shape (3)"},
		{"coef_", nil, "coef_ is None instead of an array"},
		{"coef_", list(1.0), "coef_ is a list of 1 instead of an array"},
		{"intercept_", attr(t, multi, "intercept_"), "intercept_ is a float64 array of shape (3) instead of 1 numbers"},
		{"intercept_", math.NaN(), "intercept_ is NaN"},
		{"intercept_", math.Inf(1), "intercept_ is +Inf"},
		{"intercept_", words, "intercept_ is a object array of shape (5) instead of 1 numbers"},
		{"classes_", attr(t, multi, "classes_"), "coef_ is a float64 array of shape (1, 5) instead of an array of shape (3, 5)"},
		{"classes_", attr(t, multi, "coef_"), "classes_ is a float64 array of shape (3, 5) instead of a row"},
		{"classes_", list(int64(0), int64(1)), "classes_ is a list of 2 instead of an array"},
		{"n_features_in_", int64(4), "coef_ is a float64 array of shape (1, 5) instead of an array of shape (1, 4)"},
		{"n_features_in_", int64(0), "n_features_in_ is the number 0 instead of a positive number"},
		{"n_features_in_", int64(math.MaxInt64), "instead of a positive number"},
		{"n_features_in_", "5", `n_features_in_ is the string "5"`},
		{"feature_names_in_", attr(t, multi, "intercept_"), "feature_names_in_: a float64 array of shape (3) holds no text"},
		{"feature_names_in_", list("a"), "feature_names_in_ is a list of 1 instead of an array"},
		{"_sklearn_version", "1", `_sklearn_version is the string "1" instead of a version`},
		{"_sklearn_version", "1.5\n<script>", "instead of a version"},
		{"_sklearn_version", int64(1), "_sklearn_version is the number 1 instead of a string"},
		{"decision", "tree", `it has the string "decision" as an attribute`},
	} {
		root := tree(t, c, "binary.joblib")
		set(root, tt.attribute, tt.value)
		wantRefusal(t, tt.attribute, root, tt.reason)
	}
	old := tree(t, readCorpus(t, "testdata/sklearn-1.5.2.zip"), "multi.joblib")
	set(old, "multi_class", "crammer_singer")
	wantRefusal(t, "multi_class", old, `multi_class is the string "crammer_singer"`)
	forget(old, "multi_class")
	forget(old, "multi_class")
	wantRefusal(t, "multi_class", old, "it has no multi_class")

	doubled := bytes.Replace(c.files["binary-objects.protocol0.pkl"], []byte("Vtenure"), []byte("Vusage"), 1)
	if _, err := Load(bytes.NewReader(doubled)); err == nil || !strings.Contains(err.Error(), `feature_names_in_ holds "usage" twice`) {
		t.Errorf("a feature name twice: %v", err)
	}
	wantRefusal(t, "arguments", &pickle.Object{Class: logisticClass, Args: []pickle.Value{nil}, State: &pickle.Dict{}}, "not as scikit-learn writes it")
	wantRefusal(t, "no state", &pickle.Object{Class: logisticClass}, "not as scikit-learn writes it")
	wantRefusal(t, "no estimator", &pickle.Object{Class: pickle.Global{Module: columnsModule, Name: "make_column_selector"}}, "is no estimator")
	wantRefusal(t, "nothing", nil, "the file holds None, not a fitted estimator")
}

func TestTamperedPipeline(t *testing.T) {
	t.Parallel()
	c := readCorpus(t, newest)
	for _, tt := range []struct {
		name, file string
		change     func(t *testing.T, root *pickle.Object)
		reason     string
	}{
		{"no steps", "pipe-standard", func(_ *testing.T, p *pickle.Object) { set(p, "steps", list()) }, "steps is a list of 0 instead of a list of steps"},
		{"steps as a tuple", "pipe-standard", func(_ *testing.T, p *pickle.Object) { set(p, "steps", tuple()) }, "steps is a tuple of 0"},
		{"a step without a name", "pipe-standard", func(_ *testing.T, p *pickle.Object) { set(p, "steps", list(tuple("a"))) }, "step 1 is a tuple of 1 instead of (name, estimator)"},
		{"a step that is a number", "pipe-standard", func(_ *testing.T, p *pickle.Object) { set(p, "steps", list(tuple("a", int64(3)))) }, `step "a": it is the number 3 instead of an estimator`},
		{"only passthrough", "pipe-standard", func(_ *testing.T, p *pickle.Object) { set(p, "steps", list(tuple("a", "passthrough"))) }, "it does nothing but pass through"},
		{"classifier first", "pipe-standard", func(t *testing.T, p *pickle.Object) {
			last := step(t, p, "steps", 1)
			set(p, "steps", list(last, last))
		}, `step "logisticregression" is an estimator and not the last step`},
		{"unknown attribute of a scaler", "pipe-standard", func(t *testing.T, p *pickle.Object) {
			set(step(t, p, "steps", 0).Items[1].(*pickle.Object), "power", 2.0)
		}, `step "standardscaler" (StandardScaler): it has the string "power" as an attribute`},
		{"with_mean", "pipe-standard", func(t *testing.T, p *pickle.Object) {
			set(step(t, p, "steps", 0).Items[1].(*pickle.Object), "with_mean", "yes")
		}, `with_mean is the string "yes" instead of True or False`},
		{"mean_", "pipe-standard", func(t *testing.T, p *pickle.Object) {
			set(step(t, p, "steps", 0).Items[1].(*pickle.Object), "mean_", nil)
		}, "mean_ is None instead of an array"},
		{"zero scale_", "pipe-standard", func(t *testing.T, p *pickle.Object) {
			zeros := attr(t, tree(t, c, "multi-no-intercept.joblib"), "intercept_")
			scaler := step(t, p, "steps", 0).Items[1].(*pickle.Object)
			set(scaler, "n_features_in_", int64(3))
			set(scaler, "mean_", zeros)
			set(scaler, "scale_", zeros)
		}, "scale_ holds 0 at position 0"},
		{"feature_range", "pipe-minmax-clip", func(t *testing.T, p *pickle.Object) {
			set(step(t, p, "steps", 0).Items[1].(*pickle.Object), "feature_range", tuple(1.0, -1.0))
		}, "feature_range is a tuple of 2 instead of two numbers"},
		{"norm", "pipe-l1", func(t *testing.T, p *pickle.Object) {
			set(step(t, p, "steps", 0).Items[1].(*pickle.Object), "norm", "l3")
		}, `norm is the string "l3" instead of l1, l2 or max`},
	} {
		root := tree(t, c, tt.file+".joblib")
		tt.change(t, root)
		wantRefusal(t, tt.name, root, tt.reason)
	}
}

func TestTamperedColumns(t *testing.T) {
	t.Parallel()
	c := readCorpus(t, newest)
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, columns *pickle.Object)
		reason string
	}{
		{"no parts", func(_ *testing.T, o *pickle.Object) { set(o, "transformers_", list()) }, "it keeps no column"},
		{"all dropped", func(_ *testing.T, o *pickle.Object) {
			set(o, "transformers_", list(tuple("m", "drop", list("discount"))))
		}, "it keeps no column"},
		{"parts as a dict", func(_ *testing.T, o *pickle.Object) { set(o, "transformers_", dict("s", nil)) }, "transformers_ is a dict of 1 instead of a list"},
		{"a part without a name", func(_ *testing.T, o *pickle.Object) { set(o, "transformers_", list(nil)) }, "transformer 1 is None"},
		{"a part without columns", func(_ *testing.T, o *pickle.Object) { set(o, "transformers_", list(tuple("s", "drop"))) }, `part "s" has no columns`},
		{"columns as None", func(_ *testing.T, o *pickle.Object) { set(o, "transformers_", list(tuple("x", "passthrough", nil))) }, `the columns of "x" are None, which are none of its 5`},
		{"columns twice", func(_ *testing.T, o *pickle.Object) {
			set(o, "_transformer_to_input_indices", dict("s", list(int64(4), int64(1))))
		}, `_transformer_to_input_indices tells other columns for "s" than transformers_`},
		{"columns once", func(_ *testing.T, o *pickle.Object) {
			set(o, "_transformer_to_input_indices", dict("m", list(int64(3))))
		}, `tells other columns for "s"`},
		{"columns as a list", func(_ *testing.T, o *pickle.Object) { set(o, "_transformer_to_input_indices", list()) }, "instead of a dict"},
		{"too many columns", func(_ *testing.T, o *pickle.Object) {
			three := list(int64(0), int64(1), int64(2))
			set(o, "transformers_", list(tuple("s", step(t, o, "transformers_", 0).Items[1], three)))
			set(o, "_transformer_to_input_indices", dict("s", three))
		}, `part "s" (StandardScaler): it expects 2 features and the step before it gives 3`},
		{"weights", func(_ *testing.T, o *pickle.Object) { set(o, "transformer_weights", 3.0) }, "transformer_weights is the number 3 instead of a dict"},
		{"weight", func(_ *testing.T, o *pickle.Object) { set(o, "transformer_weights", dict("s", math.NaN())) }, `transformer_weights["s"] is the number NaN`},
		{"a classifier as a part", func(t *testing.T, o *pickle.Object) {
			all := list(int64(0), int64(1), int64(2), int64(3), int64(4))
			set(o, "transformers_", list(tuple("s", tree(t, c, "binary.joblib"), all)))
			set(o, "_transformer_to_input_indices", dict("s", all))
		}, `part "s" is an estimator`},
		{"a function", func(t *testing.T, o *pickle.Object) {
			identity := step(t, o, "transformers_", 2).Items[1].(*pickle.Object)
			set(identity, "func", pickle.Global{Module: "numpy", Name: "float64"})
		}, "it calls the name numpy.float64, and nothing from a file is executed"},
	} {
		root := tree(t, c, "columns-names.joblib")
		tt.change(t, step(t, root, "steps", 0).Items[1].(*pickle.Object))
		wantRefusal(t, tt.name, root, tt.reason)
	}
}

// TestTamperedHistogram gives the nodes of histogram boosting signed numbers
// where scikit-learn has unsigned ones, and makes one of them -1.
func TestTamperedHistogram(t *testing.T) {
	t.Parallel()
	const name, bytesOfNode = "hist-codes.joblib", 56
	c := readCorpus(t, "../format/testdata/corpus/trees-sklearn-1.9.1.zip")
	iteration := attr(t, tree(t, c, name), "_predictors").(*pickle.List).Items[0].(*pickle.List)
	nodes := attr(t, iteration.Items[0].(*pickle.Object), "nodes").(*pickle.Array)
	field := func(name string) []float64 {
		view, err := nodes.Field(name)
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := view.Floats()
		if err != nil {
			t.Fatal(err)
		}
		return numbers
	}
	root := binary.LittleEndian.AppendUint64(nil, math.Float64bits(field("value")[0]))
	root = binary.LittleEndian.AppendUint32(root, uint32(field("count")[0]))
	inner := slices.Index(field("is_categorical"), 1)
	signed := bytes.ReplaceAll(c.files[name], []byte("u4"), []byte("i4"))
	at := bytes.Index(signed, root)
	if inner < 0 || at < 0 {
		t.Fatalf("no category among the nodes, or no nodes: %d, %d", inner, at)
	}
	if _, err := Load(bytes.NewReader(signed)); err != nil {
		t.Fatalf("signed, and nothing else changed: %v", err)
	}
	for field, offset := range map[string]int{"left": 29, "right": 33, "bitset_idx": 52} {
		changed := bytes.Clone(signed)
		copy(changed[at+inner*bytesOfNode+offset:], "\xff\xff\xff\xff")
		_, err := Load(bytes.NewReader(changed))
		if refusal, ok := errors.AsType[*model.Refusal](err); !ok || !strings.Contains(refusal.Reason, fmt.Sprintf("node %d of a tree", inner)) {
			t.Errorf("%s is -1: %v", field, err)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d"}
	slice := func(args ...pickle.Value) *pickle.Object {
		return &pickle.Object{Class: pickle.Global{Module: "builtins", Name: "slice"}, Args: args}
	}
	remainder := &pickle.Object{State: dict("data", list(int64(2)))}
	for _, tt := range []struct {
		spec pickle.Value
		want []int // nil is a refusal
	}{
		{list(), []int{}},
		{list(int64(0), int64(-1), int64(0)), []int{0, 3, 0}},
		{list("d", "a"), []int{3, 0}},
		{list(true, false, false, true), []int{0, 3}},
		{remainder, []int{2}},
		{slice(nil, nil, nil), []int{0, 1, 2, 3}},
		{slice(int64(1), int64(-1), nil), []int{1, 2}},
		{slice(int64(1), int64(99), int64(2)), []int{1, 3}},
		{slice(int64(3), int64(1), nil), []int{}},
		{slice("b", "c", nil), []int{1, 2}},
		{slice("b", nil, nil), []int{1, 2, 3}},
		{nil, nil},
		{"a", nil}, // a single column goes on as a vector, which no scaler takes
		{int64(0), nil},
		{list(int64(4)), nil},
		{list(int64(-5)), nil},
		{list("e"), nil},
		{list(1.5), nil},
		{list(true, false), nil},
		{list(true, false, false, int64(1)), nil},
		{slice(nil, nil), nil},
		{slice(int64(-9), nil, nil), nil},
		{slice(nil, "e", nil), nil},
		{slice(nil, nil, int64(-1)), nil},
		{slice(nil, nil, "1"), nil},
		{&pickle.Object{State: dict("data", nil)}, nil},
	} {
		budget := 1000
		got, ok := (&estimator{budget: &budget}).resolve(tt.spec, len(names), names)
		if ok != (tt.want != nil) || ok && !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", pickle.Describe(tt.spec), got, ok, tt.want)
		}
	}
}

// TestBudget mentions one scaler many times, which costs a file nothing and
// would cost us its numbers each time.
func TestBudget(t *testing.T) {
	t.Parallel()
	root := tree(t, readCorpus(t, newest), "pipe-standard.joblib")
	steps := attr(t, root, "steps").(*pickle.List)
	for range 100 {
		steps.Items = append([]pickle.Value{steps.Items[0]}, steps.Items...)
	}
	budget := 500
	_, err := place{path: "Pipeline", budget: &budget}.estimator(root)
	if err == nil || !strings.Contains(err.Reason, "holds more than") {
		t.Errorf("101 scalers of 10 numbers with a budget of 500: %v", err)
	}
}

// tryLoad demands of any bytes: no panic, a refusal, or a predictor that keeps
// its promises.
func tryLoad(t *testing.T, content []byte) {
	t.Helper()
	p, err := Load(bytes.NewReader(content))
	if err != nil {
		var refusal *model.Refusal
		if !errors.As(err, &refusal) || refusal.Reason == "" || refusal.Next == "" {
			t.Fatalf("error %v is no complete refusal", err)
		}
		return
	}
	s := p.Signature()
	if len(s.Features) < 1 || s.Outputs < 1 || s.Task == model.Classification && len(s.Classes) < 2 || s.Library == "" || s.Estimator == "" {
		t.Fatalf("signature %+v", s)
	}
	if len(s.Features) > 1<<16 {
		return
	}
	row, values := make([]float64, len(s.Features)), make([]float64, s.Outputs)
	for _, v := range []float64{0, 1, -1, 5e-324, math.MaxFloat64, -math.MaxFloat64} {
		for i := range row {
			row[i] = v
		}
		if best, err := predict(p, row, values); err == nil && (best < 0 || s.Classes != nil && best >= len(s.Classes)) {
			t.Fatalf("predicted class %d of %d", best, len(s.Classes))
		}
	}
}

// TestDamage changes every few bytes of files of the oldest and newest version.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"testdata/sklearn-1.0.2.zip", newest} {
		c := readCorpus(t, path)
		for _, name := range []string{"binary-objects.protocol0.pkl", "binary-objects.protocol4.joblib", "columns-nested.joblib", "multi-fortran.joblib"} {
			content := bytes.Clone(c.files[name])
			for i := 0; i < len(content); i += 5 {
				was := content[i]
				for _, b := range []byte{was ^ 1, was ^ 0x80, 0xff, '.'} {
					content[i] = b
					tryLoad(t, content)
				}
				content[i] = was
			}
			for cut := 0; cut < len(content); cut += 7 {
				if _, err := Load(bytes.NewReader(content[:cut])); err == nil {
					t.Errorf("%s cut to %d of %d bytes: loaded", name, cut, len(content))
				}
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, path := range []string{"testdata/sklearn-1.0.2.zip", newest} {
		c := readCorpus(f, path)
		for _, name := range []string{
			"binary-objects.protocol0.pkl", "binary-objects.protocol2.joblib", "binary-objects.protocol5.pkl", "multi-fortran.joblib",
			"columns-nested.joblib", "columns-weights.joblib", "columns-mask.joblib", "pipe-minmax-clip.joblib", "pipe-robust.joblib", "pipe-l2.joblib",
		} {
			f.Add(c.files[name])
		}
	}
	f.Fuzz(tryLoad)
}
