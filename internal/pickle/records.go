package pickle

import "fmt"

// Structured dtypes: the nodes of a tree are records of named numbers. numpy
// pickles such a dtype as "V" and its size, with the fields in the state
// (arraydescr_reduce and arraydescr_setstate in numpy's C sources).

// field is one named number inside a record.
type field struct {
	name   string
	dtype  DType // never 'O', 'U' or 'V'
	offset int   // in bytes, from the beginning of the record
}

// maxRecord bounds a record's size, maxFields its fields. scikit-learn's largest
// record has 13 fields in 56 bytes.
const (
	maxRecord = 1 << 16
	maxFields = 256
)

// Names are the names of a record's fields in numpy's order; nil for other
// dtypes.
func (d DType) Names() []string {
	var names []string
	for _, f := range d.fields {
		names = append(names, f.name)
	}
	return names
}

// Field is one field of an array of records, as an array of the same shape. It
// shares the records' bytes: nothing is copied until it is decoded.
func (a *Array) Field(name string) (*Array, error) {
	for _, f := range a.Type.fields {
		if f.name != name {
			continue
		}
		view := &Array{Shape: a.Shape, Type: f.dtype, count: a.count, step: a.step, fortran: a.fortran, built: true}
		if a.count > 0 {
			view.raw = a.raw[f.offset:]
		}
		return view, nil
	}
	return nil, fmt.Errorf("%v has no field %s", a, shown(name))
}

// setRecord reads the state of a structured dtype: (3, "|", None, names, fields,
// size, alignment, flags), where fields is {name: (dtype, offset)}.
func (m *machine) setRecord(d *DType, state []Value) error {
	const needsAPI, alignedStruct = 16, 128 // NPY_NEEDS_PYAPI, NPY_ALIGNED_STRUCT
	names, ok1 := state[3].(*Tuple)
	fields, ok2 := state[4].(*Dict)
	alignment, ok3 := state[6].(int64)
	if !ok1 || !ok2 || !ok3 || state[1] != "|" || state[2] != nil || state[5] != int64(d.Size) || alignment < 1 || alignment > 16 ||
		state[7] != int64(needsAPI) && state[7] != int64(needsAPI|alignedStruct) {
		return m.refuse("a structured dtype is not as numpy writes it")
	}
	if len(names.Items) == 0 || len(names.Items) > maxFields || len(names.Items) != len(fields.Entries) {
		return m.refuse("a structured dtype has %d names for %d fields", len(names.Items), len(fields.Entries))
	}
	for _, v := range names.Items {
		name, ok := v.(string)
		if !ok {
			return m.refuse("a structured dtype has %s as a name", Describe(v))
		}
		// As many entries as names, every name among the entries and none twice:
		// each name has exactly one entry.
		for _, f := range d.fields {
			if f.name == name {
				return m.refuse("a structured dtype has the field %s twice", shown(name))
			}
		}
		at, _ := fields.Get(name)
		pair, ok := at.(*Tuple)
		if !ok || len(pair.Items) != 2 {
			return m.refuse("the field %s of a structured dtype is %s", shown(name), Describe(at))
		}
		dtype, ok1 := pair.Items[0].(*DType)
		offset, ok2 := pair.Items[1].(int64)
		if !ok1 || !ok2 || sizes[dtype.Kind] == "" || offset < 0 || offset > int64(d.Size-dtype.Size) {
			return m.refuse("the field %s of a structured dtype is %s at %s, in a record of %d bytes",
				shown(name), Describe(pair.Items[0]), Describe(pair.Items[1]), d.Size)
		}
		d.fields = append(d.fields, field{name, *dtype, int(offset)})
	}
	d.built = true
	return nil
}
