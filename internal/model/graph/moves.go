package graph

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Operators that only move elements. Where shapes are known and what is moved
// does not depend on the row, each is one table: which element of the input
// stands at each place of the output.

// moved makes a tensor whose elements are those of t at the places of index.
func (c *Call) moved(t *Tensor, shape []int, index []int32) *Tensor {
	if index == nil && product(shape) == t.Len() {
		return c.Alias(t, shape)
	}
	switch d := t.Data.(type) {
	case []float32:
		return gathered(c, d, shape, index)
	case []float64:
		return gathered(c, d, shape, index)
	case []int64:
		return gathered(c, d, shape, index)
	case []int32:
		return gathered(c, d, shape, index)
	case []bool:
		return gathered(c, d, shape, index)
	case []string:
		return gathered(c, d, shape, index)
	}
	c.WrongKind(t)
	return nil
}

func gathered[T Element](c *Call, from []T, shape []int, index []int32) *Tensor {
	t, out := Alloc[T](c, shape...)
	c.Always(func() {
		if index == nil {
			copy(out, from) // the first elements
			return
		}
		for i, at := range index {
			out[i] = from[at]
		}
	})
	return t
}

func identity(c *Call) {
	c.AtMost(1, 1)
	c.Give(0, c.Alias(c.Input(0), c.Input(0).Shape))
}

// dropout passes its input on: serin does not train. The mask tells that nothing
// was dropped.
func dropout(c *Call) {
	c.AtMost(3, 2)
	c.Ignore("ratio", "seed", "is_test")
	if t := c.Optional(2); t != nil {
		if training, ok := t.Data.([]bool); !ok || !t.Fixed || len(training) != 1 || training[0] {
			c.Refuse("is in training mode")
		}
	}
	c.Give(0, c.Alias(c.Input(0), c.Input(0).Shape))
	if len(c.out) == 2 {
		mask, all := Alloc[bool](c, c.Input(0).Shape...)
		for i := range all {
			all[i] = true
		}
		c.Give(1, mask)
	}
}

func reshape(c *Call) {
	c.AtMost(2, 1)
	t := c.Input(0)
	want := convert64(c.Ints("shape"))
	if !c.Has("shape") {
		want = c.constant(1)
	}
	keepZero := c.Flag("allowzero")
	shape, rest := make([]int, len(want)), -1
	for i, d := range want {
		switch {
		case d == -1 && rest < 0:
			rest, d = i, 1
		case d == 0 && !keepZero && i < t.Rank():
			d = t.Shape[i]
		}
		shape[i] = d
	}
	if !sensible(shape) {
		c.Refuse("asks for the shape %v", want)
	}
	if rest >= 0 {
		if known := product(shape); known > 0 {
			shape[rest] = t.Len() / known
		}
	}
	c.Give(0, c.Alias(t, shape))
}

func flatten(c *Call) {
	c.AtMost(1, 1)
	t, axis := c.Input(0), c.Int("axis", 1)
	if axis < 0 {
		axis += t.Rank()
	}
	if axis < 0 || axis > t.Rank() {
		c.Refuse("flattens from the axis %d", axis)
	}
	c.Give(0, c.Alias(t, []int{product(t.Shape[:axis]), t.Width(axis)}))
}

func squeeze(c *Call) {
	c.AtMost(2, 1)
	t := c.Input(0)
	axes := c.axes(1)
	gone := make([]bool, t.Rank())
	for _, axis := range axes {
		gone[c.axis(axis, t.Rank())] = true
	}
	var shape []int
	for i, d := range t.Shape {
		if gone[i] || axes == nil && d == 1 {
			continue
		}
		shape = append(shape, d)
	}
	c.Give(0, c.Alias(t, shape)) // refuses to lose a dimension that is not 1
}

func unsqueeze(c *Call) {
	c.AtMost(2, 1)
	t := c.Input(0)
	axes := c.axes(1)
	rank := t.Rank() + len(axes)
	if rank > maxRank {
		c.Refuse("makes a tensor of %d dimensions", rank)
	}
	added := make([]bool, rank)
	for _, axis := range axes {
		axis = c.axis(axis, rank)
		if added[axis] {
			c.Refuse("adds the axis %d twice", axis)
		}
		added[axis] = true
	}
	shape, rest := make([]int, rank), t.Shape
	for i := range shape {
		if shape[i] = 1; !added[i] {
			shape[i], rest = rest[0], rest[1:]
		}
	}
	c.Give(0, c.Alias(t, shape))
}

func transpose(c *Call) {
	c.AtMost(1, 1)
	t := c.Input(0)
	order := convert64(c.Ints("perm"))
	if !c.Has("perm") {
		for i := range t.Shape {
			order = append(order, t.Rank()-1-i)
		}
	}
	c.Give(0, c.permuted(t, order))
}

// permuted puts the axes into another order.
func (c *Call) permuted(t *Tensor, order []int) *Tensor {
	seen := make([]bool, t.Rank())
	if len(order) != t.Rank() {
		c.Refuse("orders %d axes of %d", len(order), t.Rank())
	}
	steps := strides(t.Shape)
	shape, moves := make([]int, len(order)), make([]int, len(order))
	for i, axis := range order {
		axis = c.axis(axis, t.Rank())
		if seen[axis] {
			c.Refuse("names the axis %d twice", axis)
		}
		seen[axis] = true
		shape[i], moves[i] = t.Shape[axis], steps[axis]
	}
	return c.moved(t, shape, c.index(shape, 0, moves))
}

func expand(c *Call) {
	c.AtMost(2, 1)
	t, want := c.Input(0), c.constant(1)
	if !sensible(want) {
		c.Refuse("asks for the shape %v", want)
	}
	shape, ok := broadcast(t.Shape, want)
	if !ok || !sensible(shape) {
		c.Refuse("expands the shape %v to %v", t.Shape, want)
	}
	c.Give(0, c.moved(t, shape, c.spread(t.Shape, shape)))
}

// tile repeats a tensor along every axis: each axis becomes two, of which the
// first does not move in the input.
func tile(c *Call) {
	c.AtMost(2, 1)
	t, times := c.Input(0), c.constant(1)
	if len(times) != t.Rank() || !sensible(times) {
		c.Refuse("repeats %v times along %d axes", times, t.Rank())
	}
	steps := strides(t.Shape)
	var shape, split, moves []int
	for i, d := range t.Shape {
		shape = append(shape, d*times[i])
		split = append(split, times[i], d)
		moves = append(moves, 0, steps[i])
	}
	if !sensible(shape) {
		c.Refuse("would give a tensor of the shape %v", shape)
	}
	c.Spend(4 * product(shape))
	c.Give(0, c.moved(t, shape, table(split, 0, moves)))
}

func slice(c *Call) {
	c.AtMost(5, 1)
	t := c.Input(0)
	var starts, ends, axes, steps []int
	if c.version < 10 {
		starts, ends = convert64(c.Ints("starts")), convert64(c.Ints("ends"))
		if c.Has("axes") {
			axes = convert64(c.Ints("axes"))
		}
	} else {
		starts, ends = c.constant(1), c.constant(2)
		if c.Optional(3) != nil {
			axes = c.constant(3)
		}
		if c.Optional(4) != nil {
			steps = c.constant(4)
		}
	}
	if axes == nil {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		c.Refuse("has %d starts, %d ends and %d axes", len(starts), len(ends), len(axes))
	}
	shape, moves, origin := slices.Clone(t.Shape), strides(t.Shape), 0
	seen := make([]bool, t.Rank())
	for i, axis := range axes {
		axis = c.axis(axis, t.Rank())
		step := 1
		if steps != nil {
			step = steps[i]
		}
		if seen[axis] || step == 0 {
			c.Refuse("slices the axis %d twice, or by steps of 0", axis)
		}
		seen[axis] = true
		first, count := sliced(starts[i], ends[i], step, t.Shape[axis])
		origin += first * moves[axis]
		shape[axis], moves[axis] = count, moves[axis]*step
	}
	if product(shape) == 0 {
		origin = 0
	}
	c.Give(0, c.moved(t, shape, c.index(shape, origin, moves)))
}

// sliced is Python's start:end:step on a list of n elements, as first element
// and number of elements.
func sliced(start, end, step, n int) (first, count int) {
	cut := func(at, low, high int) int {
		if at < 0 {
			at += n
		}
		return min(max(at, low), high)
	}
	if step > 0 {
		start, end = cut(start, 0, n), cut(end, 0, n)
		return start, max(0, (end-start+step-1)/step)
	}
	start, end = cut(start, 0, n-1), cut(end, -1, n-1)
	if n == 0 {
		return 0, 0
	}
	return start, max(0, (end-start+step+1)/step)
}

func split(c *Call) {
	t := c.Input(0)
	axis := c.axis(c.Int("axis", 0), t.Rank())
	c.Ignore("num_outputs")
	var sizes []int
	switch {
	case c.Has("split"):
		sizes = convert64(c.Ints("split"))
	case c.Optional(1) != nil:
		sizes = c.constant(1)
	default:
		// As equal as can be, the last one smaller.
		part := (t.Shape[axis] + len(c.out) - 1) / max(len(c.out), 1)
		for left := t.Shape[axis]; len(sizes) < len(c.out); left -= part {
			sizes = append(sizes, max(0, min(part, left)))
		}
	}
	at, steps := 0, strides(t.Shape)
	if len(sizes) != len(c.out) {
		c.Refuse("splits into %d parts and has %d outputs", len(sizes), len(c.out))
	}
	for i, size := range sizes {
		if size < 0 || size > t.Shape[axis]-at {
			c.Refuse("splits %d elements into parts %v", t.Shape[axis], sizes)
		}
		shape := slices.Clone(t.Shape)
		shape[axis] = size
		origin := at * steps[axis]
		if product(shape) == 0 {
			origin = 0
		}
		c.Give(i, c.moved(t, shape, c.index(shape, origin, steps)))
		at += size
	}
	if at != t.Shape[axis] {
		c.Refuse("splits %d elements into parts %v", t.Shape[axis], sizes)
	}
}

func concat(c *Call) {
	switch c.Input(0).Data.(type) {
	case []float32:
		joined[float32](c, c.in)
	case []float64:
		joined[float64](c, c.in)
	case []int64:
		joined[int64](c, c.in)
	case []int32:
		joined[int32](c, c.in)
	case []bool:
		joined[bool](c, c.in)
	case []string:
		joined[string](c, c.in)
	}
}

func joined[T Element](c *Call, parts []*Tensor) {
	first := c.Input(0)
	axis := c.axis(c.Int("axis", 1), first.Rank())
	c.Give(0, Join[T](c, parts, axis))
}

// Join puts tensors side by side along an axis.
func Join[T Element](c *Call, parts []*Tensor, axis int) *Tensor {
	shape := slices.Clone(parts[0].Shape)
	shape[axis] = 0
	for i, t := range parts {
		if t == nil {
			c.Refuse("lacks its input %d", i)
		}
		if _, ok := t.Data.([]T); !ok || t.Rank() != len(shape) {
			c.Refuse("joins a %s tensor of the shape %v to others", t.Kind(), t.Shape)
		}
		for k, d := range t.Shape {
			if k != axis && d != shape[k] {
				c.Refuse("joins tensors of the shapes %v and %v", parts[0].Shape, t.Shape)
			}
		}
		shape[axis] += t.Shape[axis]
	}
	t, out := Alloc[T](c, shape...)
	rows, stride, at := product(shape[:axis]), product(shape[axis:]), 0
	for _, part := range parts {
		from, width, start := Values[T](c, part), part.Width(axis), at
		at += width
		if width == 0 {
			continue
		}
		c.Always(func() {
			for r := range rows {
				copy(out[r*stride+start:], from[r*width:(r+1)*width])
			}
		})
	}
	return t
}

func shapeOf(c *Call) {
	c.AtMost(1, 1)
	t := c.Input(0)
	start, end := c.Int("start", 0), c.Int("end", t.Rank())
	first, count := sliced(start, end, 1, t.Rank())
	list := int64s(t.Shape[first : first+count])
	c.Give(0, &Tensor{Shape: []int{len(list)}, Data: list, Fixed: true})
}

func int64s(list []int) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

func sizeOfTensor(c *Call) {
	c.AtMost(1, 1)
	c.Give(0, &Tensor{Data: []int64{int64(c.Input(0).Len())}, Fixed: true})
}

// constantNode is Constant: one of several attributes holds the value.
func constantNode(c *Call) {
	c.AtMost(0, 1)
	if t := c.Tensor("value"); t != nil {
		c.Give(0, t)
		return
	}
	t := &Tensor{}
	switch {
	case c.Has("value_float"):
		t.Data = []float32{float32(c.Float("value_float", 0))}
	case c.Has("value_int"):
		t.Data = []int64{c.Int64("value_int", 0)}
	case c.Has("value_string"):
		t.Data = []string{c.Text("value_string", "")}
	case c.Has("value_floats"):
		t.Data = c.Floats("value_floats")
		t.Shape = []int{t.Len()}
	case c.Has("value_ints"):
		t.Data = c.Ints("value_ints")
		t.Shape = []int{t.Len()}
	case c.Has("value_strings"):
		t.Data = c.Texts("value_strings")
		t.Shape = []int{t.Len()}
	default:
		c.Refuse("holds no value that serin reads")
	}
	if product(t.Shape) != t.Len() {
		c.Refuse("holds no value")
	}
	c.Give(0, t)
}

func constantOfShape(c *Call) {
	c.AtMost(1, 1)
	shape := c.constant(0)
	value := c.Tensor("value")
	if value == nil {
		value = &Tensor{Shape: []int{1}, Data: []float32{0}, Fixed: true}
	}
	if value.Len() != 1 {
		c.Refuse("fills with %d values", value.Len())
	}
	one := c.Alias(value, nil)
	c.Give(0, c.moved(one, shape, c.index(shape, 0, make([]int, len(shape)))))
}

func cast(c *Call) {
	c.AtMost(1, 1)
	c.Ignore("saturate", "round_mode") // of 8-bit floats
	t, to := c.Input(0), Elem(c.Int("to", 0))
	var classes *Tensor
	if t.Classes != nil { // labels stay labels
		classes = c.Cast(t.Classes, to)
		c.RunNow()
	}
	out := c.Cast(t, to)
	out.Classes = classes
	c.Give(0, out)
}

func castLike(c *Call) {
	c.AtMost(2, 1)
	c.Ignore("saturate", "round_mode")
	c.Give(0, c.Cast(c.Input(0), c.Input(1).Element()))
}

// Cast converts a tensor to another element type.
func (c *Call) Cast(t *Tensor, to Elem) *Tensor {
	if t.Element() == to {
		return c.Alias(t, t.Shape)
	}
	switch d := t.Data.(type) {
	case []float32:
		return castNumbers(c, t, to, func(v float32) string { return floatText(float64(v)) })
	case []float64:
		return castNumbers(c, t, to, floatText)
	case []int64:
		return castNumbers(c, t, to, func(v int64) string { return strconv.FormatInt(v, 10) })
	case []int32:
		return castNumbers(c, t, to, func(v int32) string { return strconv.FormatInt(int64(v), 10) })
	case []bool:
		ones := Each(c, t, func(v bool) int64 {
			if v {
				return 1
			}
			return 0
		})
		if to == ElemString {
			c.Refuse("writes bools as text")
		}
		return c.Cast(ones, to)
	case []string:
		return castTexts(c, t, d, to)
	}
	return nil
}

func castNumbers[T Number](c *Call, t *Tensor, to Elem, text func(v T) string) *Tensor {
	switch to {
	case ElemFloat:
		return Each(c, t, func(v T) float32 { return float32(v) })
	case ElemDouble:
		return Each(c, t, func(v T) float64 { return float64(v) })
	case ElemInt64:
		return Each(c, t, func(v T) int64 { return int64(v) })
	case ElemInt32:
		return Each(c, t, func(v T) int32 { return int32(v) })
	case ElemBool:
		return Each(c, t, func(v T) bool { return v != 0 })
	case ElemString:
		return Each(c, t, text)
	}
	c.Refuse("casts to the element type %d, which serin does not compute", to)
	return nil
}

// floatText writes a float as ONNX Runtime's Cast does, by C's %.8g
// (core/providers/cpu/tensor/cast_op.cc, CastToString).
func floatText(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "INF"
	case math.IsInf(v, -1):
		return "-INF"
	}
	const digits = 8
	text := strconv.FormatFloat(v, 'e', digits-1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	if e, _ := strconv.Atoi(exponent); e >= -4 && e < digits {
		text = strconv.FormatFloat(v, 'f', digits-1-e, 64)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		return text
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + "e" + exponent
}

var errNoNumber = errors.New("the model reads a text as a number, and it is none")

func castTexts(c *Call, t *Tensor, list []string, to Elem) *Tensor {
	if to != ElemFloat && to != ElemDouble && to != ElemInt64 && to != ElemInt32 {
		c.Refuse("casts texts to the element type %d, which serin does not compute", to)
	}
	numbers, out := Alloc[float64](c, t.Shape...)
	c.Then(func() (err error) {
		for i, text := range list {
			if out[i], err = strconv.ParseFloat(strings.TrimSpace(text), 64); err != nil {
				return errNoNumber
			}
		}
		return nil
	})
	return c.Cast(numbers, to)
}
