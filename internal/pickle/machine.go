package pickle

import "fmt"

// machine runs one pickle: Python's stack machine with nothing to call. An
// array of objects is a pickle inside the pickle; it gets a machine of its own
// that shares the source and the budget.
type machine struct {
	src    *source
	opts   Options
	budget *budget
	// ops is the table of opcodes.go and known the list of customs.go. They are
	// reached through the machine because some opcodes run a machine themselves,
	// some calls give a name, and a variable may not depend on itself.
	ops    *[256]opcode
	known  map[Global]builder
	nested bool

	stack []Value
	marks []int // heights of the stack at which a MARK was set
	memo  []Value
	done  bool
	at    int64 // where the current opcode begins
}

// budget counts values, and the memory that they take, over a pickle and the
// pickles inside it. An opcode of one byte can make a value of eighty, so beyond
// freeMemory what may be taken is bounded by what has arrived: of the pickle, and
// of the file as it is stored, for a small file may unfold to a large pickle.
// Values that were dropped again still count.
type budget struct {
	values        int
	memory, limit int64 // bytes; limit is raised as bytes arrive
}

const (
	freeMemory      = 48 << 20
	memoryPerByte   = 16  // of the pickle; a vocabulary takes 7, one of tuples 12
	memoryPerStored = 128 // of the file; a compressed vocabulary takes 35
)

// memoryOf is about how many bytes a new value takes, beside the place that holds
// it. The elements of an Array were bytes of the file.
func memoryOf(v Value) int64 {
	switch v := v.(type) {
	case nil, bool:
		return 0
	case int64, float64:
		return 8
	case string:
		return 16 + int64(len(v))
	case Bytes:
		return 16 + int64(len(v))
	case *List, *Dict:
		return 32
	case *Tuple:
		return 32 + 16*int64(len(v.Items))
	case *Set:
		return 48 + 16*int64(len(v.Items))
	case *Array, *DType:
		return 256
	default:
		return 128
	}
}

// place is how many bytes a Value takes in a list, on the stack or in the memo: 16,
// and half as much for lists that grew and left their old elements behind.
const place = 24

// opcode is one instruction: its name in pickletools and what it does.
type opcode struct {
	name string
	run  func(*machine) error
}

// absent marks the memo's gaps; None is a value.
type absent struct{}

// run executes opcodes up to STOP and returns the only value that is left.
func (m *machine) run() (Value, error) {
	for first := true; !m.done; first = false {
		m.at = m.src.at
		code, err := m.src.byte()
		if err != nil {
			return nil, err
		}
		op := m.ops[code]
		if op.run == nil {
			return nil, m.unknown(code, first)
		}
		if op.name == "PROTO" && !first {
			return nil, m.refuse("PROTO stands in the middle of the pickle")
		}
		if err := op.run(m); err != nil {
			return nil, err
		}
	}
	v, err := m.pop()
	if err != nil {
		return nil, err
	}
	if len(m.stack) > 0 || len(m.marks) > 0 {
		return nil, m.refuse("%d values are left over at the end of the pickle", len(m.stack)+len(m.marks))
	}
	return v, nil
}

func (m *machine) unknown(code byte, first bool) error {
	if first && !m.nested {
		return m.src.refuse(m.at, "Give the path of a file that joblib.dump(model, path) or pickle wrote.",
			"the file does not begin like a pickle or joblib file (its first byte is %#02x)", code)
	}
	return m.src.refuse(m.at, nextCopyAgain, "%#02x is no pickle opcode", code)
}

// refuse refuses the current opcode.
func (m *machine) refuse(format string, args ...any) error {
	return m.src.refuse(m.at, nextSaveAgain, format, args...)
}

// refuseCall refuses a call that would have been made with something unexpected.
func (m *machine) refuseCall(g Global, format string, args ...any) error {
	return m.refuse("%s in the file is not as Python writes it: %s", g, fmt.Sprintf(format, args...))
}

// push puts a new value on the stack.
func (m *machine) push(v Value) error {
	m.budget.memory += memoryOf(v)
	return m.again(v)
}

// again puts a value on the stack that is somewhere already.
func (m *machine) again(v Value) error {
	if err := m.spend(place); err != nil {
		return err
	}
	if m.budget.values++; m.budget.values > m.opts.MaxObjects {
		return m.src.refuse(m.at, nextSmaller, "the pickle holds more than %d values, the limit", m.opts.MaxObjects)
	}
	m.stack = append(m.stack, v)
	return nil
}

// spend notes that so many bytes of memory are taken.
func (m *machine) spend(bytes int64) error {
	b := m.budget
	if b.memory += bytes; b.memory <= b.limit {
		return nil
	}
	b.limit = freeMemory + min(memoryPerByte*m.src.at, memoryPerStored*m.src.in.n)
	if b.memory > b.limit {
		return m.src.refuse(m.at, nextSmaller, "the pickle's values take more than %d bytes of memory, the limit for as much of a file as this", b.limit)
	}
	return nil
}

// floor is the height of the stack below which only POP_MARK and its kind reach.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

func (m *machine) pop() (Value, error) {
	if len(m.stack) <= m.floor() {
		return nil, m.refuse("the stack is empty where a value is needed")
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) top() (Value, error) {
	if len(m.stack) <= m.floor() {
		return nil, m.refuse("the stack is empty where a value is needed")
	}
	return m.stack[len(m.stack)-1], nil
}

// popN pops the last n values and returns them as a new slice, oldest first.
func (m *machine) popN(n int) ([]Value, error) {
	from := len(m.stack) - n
	if from < m.floor() {
		return nil, m.refuse("the stack is empty where a value is needed")
	}
	items := append([]Value(nil), m.stack[from:]...)
	m.stack = m.stack[:from]
	return items, nil
}

// popMark pops the values above the last MARK, and the mark. The slice is part
// of the stack: copy it or use it before the next push.
func (m *machine) popMark() ([]Value, error) {
	if len(m.marks) == 0 {
		return nil, m.refuse("no MARK is set where one is needed")
	}
	from := m.marks[len(m.marks)-1]
	m.marks = m.marks[:len(m.marks)-1]
	items := m.stack[from:]
	m.stack = m.stack[:from]
	return items, nil
}

// remember stores the top of the stack under a number. Python numbers its memo
// without gaps, so a number beyond the values seen so far is not Python's.
func (m *machine) remember(i uint64) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if i > uint64(m.budget.values) {
		return m.refuse("memo number %d is beyond anything the pickle holds so far", i)
	}
	if more := int64(i) + 1 - int64(len(m.memo)); more > 0 {
		if err := m.spend(place * more); err != nil {
			return err
		}
	}
	for uint64(len(m.memo)) <= i {
		m.memo = append(m.memo, absent{})
	}
	m.memo[i] = v
	return nil
}

func (m *machine) recall(i uint64) error {
	if i >= uint64(len(m.memo)) || m.memo[i] == (absent{}) {
		return m.refuse("memo number %d is asked for and was never set", i)
	}
	return m.again(m.memo[i])
}
