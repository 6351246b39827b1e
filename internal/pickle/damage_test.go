package pickle

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// realOptions allow what the files in testdata name. They are a few of the
// files of model/sklearn/testdata, written by real scikit-learn.
func realOptions() Options {
	o := Options{Allow: map[Global]bool{}}
	for _, name := range []string{"StandardScaler", "MinMaxScaler"} {
		o.Allow[Global{"sklearn.preprocessing._data", name}] = true
	}
	o.Allow[Global{"sklearn.linear_model._logistic", "LogisticRegression"}] = true
	o.Allow[Global{"sklearn.pipeline", "Pipeline"}] = true
	o.Allow[Global{"sklearn.compose._column_transformer", "ColumnTransformer"}] = true
	o.Allow[Global{"sklearn.preprocessing._function_transformer", "FunctionTransformer"}] = true
	return o
}

func realFiles(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/sklearn-*")
	if err != nil || len(paths) < 8 {
		t.Fatalf("found %d files in testdata, want 8: %v", len(paths), err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = content
	}
	return files
}

// samples are small pickles that are read, of every kind.
func samples() []string {
	var all []string
	for _, tt := range opcodeCases {
		all = append(all, tt.in)
	}
	dtype := pickledDType("f8", ">", -1)
	objects := plain(pickledDType("O8", "|", -1), false, "](NK\x01e", 2) + "."
	records := pickledRecord(24, 16, [3]string{"x", dtype, "K\x0f"}, [3]string{"y", pickledDType("i4", "<", -1), "K\x04"})
	return append(all,
		plain(dtype, true, rawBytes(littleFloats(1, 2)), 2)+".",
		wrapper(dtype, "F", 2, 1)+pickledText("numpy_array_alignment_bytes")+"K\x10sb\x02\xff\xff"+string(littleFloats(1, 2))+".",
		wrapper(pickledDType("O8", "|", -1), "C", 2)+"b"+objects+".",
		plain(pickledDType("U2", "<", 8), false, rawBytes(make([]byte, 8)), 1)+".",
		plain(records, true, rawBytes(make([]byte, 48)), 1, 2)+".",
	)
}

func TestRealFiles(t *testing.T) {
	t.Parallel()
	for name, content := range realFiles(t) {
		v, err := Read(bytes.NewReader(content), realOptions())
		if object, ok := v.(*Object); !ok || err != nil {
			t.Errorf("%s: %v, %v", name, Describe(v), err)
		} else if _, ok := object.Attr("_sklearn_version"); !ok {
			t.Errorf("%s: %s without its version", name, Describe(v))
		}
	}
}

// TestTruncation cuts at every byte: what is not whole is refused.
func TestTruncation(t *testing.T) {
	t.Parallel()
	var all [][]byte
	for _, s := range samples() {
		all = append(all, []byte(s))
	}
	for _, content := range realFiles(t) {
		all = append(all, content)
	}
	opts := realOptions()
	opts.Allow[model] = true
	for _, content := range all {
		for cut := range content {
			v, err := Read(bytes.NewReader(content[:cut]), opts)
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%.40q cut to %d of %d bytes: %s, %v", content, cut, len(content), Describe(v), err)
			}
		}
	}
}

// TestMutation changes every byte of every small sample, to every value in the
// smallest of them.
func TestMutation(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		content := []byte(s)
		step := 1
		if len(content) > 64 {
			step = 63
		}
		for i, was := range content {
			for b := 0; b < 256; b += step {
				content[i] = byte(b)
				readAnything(t, content, testOptions())
			}
			content[i] = was
		}
	}
}

func TestMutationOfRealFiles(t *testing.T) {
	t.Parallel()
	opts := realOptions()
	for _, content := range realFiles(t) {
		for i := 0; i < len(content); i += 3 {
			content[i] ^= 1 << (i % 8)
			readAnything(t, content, opts)
			content[i] ^= 1 << (i % 8)
		}
	}
}

// readAnything demands of any bytes: no panic, a value or an *Error, and a value
// that can be walked, described and decoded.
func readAnything(t *testing.T, content []byte, opts Options) {
	t.Helper()
	opts.MaxBytes, opts.MaxObjects = 1<<20, 1<<16
	v, err := Read(bytes.NewReader(content), opts)
	if err != nil {
		refused, ok := errors.AsType[*Error](err)
		if !ok || refused.Reason == "" || refused.Next == "" {
			t.Fatalf("%q: error %v is no complete *Error", content, err)
		}
		return
	}
	steps := 0
	var walk func(v Value)
	walk = func(v Value) {
		if steps++; steps > opts.MaxObjects {
			t.Fatalf("%q: a walk takes more steps than the budget", content)
		}
		if Describe(v) == "" {
			t.Fatalf("%q: a value without a description", content)
		}
		if a, ok := v.(*Array); ok {
			decodeAnything(t, a)
		}
		if _, children := inside(v); children != nil {
			for child := range children {
				walk(child)
			}
		}
	}
	walk(v)
}

// decodeAnything demands that each accessor gives all elements or an error.
func decodeAnything(t *testing.T, a *Array) {
	t.Helper()
	check := func(n int, err error) {
		if err == nil && n != a.Len() {
			t.Fatalf("%v: %d elements decoded of %d", a, n, a.Len())
		}
	}
	for _, name := range a.Type.Names() {
		field, err := a.Field(name)
		if err != nil {
			t.Fatalf("%v: field %q: %v", a, name, err)
		}
		decodeAnything(t, field)
	}
	floats, err := a.Floats()
	check(len(floats), err)
	ints, err := a.Ints()
	check(len(ints), err)
	bools, err := a.Bools()
	check(len(bools), err)
	words, err := a.Strings()
	check(len(words), err)
	objects, err := a.Objects()
	check(len(objects), err)
	count := 1
	for _, n := range a.Shape {
		count *= n
	}
	if count != a.Len() {
		t.Fatalf("%v has %d elements", a, a.Len())
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range samples() {
		f.Add([]byte(s))
	}
	for _, tt := range hostile {
		if len(tt.in) < 1<<10 {
			f.Add([]byte(tt.in))
		}
	}
	for _, content := range realFiles(f) {
		f.Add(content)
	}
	opts := realOptions()
	opts.Allow[model] = true
	f.Fuzz(func(t *testing.T, content []byte) { readAnything(t, content, opts) })
}
