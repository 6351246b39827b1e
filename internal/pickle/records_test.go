package pickle

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pickledRecord is a structured dtype of so many bytes as numpy writes it. Each
// field is its name, its pickled dtype and its offset, in opcodes.
func pickledRecord(size, flags int64, fields ...[3]string) string {
	names, entries := "(", "}("
	for _, f := range fields {
		names += pickledText(f[0])
		entries += pickledText(f[0]) + f[1] + f[2] + "\x86"
	}
	return "cnumpy\ndtype\n(" + pickledText("V24") + "\x89\x88tR" +
		"(K\x03" + pickledText("|") + "N" + names + "t" + entries + "u" + pickledInts(size, 1, flags) + "tb"
}

// TestRecords reads what testdata/records.py wrote.
func TestRecords(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"records-protocol0.pkl", "records-protocol2.pkl", "records-protocol5.pkl", "records.joblib"} {
		content, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Read(bytes.NewReader(content), Options{})
		arrays, ok := v.(*Dict)
		if err != nil || !ok {
			t.Fatalf("%s: %s, %v", name, Describe(v), err)
		}
		field := func(array, field string) *Array {
			v, _ := arrays.Get(array)
			a, err := v.(*Array).Field(field)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return a
		}
		for _, order := range []string{"c", "f"} {
			left, err1 := field(order, "left").Ints()
			feature, err2 := field(order, "feature").Ints()
			threshold, err3 := field(order, "threshold").Floats()
			missing, err4 := field(order, "missing").Ints()
			got := []any{left, feature, threshold, missing, err1, err2, err3, err4}
			want := []any{[]int64{-1, 0, 1, 2, 3, 4}, []int64{0, 7, 14, 21, 28, 35}, []float64{0, 0.25, 0.5, 0.75, 1, 1.25}, []int64{0, 1, 0, 1, 0, 1}, nil, nil, nil, nil}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", name, order, diff)
			}
		}
		flag, err1 := field("aligned", "flag").Bools()
		x, err2 := field("aligned", "x").Floats()
		if !cmp.Equal(flag, []bool{true, false}) || !cmp.Equal(x, []float64{1.5, -2}) || err1 != nil || err2 != nil {
			t.Errorf("%s: aligned: %v %v, %v %v", name, flag, x, err1, err2)
		}
		empty := field("empty", "threshold")
		if numbers, err := empty.Floats(); len(numbers) != 0 || err != nil || empty.Len() != 0 || !cmp.Equal(empty.Shape, []int{0, 3}) {
			t.Errorf("%s: empty: %v %v, %v", name, empty, numbers, err)
		}
	}
}

func TestHostileRecords(t *testing.T) {
	t.Parallel()
	f8, u1 := pickledDType("f8", "<", -1), pickledDType("u1", "|", -1)
	good := pickledRecord(24, 16, [3]string{"x", f8, "K\x10"})
	if v, err := read(good + "."); err != nil || Describe(v) != "the dtype record" || !cmp.Equal(v.(*DType).Names(), []string{"x"}) {
		t.Fatalf("the record that is changed below: %s, %v", Describe(v), err)
	}
	array := plain(good, false, rawBytes(make([]byte, 48)), 2) + "."
	records := readArray(t, array)
	if _, err := records.Field("y"); err == nil {
		t.Error("a field that is not there: no error")
	}
	for name, decode := range map[string]func() error{
		"floats":  func() error { _, err := records.Floats(); return err },
		"ints":    func() error { _, err := records.Ints(); return err },
		"strings": func() error { _, err := records.Strings(); return err },
		"objects": func() error { _, err := records.Objects(); return err },
	} {
		if decode() == nil {
			t.Errorf("records as %s: no error", name)
		}
	}
	for _, tt := range []struct{ name, in, reason string }{
		{"no state", "cnumpy\ndtype\n(" + pickledText("V24") + "\x89\x88tR", "an array is not as numpy writes it"},
		{"no fields", pickledRecord(24, 16), "0 names for 0 fields"},
		{"beyond the end", pickledRecord(24, 16, [3]string{"x", f8, "K\x11"}), "the field x of a structured dtype is the dtype float64 at the number 17, in a record of 24 bytes"},
		{"before the beginning", pickledRecord(24, 16, [3]string{"x", f8, "J\xff\xff\xff\xff"}), "at the number -1"},
		{"no offset", pickledRecord(24, 16, [3]string{"x", f8, "N"}), "at None"},
		{"no dtype", pickledRecord(24, 16, [3]string{"x", "N", "K\x00"}), "is None at the number 0"},
		{"objects", pickledRecord(24, 16, [3]string{"x", pickledDType("O8", "|", -1), "K\x00"}), "is the dtype object"},
		{"text", pickledRecord(24, 16, [3]string{"x", pickledDType("U1", "<", -1), "K\x00"}), "is the dtype U1"},
		{"records in records", pickledRecord(24, 16, [3]string{"x", good, "K\x00"}), "is the dtype record"},
		{"another size", pickledRecord(23, 16, [3]string{"x", f8, "K\x00"}), "not as numpy writes it"},
		{"flags of objects", pickledRecord(24, 63, [3]string{"x", f8, "K\x00"}), "not as numpy writes it"},
		{"a name twice", pickledRecord(24, 16, [3]string{"x", f8, "K\x00"}, [3]string{"x", u1, "K\x08"}), "the field x twice"},
		{"too large", strings.Replace(good, "\x03\x00\x00\x00V24", "\x06\x00\x00\x00V99999", 1), "arrays of dtype V99999 are not read"},
		{"too few bytes", plain(good, false, rawBytes(make([]byte, 24)), 2), "an array of 48 bytes is filled with 24 raw bytes"},
	} {
		in := tt.in
		if tt.name != "too few bytes" {
			in = plain(tt.in, false, rawBytes(make([]byte, 48)), 2)
		}
		wantRefused(t, tt.name, in+".", tt.reason)
	}
}
