package pickle

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
)

// Value is what a pickle holds. Its dynamic type is one of
//
//	nil                  None
//	bool                 True, False, numpy.bool_
//	int64, *big.Int      int (a big.Int only where int64 is too small), numpy integers
//	float64, complex128  float, complex, numpy floats
//	string               str, and the ASCII strings of Python 2
//	Bytes                bytes, bytearray
//	*List *Tuple *Dict *Set
//	Global               a class or function that is mentioned, never called
//	*Object              an instance of an allowed class
//	*Array, *DType       numpy's ndarray and dtype
//
// Every one of them is comparable, so == between two Values cannot panic.
// Values may be shared between several places of a result and must not be
// changed.
type Value any

// Bytes are immutable raw bytes.
type Bytes string

// List is a Python list.
type List struct {
	Items []Value
	node
}

// Tuple is a Python tuple.
type Tuple struct {
	Items []Value
	node
}

// Set is a Python set or frozenset, in the order of the file.
type Set struct {
	Items  []Value
	Frozen bool
	node
}

// Dict is a Python dict or OrderedDict. Entries are in the order of the file; a
// key that was set twice is there twice, and the last one counts.
type Dict struct {
	Entries []Entry
	node
}

// Entry is one key of a Dict with its value.
type Entry struct{ Key, Value Value }

// Get returns the value of a string key.
func (d *Dict) Get(key string) (Value, bool) {
	if d == nil {
		return nil, false
	}
	for _, e := range slices.Backward(d.Entries) {
		if e.Key == key {
			return e.Value, true
		}
	}
	return nil, false
}

// Global is the name of a class or function.
type Global struct{ Module, Name string }

func (g Global) String() string { return shown(g.Module) + "." + shown(g.Name) }

// Object claims to be an instance of Class. Args are what its constructor
// would have been called with, State what its __setstate__ or __dict__ would
// have got. State is nil where the file gives none.
type Object struct {
	Class Global
	Args  []Value
	State Value
	// Items are the keys that were set on the object itself, as a subclass of
	// dict has them; nil for other objects.
	Items *Dict
	built bool
	node
}

// Attr returns an attribute from the object's state: a dict, or the pair
// (dict or None, slots) that Python writes for classes with __slots__.
func (o *Object) Attr(name string) (Value, bool) {
	switch state := o.State.(type) {
	case *Dict:
		return state.Get(name)
	case *Tuple:
		for _, item := range state.Items {
			if d, ok := item.(*Dict); ok {
				if v, ok := d.Get(name); ok {
					return v, true
				}
			}
		}
	}
	return nil, false
}

// Describe says in a few words what v is, for messages: `the string "l2"`,
// "a list of 3", "a float64 array of shape (1, 5)".
func Describe(v Value) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return "the number " + strconv.FormatInt(v, 10)
	case *big.Int:
		return "a whole number beyond 64 bits"
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case complex128:
		return "a complex number"
	case string:
		return "the string " + strconv.Quote(cut(v))
	case Bytes:
		return fmt.Sprintf("%d raw bytes", len(v))
	case *List:
		return fmt.Sprintf("a list of %d", len(v.Items))
	case *Tuple:
		return fmt.Sprintf("a tuple of %d", len(v.Items))
	case *Set:
		return fmt.Sprintf("a set of %d", len(v.Items))
	case *Dict:
		return fmt.Sprintf("a dict of %d", len(v.Entries))
	case Global:
		return "the name " + v.String()
	case *Object:
		return "an object of class " + v.Class.String()
	case *Array:
		return v.String()
	case *DType:
		return "the dtype " + v.String()
	default:
		return fmt.Sprintf("a %T", v)
	}
}

// shown makes a name from a file fit for a message: short, and quoted where it
// is not plain text.
func shown(name string) string {
	name = cut(name)
	for _, r := range name {
		if r <= ' ' || r == '"' || r == 0x7f || r > 0x7f && !strconv.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}

func cut(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
