package skops

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"

	"serin/internal/pickle"
)

// load reads a node by its loader, the name of a class in skops/io.
func (r *reader) load(n *node) pickle.Value {
	content := n.get("content")
	switch loader := n.str("__loader__"); loader {
	case "JsonNode":
		return r.json(n, content)
	case "DictNode":
		return r.dict(n, content)
	case "DefaultDictNode":
		r.value(content.get("default_factory"))
		return r.value(content.get("main"))
	case "ListNode":
		if !n.plain("builtins", "list") {
			return r.fail(n, "a list is of the class %s", n.class())
		}
		return &pickle.List{Items: r.values(content)}
	case "SetNode":
		if !n.plain("builtins", "set frozenset") {
			return r.fail(n, "a set is of the class %s", n.class())
		}
		return &pickle.Set{Items: r.values(content), Frozen: n.class().Name == "frozenset"}
	case "TupleNode":
		if n.plain("builtins", "tuple") {
			return &pickle.Tuple{Items: r.values(content)}
		}
		return r.instance(n, n.class(), r.values(content), nil) // a named tuple
	case "ObjectNode":
		return r.object(n, content)
	case "TreeNode", "LossNode", "SGDNode":
		return r.reduced(n, content)
	case "ConstructorFromReduceNode":
		return r.instance(n, n.class(), r.items(n, content), nil)
	case "PartialNode":
		state := &pickle.Tuple{}
		for _, part := range []string{"func", "args", "kwds", "namespace"} {
			state.Items = append(state.Items, r.value(content.get(part)))
		}
		return r.instance(n, pickle.Global{Module: "functools", Name: "partial"}, state.Items[:1], state)
	case "TypeNode", "FunctionNode":
		return r.global(n, content)
	case "SliceNode":
		return r.slice(n, content)
	case "BytesNode", "BytearrayNode":
		data, err := r.files.read(n.str("file"))
		r.keep(n, err)
		return pickle.Bytes(data)
	case "NdArrayNode", "MaskedArrayNode", "DTypeNode", "SparseMatrixNode", "RandomStateNode", "RandomGeneratorNode":
		return r.numpy(n, content, loader)
	case "MethodNode", "OperatorFuncNode":
		return r.fail(n, "the file holds a method or operator to call, of %s; nothing was executed", n.class())
	default:
		return r.fail(n, "the file holds a node %.60q of class %s, which serin does not read", loader, n.class())
	}
}

// global is the name of a type or function. Protocol 0 kept that of a function
// in its content.
func (r *reader) global(n, content *node) pickle.Value {
	if content == nil {
		return r.name(n)
	}
	g, err := r.opts.Name(pickle.Global{Module: content.str("module_path"), Name: content.str("function")})
	r.keep(n, err)
	return g
}

// items are those of a node that must be a tuple.
func (r *reader) items(n, content *node) []pickle.Value {
	t, ok := r.value(content).(*pickle.Tuple)
	if !ok {
		r.fail(n, "the arguments of %s are no tuple", n.class())
		return nil
	}
	return t.Items
}

// json reads the JSON text of one plain value, which Python wrote: NaN and the
// infinities are numbers.
func (r *reader) json(n, content *node) pickle.Value {
	if content == nil || content.kind != '"' {
		return r.fail(n, "a plain value is no text")
	}
	text := strings.TrimSpace(content.text)
	switch text {
	case "null":
		return nil
	case "true", "false":
		return text == "true"
	case "NaN":
		return math.NaN()
	case "Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	v, err := parse([]byte(text), 1, 1)
	if err != nil {
		return r.fail(n, "a plain value is %.60q", text)
	}
	if v.kind == '"' {
		return v.text
	}
	return r.number(n, v)
}

// number tells Python's int and float apart, as its json module does.
func (r *reader) number(n, v *node) pickle.Value {
	if v.kind != '0' {
		return r.fail(n, "a plain value is %.60q", v.text)
	}
	if strings.ContainsAny(v.text, ".eE") {
		f, err := strconv.ParseFloat(v.text, 64)
		if err != nil {
			return r.fail(n, "%.60s is no number", v.text)
		}
		return f
	}
	if i, err := strconv.ParseInt(v.text, 10, 64); err == nil {
		return i
	}
	const mostDigits = 4300 // that Python itself converts
	if big, ok := new(big.Int).SetString(v.text, 10); ok && len(v.text) <= mostDigits {
		return big
	}
	return r.fail(n, "%.60s is no number", v.text)
}

// dict reads a dict, whose keys JSON made into text: their types are beside it.
func (r *reader) dict(n, content *node) pickle.Value {
	types, ok := r.value(n.get("key_types")).(*pickle.List)
	if content == nil || content.kind != '{' || !ok || len(types.Items) != len(content.keys) {
		return r.fail(n, "a dict has other keys than types of keys")
	}
	d := &pickle.Dict{Entries: make([]pickle.Entry, 0, len(content.keys))}
	for i, text := range content.keys {
		d.Entries = append(d.Entries, pickle.Entry{Key: r.key(n, text, types.Items[i]), Value: r.value(&content.items[i])})
	}
	if n.plain("builtins", "dict") || n.plain("collections", "OrderedDict Counter defaultdict") {
		return d
	}
	o := r.instance(n, n.class(), nil, nil) // a subclass of dict
	if o != nil {
		o.Items = d
	}
	return o
}

// key gives a key back its type.
func (r *reader) key(n *node, text string, kind pickle.Value) pickle.Value {
	g, _ := kind.(pickle.Global)
	number := strings.HasPrefix(g.Name, "int") || strings.HasPrefix(g.Name, "uint")
	switch {
	case g == pickle.Global{Module: "builtins", Name: "str"}, g == pickle.Global{Module: "numpy", Name: "str_"}:
		return text
	case g.Module == "builtins" && g.Name == "int", g.Module == "numpy" && number:
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
	case g.Module == "builtins" && g.Name == "float", g.Module == "numpy" && strings.HasPrefix(g.Name, "float"):
		if f, err := strconv.ParseFloat(text, 64); err == nil && json.Valid([]byte(text)) {
			return f
		}
	}
	return r.fail(n, "a dict has the key %.60q of type %s", text, pickle.Describe(kind))
}

// newObjects are the modules whose classes pickle makes by a function of theirs,
// newObj (sklearn/neighbors/_binary_tree.pxi.tp, metrics/_dist_metrics.pyx.tp).
var newObjects = map[string]bool{
	"sklearn.neighbors._kd_tree": true, "sklearn.neighbors._ball_tree": true, "sklearn.metrics._dist_metrics": true,
}

func (r *reader) object(n, content *node) pickle.Value {
	var state pickle.Value
	if content != nil && content.kind != 'n' {
		state = r.state(content)
	}
	if class := n.class(); newObjects[class.Module] {
		return r.instance(n, pickle.Global{Module: class.Module, Name: "newObj"}, []pickle.Value{r.name(n)}, state)
	}
	return r.instance(n, n.class(), nil, state)
}

// reduced is an object whose constructor takes arguments: a tree or a loss.
func (r *reader) reduced(n, content *node) pickle.Value {
	args := r.items(n, n.get("__reduce__").get("args"))
	return r.instance(n, n.class(), args, r.state(content))
}

// state is what an object's __setstate__ would have got. A pickle does not
// write an empty one.
func (r *reader) state(content *node) pickle.Value {
	v := r.value(content)
	if d, ok := v.(*pickle.Dict); ok && len(d.Entries) == 0 {
		return nil
	}
	return v
}

// slice has its three numbers, or the names of columns, as they are in JSON.
func (r *reader) slice(n, content *node) pickle.Value {
	var args []pickle.Value
	for _, part := range []string{"start", "stop", "step"} {
		switch v := content.get(part); {
		case v == nil:
			return r.fail(n, "a slice has no %s", part)
		case v.kind == 'n':
			args = append(args, nil)
		case v.kind == '"':
			args = append(args, v.text)
		default:
			args = append(args, r.number(n, v))
		}
	}
	return &pickle.Object{Class: pickle.Global{Module: "builtins", Name: "slice"}, Args: args}
}
