package pickle

// Lists, tuples, dicts and sets.

func opList(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return m.push(&List{Items: append([]Value(nil), items...)})
}

func opAppend(m *machine) error {
	items, err := m.popN(1)
	if err != nil {
		return err
	}
	return m.extend(items)
}

func opAppends(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return m.extend(items)
}

func (m *machine) extend(items []Value) error {
	target, err := m.top()
	if err != nil {
		return err
	}
	list, ok := target.(*List)
	if !ok {
		return m.refuse("%s is appended to as if it were a list", Describe(target))
	}
	list.Items = append(list.Items, items...)
	return nil
}

func opTuple(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return m.push(&Tuple{Items: append([]Value(nil), items...)})
}

func (m *machine) tuple(n int) error {
	items, err := m.popN(n)
	if err != nil {
		return err
	}
	return m.push(&Tuple{Items: items})
}

func opDict(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	d := &Dict{}
	if err := m.fill(d, items); err != nil {
		return err
	}
	return m.push(d)
}

func opSetItem(m *machine) error {
	items, err := m.popN(2)
	if err != nil {
		return err
	}
	return m.setItems(items)
}

func opSetItems(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return m.setItems(items)
}

func (m *machine) setItems(items []Value) error {
	target, err := m.top()
	if err != nil {
		return err
	}
	switch target := target.(type) {
	case *Dict:
		return m.fill(target, items)
	case *Object: // a subclass of dict
		if target.Items == nil {
			target.Items = &Dict{}
		}
		return m.fill(target.Items, items)
	}
	return m.refuse("keys are set on %s as if it were a dict", Describe(target))
}

// fill adds alternating keys and values.
func (m *machine) fill(d *Dict, items []Value) error {
	if len(items)%2 != 0 {
		return m.refuse("a dict has a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		if err := m.hashable(items[i]); err != nil {
			return err
		}
		d.Entries = append(d.Entries, Entry{items[i], items[i+1]})
	}
	return nil
}

// hashable refuses what Python refuses as a key.
func (m *machine) hashable(v Value) error {
	switch v := v.(type) {
	case *List, *Dict, *Array:
	case *Set:
		if v.Frozen {
			return nil
		}
	default:
		return nil
	}
	return m.refuse("%s is used as a key", Describe(v))
}

func opAddItems(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	target, err := m.top()
	if err != nil {
		return err
	}
	set, ok := target.(*Set)
	if !ok || set.Frozen {
		return m.refuse("%s is added to as if it were a set", Describe(target))
	}
	return m.include(set, items)
}

func opFrozenSet(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	set := &Set{Frozen: true}
	if err := m.include(set, items); err != nil {
		return err
	}
	return m.push(set)
}

func (m *machine) include(set *Set, items []Value) error {
	for _, item := range items {
		if err := m.hashable(item); err != nil {
			return err
		}
	}
	set.Items = append(set.Items, items...)
	return nil
}
