package pickle

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
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

// TestManyValuesOfFewBytes: files of millions of empty lists end before they take
// much memory, a small one that unfolds to them and one that says them all.
func TestManyValuesOfFewBytes(t *testing.T) {
	lists := bytes.Repeat([]byte("]"), 16<<20)
	var small bytes.Buffer
	z := zlib.NewWriter(&small)
	_, err := z.Write(lists)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	for _, file := range [][]byte{small.Bytes(), lists} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Read(bytes.NewReader(file), Options{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "bytes of memory") {
			t.Errorf("refused with %v, want the limit of memory", err)
		}
		if grew := after.TotalAlloc - before.TotalAlloc; grew > 256<<20 {
			t.Errorf("a file of %d bytes made us allocate %d bytes", len(file), grew)
		}
	}
}

// TestVocabulary: as many words as a real vectorizer has are no attack.
func TestVocabulary(t *testing.T) {
	t.Parallel()
	const words = 400_000
	file := []byte("\x80\x04}\x94(")
	for i := range words {
		word := fmt.Sprintf("w%06d", i)
		file = append(append(append(file, 0x8c, byte(len(word))), word...), 0x94, 'J')
		file = binary.LittleEndian.AppendUint32(file, uint32(i))
	}
	v, err := Read(bytes.NewReader(append(file, "u."...)), Options{})
	if d, ok := v.(*Dict); !ok || len(d.Entries) != words {
		t.Errorf("got %s, %v; want a dict of %d", Describe(v), err, words)
	}
}
