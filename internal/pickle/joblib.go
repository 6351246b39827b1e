package pickle

// joblib's NumpyPickler writes each array as a NumpyArrayWrapper (shape, order,
// dtype) whose BUILD is followed by the elements, raw, in the middle of the
// pickle (joblib/numpy_pickle.py, write_array and read_array):
//
//	numbers  [1 byte n, n bytes of padding]  elements   padding since joblib 1.2
//	objects  a whole pickle of the array, written by pickle itself

func (m *machine) readWrapped(wrapper *Object) (Value, error) {
	if !m.src.betweenFrames() {
		return nil, m.refuse("an array begins in the middle of a frame")
	}
	attr := func(name string) Value { v, _ := wrapper.Attr(name); return v }
	if kind, ok := attr("subclass").(Global); !ok || kind.Module != "numpy" || kind.Name != "ndarray" && kind.Name != "memmap" {
		return nil, m.refuse("arrays of %s are not read", Describe(attr("subclass")))
	}
	dtype, ok := whole(attr("dtype"))
	order := attr("order")
	if !ok || order != "C" && order != "F" {
		return nil, m.refuse("joblib's description of an array is incomplete")
	}
	shape, count, err := m.shapeOf(attr("shape"), dtype.Size)
	if err != nil {
		return nil, err
	}
	if dtype.Kind == 'O' {
		return m.readObjects(shape)
	}
	if err := m.skipPadding(wrapper); err != nil {
		return nil, err
	}
	raw, err := m.src.bytes(uint64(count) * uint64(dtype.Size))
	if err != nil {
		return nil, err
	}
	return &Array{Shape: shape, Type: *dtype, raw: raw, count: count, step: dtype.Size, fortran: order == "F", built: true}, nil
}

// skipPadding skips what joblib puts before the elements so that they can be
// mapped into memory.
func (m *machine) skipPadding(wrapper *Object) error {
	alignment, ok := wrapper.Attr("numpy_array_alignment_bytes")
	if !ok || alignment == nil {
		return nil
	}
	n, err := m.src.byte()
	if err != nil {
		return err
	}
	_, err = m.src.take(int(n))
	return err
}

// readObjects reads the pickle inside the pickle.
func (m *machine) readObjects(shape []int) (Value, error) {
	inner := &machine{src: m.src, opts: m.opts, budget: m.budget, ops: m.ops, known: m.known, nested: true}
	v, err := inner.run()
	if err != nil {
		return nil, err
	}
	if !m.src.betweenFrames() {
		return nil, m.refuse("the pickle of an object array ends before its frame does")
	}
	array, ok := v.(*Array)
	if !ok || array.Type.Kind != 'O' {
		return nil, m.refuse("an array of objects is announced and %s follows", Describe(v))
	}
	if len(array.Shape) != len(shape) {
		return nil, m.refuse("an array of objects is announced with %d axes and has %d", len(shape), len(array.Shape))
	}
	for i := range shape {
		if array.Shape[i] != shape[i] {
			return nil, m.refuse("an array of objects has another shape than announced")
		}
	}
	return array, nil
}
