package pickle

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// npyFile is an .npy file with that header, padded as numpy pads it.
func npyFile(version byte, header, elements string) []byte {
	header += strings.Repeat(" ", 63-(11+len(header))%64) + "\n"
	b := []byte("\x93NUMPY" + string([]byte{version, 0}))
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), elements...)
}

func TestReadNPY(t *testing.T) {
	t.Parallel()
	two := string(littleFloats(1.5, -2))
	for name, tt := range map[string]struct {
		file []byte
		want string
		got  func(*Array) (any, error)
		all  any
	}{
		"version 1": {
			npyFile(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", two),
			"a float64 array of shape (2)", func(a *Array) (any, error) { return a.Floats() }, []float64{1.5, -2},
		},
		"version 2, Fortran order": {
			npyFile(2, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }", "\x00\x01\x00\x02\x00\x03\x00\x04"),
			"a >int16 array of shape (2, 2)", func(a *Array) (any, error) { return a.Ints() }, []int64{1, 3, 2, 4},
		},
		"version 3, text": {
			npyFile(3, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", "\xd1\x91\x00\x00"),
			"a U1 array of shape (1)", func(a *Array) (any, error) { return a.Strings() }, []string{"金"},
		},
		"records with a gap": {
			npyFile(1, "{'descr': [('a', '|u1'), ('', '|V3'), ('b', '<f4')], 'fortran_order': False, 'shape': (1,), }", "\x07\xff\xff\xff\x00\x00\x80\x3f"),
			"a record array of shape (1)", func(a *Array) (any, error) {
				b, err := a.Field("b")
				if err != nil {
					return nil, err
				}
				return b.Floats()
			}, []float64{1},
		},
		"a number": {
			npyFile(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }", "\x01"),
			"a bool array of shape ()", func(a *Array) (any, error) { return a.Scalar() }, true,
		},
		"nothing": {
			npyFile(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", ""),
			"a float64 array of shape (0, 3)", func(a *Array) (any, error) { return a.Len(), nil }, 0,
		},
		"Python 2": {
			npyFile(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2L,)}", two),
			"a float64 array of shape (2)", func(a *Array) (any, error) { return a.Len(), nil }, 2,
		},
	} {
		a, refused := ReadNPY(tt.file, Options{})
		if refused != nil {
			t.Errorf("%s: %v", name, refused)
			continue
		}
		got, err := tt.got(a)
		if diff := cmp.Diff(tt.all, got); err != nil || diff != "" || a.String() != tt.want {
			t.Errorf("%s: %v, %v (-want +got):\n%s", name, a, err, diff)
		}
	}
}

func TestHostileNPY(t *testing.T) {
	t.Parallel()
	const good = "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
	eight := string(littleFloats(1))
	in := func(was, is string) []byte { return npyFile(1, strings.Replace(good, was, is, 1), eight) }
	for name, tt := range map[string]struct {
		file   []byte
		reason string
	}{
		"empty":              {nil, "does not begin as numpy writes it"},
		"version 4":          {npyFile(4, good, eight), "does not begin as numpy writes it"},
		"header cut":         {npyFile(1, good, eight)[:40], "claims"},
		"header of 4 GiB":    {[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xffabcd"), "claims 2147483647 bytes"},
		"header of no text":  {in("<f8", "\xff"), "is not text"},
		"too few elements":   {npyFile(1, good, eight[1:]), "an array of 8 bytes is filled with 7"},
		"too many elements":  {npyFile(1, good, eight+"\x00"), "an array of 8 bytes is filled with 9"},
		"objects":            {in("<f8", "|O"), "arrays of dtype |O are not read"},
		"objects of 8 bytes": {in("<f8", "|O8"), "arrays of dtype |O8 are not read"},
		"dates":              {in("<f8", "<M8[ns]"), "arrays of dtype <M8[ns] are not read"},
		"raw bytes":          {in("<f8", "|V8"), "arrays of dtype |V8 are not read"},
		"no order":           {in("<f8", "f8"), "arrays of dtype f8 are not read"},
		"call":               {in("'<f8'", "exec('1')"), "something else where a string is expected"},
		"escape":             {in("<f8", `\x3cf8`), "has an escape"},
		"no end of a string": {in("(1,), }", "(1,), 'a"), "does not end"},
		"another key":        {in("'shape'", "'shapes'"), "which numpy does not write"},
		"a key twice":        {in("'shape'", "'descr'"), "has descr twice"},
		"a key missing":      {in(", 'shape': (1,)", ""), "incomplete"},
		"no order of axes":   {in("False", "Fals"), "incomplete"},
		"negative":           {in("(1,)", "(-1,)"), "as a length"},
		"beyond":             {in("(1,)", "(9223372036854775807, 9223372036854775807)"), "claims more than"},
		"beyond, empty":      {in("(1,)", "(0, 9223372036854775807)"), "claims more than"},
		"33 axes":            {in("(1,)", "("+strings.Repeat("1,", 33)+")"), "a tuple of 33"},
		"text behind":        {in("(1,), }", "(1,), } + 1"), "text follows"},
		"no fields":          {in("'<f8'", "[]"), "no fields"},
		"gaps alone":         {in("'<f8'", "[('', '|V8')]"), "no fields"},
		"a field twice":      {in("'<f8'", "[('a', '<f4'), ('a', '<f4')]"), "the field a twice"},
		"a title":            {in("'<f8'", "[(('t', 'a'), '<f8')]"), "a string is expected"},
		"a shape in records": {in("'<f8'", "[('a', '<f4', (2,))]"), "where ) is expected"},
		"a record in it":     {in("'<f8'", "[('a', [('b', '<f8')])]"), "a string is expected"},
		"a large record":     {in("'<f8'", "[('', '|V60000'), ('', '|V60000'), ('a', '<f8')]"), "too large"},
	} {
		a, refused := ReadNPY(tt.file, Options{})
		if refused == nil || !strings.Contains(refused.Error(), tt.reason) || refused.Next == "" {
			t.Errorf("%s: %v, %v; want %q", name, a, refused, tt.reason)
		}
	}
}

func FuzzReadNPY(f *testing.F) {
	f.Add(npyFile(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", string(littleFloats(1))))
	f.Add(npyFile(2, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }", "\x00\x01\x00\x02\x00\x03\x00\x04"))
	f.Add(npyFile(3, "{'descr': '<U1', 'fortran_order': False, 'shape': (), }", "\xd1\x91\x00\x00"))
	f.Add(npyFile(1, "{'descr': [('a', '|u1'), ('', '|V3'), ('b', '<f4')], 'fortran_order': False, 'shape': (1,), }", "\x07\xff\xff\xff\x00\x00\x80\x3f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, refused := ReadNPY(data, Options{MaxBytes: 1 << 20})
		if refused != nil {
			if refused.Reason == "" || refused.Next == "" {
				t.Fatalf("%q: error %v is no complete refusal", data, refused)
			}
			return
		}
		decodeAnything(t, a)
	})
}
