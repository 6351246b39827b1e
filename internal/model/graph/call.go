package graph

import (
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"serin/internal/model"
)

// Call is one use of an operator while a plan is built: its inputs, its
// attributes, and the outputs that the operator fills in.
type Call struct {
	*build
	node    *node
	scope   *scope
	version int       // of the operator set
	in      []*Tensor // nil: left out
	out     []*Tensor
	first   int             // of its steps in the plan
	used    map[string]bool // attributes that the operator asked for
}

func itoa(n int) string { return strconv.Itoa(n) }

// Refuse gives up on the file because of this node.
func (c *Call) Refuse(format string, args ...any) {
	where := "the node " + Name{c.node.domain, model.Clip(c.node.op)}.String()
	if c.node.name != "" {
		where += " " + model.Quote(c.node.name)
	}
	Refuse(NextExport, "%s %s", where, fmt.Sprintf(format, args...))
}

// Input returns the input at i, which must be there.
func (c *Call) Input(i int) *Tensor {
	if t := c.Optional(i); t != nil {
		return t
	}
	c.Refuse("lacks its input %d", i)
	return nil
}

// Optional returns the input at i, or nil.
func (c *Call) Optional(i int) *Tensor {
	if i < len(c.in) {
		return c.in[i]
	}
	return nil
}

// AtMost refuses more inputs and outputs than the operator has.
func (c *Call) AtMost(in, out int) {
	if len(c.in) > in || len(c.out) > out || len(c.out) == 0 {
		c.Refuse("has %d inputs and %d outputs", len(c.in), len(c.out))
	}
}

// WrongKind refuses an element type.
func (c *Call) WrongKind(t *Tensor) {
	c.Refuse("takes a %s tensor here, which serin does not compute", t.Kind())
}

// constant returns the whole numbers of an input that must be known while
// loading: a shape, axes, a count.
func (c *Call) constant(i int) []int {
	t := c.Input(i)
	if !t.Fixed {
		Refuse(nextSimplify, "the node %s needs its input %d to be a constant", Name{c.node.domain, c.node.op}, i)
	}
	switch d := t.Data.(type) {
	case []int64:
		return convert64(d)
	case []int32:
		return convert64(Convert[int64](d))
	}
	c.WrongKind(t)
	return nil
}

// convert64 makes ints of numbers that will be checked as dimensions or axes;
// the extremes of Slice are cut to what sums cannot overflow.
func convert64(list []int64) []int {
	const most = 1 << 40
	out := make([]int, len(list))
	for i, v := range list {
		out[i] = int(min(max(v, -most), most))
	}
	return out
}

// axes are an operator's axes from its input at i, or, in older versions, from
// its attribute; nil when neither is there.
func (c *Call) axes(i int) []int {
	if c.Has("axes") {
		return convert64(c.Ints("axes"))
	}
	if c.Optional(i) == nil {
		return nil
	}
	return c.constant(i)
}

// axis turns an axis that may count from the end into one that does not.
func (c *Call) axis(axis, rank int) int {
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis >= rank {
		c.Refuse("works along the axis %d of a tensor of %d dimensions", axis, rank)
	}
	return axis
}

// Give sets the output at i, if somebody wants it.
func (c *Call) Give(i int, t *Tensor) {
	if i < len(c.out) {
		c.out[i] = t
	}
}

// RunNow runs the steps that this operator added so far. Only where what they
// read is constant.
func (c *Call) RunNow() { c.fold(c, c.first) }

// Then adds a step to the plan.
func (c *Call) Then(s step) { c.steps = append(c.steps, s) }

// Always adds a step that cannot fail.
func (c *Call) Always(work func()) {
	c.Then(func() error {
		work()
		return nil
	})
}

// Alloc makes the buffer of a value.
func Alloc[T Element](c *Call, shape ...int) (*Tensor, []T) {
	if !sensible(shape) {
		c.Refuse("would give a tensor of the shape %v", shape)
	}
	size := product(shape)
	c.Spend(size * sizeOf[T]())
	data := make([]T, size)
	return &Tensor{Shape: slices.Clone(shape), Data: data}, data
}

func sizeOf[T Element]() int {
	var v T
	switch any(v).(type) {
	case float64, int64:
		return 8
	case float32, int32:
		return 4
	case bool:
		return 1
	}
	return 16
}

// index is table within the budget of memory.
func (c *Call) index(shape []int, start int, steps []int) []int32 {
	if !sensible(shape) {
		c.Refuse("would give a tensor of the shape %v", shape)
	}
	c.Spend(4 * product(shape))
	return table(shape, start, steps)
}

// Alias gives the same elements another shape.
func (c *Call) Alias(t *Tensor, shape []int) *Tensor {
	if !sensible(shape) || product(shape) != t.Len() {
		c.Refuse("would make a tensor of the shape %v one of the shape %v", t.Shape, shape)
	}
	return &Tensor{Shape: slices.Clone(shape), Data: t.Data, Fixed: t.Fixed, Classes: t.Classes, Column: t.Column}
}

// find returns the bytes of an attribute and notes that it was asked for.
func (c *Call) find(name string) []byte {
	if c.used == nil {
		c.used = make(map[string]bool)
	}
	c.used[name] = true
	var raw []byte
	for i := range c.node.attributes {
		if a := &c.node.attributes[i]; a.name == name {
			if raw != nil {
				c.Refuse("has the attribute %s twice", name)
			}
			raw = a.raw
		}
	}
	return raw
}

// Has tells whether the node has an attribute.
func (c *Call) Has(name string) bool { return c.find(name) != nil }

// Ignore names attributes that do not change an answer.
func (c *Call) Ignore(names ...string) {
	for _, name := range names {
		c.find(name)
	}
}

// each visits the fields of an attribute that have the given number. Others
// than the attribute's name, type and comment are of another type.
func (c *Call) each(name string, number protowire.Number, visit func(f field)) {
	fields("AttributeProto", c.find(name), func(f field) {
		if c.belongs(name, f, number) {
			visit(f)
		}
	})
}

// belongs tells the fields with the value of an attribute from its name, type
// and comment. Others are of another type.
func (c *Call) belongs(name string, f field, number protowire.Number) bool {
	switch f.number {
	case 1, 13, 20:
		return false
	case number:
		return true
	}
	c.Refuse("has the attribute %s with a value of another type", name)
	return false
}

// Int64 is an attribute that is a whole number, or without where it is left out.
func (c *Call) Int64(name string, without int64) int64 {
	c.each(name, 3, func(f field) { without = f.int() })
	return without
}

// Int is Int64 for what will be checked as an axis or a count.
func (c *Call) Int(name string, without int) int {
	return convert64([]int64{c.Int64(name, int64(without))})[0]
}

// Flag is an attribute that is 0 or 1, and 0 where it is left out.
func (c *Call) Flag(name string) bool { return c.Int(name, 0) != 0 }

// Float is an attribute that is a float32.
func (c *Call) Float(name string, without float64) float64 {
	list := []float32{}
	c.each(name, 2, func(f field) { f.floats(&list) })
	if len(list) == 0 {
		return without
	}
	return float64(list[len(list)-1])
}

// Text is an attribute that is a text.
func (c *Call) Text(name, without string) string {
	v := without
	c.each(name, 4, func(f field) { v = f.text() })
	return v
}

// Ints is an attribute that is a list of whole numbers, nil where it is left out.
func (c *Call) Ints(name string) []int64 {
	var list []int64
	c.EachInt(name, func(v int64) { list = append(list, v) })
	return list
}

// EachInt hands on the whole numbers of an attribute one by one. Exporters write
// them unpacked, a tag before each, and forests have millions of them.
func (c *Call) EachInt(name string, visit func(v int64)) {
	const tag = 8<<3 | byte(protowire.VarintType)
	for b := c.find(name); len(b) > 0; {
		if b[0] == tag {
			if v, n := protowire.ConsumeVarint(b[1:]); n > 0 {
				visit(int64(v))
				b = b[1+n:]
				continue
			}
		}
		var f field
		f, b = nextField("AttributeProto", b)
		if c.belongs(name, f, 8) {
			f.numbers(protowire.VarintType, func(v uint64) { visit(int64(v)) })
		}
	}
}

// EachText hands on the texts of an attribute one by one, without copying them.
func (c *Call) EachText(name string, visit func(text []byte)) {
	c.each(name, 9, func(f field) { visit(f.body()) })
}

// Floats is an attribute that is a list of float32.
func (c *Call) Floats(name string) []float32 {
	const tag, size = 7<<3 | byte(protowire.Fixed32Type), 1 + 4
	raw := c.find(name)
	if raw == nil {
		return nil
	}
	list := make([]float32, 0, len(raw)/size+1)
	for b := raw; len(b) > 0; {
		if b[0] == tag && len(b) >= size {
			list = append(list, float32Of(b[1:]))
			b = b[size:]
			continue
		}
		var f field
		f, b = nextField("AttributeProto", b)
		if c.belongs(name, f, 7) {
			f.floats(&list)
		}
	}
	return list
}

// Texts is an attribute that is a list of texts.
func (c *Call) Texts(name string) []string {
	var list []string
	c.each(name, 9, func(f field) { list = append(list, f.text()) })
	return list
}

// Tensor is an attribute that is a tensor, nil where it is left out.
func (c *Call) Tensor(name string) *Tensor {
	var t *Tensor
	c.each(name, 5, func(f field) { _, t = readTensor(f.body()) })
	return t
}

// Prepare makes what an operator needs of its attributes once for all plans.
func Prepare[T any](c *Call, read func() T) T {
	if ready, ok := c.node.prepared.(T); ok {
		for i := range c.node.attributes {
			c.Ignore(c.node.attributes[i].name)
		}
		return ready
	}
	ready := read()
	if c.node.prepared == nil { // written while loading only
		c.node.prepared = ready
	}
	return ready
}

// Values are the elements of a tensor, which must be of the type T.
func Values[T Element](c *Call, t *Tensor) []T {
	list, ok := t.Data.([]T)
	if !ok {
		c.WrongKind(t)
	}
	return list
}

// Op is the name of the operator without its domain.
func (c *Call) Op() string { return c.node.op }

// Version is that of the operator's set, as the file has it.
func (c *Call) Version() int { return c.version }

// Inputs is the number of inputs, given or left out.
func (c *Call) Inputs() int { return len(c.in) }

// Limit is a number that no honest count in the file can pass: its bytes.
func (c *Call) Limit() int { return c.file.size }
