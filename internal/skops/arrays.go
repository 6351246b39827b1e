package skops

import (
	"bytes"
	"strings"

	"serin/internal/pickle"
)

// numpy reads what numpy and scipy make.
func (r *reader) numpy(n, content *node, loader string) pickle.Value {
	switch loader {
	case "NdArrayNode":
		if n.str("type") == "json" {
			return r.objects(n, content)
		}
		return r.numbers(n)
	case "DTypeNode": // an empty array of that type
		if a, ok := r.value(content).(*pickle.Array); ok {
			return &a.Type
		}
		return r.fail(n, "a dtype is not as skops writes it")
	case "SparseMatrixNode":
		return r.sparse(n)
	case "MaskedArrayNode":
		parts := &pickle.Tuple{Items: []pickle.Value{r.value(content.get("data")), r.value(content.get("mask"))}}
		return &pickle.Object{Class: pickle.Global{Module: "numpy.ma.core", Name: "_mareconstruct"}, State: parts}
	case "RandomStateNode":
		return &pickle.Object{Class: pickle.Global{Module: "numpy.random._pickle", Name: "__randomstate_ctor"}, State: r.value(content)}
	default: // RandomGeneratorNode, whose state only numpy understands
		for _, part := range []string{"bit_generator", "seed_seq"} {
			if state := content.get(part); state.get("__loader__") != nil {
				r.value(state)
			}
		}
		return &pickle.Object{Class: pickle.Global{Module: "numpy.random._pickle", Name: "__generator_ctor"}}
	}
}

// array reads an .npy file.
func (r *reader) array(n *node, files *archive, name string) *pickle.Array {
	data, err := files.read(name)
	r.keep(n, err)
	if r.err != nil {
		return &pickle.Array{}
	}
	a, err := pickle.ReadNPY(data, r.opts)
	if err != nil {
		refused := files.refuse(name, err.Next, "%s", err.Reason)
		refused.Offset = err.Offset
		r.keep(n, refused)
		return &pickle.Array{}
	}
	return a
}

// numbers is an array of numbers, text or records, or one number of numpy's,
// which skops keeps as an array without axes.
func (r *reader) numbers(n *node) pickle.Value {
	if n.str("type") != "numpy" {
		return r.fail(n, "an array is stored in the form %.60q", n.str("type"))
	}
	a := r.array(n, r.files, n.str("file"))
	if r.err != nil || n.plain("numpy", "ndarray memmap") {
		return a
	}
	class := r.name(n)
	kinds := map[string]bool{a.Type.String(): true}
	switch a.Type.Kind {
	case 'b':
		kinds["bool_"] = true
	case 'U':
		kinds["str_"] = true
	}
	v, err := a.Scalar()
	if err != nil || len(a.Shape) > 0 || class.Module != "numpy" || !kinds[class.Name] {
		return r.fail(n, "%s is stored as %v", class, a)
	}
	return v
}

// objects is an array of Python objects: lists in lists, a level for each axis.
func (r *reader) objects(n, content *node) pickle.Value {
	shape, _ := r.value(n.get("shape")).(*pickle.Tuple)
	if shape == nil || len(shape.Items) == 0 || len(shape.Items) > 32 || !n.plain("numpy", "ndarray") {
		return r.fail(n, "an array of objects is not as skops writes it")
	}
	items := r.values(content)
	var dims []int
	for i, v := range shape.Items {
		length, ok := v.(int64)
		if !ok || length < 0 || length > int64(r.opts.MaxObjects) {
			return r.fail(n, "an array has %s as a length", pickle.Describe(v))
		}
		dims = append(dims, int(length))
		if i > 0 {
			items = r.level(n, items, int(length))
		}
	}
	a, err := pickle.NewObjects(dims, items)
	if err != nil {
		return r.fail(n, "%v", err)
	}
	return a
}

// level takes one level of lists apart, each of which must have so many items.
func (r *reader) level(n *node, lists []pickle.Value, length int) []pickle.Value {
	var items []pickle.Value
	for _, v := range lists {
		list, ok := v.(*pickle.List)
		// A row that is the same list again would cost nothing in the file.
		if r.left -= length; r.left < 0 {
			r.fail(n, "an array of objects has more of them than a file of its size may")
			return nil
		}
		if !ok || len(list.Items) != length {
			r.fail(n, "a row of an array of objects is %s instead of a list of %d", pickle.Describe(v), length)
			return nil
		}
		items = append(items, list.Items...)
	}
	return items
}

// parts are the arrays of each form of sparse matrix (scipy.sparse.save_npz),
// beside format, shape, data and, for arrays, _is_array.
var parts = map[string]string{"csr": "indices indptr", "csc": "indices indptr", "coo": "row col", "dia": "offsets"}

// sparse is a sparse matrix: an .npz file in the archive.
func (r *reader) sparse(n *node) pickle.Value {
	name := n.str("file")
	data, err := r.files.read(name)
	r.keep(n, err)
	if r.err != nil {
		return nil
	}
	files, err := openArchive(data, inner, r.files.left, name)
	r.keep(n, err)
	form, _, _ := strings.Cut(n.class().Name, "_")
	if r.err != nil || parts[form] == "" {
		return r.fail(n, "sparse matrices of the class %s are not read", n.class())
	}
	// The form is an array of one byte string, which ends the file.
	format, err := files.read("format.npy")
	if r.keep(n, err); len(format) > 1<<10 || !bytes.HasSuffix(format, []byte(form)) {
		r.fail(n, "a sparse matrix of the class %s is stored in another form", n.class())
	}
	axes, errShape := r.array(n, files, "shape.npy").Ints()
	if errShape != nil || len(axes) != 2 {
		return r.fail(n, "a sparse matrix has no two axes")
	}
	state := &pickle.Dict{Entries: []pickle.Entry{{Key: "_shape", Value: &pickle.Tuple{Items: []pickle.Value{axes[0], axes[1]}}}}}
	for part := range strings.FieldsSeq("data " + parts[form]) {
		state.Entries = append(state.Entries, pickle.Entry{Key: part, Value: r.array(n, files, part+".npy")})
	}
	if files.entries["_is_array.npy"] != nil {
		r.array(n, files, "_is_array.npy")
	}
	r.keep(n, files.finish())
	return r.instance(n, n.class(), nil, state)
}
