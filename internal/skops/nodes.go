package skops

import (
	"fmt"
	"strings"

	"serin/internal/pickle"
)

const schemaName = "schema.json"

// mostProtocol is the newest protocol of the format (skops/io/_protocol.py).
const mostProtocol = 2

// Read reads a whole skops file and returns its value. Errors are *pickle.Error,
// whose Container is the entry that they are about. The value's arrays keep
// data: it must not be changed afterwards.
func Read(data []byte, opts pickle.Options) (pickle.Value, error) {
	v, err := read(data, opts.WithDefaults())
	if err != nil {
		return nil, err
	}
	return v, nil
}

func read(data []byte, opts pickle.Options) (pickle.Value, *pickle.Error) {
	left := min(opts.MaxBytes, bombFloor+maxRatio*int64(len(data)))
	files, err := openArchive(data, names, &left, "")
	if err != nil {
		return nil, err
	}
	text, err := files.read(schemaName)
	if err != nil {
		return nil, err
	}
	// A level of values is up to three of JSON: {"content": {"key": {...}}}.
	most := min(opts.MaxObjects, freeNodes+nodesPerByte*len(data))
	root, err := parse(text, most, 3*opts.MaxDepth)
	if err != nil {
		return nil, err
	}
	r := &reader{files: files, opts: opts, seen: map[string]pickle.Value{}, left: most}
	protocol := root.get("protocol")
	if protocol == nil || protocol.kind != '0' || len(protocol.text) != 1 || protocol.text[0] > '0'+mostProtocol {
		return nil, r.refuse(root, "the file is of no protocol that skops had up to 0.16, 0 to %d", mostProtocol)
	}
	v := r.value(root)
	if r.err != nil {
		return nil, r.err
	}
	if err := files.finish(); err != nil {
		return nil, err
	}
	if err := opts.Check(v); err != nil {
		err.Container = schemaName
		return nil, err
	}
	return v, nil
}

// reader turns nodes into values. The first thing that is wrong is kept in err;
// after that every read returns a zero value.
type reader struct {
	files *archive
	opts  pickle.Options
	// seen are the values by their nodes' __id__: nil, of this type, while a node
	// is being read.
	seen map[string]pickle.Value
	left int // rows' items that arrays of objects may still have
	err  *pickle.Error
}

// unfinished stands in seen for a node that is being read.
type unfinished struct{}

func (r *reader) refuse(n *node, format string, args ...any) *pickle.Error {
	return &pickle.Error{Container: schemaName, Offset: n.at, Reason: fmt.Sprintf(format, args...), Next: nextSaveAgain}
}

// fail keeps the refusal of a node.
func (r *reader) fail(n *node, format string, args ...any) pickle.Value {
	if r.err == nil {
		r.err = r.refuse(n, format, args...)
	}
	return nil
}

// keep keeps a refusal that was made elsewhere, with its place.
func (r *reader) keep(n *node, err *pickle.Error) {
	if err != nil && r.err == nil {
		if err.Container == "" {
			err.Container, err.Offset = schemaName, n.at
		}
		r.err = err
	}
}

// value reads a node, or finds it again by its __id__.
func (r *reader) value(n *node) pickle.Value {
	if r.err != nil {
		return nil
	}
	if n == nil || n.kind != '{' {
		if n == nil {
			n = &node{}
		}
		return r.fail(n, "a node is missing where one is needed, or is no object")
	}
	id := n.get("__id__")
	if id != nil && id.kind != '0' {
		return r.fail(n, "a node has an __id__ that is no number")
	}
	if id != nil {
		if v, ok := r.seen[id.text]; ok {
			if v == (unfinished{}) {
				return r.fail(n, "a value contains itself, which no model does")
			}
			return v
		}
		r.seen[id.text] = unfinished{}
	}
	v := r.load(n)
	if id != nil {
		r.seen[id.text] = v
	}
	return v
}

// values reads the nodes of a list.
func (r *reader) values(n *node) []pickle.Value {
	if n == nil || n.kind != '[' {
		r.value(nil)
		return nil
	}
	items := make([]pickle.Value, 0, len(n.items))
	for i := range n.items {
		items = append(items, r.value(&n.items[i]))
	}
	return items
}

// class is the name of a node's class.
func (n *node) class() pickle.Global {
	return pickle.Global{Module: n.str("__module__"), Name: n.str("__class__")}
}

// name is the name of a node's class or function, if a model may mention it.
func (r *reader) name(n *node) pickle.Global {
	g, err := r.opts.Name(n.class())
	r.keep(n, err)
	return g
}

// instance is what claims to be an instance of a class.
func (r *reader) instance(n *node, class pickle.Global, args []pickle.Value, state pickle.Value) *pickle.Object {
	o, err := r.opts.Instance(class, args, state)
	r.keep(n, err)
	return o
}

// plain reports whether a node is of one of Python's own types, or numpy's.
func (n *node) plain(module string, allowed string) bool {
	class := n.class()
	if class.Module != module {
		return false
	}
	for name := range strings.FieldsSeq(allowed) {
		if class.Name == name {
			return true
		}
	}
	return false
}
