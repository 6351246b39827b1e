package pickle

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

const notExecuted = "nothing was executed"

const huge = "\x00\x00\x00\x00\x00\x00\x00\x10" // 2^60, little-endian

// hostile is what somebody would send who wants code to run, memory to run out,
// or a walk not to end.
var hostile = []struct{ name, in, reason string }{
	// Calls.
	{"GLOBAL REDUCE", "cos\nsystem\n(S'id'\ntR.", "byte 0: the file names os.system, which is not part of a model that serin reads; " + notExecuted},
	{"posix", "cposix\nsystem\n(Vid\ntR.", "names posix.system"},
	{"builtins", "cbuiltins\neval\n(V1\ntR.", "names builtins.eval"},
	{"getattr", "cbuiltins\ngetattr\n.", "names builtins.getattr"},
	{"STACK_GLOBAL", "\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", "names os.system"},
	{"STACK_GLOBAL from the memo", "\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93.", "names os.system"},
	{"STACK_GLOBAL of no strings", "K\x01\x8c\x06system\x93.", "a name is made of the number 1"},
	{"INST", "(S'id'\nios\nsystem\n.", "names os.system"},
	{"OBJ", "(cos\nsystem\nS'id'\no.", "names os.system"},
	{"NEWOBJ", "cos\nsystem\nS'id'\n\x85\x81.", "names os.system"},
	{"NEWOBJ_EX", "csubprocess\nPopen\n)}\x92.", "names subprocess.Popen"},
	{"NEWOBJ_EX of an allowed class", "cshop.models\nModel\n)}\x8c\x01aK\x01s\x92.", "keyword arguments"},
	{"OBJ without class", "(o.", "without a class"},
	{"OBJ of a string", "(\x8c\x02oso.", "makes an instance of the string \"os\""},
	{"INST of a function", "(icopyreg\n_reconstructor\n.", "makes an instance of the name copyreg._reconstructor"},
	{"dotted name", "\x8c\x0bshop.models\x8c\x09os.system\x93.", "names shop.models.os.system"},
	{"dotted module", "cshop.models.Model\n__init__\n.", "names shop.models.Model.__init__"},
	{"name with a space", "cos \nsystem\n.", `names "os ".system`},
	{"call of a type", "cbuiltins\nint\n(K\x01tR.", "calls builtins.int, which a model only mentions; " + notExecuted},
	{"call of a string", "\x8c\x06system)R.", `calls the string "system"; ` + notExecuted},
	{"call of an object", "cshop.models\nModel\n)\x81)R.", "calls an object of class shop.models.Model"},
	{"call without a tuple", "cshop.models\nModel\n]R.", "a list of 0 instead of a tuple"},
	{"_reconstructor of a function", "ccopyreg\n_reconstructor\n(cbuiltins\nint\ncbuiltins\nobject\nNtR.", "makes an instance of the name builtins.int"},
	{"_reconstructor of a list", "ccopyreg\n_reconstructor\n(cshop.models\nModel\ncbuiltins\nlist\n]tR.", "only plain objects"},
	{"BUILD of __setstate__", "cshop.models\nModel\n)\x81}\x8c\x0c__setstate__cbuiltins\nint\nsb.", "sets __setstate__"},
	{"BUILD of __reduce__ in slots", "cshop.models\nModel\n)\x81N}\x8c\x0a__reduce__Ns\x86b.", "sets __reduce__"},
	{"BUILD of a name", "cshop.models\nModel\n}b.", "a state is given to the name shop.models.Model"},
	{"BUILD twice", "cshop.models\nModel\n)\x81}b}b.", "gets its state twice"},
	{"APPEND to an object", "cshop.models\nModel\n)\x81Na.", "as if it were a list"},
	{"codec", "c_codecs\nencode\n(Vx\nVrot13\ntR.", "Latin-1 text is expected"},

	// Sizes that are only claimed.
	{"BYTEARRAY8", "\x96" + huge, "claims more than"},
	{"BINUNICODE8", "\x8d" + huge, "claims more than"},
	{"BINBYTES8", "\x8e" + huge, "claims more than"},
	{"BINBYTES8 of 2^64-1", "\x8e\xff\xff\xff\xff\xff\xff\xff\xff", "claims more than"},
	{"BINUNICODE8 of 1 GiB", "\x8d\x00\x00\x00\x40\x00\x00\x00\x00abc", "ends too early"},
	{"LONG4", "\x8b\xff\xff\xff\x3f\x01", "ends too early"},
	{"LONG4 negative", "\x8b\xff\xff\xff\xff\x01", "claims more than"},
	{"BINSTRING negative", "T\xff\xff\xff\xffab", "claims more than"},
	{"FRAME", "\x80\x04\x95" + huge + "N.", "claims more than"},
	{"FRAME short", "\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00M\x01\x00.", "over the end of its frame"},
	{"FRAME long", "\x80\x04\x95\x09\x00\x00\x00\x00\x00\x00\x00N.", "ends before its frame"},
	{"FRAME in a frame", "\x80\x04\x95\x14\x00\x00\x00\x00\x00\x00\x00\x95\x01\x00\x00\x00\x00\x00\x00\x00N.", "a frame begins inside another one"},
	{"digits", "I" + strings.Repeat("9", 5000) + "\n.", "is no whole number"},

	// The memo and the stack.
	{"memo 2^31", "Nr\x00\x00\x00\x80.", "beyond anything the pickle holds"},
	{"memo of text", "Np99999999999999999999\n.", "is no memo number"},
	{"memo negative", "Np-1\n.", "is no memo number"},
	{"memo unset", "h\x05.", "never set"},
	{"memo gap", "NNNNr\x03\x00\x00\x00h\x01.", "never set"},
	{"memo of nothing", "q\x00.", "the stack is empty"},
	{"empty stack", "a.", "the stack is empty"},
	{"nothing", ".", "the stack is empty"},
	{"mark only", "(.", "the stack is empty"},
	{"below the mark", "N(\x85.", "the stack is empty"},
	{"no mark", "]e.", "no MARK"},
	{"left over", "NN.", "1 values are left over"},
	{"mark left over", "(N.", "left over"},
	{"odd dict", "}(Nu.", "a key without a value"},
	{"list as key", "}]Ns.", "is used as a key"},
	{"set in a set", "\x8f(\x8f\x90.", "is used as a key"},
	{"APPEND to None", "NNa.", "as if it were a list"},
	{"SETITEM on None", "NNNs.", "as if it were a dict"},
	{"ADDITEMS on a frozenset", "(\x91(N\x90.", "as if it were a set"},

	// Walks that would not end.
	{"list in itself", "]q\x00h\x00a.", "contains itself"},
	{"list in its tuple", "]q\x00h\x00\x85a.", "contains itself"},
	{"dict in itself", "}q\x00Nh\x00s.", "contains itself"},
	{"object in its state", "cshop.models\nModel\n)\x81q\x00}\x8c\x01ah\x00sb.", "contains itself"},
	{"deep tuples", ")" + strings.Repeat("\x85", 100000) + ".", "nested more than 256 deep"},
	{"deep lists", strings.Repeat("]", 300) + strings.Repeat("a", 299) + ".", "nested more than 256 deep"},
	{"billion laughs", ")" + strings.Repeat("2\x86", 60) + ".", "more than 262144 steps"},
	{"DUP bomb", "N" + strings.Repeat("2", 300_000), "more than 262144 values"},
	{"MARK bomb", strings.Repeat("(", 300_000), "more than 262144 values"},

	// Things that are no pickle, or more than one.
	{"empty file", "", "byte 0: the file is empty"},
	{"two pickles", "N.N.", "byte 2: more bytes follow the end of the pickle"},
	{"trailing newline", "N.\n", "more bytes follow"},
	{"HTML", "<html>", "does not begin like a pickle or joblib file (its first byte is 0x3c)"},
	{"zip", "PK\x03\x04", "a zip archive"},
	{"unknown opcode", "N\xff.", "byte 1: 0xff is no pickle opcode"},
	{"protocol 6", "\x80\x06N.", "protocol 6 is newer"},
	{"PROTO twice", "\x80\x04\x80\x04N.", "PROTO stands in the middle"},
	{"old joblib", "ZF0x10               ", "one that joblib older than 0.10 wrote"},

	// Text that is none.
	{"bad UTF-8", "\x8c\x02\xff\xfe.", "not UTF-8"},
	{"surrogate", "V\\ud800\n.", "unknown escape"},
	{"half an escape", "V\\u12\n.", "unknown escape"},
	{"lone backslash", "V\\\n.", "unknown escape"},
	{"string without quotes", "Sabc\n.", "not in quotes"},
	{"string with half an escape", "S'\\'\n.", "unknown escape"},
	{"hexadecimal float", "F0x1p-2\n.", "is no number"},
	{"float beyond", "F1e999\n.", "is no number"},
	{"underscored int", "I1_000\n.", "is no whole number"},
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for _, tt := range hostile {
		wantRefused(t, tt.name, tt.in, tt.reason)
	}
}

// TestHostileInEveryProtocol writes os.system the way each protocol would.
func TestHostileInEveryProtocol(t *testing.T) {
	t.Parallel()
	for protocol := range 6 {
		in := "cos\nsystem\nq\x00(X\x02\x00\x00\x00idq\x01tq\x02Rq\x03."
		switch {
		case protocol >= 4:
			body := "\x8c\x02os\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94."
			in = fmt.Sprintf("\x80%c\x95%c\x00\x00\x00\x00\x00\x00\x00%s", protocol, len(body), body)
		case protocol >= 2:
			in = fmt.Sprintf("\x80%c", protocol) + in
		}
		wantRefused(t, fmt.Sprint("protocol ", protocol), in, "names os.system")
	}
}

// TestNoAllocationFromClaims reads files of a few bytes that claim a gigabyte
// and measures what was allocated.
func TestNoAllocationFromClaims(t *testing.T) {
	claims := map[string]string{
		"BINUNICODE8": "\x8d\x00\x00\x00\x40\x00\x00\x00\x00abc",
		"BINBYTES8":   "\x8e\x00\x00\x00\x40\x00\x00\x00\x00abc",
		"BYTEARRAY8":  "\x96\x00\x00\x00\x40\x00\x00\x00\x00abc",
		"BINUNICODE":  "X\x00\x00\x00\x40abc",
		"LONG4":       "\x8b\x00\x00\x00\x40abc",
		"FRAME":       "\x80\x04\x95\x00\x00\x00\x40\x00\x00\x00\x00N",
		"memo":        "Nr\xff\xff\xff\x7f",
		"array":       wrapped("f8", "C", int64(1<<27)) + "abc",
		"empty axes":  wrapped("f8", "C", int64(0), int64(1<<27)) + "abc",
		"text array":  wrapped("U9999", "C", int64(1<<14)) + "abc",
	}
	for name, in := range claims {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := read(in)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: read", name)
		}
		if grew := after.TotalAlloc - before.TotalAlloc; grew > 1<<20 {
			t.Errorf("%s: %d bytes in the file made us allocate %d", name, len(in), grew)
		}
	}
}
