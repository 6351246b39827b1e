package pickle

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// model is a class that the tests allow.
var model = Global{"shop.models", "Model"}

// testOptions has a smaller budget than the default, so that exhausting it is quick.
func testOptions() Options { return Options{Allow: map[Global]bool{model: true}, MaxObjects: 1 << 18} }

func read(s string) (Value, error) { return Read(strings.NewReader(s), testOptions()) }

// same compares values, NaN equal to itself, the notes of the walk left out.
var same = cmp.Options{
	cmpopts.EquateNaNs(),
	cmpopts.IgnoreUnexported(List{}, Tuple{}, Dict{}, Set{}, Object{}),
	cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 }),
	cmp.Comparer(func(a, b *Array) bool {
		return a.String() == b.String() && a.fortran == b.fortran && string(a.raw) == string(b.raw) && cmp.Equal(a.objects, b.objects)
	}),
	cmp.Comparer(func(a, b *DType) bool { return a.String() == b.String() }),
}

func list(items ...Value) *List   { return &List{Items: items} }
func tuple(items ...Value) *Tuple { return &Tuple{Items: items} }
func dict(pairs ...Value) *Dict {
	d := &Dict{}
	for i := 0; i < len(pairs); i += 2 {
		d.Entries = append(d.Entries, Entry{pairs[i], pairs[i+1]})
	}
	return d
}

// opcodeCases has every opcode at least once; TestOpcodes checks that.
// The bytes are what pickletools.dis shows for the named opcode.
var opcodeCases = []struct {
	ops  string // the opcodes that the case is about
	in   string
	want Value
}{
	{"PROTO STOP NONE", "\x80\x05N.", nil},
	{"FRAME", "\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N.", nil},
	{"NEWTRUE", "\x88.", true},
	{"NEWFALSE", "\x89.", false},
	{"INT", "I-17\n.", int64(-17)},
	{"INT", "I01\n.", true},
	{"INT", "I00\n.", false},
	{"INT", "I99999999999999999999\n.", bigInt("99999999999999999999")},
	{"BININT", "J\xfe\xff\xff\xff.", int64(-2)},
	{"BININT1", "K\xff.", int64(255)},
	{"BININT2", "M\x01\x80.", int64(0x8001)},
	{"LONG", "L-5L\n.", int64(-5)},
	{"LONG1", "\x8a\x00.", int64(0)},
	{"LONG1", "\x8a\x02\x00\x80.", int64(-32768)},
	{"LONG1", "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00.", bigInt("18446744073709551615")},
	{"LONG1", "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\xff.", bigInt("-18446744073709551616")},
	{"LONG4", "\x8b\x01\x00\x00\x00\xff.", int64(-1)},
	{"FLOAT", "F-1.5e3\n.", -1500.0},
	{"FLOAT", "Fnan\n.", math.NaN()},
	{"FLOAT", "F-inf\n.", math.Inf(-1)},
	{"BINFLOAT", "G\x3f\xf8\x00\x00\x00\x00\x00\x00.", 1.5},
	{"STRING", "S'a\\n\\x41\\\\\\''\n.", "a\nA\\'"},
	{"STRING", "S\"\\xff\"\n.", Bytes("\xff")},
	{"BINSTRING", "T\x02\x00\x00\x00ab.", "ab"},
	{"SHORT_BINSTRING", "U\x02a\xe9.", Bytes("a\xe9")},
	{"UNICODE", "Vcaf\xe9 \\u91d1 \\U0001f426 \\u005c\n.", "café 金 🐦 \\"},
	{"BINUNICODE", "X\x03\x00\x00\x00\xe9\x87\x91.", "金"},
	{"SHORT_BINUNICODE", "\x8c\x01a.", "a"},
	{"BINUNICODE8", "\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.", "a"},
	{"BINBYTES", "B\x01\x00\x00\x00\x80.", Bytes("\x80")},
	{"SHORT_BINBYTES", "C\x01\x80.", Bytes("\x80")},
	{"BINBYTES8", "\x8e\x01\x00\x00\x00\x00\x00\x00\x00\x80.", Bytes("\x80")},
	{"BYTEARRAY8", "\x96\x01\x00\x00\x00\x00\x00\x00\x00\x80.", Bytes("\x80")},
	{"EMPTY_LIST APPEND", "]K\x01a.", list(int64(1))},
	{"MARK LIST", "(K\x01K\x02l.", list(int64(1), int64(2))},
	{"APPENDS", "](K\x01K\x02e.", list(int64(1), int64(2))},
	{"EMPTY_TUPLE", ").", tuple()},
	{"TUPLE", "(K\x01N\x88\x89t.", tuple(int64(1), nil, true, false)},
	{"TUPLE1 TUPLE2 TUPLE3", "N\x85N\x86NN\x87.", tuple(tuple(tuple(nil), nil), nil, nil)},
	{"EMPTY_DICT SETITEM", "}\x8c\x01aK\x01s.", dict("a", int64(1))},
	{"DICT", "(\x8c\x01aK\x01d.", dict("a", int64(1))},
	{"SETITEMS", "}(\x8c\x01aK\x01K\x02Nu.", dict("a", int64(1), int64(2), nil)},
	{"EMPTY_SET ADDITEMS", "\x8f(K\x01K\x02\x90.", &Set{Items: []Value{int64(1), int64(2)}}},
	{"FROZENSET", "(K\x01\x91.", &Set{Items: []Value{int64(1)}, Frozen: true}},
	{"POP", "NK\x010.", nil},
	{"POP", "N(0.", nil},
	{"POP_MARK", "N(K\x01K\x021.", nil},
	{"DUP", "]2a0\x88.", true},
	{"PUT GET", "K\x05p1\ng1\n\x86.", tuple(int64(5), int64(5))},
	{"BINPUT BINGET", "K\x05q\x00h\x00\x86.", tuple(int64(5), int64(5))},
	{"LONG_BINPUT LONG_BINGET", "K\x05r\x01\x00\x00\x00j\x01\x00\x00\x00\x86.", tuple(int64(5), int64(5))},
	{"MEMOIZE", "K\x05\x94h\x00\x86.", tuple(int64(5), int64(5))},
	{"GLOBAL", "cshop.models\nModel\n.", model},
	{"STACK_GLOBAL", "\x8c\x0bshop.models\x8c\x05Model\x93.", model},
	{"REDUCE", "cshop.models\nModel\nK\x01\x85R.", &Object{Class: model, Args: []Value{int64(1)}}},
	{"NEWOBJ BUILD", "cshop.models\nModel\n)\x81}\x8c\x01aK\x01sb.", &Object{Class: model, State: dict("a", int64(1))}},
	{"NEWOBJ_EX", "cshop.models\nModel\n)}\x92.", &Object{Class: model}},
	{"INST", "(K\x01ishop.models\nModel\n.", &Object{Class: model, Args: []Value{int64(1)}}},
	{"OBJ", "(cshop.models\nModel\nK\x01o.", &Object{Class: model, Args: []Value{int64(1)}}},
	{"SETITEM", "cshop.models\nModel\n)\x81\x8c\x01aK\x01s.", &Object{Class: model, Items: dict("a", int64(1))}},
}

// refusedOpcodes mean something outside of the file.
var refusedOpcodes = map[string]string{
	"PERSID": "P1\n.", "BINPERSID": "NQ.", "EXT1": "\x82\x01.", "EXT2": "\x83\x01\x00.", "EXT4": "\x84\x01\x00\x00\x00.",
	"NEXT_BUFFER": "\x97.", "READONLY_BUFFER": "N\x98.",
}

func bigInt(digits string) *big.Int {
	v, _ := new(big.Int).SetString(digits, 10)
	return v
}

func TestOpcodes(t *testing.T) {
	t.Parallel()
	covered := map[string]bool{}
	for _, tt := range opcodeCases {
		for name := range strings.FieldsSeq(tt.ops) {
			covered[name] = true
		}
		got, err := read(tt.in)
		if err != nil {
			t.Errorf("%s %q: %v", tt.ops, tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, same); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", tt.ops, tt.in, diff)
		}
	}
	for name, in := range refusedOpcodes {
		covered[name] = true
		wantRefused(t, name, in, name+" refers to ")
	}
	count := 0
	for _, op := range opcodes {
		if op.run == nil {
			continue
		}
		count++
		if !covered[op.name] {
			t.Errorf("no case for opcode %s", op.name)
		}
	}
	if count != 68 { // len(pickletools.opcodes) of Python 3.13
		t.Errorf("the table has %d opcodes, Python has 68", count)
	}
}

// wantRefused checks that in is refused with an *Error that contains reason.
func wantRefused(t *testing.T, name, in, reason string) {
	t.Helper()
	v, err := read(in)
	var refused *Error
	switch {
	case err == nil:
		t.Errorf("%s %q: read as %s, want a refusal", name, in, Describe(v))
	case !errors.As(err, &refused):
		t.Errorf("%s %q: error %v is no *Error", name, in, err)
	case !strings.Contains(refused.Error(), reason):
		t.Errorf("%s %q: refused with %q, want %q", name, in, refused, reason)
	case refused.Next == "" || refused.Reason == "" || refused.Offset < 0 || refused.Container == "" && refused.Offset > int64(len(in)):
		t.Errorf("%s: incomplete refusal %+v", name, refused)
	}
}

// TestKnownNames is what the names that the package knows by itself build.
func TestKnownNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     Value
	}{
		{"bytes of protocol 2", "c_codecs\nencode\n(V\xe9\nVlatin1\ntR.", Bytes("\xe9")},
		{"empty bytes", "c__builtin__\nbytes\n)R.", Bytes("")},
		{"bytearray", "cbuiltins\nbytearray\nC\x01\x07\x85R.", Bytes("\x07")},
		{"bytearray of protocol 0", "cbuiltins\nbytearray\n(V\x07\nVlatin-1\ntR.", Bytes("\x07")},
		{"set", "c__builtin__\nset\n](K\x01K\x02e\x85R.", &Set{Items: []Value{int64(1), int64(2)}}},
		{"frozenset", "cbuiltins\nfrozenset\n](K\x01e\x85R.", &Set{Items: []Value{int64(1)}, Frozen: true}},
		{"complex", "cbuiltins\ncomplex\n(F1\nF-2\ntR.", complex(1, -2)},
		{"slice", "cbuiltins\nslice\n(K\x01K\x02NtR.", &Object{Class: Global{"builtins", "slice"}, Args: []Value{int64(1), int64(2), nil}}},
		{"OrderedDict", "ccollections\nOrderedDict\n)R\x8c\x01aK\x01s.", dict("a", int64(1))},
		{"OrderedDict of Python 2", "ccollections\nOrderedDict\n(]](\x8c\x01aK\x01eatR.", dict("a", int64(1))},
		{"object of protocol 0", "ccopy_reg\n_reconstructor\n(cshop.models\nModel\nc__builtin__\nobject\nNtR.", &Object{Class: model}},
		{"object by __newobj__", "ccopyreg\n__newobj__\n(cshop.models\nModel\nK\x01tR.", &Object{Class: model, Args: []Value{int64(1)}}},
		{"random state", "cnumpy.random._pickle\n__randomstate_ctor\n(VMT19937\ntR}b.", &Object{
			Class: Global{"numpy.random._pickle", "__randomstate_ctor"}, Args: []Value{"MT19937"}, State: dict(),
		}},
	}
	for _, tt := range tests {
		got, err := read(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if diff := cmp.Diff(tt.want, got, same); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAttr(t *testing.T) {
	t.Parallel()
	slots := &Object{State: tuple(nil, dict("b", int64(2)))}
	if v, ok := slots.Attr("b"); !ok || v != int64(2) {
		t.Errorf("attribute of a class with slots: %v, %v", v, ok)
	}
	plain := &Object{State: dict("a", int64(1), "a", int64(3))}
	if v, ok := plain.Attr("a"); !ok || v != int64(3) {
		t.Errorf("a key that was set twice: %v, %v, want the last", v, ok)
	}
	if _, ok := (&Object{}).Attr("a"); ok {
		t.Error("an object without state has an attribute")
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	for v, want := range map[Value]string{
		nil: "None", true: "True", false: "False", int64(3): "the number 3", 2.5: "the number 2.5",
		"l2": `the string "l2"`, Bytes("ab"): "2 raw bytes", model: "the name shop.models.Model",
		Global{"a\nb", strings.Repeat("x", 200)}: `the name "a\nb".` + strings.Repeat("x", 100) + "...",
		list(nil):                                "a list of 1", tuple(): "a tuple of 0", dict(): "a dict of 0", &Set{}: "a set of 0",
		&Object{Class: model}: "an object of class shop.models.Model", bigInt("1"): "a whole number beyond 64 bits",
		complex(1, 1): "a complex number", &DType{Kind: 'f', Size: 4}: "the dtype float32",
		&Array{Shape: []int{1, 5}, Type: DType{Kind: 'f', Size: 8}}: "a float64 array of shape (1, 5)",
	} {
		if got := Describe(v); got != want {
			t.Errorf("Describe = %q, want %q", got, want)
		}
	}
}
