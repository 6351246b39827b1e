package pickle

import "strings"

// The opcodes that name, make and fill objects.

func opGlobal(m *machine) error {
	g, err := m.nameLines()
	if err != nil {
		return err
	}
	return m.push(g)
}

// nameLines reads the two lines of GLOBAL and INST.
func (m *machine) nameLines() (Global, error) {
	module, err := m.src.line()
	if err != nil {
		return Global{}, err
	}
	name, err := m.src.line()
	if err != nil {
		return Global{}, err
	}
	return m.name(string(module), string(name))
}

func opStackGlobal(m *machine) error {
	pair, err := m.popN(2)
	if err != nil {
		return err
	}
	module, ok1 := pair[0].(string)
	name, ok2 := pair[1].(string)
	if !ok1 || !ok2 {
		return m.refuse("a name is made of %s and %s instead of two strings", Describe(pair[0]), Describe(pair[1]))
	}
	g, err := m.name(module, name)
	if err != nil {
		return err
	}
	return m.push(g)
}

func opReduce(m *machine) error {
	callable, args, err := m.popCall()
	if err != nil {
		return err
	}
	v, err := m.call(callable, args)
	if err != nil {
		return err
	}
	return m.push(v)
}

func opNewObj(m *machine) error {
	class, args, err := m.popCall()
	if err != nil {
		return err
	}
	v, err := m.instance(class, args)
	if err != nil {
		return err
	}
	return m.push(v)
}

// popCall pops what is to be called and the tuple of its arguments.
func (m *machine) popCall() (Value, []Value, error) {
	pair, err := m.popN(2)
	if err != nil {
		return nil, nil, err
	}
	args, ok := pair[1].(*Tuple)
	if !ok {
		return nil, nil, m.refuse("a call has %s instead of a tuple of arguments", Describe(pair[1]))
	}
	return pair[0], args.Items, nil
}

func opNewObjEx(m *machine) error {
	keywords, err := m.pop()
	if err != nil {
		return err
	}
	if d, ok := keywords.(*Dict); !ok || len(d.Entries) > 0 {
		return m.refuse("an object is made with keyword arguments, which no model that serin reads needs")
	}
	return opNewObj(m)
}

func opInst(m *machine) error {
	class, err := m.nameLines()
	if err != nil {
		return err
	}
	args, err := m.popMark()
	if err != nil {
		return err
	}
	v, err := m.instance(class, append([]Value(nil), args...))
	if err != nil {
		return err
	}
	return m.push(v)
}

func opObj(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return m.refuse("an object is made without a class")
	}
	v, err := m.instance(items[0], append([]Value(nil), items[1:]...))
	if err != nil {
		return err
	}
	return m.push(v)
}

// opBuild gives the value below the top its state: the moment at which Python
// would call __setstate__, and at which joblib's array bytes follow.
func opBuild(m *machine) error {
	state, err := m.pop()
	if err != nil {
		return err
	}
	target, err := m.pop()
	if err != nil {
		return err
	}
	switch target := target.(type) {
	case *DType:
		err = m.setDType(target, state)
	case *Array:
		err = m.setArray(target, state)
	case *Object:
		if err := m.setObject(target, state); err != nil {
			return err
		}
		// The nested pickles of object arrays are written by pickle itself, which
		// knows no in-stream arrays: there a wrapper stays a strange object.
		if wrappers[target.Class] && !m.nested {
			array, err := m.readWrapped(target)
			if err != nil {
				return err
			}
			return m.push(array)
		}
	default:
		err = m.refuse("a state is given to %s, which has none", Describe(target))
	}
	if err != nil {
		return err
	}
	return m.push(target)
}

func (m *machine) setObject(o *Object, state Value) error {
	if o.built {
		return m.refuse("%s gets its state twice", Describe(o))
	}
	o.built, o.State = true, state
	if name := method(state); name != "" {
		return m.refuse("the state of %s sets %s, which no model does; nothing was executed", o.Class, shown(name))
	}
	return nil
}

// method finds a name in an object's state that Python would take for a method
// of the object. A __doc__ is text: scipy's distributions have one of their own.
func method(state Value) string {
	parts := []Value{state}
	if pair, ok := state.(*Tuple); ok {
		parts = pair.Items
	}
	for _, part := range parts {
		d, ok := part.(*Dict)
		if !ok {
			continue
		}
		for _, e := range d.Entries {
			name, ok := e.Key.(string)
			if ok && strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") && name != "__doc__" {
				return name
			}
		}
	}
	return ""
}
