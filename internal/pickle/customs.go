package pickle

import (
	"fmt"
	"strings"
)

// This file is the customs list: the names that the package knows by itself,
// and what a call of each stands for. Everything here is data or builds data.

// builder makes the value that a call of a known name stands for.
type builder func(m *machine, g Global, args []Value) (Value, error)

// wrappers are joblib's stand-in for an array that follows in the stream, under
// its own name and under the one it had when scikit-learn carried a copy of joblib.
var wrappers = map[Global]bool{
	{"joblib.numpy_pickle", "NumpyArrayWrapper"}:                   true,
	{"sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"}: true,
}

// sparse are scipy's sparse matrices and arrays, under their names before and
// since scipy 1.8. Their state is a dict of ordinary arrays.
var sparse = sparseNames()

func sparseNames() map[Global]bool {
	names := map[Global]bool{}
	for _, form := range []string{"csr", "csc", "coo", "dia"} {
		names[Global{"scipy.sparse." + form, form + "_matrix"}] = true
		names[Global{"scipy.sparse._" + form, form + "_matrix"}] = true
		names[Global{"scipy.sparse._" + form, form + "_array"}] = true
		names[Global{"scipy.sparse._arrays", form + "_array"}] = true // scipy 1.8 to 1.10
	}
	return names
}

// known are the names that Python and numpy themselves write. A nil builder is
// a name that may be mentioned (as the type of something) and not called.
var known = knownNames()

func knownNames() map[Global]builder {
	names := map[Global]builder{
		{"_codecs", "encode"}:          buildEncoded,
		{"collections", "OrderedDict"}: buildDict,
		{"collections", "defaultdict"}: buildDefaultDict,
		{"collections", "Counter"}:     buildCounter,
		{"numpy", "dtype"}:             buildDType,
		// How numpy before 1.20 writes numpy.log1p.
		{"numpy.core", "_ufunc_reconstruct"}: buildName,
		// A search over parameters keeps its results in masked arrays. They are not
		// read as arrays: what is masked is not a number.
		{"numpy.ma.core", "_mareconstruct"}: buildObject,
	}
	add := func(b builder, modules, list string) {
		for module := range strings.FieldsSeq(modules) {
			for name := range strings.FieldsSeq(list) {
				names[Global{module, name}] = b
			}
		}
	}
	// copy_reg and __builtin__ are Python 2's, numpy._core is numpy 2's.
	add(buildReconstructed, "copyreg copy_reg", "_reconstructor")
	add(buildNew, "copyreg copy_reg", "__newobj__")
	add(buildSet, "builtins __builtin__", "set frozenset")
	add(buildBytes, "builtins __builtin__", "bytes bytearray")
	add(buildComplex, "builtins __builtin__", "complex")
	add(buildObject, "builtins __builtin__", "slice range xrange")
	add(nil, "builtins __builtin__", "object type bool int float str list tuple dict")
	add(nil, "__builtin__", "long unicode")
	add(nil, "numpy.ma numpy.ma.core", "MaskedArray")
	add(buildArray, "numpy.core.multiarray numpy._core.multiarray", "_reconstruct")
	add(buildScalar, "numpy.core.multiarray numpy._core.multiarray", "scalar")
	add(buildFromBuffer, "numpy.core.numeric numpy._core.numeric", "_frombuffer")
	add(nil, "numpy", "ndarray memmap number integer floating object_ str_ bool_ bool float16 float32 float64 "+
		"int8 int16 int32 int64 uint8 uint16 uint32 uint64")
	// An estimator fitted with random_state=RandomState(7) carries its generator.
	add(buildObject, "numpy.random", "__RandomState_ctor")
	add(buildObject, "numpy.random._pickle", "__randomstate_ctor __generator_ctor __bit_generator_ctor")
	add(buildObject, "numpy.random.bit_generator", "__pyx_unpickle_SeedSequence")
	add(nil, "numpy.random.bit_generator", "SeedSequence")
	add(nil, "numpy.random._mt19937", "MT19937")
	add(nil, "numpy.random._pcg64", "PCG64 PCG64DXSM")
	add(nil, "numpy.random._philox", "Philox")
	add(nil, "numpy.random._sfc64", "SFC64")
	return names
}

// name lets a (module, name) pair in, or refuses it.
func (m *machine) name(module, name string) (Global, error) {
	g := Global{module, name}
	if _, ok := m.known[g]; ok || m.opts.hasInstances(g) {
		if m.opts.Mention != nil {
			m.opts.Mention(g)
		}
		return g, nil
	}
	err := unknownName(g)
	err.Offset, err.Container = m.at, m.src.container
	return g, err
}

func unknownName(g Global) *Error {
	return &Error{
		Reason:  fmt.Sprintf("the file names %s, which is not part of a model that serin reads; nothing was executed", g),
		Next:    "Save the fitted model alone with joblib.dump(model, path). Do not open the file in Python if you do not trust where it came from: Python would run what it names.",
		Refused: g,
	}
}

// call builds what REDUCE would have called.
func (m *machine) call(callable Value, args []Value) (Value, error) {
	g, ok := callable.(Global)
	if !ok {
		return nil, m.refuse("the file calls %s; nothing was executed", Describe(callable))
	}
	if build := m.known[g]; build != nil {
		return build(m, g, args)
	}
	if m.opts.hasInstances(g) {
		return buildObject(m, g, args)
	}
	return nil, m.refuse("the file calls %s, which a model only mentions; nothing was executed", g)
}

// instance builds what NEWOBJ, INST and OBJ would have made of a class.
func (m *machine) instance(class Value, args []Value) (Value, error) {
	g, ok := class.(Global)
	if !ok || !m.opts.hasInstances(g) {
		return nil, m.refuse("the file makes an instance of %s, which a model does not hold; nothing was executed", Describe(class))
	}
	return buildObject(m, g, args)
}

// hasInstances reports whether g is a class whose instances become Objects.
func (o Options) hasInstances(g Global) bool { return o.Allow[g] || wrappers[g] || sparse[g] }

func buildObject(_ *machine, g Global, args []Value) (Value, error) {
	return &Object{Class: g, Args: args}, nil
}

// buildReconstructed is how protocols 0 and 1 make an object: (class, base,
// value of the base). The bases of the classes that are read are object, dict
// and, for named tuples, tuple.
func buildReconstructed(m *machine, g Global, args []Value) (Value, error) {
	var base Global
	if len(args) == 3 {
		base, _ = args[1].(Global)
	}
	if base.Module != "builtins" && base.Module != "__builtin__" {
		return nil, m.refuseCall(g, "only plain objects are expected")
	}
	switch value := args[2].(type) {
	case nil:
		if base.Name == "object" {
			return m.instance(args[0], nil)
		}
	case *Tuple:
		if base.Name == "tuple" {
			return m.instance(args[0], value.Items)
		}
	case *Dict:
		if base.Name == "dict" {
			v, err := m.instance(args[0], nil)
			if o, ok := v.(*Object); ok {
				o.Items = value
			}
			return v, err
		}
	}
	return nil, m.refuseCall(g, "only plain objects are expected")
}

func buildNew(m *machine, g Global, args []Value) (Value, error) {
	if len(args) == 0 {
		return nil, m.refuseCall(g, "the class is missing")
	}
	return m.instance(args[0], args[1:])
}

// buildEncoded is how protocols 0 to 2 write bytes: a str whose code points are
// the bytes, to be encoded as Latin-1.
func buildEncoded(m *machine, g Global, args []Value) (Value, error) {
	if len(args) == 2 && (args[1] == "latin1" || args[1] == "latin-1") {
		if text, ok := args[0].(string); ok {
			if b, ok := latin1(text); ok {
				return b, nil
			}
		}
	}
	return nil, m.refuseCall(g, "Latin-1 text is expected")
}

func latin1(text string) (Bytes, bool) {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return "", false
		}
		b = append(b, byte(r))
	}
	return Bytes(b), true
}

func buildBytes(m *machine, g Global, args []Value) (Value, error) {
	switch len(args) {
	case 0:
		return Bytes(""), nil
	case 1:
		if b, ok := args[0].(Bytes); ok {
			return b, nil
		}
	case 2:
		return buildEncoded(m, g, args)
	}
	return nil, m.refuseCall(g, "bytes are expected")
}

func buildComplex(m *machine, g Global, args []Value) (Value, error) {
	if len(args) == 2 {
		re, ok1 := args[0].(float64)
		im, ok2 := args[1].(float64)
		if ok1 && ok2 {
			return complex(re, im), nil
		}
	}
	return nil, m.refuseCall(g, "two floats are expected")
}

func buildSet(m *machine, g Global, args []Value) (Value, error) {
	set := &Set{Frozen: g.Name == "frozenset"}
	switch len(args) {
	case 0:
		return set, nil
	case 1:
		if list, ok := args[0].(*List); ok {
			return set, m.include(set, list.Items)
		}
	}
	return nil, m.refuseCall(g, "a list is expected")
}

// buildDict makes an OrderedDict: empty, to be filled by SETITEMS, or from the
// list of pairs that Python 2 writes.
func buildDict(m *machine, g Global, args []Value) (Value, error) {
	d := &Dict{}
	if len(args) == 0 {
		return d, nil
	}
	list, ok := args[0].(*List)
	if !ok || len(args) > 1 {
		return nil, m.refuseCall(g, "a list of pairs is expected")
	}
	for _, item := range list.Items {
		var pair []Value
		switch item := item.(type) {
		case *List:
			pair = item.Items
		case *Tuple:
			pair = item.Items
		}
		if len(pair) != 2 {
			return nil, m.refuseCall(g, "a list of pairs is expected")
		}
		if err := m.fill(d, pair); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// buildDefaultDict takes the function that makes missing values for what it is
// in a file: a mention.
func buildDefaultDict(m *machine, g Global, args []Value) (Value, error) {
	if len(args) > 0 {
		if _, ok := args[0].(Global); !ok && args[0] != nil || len(args) > 1 {
			return nil, m.refuseCall(g, "at most the name of a function is expected")
		}
	}
	return &Dict{}, nil
}

func buildCounter(m *machine, g Global, args []Value) (Value, error) {
	if len(args) == 0 {
		return &Dict{}, nil
	}
	counts, ok := args[0].(*Dict)
	if !ok || len(args) > 1 {
		return nil, m.refuseCall(g, "a dict is expected")
	}
	return counts, nil
}

// buildName gives the name that is mentioned, if it is allowed.
func buildName(m *machine, g Global, args []Value) (Value, error) {
	if len(args) == 2 {
		module, ok1 := args[0].(string)
		name, ok2 := args[1].(string)
		if ok1 && ok2 {
			return m.name(module, name)
		}
	}
	return nil, m.refuseCall(g, "a module and a name are expected")
}
