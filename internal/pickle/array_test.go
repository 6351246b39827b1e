package pickle

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Pieces of numpy's pickles, in protocol 2 opcodes.

func pickledInts(items ...int64) string {
	var b strings.Builder
	for _, i := range items {
		b.WriteString("\x8a\x08")
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	}
	return b.String()
}

func pickledText(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// pickledDType is dtype(code) with its byte order and element size as state; the
// size is -1 where numpy does not tell it.
func pickledDType(code, order string, size int64) string {
	alignment, flags := int64(-1), int64(0)
	switch code[0] {
	case 'O':
		flags = 63
	case 'U':
		alignment, flags = 4, 8
		if n, err := strconv.ParseInt(code[1:], 10, 64); err == nil && size == -1 {
			size = 4 * n
		}
	}
	return "cnumpy\ndtype\n(" + pickledText(code) + "\x89\x88tR" +
		"(K\x03" + pickledText(order) + "NNN" + pickledInts(size, alignment, flags) + "tb"
}

// plain is an array as numpy pickles it itself.
func plain(dtype string, fortran bool, elements string, dims ...int64) string {
	flag := "\x89"
	if fortran {
		flag = "\x88"
	}
	return "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR" +
		"(K\x01(" + pickledInts(dims...) + "t" + dtype + flag + elements + "tb"
}

func rawBytes(b []byte) string {
	return "B" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(b)))) + string(b)
}

// wrapped is joblib's wrapper of an array, up to the point where its elements
// follow, without padding.
func wrapped(code, order string, dims ...int64) string {
	return wrapper(pickledDType(code, "<", -1), order, dims...) + "b"
}

func wrapper(dtype, order string, dims ...int64) string {
	return "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" +
		pickledText("subclass") + "cnumpy\nndarray\n" +
		pickledText("shape") + "(" + pickledInts(dims...) + "t" +
		pickledText("order") + pickledText(order) +
		pickledText("dtype") + dtype + "u"
}

func littleFloats(values ...float64) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func readArray(t *testing.T, in string) *Array {
	t.Helper()
	v, err := read(in)
	if err != nil {
		t.Fatalf("%q: %v", in, err)
	}
	a, ok := v.(*Array)
	if !ok {
		t.Fatalf("%q: read as %s, want an array", in, Describe(v))
	}
	return a
}

func TestElementTypes(t *testing.T) {
	t.Parallel()
	big := binary.BigEndian
	little := binary.LittleEndian
	tests := []struct {
		code, order string
		raw         []byte
		want        []float64
	}{
		{"f8", "<", littleFloats(1.5, math.Inf(-1)), []float64{1.5, math.Inf(-1)}},
		{"f8", ">", big.AppendUint64(nil, math.Float64bits(-2.5)), []float64{-2.5}},
		{"f4", "<", little.AppendUint32(nil, math.Float32bits(0.1)), []float64{float64(float32(0.1))}},
		{"f4", ">", big.AppendUint32(nil, math.Float32bits(7)), []float64{7}},
		// IEEE 754 half: 1.5, smallest subnormal, largest, -inf, NaN.
		{"f2", "<", []byte{0x00, 0x3e, 0x01, 0x00, 0xff, 0x7b, 0x00, 0xfc, 0x01, 0x7c}, []float64{1.5, 0x1p-24, 65504, math.Inf(-1), math.NaN()}},
		{"f2", ">", []byte{0xc0, 0x00}, []float64{-2}},
		{"i1", "|", []byte{0x80, 0x7f}, []float64{-128, 127}},
		{"u1", "|", []byte{0x80}, []float64{128}},
		{"i2", "<", []byte{0xfe, 0xff}, []float64{-2}},
		{"i2", ">", []byte{0xff, 0xfe}, []float64{-2}},
		{"u2", ">", []byte{0xff, 0xfe}, []float64{65534}},
		{"i4", "<", []byte{0xfe, 0xff, 0xff, 0xff}, []float64{-2}},
		{"u4", "<", []byte{0xfe, 0xff, 0xff, 0xff}, []float64{4294967294}},
		{"i8", ">", big.AppendUint64(nil, math.MaxUint64), []float64{-1}},
		{"u8", "<", little.AppendUint64(nil, math.MaxUint64), []float64{0x1p64}},
		{"b1", "|", []byte{1, 0}, []float64{1, 0}},
	}
	for _, tt := range tests {
		count := int64(len(tt.want))
		dtype := pickledDType(tt.code, tt.order, -1)
		for how, in := range map[string]string{
			"pickle": plain(dtype, false, rawBytes(tt.raw), count) + ".",
			"joblib": wrapper(dtype, "C", count) + "b" + string(tt.raw) + ".",
		} {
			got, err := readArray(t, in).Floats()
			if diff := cmp.Diff(tt.want, got, same); err != nil || diff != "" {
				t.Errorf("%s%s by %s: %v (-want +got):\n%s", tt.order, tt.code, how, err, diff)
			}
		}
	}
}

func TestScalars(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		code string
		raw  string
		want Value
	}{
		{"f8", string(littleFloats(2.5)), 2.5},
		{"i8", "\xfe\xff\xff\xff\xff\xff\xff\xff", int64(-2)},
		{"u8", "\xff\xff\xff\xff\xff\xff\xff\xff", bigInt("18446744073709551615")},
		{"b1", "\x01", true},
		{"U2", "\xd1\x91\x00\x00\x00\x00\x00\x00", "金"},
	} {
		for _, module := range []string{"numpy.core.multiarray", "numpy._core.multiarray"} {
			in := "c" + module + "\nscalar\n(" + pickledDType(tt.code, "<", -1) + rawBytes([]byte(tt.raw)) + "tR."
			if got, err := read(in); err != nil || !cmp.Equal(got, tt.want, same) {
				t.Errorf("scalar %s: %v, %v, want %v", tt.code, got, err, tt.want)
			}
		}
	}
}

// TestOrders reads the same 2 x 3 x 2 numbers in both orders and by every way.
func TestOrders(t *testing.T) {
	t.Parallel()
	want := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	var turned []float64 // first index fastest
	for k := range 2 {
		for j := range 3 {
			for i := range 2 {
				turned = append(turned, float64(i*6+j*2+k))
			}
		}
	}
	dtype := pickledDType("f8", "<", -1)
	shape := "(" + pickledInts(2, 3, 2) + "t"
	buffer := func(raw []byte, order string) string {
		return "cnumpy._core.numeric\n_frombuffer\n(\x96" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(raw)))) +
			string(raw) + dtype + shape + pickledText(order) + "tR."
	}
	for name, in := range map[string]string{
		"C by pickle":     plain(dtype, false, rawBytes(littleFloats(want...)), 2, 3, 2) + ".",
		"F by pickle":     plain(dtype, true, rawBytes(littleFloats(turned...)), 2, 3, 2) + ".",
		"C by joblib":     wrapper(dtype, "C", 2, 3, 2) + "b" + string(littleFloats(want...)) + ".",
		"F by joblib":     wrapper(dtype, "F", 2, 3, 2) + "b" + string(littleFloats(turned...)) + ".",
		"C by protocol 5": buffer(littleFloats(want...), "C"),
		"F by protocol 5": buffer(littleFloats(turned...), "F"),
		"joblib with padding": wrapper(dtype, "C", 2, 3, 2) + pickledText("numpy_array_alignment_bytes") + "K\x10s" + "b" +
			"\x03\xff\xff\xff" + string(littleFloats(want...)) + ".",
	} {
		a := readArray(t, in)
		got, err := a.Floats()
		if diff := cmp.Diff(want, got); err != nil || diff != "" || !cmp.Equal(a.Shape, []int{2, 3, 2}) {
			t.Errorf("%s: %v %v (-want +got):\n%s", name, a, err, diff)
		}
	}
}

func TestTextAndObjects(t *testing.T) {
	t.Parallel()
	text := func(order binary.AppendByteOrder, words ...string) []byte {
		var b []byte
		for _, w := range words {
			runes := append([]rune(w), 0, 0, 0)[:3]
			for _, r := range runes {
				b = order.AppendUint32(b, uint32(r))
			}
		}
		return b
	}
	words := []string{"yes", "", "金🐦"}
	objects := "](" + pickledText("yes") + pickledText("") + pickledText("金🐦") + "e"
	nested := "\x80\x02" + plain(pickledDType("O8", "|", -1), false, objects, 3) + "."
	for name, in := range map[string]string{
		"U little":           plain(pickledDType("U3", "<", 12), false, rawBytes(text(binary.LittleEndian, words...)), 3) + ".",
		"U big":              plain(pickledDType("U3", ">", 12), false, rawBytes(text(binary.BigEndian, words...)), 3) + ".",
		"objects":            plain(pickledDType("O8", "|", -1), false, objects, 3) + ".",
		"objects by joblib":  wrapper(pickledDType("O8", "|", -1), "C", 3) + "b" + nested + ".",
		"objects, F, pickle": plain(pickledDType("O8", "|", -1), true, objects, 3) + ".",
	} {
		got, err := readArray(t, in).Strings()
		if diff := cmp.Diff(words, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestArrayAccessors(t *testing.T) {
	t.Parallel()
	floats := readArray(t, wrapped("f8", "C", 1)+string(littleFloats(1))+".")
	if _, err := floats.Ints(); err == nil {
		t.Error("floats as whole numbers: no error")
	}
	if _, err := floats.Bools(); err == nil {
		t.Error("floats as booleans: no error")
	}
	if _, err := floats.Strings(); err == nil {
		t.Error("floats as strings: no error")
	}
	if _, err := floats.Objects(); err == nil {
		t.Error("floats as objects: no error")
	}
	large := readArray(t, wrapped("u8", "C", 1)+"\xff\xff\xff\xff\xff\xff\xff\xff.")
	if _, err := large.Ints(); err == nil {
		t.Error("2^64-1 as int64: no error")
	}
	extended := readArray(t, wrapped("f16", "C", 1)+strings.Repeat("\x00", 16)+".")
	if _, err := extended.Floats(); err == nil {
		t.Error("a float of 128 bits as float64: no error")
	}
	mixed := readArray(t, plain(pickledDType("O8", "|", -1), false, "](K\x01e", 1)+".")
	if _, err := mixed.Strings(); err == nil {
		t.Error("an array with a number as strings: no error")
	}
	if v, err := mixed.Objects(); err != nil || len(v) != 1 || v[0] != int64(1) {
		t.Errorf("objects: %v, %v", v, err)
	}
	if none := readArray(t, wrapped("f8", "C", 0, 3)+"."); none.Len() != 0 {
		t.Errorf("an empty array has %d elements", none.Len())
	}
	if one := readArray(t, wrapped("f8", "C")+string(littleFloats(4))+"."); one.Len() != 1 {
		t.Errorf("an array without axes has %d elements", one.Len())
	}
	bools, err := readArray(t, wrapped("b1", "C", 2)+"\x01\x00.").Bools()
	if err != nil || !cmp.Equal(bools, []bool{true, false}) {
		t.Errorf("booleans: %v, %v", bools, err)
	}
	notText := readArray(t, wrapped("U1", "C", 1)+"\xff\xff\xff\x7f.")
	if _, err := notText.Strings(); err == nil {
		t.Error("text beyond Unicode: no error")
	}
}

func TestHostileArrays(t *testing.T) {
	t.Parallel()
	f8 := pickledDType("f8", "<", -1)
	object := pickledDType("O8", "|", -1)
	eight := rawBytes(littleFloats(1))
	inObjects := func(inner string) string { return wrapper(object, "C", 1) + "b" + inner + "." }
	frame := "\x80\x04\x95\xff\x00\x00\x00\x00\x00\x00\x00"
	for _, tt := range []struct{ name, in, reason string }{
		{"shape 2^60", wrapped("f8", "C", 1<<60), "claims more than"},
		{"shape 2^60 empty", wrapped("f8", "C", 0, 1<<60), "claims more than"},
		{"product overflows", wrapped("f8", "C", 1<<40, 1<<40), "claims more than"},
		{"product wraps to 0", wrapped("f8", "C", 1<<32, 1<<32), "claims more than"},
		{"negative shape", wrapped("f8", "C", -1), "an array has the number -1 as a length"},
		{"two negatives", wrapped("f8", "C", -1, -1), "as a length"},
		{"33 axes", wrapped("f8", "C", make([]int64, 33)...), "an array's shape is a tuple of 33"},
		{"objects 2^60", wrapper(object, "C", 1<<60) + "b", "claims more than"},
		{"cut elements", wrapped("f8", "C", 2) + "12345678", "ends too early"},
		{"order K", wrapped("f8", "K", 1), "description of an array is incomplete"},
		{"matrix", strings.Replace(wrapped("f8", "C", 1), "cnumpy\nndarray", "cnumpy\nfloat64", 1), "arrays of the name numpy.float64"},
		{"no dtype", strings.Replace(wrapped("f8", "C", 1), "dtype", "ctype", 1), "incomplete"},
		{"in a frame", frame + wrapped("f8", "C", 1) + string(littleFloats(1)) + ".", "in the middle of a frame"},
		{"too few bytes", plain(f8, false, eight, 2) + ".", "an array of 16 bytes is filled with 8 raw bytes"},
		{"too many bytes", plain(f8, false, eight, 0) + ".", "an array of 0 bytes is filled with 8 raw bytes"},
		{"filled twice", plain(f8, false, eight, 1) + "Nb.", "not as numpy writes it"},
		{"never filled", "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR.", "announced and never filled"},
		{"subclass", "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nmemmap\n(K\x00tC\x01btR.", "an empty plain ndarray is expected"},
		{"too few objects", plain(object, false, "]", 1) + ".", "an array of 1 objects is filled with a list of 0"},
		{"dtype S", plain(pickledDType("S3", "|", 3), false, rawBytes([]byte("abc")), 1) + ".", "arrays of dtype S3 are not read"},
		{"dtype V", pickledDType("V8", "|", 8) + ".", "a structured dtype is not as numpy writes it"},
		{"dtype M8", pickledDType("M8", "<", 8) + ".", "arrays of dtype M8 are not read"},
		{"dtype f3", pickledDType("f3", "<", 3) + ".", "arrays of dtype f3 are not read"},
		{"dtype U0", pickledDType("U0", "<", 0) + ".", "arrays of dtype U0 are not read"},
		{"dtype U huge", pickledDType("U999999999", "<", 4) + ".", "are not read"},
		{"dtype of another size", pickledDType("f8", "<", 4) + ".", "the size, alignment and flags of a dtype are not those of float64"},
		{"dtype alone", "cnumpy\ndtype\n(" + pickledText("f8") + "tR.", "three arguments are expected"},
		{"dtype aligned", "cnumpy\ndtype\n(" + pickledText("f8") + "\x88\x88tR.", "an unaligned type code is expected"},
		{"dtype O9", pickledDType("O9", "|", -1) + ".", "arrays of dtype O9 are not read"},
		{"dtype of no order", pickledDType("f8", "?", -1) + ".", "as its byte order"},
		{"dtype twice", pickledDType("f8", "<", -1) + "Nb.", "not as numpy writes it"},
		{"fields in a number", "cnumpy\ndtype\n(" + pickledText("f8") + "\x89\x88tR(K\x03" + pickledText("<") + "N)}K\x08K\x08K\x00tb.", "a dtype of float64 has fields or a shape"},
		{"scalar of objects", "cnumpy.core.multiarray\nscalar\n(" + object + "NtR.", "numbers or text is expected"},
		{"scalar too long", "cnumpy.core.multiarray\nscalar\n(" + f8 + rawBytes(make([]byte, 16)) + "tR.", "an array of 8 bytes is filled with 16 raw bytes"},
		{"buffer of objects", "cnumpy.core.numeric\n_frombuffer\n(" + rawBytes(nil) + object + "(K\x00t" + pickledText("C") + "tR.", "numbers or text is expected"},

		{"os.system in an object array", inObjects("\x80\x02cos\nsystem\nS'id'\n\x85R."), "names os.system"},
		{"a list in an object array", inObjects("]."), "an array of objects is announced and a list of 0 follows"},
		{"other shape in an object array", inObjects(plain(object, false, "](NNe", 2) + "."), "another shape than announced"},
		{"other axes in an object array", inObjects(plain(object, false, "](Ne", 1, 1) + "."), "with 1 axes and has 2"},
		{"outer memo from an object array", "Nq\x000" + inObjects("h\x00."), "never set"},
		{"joblib array in an object array", inObjects(wrapped("f8", "C", 1) + string(littleFloats(1)) + "."), "no pickle opcode"},
		{"bomb in an object array", inObjects("N" + strings.Repeat("2", 300_000)), "more than 262144 values"},
		{"depth in an object array", inObjects(plain(object, false, "]("+strings.Repeat("]", 300)+strings.Repeat("a", 299)+"e", 1) + "."), "nested more than"},
		{"array in itself", "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btRq\x00" +
			"(K\x01(K\x01t" + object + "\x89]h\x00atb.", "contains itself"},
	} {
		wantRefused(t, tt.name, tt.in, tt.reason)
	}
}

// BenchmarkRead100MB reads the size that a large forest has.
func BenchmarkRead100MB(b *testing.B) {
	const count = 100 << 20 / 8
	in := wrapped("f8", "C", count) + string(make([]byte, 8*count)) + "."
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		v, err := read(in)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := v.(*Array).Floats(); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleRead() {
	v, err := Read(strings.NewReader("\x80\x04]\x94(K\x01\x8c\x03two\x94e."), Options{})
	fmt.Println(Describe(v), err)
	_, err = Read(strings.NewReader("cos\nsystem\n(S'id'\ntR."), Options{})
	fmt.Println(err)
	// Output:
	// a list of 2 <nil>
	// byte 0: the file names os.system, which is not part of a model that serin reads; nothing was executed. Save the fitted model alone with joblib.dump(model, path). Do not open the file in Python if you do not trust where it came from: Python would run what it names.
}
