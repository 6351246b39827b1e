package pickle

import (
	"bytes"
	"compress/zlib"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNamesOfNumpyAndScipy reads what both write beside arrays, in the opcodes
// that pickletools.dis shows.
func TestNamesOfNumpyAndScipy(t *testing.T) {
	t.Parallel()
	const object = "cshop.models\nModel\n"
	instance := func(class Global, args []Value, items *Dict) *Object {
		return &Object{Class: class, Args: args, Items: items}
	}
	for _, tt := range []struct {
		name, in string
		want     Value
	}{
		{"defaultdict", "ccollections\ndefaultdict\n(c__builtin__\nlong\ntRK\x01K\x02s.", dict(int64(1), int64(2))},
		{"defaultdict of None", "ccollections\ndefaultdict\n(NtR.", dict()},
		{"Counter", "ccollections\nCounter\n(}K\x01K\x02stR.", dict(int64(1), int64(2))},
		{"empty Counter", "ccollections\nCounter\n)R.", dict()},
		{"named tuple, protocol 0", "ccopy_reg\n_reconstructor\n(" + object + "c__builtin__\ntuple\n(I1\nI2\nttR.",
			instance(model, []Value{int64(1), int64(2)}, nil)},
		{"subclass of dict, protocol 0", "ccopy_reg\n_reconstructor\n(" + object + "c__builtin__\ndict\n(dVa\nI1\nstR.",
			instance(model, nil, dict("a", int64(1)))},
		{"csr_matrix", "cscipy.sparse._csr\ncsr_matrix\n)\x81.", instance(Global{"scipy.sparse._csr", "csr_matrix"}, nil, nil)},
		{"ufunc before numpy 1.20", "cnumpy.core\n_ufunc_reconstruct\n(Vshop.models\nVModel\ntR.", model},
		{"masked array", "cnumpy.ma.core\n_mareconstruct\n(cnumpy.ma\nMaskedArray\ncnumpy\nndarray\n(K\x00tC\x01btR.",
			instance(Global{"numpy.ma.core", "_mareconstruct"}, []Value{Global{"numpy.ma", "MaskedArray"}, Global{"numpy", "ndarray"}, tuple(int64(0)), Bytes("b")}, nil)},
	} {
		got, err := read(tt.in)
		if diff := cmp.Diff(tt.want, got, same); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
	for _, tt := range []struct{ name, in, reason string }{
		{"ufunc of another name", "cnumpy.core\n_ufunc_reconstruct\n(Vos\nVsystem\ntR.", "names os.system"},
		{"ufunc of a number", "cnumpy.core\n_ufunc_reconstruct\n(K\x01Vsystem\ntR.", "a module and a name are expected"},
		{"defaultdict of a list", "ccollections\ndefaultdict\n(]tR.", "at most the name of a function"},
		{"Counter of a list", "ccollections\nCounter\n(]tR.", "a dict is expected"},
		{"named tuple of a stranger's", "ccopy_reg\n_reconstructor\n(" + object + "cshop.models\nModel\n)tR.", "only plain objects"},
		{"subclass of list", "ccopy_reg\n_reconstructor\n(" + object + "c__builtin__\nlist\n]tR.", "only plain objects"},
		{"instance of dict", "ccopy_reg\n_reconstructor\n(c__builtin__\ndict\nc__builtin__\ndict\n}tR.", "makes an instance of the name __builtin__.dict"},
	} {
		wantRefused(t, tt.name, tt.in, tt.reason)
	}
}

// TestManyValuesOfFewBytes unfolds a small file to millions of empty lists.
func TestManyValuesOfFewBytes(t *testing.T) {
	var file bytes.Buffer
	z := zlib.NewWriter(&file)
	for range 64 {
		if _, err := z.Write(bytes.Repeat([]byte("]"), 1<<18)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(&file, Options{})
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "the limit for a file of its size") {
		t.Errorf("refused with %v, want the limit of values", err)
	}
	if grew := after.TotalAlloc - before.TotalAlloc; grew > 160<<20 {
		t.Errorf("a file of 16 kB made us allocate %d bytes", grew)
	}
}
