package pickle

import (
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
)

// How numpy pickles its dtypes, arrays and scalars. The formats are those of
// array_reduce, array_setstate and arraydescr_setstate in numpy's C sources and
// have not changed since numpy 1.

// DType says how the elements of an Array are stored. Time and byte-string
// dtypes are refused while reading, and so are records of anything but numbers.
type DType struct {
	// Kind is numpy's: 'b' bool, 'i' and 'u' integers, 'f' floats, 'c' complex,
	// 'U' text in UTF-32, 'O' Python objects, 'V' records of named numbers.
	Kind byte
	// Size is the bytes of one element; 0 for objects.
	Size int
	// BigEndian is the byte order of numbers and of text.
	BigEndian bool
	fields    []field // of records
	built     bool
}

func (d DType) String() string {
	order := ""
	if d.BigEndian && d.Size > 1 {
		order = ">"
	}
	switch d.Kind {
	case 'b':
		return "bool"
	case 'O':
		return "object"
	case 'U':
		return order + "U" + strconv.Itoa(d.Size/4)
	case 'V':
		return "record"
	}
	return order + map[byte]string{'i': "int", 'u': "uint", 'f': "float", 'c': "complex"}[d.Kind] + strconv.Itoa(8*d.Size)
}

// sizes are the element sizes of each kind.
var sizes = map[byte]string{'b': "1", 'i': "1 2 4 8", 'u': "1 2 4 8", 'f': "2 4 8 12 16", 'c': "8 16 24 32"}

// buildDType reads dtype("f8", align, copy); the byte order follows as its state.
func buildDType(m *machine, g Global, args []Value) (Value, error) {
	if len(args) != 3 {
		return nil, m.refuseCall(g, "three arguments are expected")
	}
	align, ok1 := truth(args[1])
	_, ok2 := truth(args[2])
	text, ok := args[0].(string)
	if !ok || len(text) < 2 || !ok1 || !ok2 || align {
		return nil, m.refuseCall(g, "an unaligned type code is expected, this is %s", Describe(args[0]))
	}
	if d := dtypeOf(text); d != nil {
		return d, nil
	}
	return nil, m.refuse("arrays of dtype %s are not read", shown(text))
}

// dtypeOf reads a type code without byte order, such as "f8"; nil for one that
// is not read.
func dtypeOf(text string) *DType {
	n, err := strconv.ParseUint(text[1:], 10, 31)
	d := &DType{Kind: text[0], Size: int(n)}
	switch {
	case err != nil:
	case text == "O8", text == "O4": // the size of a pointer where it was written
		d.Size = 0
		return d
	case d.Kind == 'U' && n > 0 && n < 1<<20:
		d.Size *= 4
		return d
	case d.Kind == 'V' && n > 0 && n <= maxRecord: // its state must name fields
		return d
	case wordIn(sizes[d.Kind], text[1:]):
		return d
	}
	return nil
}

// whole returns a dtype that says how elements are stored: a record says it
// only once its fields are there.
func whole(v Value) (d *DType, ok bool) {
	d, ok = v.(*DType)
	return d, ok && (d.Kind != 'V' || d.built)
}

func wordIn(words, word string) bool {
	for len(words) > 0 {
		end := 0
		for end < len(words) && words[end] != ' ' {
			end++
		}
		if words[:end] == word {
			return true
		}
		words = words[min(end+1, len(words)):]
	}
	return false
}

// setDType reads (3, order, subdtype, names, fields, size, alignment, flags).
// All but the order follows from the kind and is compared with it, since numpy
// itself believes these numbers and crashes on wrong ones.
func (m *machine) setDType(d *DType, state Value) error {
	t, ok := state.(*Tuple)
	if d.built || !ok || len(t.Items) != 8 || t.Items[0] != int64(3) {
		return m.refuse("a dtype is not as numpy writes it")
	}
	if d.Kind == 'V' {
		return m.setRecord(d, t.Items)
	}
	for _, item := range t.Items[2:5] {
		if item != nil {
			return m.refuse("a dtype of %v has fields or a shape", d)
		}
	}
	size, alignment, flags := int64(-1), int64(-1), int64(0)
	switch d.Kind {
	case 'O':
		flags = 63 // NPY_OBJECT_DTYPE_FLAGS
	case 'U':
		size, alignment, flags = int64(d.Size), 4, 8 // NPY_NEEDS_INIT
	}
	if t.Items[5] != size || t.Items[6] != alignment || t.Items[7] != flags {
		return m.refuse("the size, alignment and flags of a dtype are not those of %v", d)
	}
	switch t.Items[1] {
	case "<", "|", "=":
	case ">":
		d.BigEndian = true
	default:
		return m.refuse("a dtype has %s as its byte order", Describe(t.Items[1]))
	}
	d.built = true
	return nil
}

// shapeOf reads an array's shape and returns it with its number of elements.
func (m *machine) shapeOf(v Value, itemSize int) (shape []int, count int, err error) {
	shape, count, reason := shapeOf(v, itemSize, m.opts.MaxBytes)
	if reason != "" {
		return nil, 0, m.refuse("%s", reason)
	}
	return shape, count, nil
}

// shapeOf says what is wrong with a shape, if anything. Neither the elements nor
// any axis may take more than limit bytes, even where an empty axis makes the
// array itself empty.
func shapeOf(v Value, itemSize int, limit int64) (shape []int, count int, reason string) {
	t, ok := v.(*Tuple)
	if !ok || len(t.Items) > 32 {
		return nil, 0, "an array's shape is " + Describe(v)
	}
	empty := false
	total := uint64(max(itemSize, 1))
	for _, item := range t.Items {
		n, ok := item.(int64)
		if !ok || n < 0 {
			return nil, 0, "an array has " + Describe(item) + " as a length"
		}
		shape = append(shape, int(n))
		if n == 0 {
			empty = true
			continue
		}
		high, low := bits.Mul64(total, uint64(n))
		if high != 0 || low > uint64(limit) {
			return nil, 0, fmt.Sprintf("an array claims more than %d bytes, the limit", limit)
		}
		total = low
	}
	if empty {
		return shape, 0, ""
	}
	return shape, int(total) / max(itemSize, 1), ""
}

// buildArray reads _reconstruct(ndarray, (0,), b"b"): an array whose state follows.
func buildArray(m *machine, g Global, args []Value) (Value, error) {
	if len(args) == 3 && args[0] == (Global{"numpy", "ndarray"}) && (args[2] == Bytes("b") || args[2] == "b") {
		if shape, ok := args[1].(*Tuple); ok && len(shape.Items) == 1 && shape.Items[0] == int64(0) {
			return &Array{}, nil
		}
	}
	return nil, m.refuseCall(g, "an empty plain ndarray is expected")
}

// setArray reads (1, shape, dtype, is Fortran order, elements).
func (m *machine) setArray(a *Array, state Value) error {
	t, ok := state.(*Tuple)
	if a.built || !ok || len(t.Items) != 5 || t.Items[0] != int64(1) {
		return m.refuse("an array is not as numpy writes it")
	}
	dtype, ok1 := whole(t.Items[2])
	fortran, ok2 := truth(t.Items[3])
	if !ok1 || !ok2 {
		return m.refuse("an array is not as numpy writes it")
	}
	shape, count, err := m.shapeOf(t.Items[1], dtype.Size)
	if err != nil {
		return err
	}
	*a = Array{Shape: shape, Type: *dtype, count: count, step: dtype.Size, built: true}
	if dtype.Kind == 'O' {
		// numpy lists objects in C order whatever the flag says.
		list, ok := t.Items[4].(*List)
		if !ok || len(list.Items) != count {
			return m.refuse("an array of %d objects is filled with %s", count, Describe(t.Items[4]))
		}
		a.objects = append([]Value(nil), list.Items...)
		return nil
	}
	a.fortran = fortran
	return m.setRaw(a, t.Items[4])
}

// setRaw takes the elements as bytes, or as the text that Python 2's bytes may
// have become.
func (m *machine) setRaw(a *Array, v Value) error {
	raw, ok := v.(Bytes)
	if text, isText := v.(string); isText {
		raw, ok = latin1(text)
	}
	if !ok || len(raw) != a.count*a.step {
		return m.refuse("an array of %d bytes is filled with %s", a.count*a.step, Describe(v))
	}
	a.raw = []byte(raw)
	return nil
}

func truth(v Value) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case int64:
		return v != 0, v == 0 || v == 1
	}
	return false, false
}

// buildFromBuffer reads _frombuffer(bytes, dtype, shape, order), how protocol 5
// writes contiguous arrays.
func buildFromBuffer(m *machine, g Global, args []Value) (Value, error) {
	if len(args) != 4 || args[3] != "C" && args[3] != "F" {
		return nil, m.refuseCall(g, "a buffer, a dtype, a shape and an order are expected")
	}
	dtype, ok := whole(args[1])
	if !ok || dtype.Kind == 'O' {
		return nil, m.refuseCall(g, "a dtype of numbers or text is expected, this is %s", Describe(args[1]))
	}
	shape, count, err := m.shapeOf(args[2], dtype.Size)
	if err != nil {
		return nil, err
	}
	a := &Array{Shape: shape, Type: *dtype, count: count, step: dtype.Size, fortran: args[3] == "F", built: true}
	return a, m.setRaw(a, args[0])
}

// buildScalar reads scalar(dtype, bytes) and gives the plain Go value.
func buildScalar(m *machine, g Global, args []Value) (Value, error) {
	if len(args) != 2 {
		return nil, m.refuseCall(g, "a dtype and bytes are expected")
	}
	dtype, ok := whole(args[0])
	if !ok || dtype.Kind == 'O' || dtype.Kind == 'V' {
		return nil, m.refuseCall(g, "a dtype of numbers or text is expected, this is %s", Describe(args[0]))
	}
	one := &Array{Shape: []int{1}, Type: *dtype, count: 1, step: dtype.Size, built: true}
	if err := m.setRaw(one, args[1]); err != nil {
		return nil, err
	}
	v, err := one.Scalar()
	if err != nil {
		return nil, m.refuse("%v", err)
	}
	return v, nil
}

// Scalar returns the only element as the plain value that it stands for, as a
// pickle's numpy scalars are read.
func (a *Array) Scalar() (Value, error) {
	if a.count != 1 || a.step == 0 {
		return nil, fmt.Errorf("%v is not one number or text", a)
	}
	switch a.Type.Kind {
	case 'b':
		return a.raw[0] != 0, nil
	case 'i', 'u':
		if u := a.word(0); a.Type.Kind == 'u' && u > 1<<63-1 {
			return new(big.Int).SetUint64(u), nil
		}
		v, err := a.Ints()
		if err != nil {
			return nil, err
		}
		return v[0], nil
	case 'U':
		v, err := a.Strings()
		if err != nil {
			return nil, err
		}
		return v[0], nil
	default:
		v, err := a.Floats()
		if err != nil {
			return nil, err
		}
		return v[0], nil
	}
}
