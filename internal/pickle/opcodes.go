package pickle

// opcodes is the whole instruction set, protocols 0 to 5, with the names of
// Python's pickletools.
var opcodes = [256]opcode{
	// the pickle as a whole
	0x80: {"PROTO", opProto},
	0x95: {"FRAME", opFrame},
	'.':  {"STOP", opStop},

	// the stack and the memo
	'(':  {"MARK", opMark},
	'0':  {"POP", opPop},
	'1':  {"POP_MARK", opPopMark},
	'2':  {"DUP", opDup},
	'p':  {"PUT", opPut},
	'q':  {"BINPUT", func(m *machine) error { return withSize(m, 1, m.remember) }},
	'r':  {"LONG_BINPUT", func(m *machine) error { return withSize(m, 4, m.remember) }},
	0x94: {"MEMOIZE", func(m *machine) error { return m.remember(uint64(len(m.memo))) }},
	'g':  {"GET", opGet},
	'h':  {"BINGET", func(m *machine) error { return withSize(m, 1, m.recall) }},
	'j':  {"LONG_BINGET", func(m *machine) error { return withSize(m, 4, m.recall) }},

	// numbers
	'N':  {"NONE", func(m *machine) error { return m.push(nil) }},
	0x88: {"NEWTRUE", func(m *machine) error { return m.push(true) }},
	0x89: {"NEWFALSE", func(m *machine) error { return m.push(false) }},
	'I':  {"INT", opInt},
	'J':  {"BININT", opBinInt},
	'K':  {"BININT1", func(m *machine) error { return withSize(m, 1, m.pushSize) }},
	'M':  {"BININT2", func(m *machine) error { return withSize(m, 2, m.pushSize) }},
	'L':  {"LONG", opLong},
	0x8a: {"LONG1", func(m *machine) error { return withSize(m, 1, m.long) }},
	0x8b: {"LONG4", func(m *machine) error { return withSize(m, 4, m.long) }},
	'F':  {"FLOAT", opFloat},
	'G':  {"BINFLOAT", opBinFloat},

	// strings and bytes
	'S':  {"STRING", opString},
	'T':  {"BINSTRING", func(m *machine) error { return withSize(m, 4, m.oldString) }},
	'U':  {"SHORT_BINSTRING", func(m *machine) error { return withSize(m, 1, m.oldString) }},
	'V':  {"UNICODE", opUnicode},
	'X':  {"BINUNICODE", func(m *machine) error { return withSize(m, 4, m.unicode) }},
	0x8c: {"SHORT_BINUNICODE", func(m *machine) error { return withSize(m, 1, m.unicode) }},
	0x8d: {"BINUNICODE8", func(m *machine) error { return withSize(m, 8, m.unicode) }},
	'B':  {"BINBYTES", func(m *machine) error { return withSize(m, 4, m.bytes) }},
	'C':  {"SHORT_BINBYTES", func(m *machine) error { return withSize(m, 1, m.bytes) }},
	0x8e: {"BINBYTES8", func(m *machine) error { return withSize(m, 8, m.bytes) }},
	0x96: {"BYTEARRAY8", func(m *machine) error { return withSize(m, 8, m.bytes) }},

	// containers
	']':  {"EMPTY_LIST", func(m *machine) error { return m.push(&List{}) }},
	'l':  {"LIST", opList},
	'a':  {"APPEND", opAppend},
	'e':  {"APPENDS", opAppends},
	')':  {"EMPTY_TUPLE", func(m *machine) error { return m.push(&Tuple{}) }},
	't':  {"TUPLE", opTuple},
	0x85: {"TUPLE1", func(m *machine) error { return m.tuple(1) }},
	0x86: {"TUPLE2", func(m *machine) error { return m.tuple(2) }},
	0x87: {"TUPLE3", func(m *machine) error { return m.tuple(3) }},
	'}':  {"EMPTY_DICT", func(m *machine) error { return m.push(&Dict{}) }},
	'd':  {"DICT", opDict},
	's':  {"SETITEM", opSetItem},
	'u':  {"SETITEMS", opSetItems},
	0x8f: {"EMPTY_SET", func(m *machine) error { return m.push(&Set{}) }},
	0x90: {"ADDITEMS", opAddItems},
	0x91: {"FROZENSET", opFrozenSet},

	// names and objects; what is called here in Python is built here as data
	'c':  {"GLOBAL", opGlobal},
	0x93: {"STACK_GLOBAL", opStackGlobal},
	'R':  {"REDUCE", opReduce},
	'b':  {"BUILD", opBuild},
	'i':  {"INST", opInst},
	'o':  {"OBJ", opObj},
	0x81: {"NEWOBJ", opNewObj},
	0x92: {"NEWOBJ_EX", opNewObjEx},

	// what has no meaning in a file alone
	'P':  {"PERSID", refuseOutside("PERSID", "an object in somebody's database")},
	'Q':  {"BINPERSID", refuseOutside("BINPERSID", "an object in somebody's database")},
	0x82: {"EXT1", refuseOutside("EXT1", "Python's extension registry")},
	0x83: {"EXT2", refuseOutside("EXT2", "Python's extension registry")},
	0x84: {"EXT4", refuseOutside("EXT4", "Python's extension registry")},
	0x97: {"NEXT_BUFFER", refuseOutside("NEXT_BUFFER", "a buffer beside the file")},
	0x98: {"READONLY_BUFFER", refuseOutside("READONLY_BUFFER", "a buffer beside the file")},
}

// withSize reads an unsigned little-endian number of width bytes and goes on
// with it.
func withSize(m *machine, width int, then func(uint64) error) error {
	b, err := m.src.take(width)
	if err != nil {
		return err
	}
	var n uint64
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	return then(n)
}

func refuseOutside(name, where string) func(*machine) error {
	return func(m *machine) error {
		return m.refuse("%s refers to %s, outside of the file", name, where)
	}
}

func opProto(m *machine) error {
	return withSize(m, 1, func(version uint64) error {
		if version > 5 {
			return m.refuse("pickle protocol %d is newer than 5, the newest that exists", version)
		}
		return nil
	})
}

func opFrame(m *machine) error { return withSize(m, 8, m.src.beginFrame) }

func opStop(m *machine) error {
	m.done = true
	return nil
}

func opMark(m *machine) error {
	// A mark costs as much as a value, so a row of marks ends like a row of values.
	if err := m.push(nil); err != nil {
		return err
	}
	m.stack = m.stack[:len(m.stack)-1]
	m.marks = append(m.marks, len(m.stack))
	return nil
}

func opPop(m *machine) error {
	if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
		m.marks = m.marks[:n-1]
		return nil
	}
	_, err := m.pop()
	return err
}

func opPopMark(m *machine) error {
	_, err := m.popMark()
	return err
}

func opDup(m *machine) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	return m.again(v)
}

func opPut(m *machine) error {
	i, err := m.memoLine()
	if err != nil {
		return err
	}
	return m.remember(i)
}

func opGet(m *machine) error {
	i, err := m.memoLine()
	if err != nil {
		return err
	}
	return m.recall(i)
}
