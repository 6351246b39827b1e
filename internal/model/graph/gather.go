package graph

import (
	"errors"
	"slices"
)

var errIndex = errors.New("the model looks up a place that its table does not have")

// places are the indices of a Gather operator: numbers that count into limit
// elements, from the end where they are negative. Constants are checked once,
// others at every prediction.
func (c *Call) places(t *Tensor, limit int) []int32 {
	c.Spend(4 * t.Len())
	out := make([]int32, t.Len())
	switch d := t.Data.(type) {
	case []int64:
		fill(c, out, d, limit, t.Fixed)
	case []int32:
		fill(c, out, d, limit, t.Fixed)
	default:
		c.WrongKind(t)
	}
	return out
}

func fill[T int32 | int64](c *Call, out []int32, list []T, limit int, fixed bool) {
	read := func() error {
		for i, v := range list {
			at := int64(v)
			if at < 0 {
				at += int64(limit)
			}
			if at < 0 || at >= int64(limit) {
				return errIndex
			}
			out[i] = int32(at)
		}
		return nil
	}
	if !fixed {
		c.Then(read)
	} else if read() != nil {
		c.Refuse("looks up a place beyond its %d elements", limit)
	}
}

// lookUpRows is Gather: out[a, i..., b] = data[a, indices[i...], b].
func lookUpRows(c *Call) {
	c.AtMost(2, 1)
	data, indices := c.Input(0), c.Input(1)
	axis := c.axis(c.Int("axis", 0), data.Rank())
	shape := slices.Concat(data.Shape[:axis], indices.Shape, data.Shape[axis+1:])
	at := c.places(indices, data.Shape[axis])
	outer, limit, inner := product(data.Shape[:axis]), data.Shape[axis], data.Width(axis+1)
	t := c.picked(data, shape, indices.Fixed, func(out []int32) {
		i := 0
		for a := range outer {
			for _, place := range at {
				start := (a*limit + int(place)) * inner
				for b := range inner {
					out[i] = int32(start + b)
					i++
				}
			}
		}
	})
	t.Classes = classesOf(data)
	c.Give(0, t)
}

// picked makes a tensor of elements of data whose places write tells: once,
// where they are fixed, or at every prediction.
func (c *Call) picked(data *Tensor, shape []int, fixed bool, write func(out []int32)) *Tensor {
	if !sensible(shape) {
		c.Refuse("would give a tensor of the shape %v", shape)
	}
	c.Spend(4 * product(shape))
	index := make([]int32, product(shape))
	if !fixed {
		c.Always(func() { write(index) })
		return c.moved(data, shape, index)
	}
	write(index)
	for i, at := range index {
		if int(at) != i {
			return c.moved(data, shape, index)
		}
	}
	return c.moved(data, shape, nil) // all elements, or the first ones, as they are
}

// gatherElements is GatherElements: the index replaces one coordinate.
func gatherElements(c *Call) {
	c.AtMost(2, 1)
	data, indices := c.Input(0), c.Input(1)
	axis := c.axis(c.Int("axis", 0), data.Rank())
	if indices.Rank() != data.Rank() {
		c.Refuse("takes indices of %d dimensions for data of %d", indices.Rank(), data.Rank())
	}
	for i, d := range indices.Shape {
		if i != axis && d > data.Shape[i] {
			c.Refuse("takes indices of the shape %v for data of the shape %v", indices.Shape, data.Shape)
		}
	}
	steps := strides(data.Shape)
	along := steps[axis]
	steps[axis] = 0
	base := c.index(indices.Shape, 0, steps)
	at := c.places(indices, data.Shape[axis])
	c.Give(0, c.picked(data, indices.Shape, indices.Fixed, func(out []int32) {
		for i := range out {
			out[i] = int32(through(base, i)) + at[i]*int32(along)
		}
	}))
}

// gatherND is GatherND: the last axis of the indices holds coordinates.
func gatherND(c *Call) {
	c.AtMost(2, 1)
	data, indices, batch := c.Input(0), c.Input(1), c.Int("batch_dims", 0)
	if batch < 0 || indices.Rank() <= batch || data.Rank() <= batch || !slices.Equal(data.Shape[:batch], indices.Shape[:batch]) {
		c.Refuse("gathers with %d batch dimensions from %v by %v", batch, data.Shape, indices.Shape)
	}
	depth := indices.Shape[indices.Rank()-1]
	if depth < 1 || depth > data.Rank()-batch {
		c.Refuse("gathers by %d coordinates from %v", depth, data.Shape)
	}
	steps := strides(data.Shape)
	tuples := indices.Len() / depth
	coordinates := make([][]int32, depth)
	for k := range depth {
		column := c.moved(indices, []int{tuples}, c.index([]int{tuples}, k, []int{depth}))
		if indices.Fixed {
			c.RunNow()
			column.Fixed = true
		}
		coordinates[k] = c.places(column, data.Shape[batch+k])
	}
	inner := data.Width(batch + depth)
	shape := slices.Concat(indices.Shape[:indices.Rank()-1], data.Shape[batch+depth:])
	each := tuples / max(1, product(data.Shape[:batch])) // tuples of one batch
	c.Give(0, c.picked(data, shape, indices.Fixed, func(out []int32) {
		i := 0
		for tuple := range tuples {
			start := tuple / each * data.Width(batch)
			for k, list := range coordinates {
				start += int(list[tuple]) * steps[batch+k]
			}
			for b := range inner {
				out[i] = int32(start + b)
				i++
			}
		}
	}))
}

// extract is ArrayFeatureExtractor: columns of the last axis.
func extract(c *Call) {
	c.AtMost(2, 1)
	data, indices := c.Input(0), c.Input(1)
	if data.Rank() == 0 || indices.Len() == 0 {
		c.Refuse("takes columns %v of a tensor of the shape %v", indices.Shape, data.Shape)
	}
	width := data.Shape[data.Rank()-1]
	at := c.places(indices, width)
	rows := product(data.Shape[:data.Rank()-1])
	shape := append(slices.Clone(data.Shape[:data.Rank()-1]), len(at))
	if data.Rank() == 1 {
		shape = []int{1, len(at)} // as ONNX Runtime has it
	}
	t := c.picked(data, shape, indices.Fixed, func(out []int32) {
		i := 0
		for r := range rows {
			for _, place := range at {
				out[i] = int32(r*width) + place
				i++
			}
		}
	})
	t.Classes = classesOf(data)
	c.Give(0, t)
}

// classesOf are the values that elements picked from a table can have.
func classesOf(data *Tensor) *Tensor {
	if data.Fixed {
		return data
	}
	return nil
}

// oneHot is OneHot: off everywhere, on at the index; an index out of range is on
// nowhere.
func oneHot(c *Call) {
	c.AtMost(3, 1)
	indices, values := c.Input(0), c.Input(2)
	list := c.constant(1)
	if c.Input(1).Len() != 1 || values.Len() != 2 || list[0] < 1 {
		c.Refuse("takes %v as depth and %d values", list, values.Len())
	}
	depth := list[0]
	axis := c.Int("axis", -1)
	if axis < 0 {
		axis += indices.Rank() + 1
	}
	if axis < 0 || axis > indices.Rank() {
		c.Refuse("adds the axis %d", axis)
	}
	shape := slices.Insert(slices.Clone(indices.Shape), axis, depth)
	wanted := Values[int64](c, c.Cast(indices, ElemInt64))
	inner := product(indices.Shape[axis:])
	c.Give(0, c.picked(values, shape, false, func(out []int32) {
		clear(out)
		for i, v := range wanted {
			if v < 0 {
				v += int64(depth)
			}
			if v >= 0 && v < int64(depth) {
				out[(i/inner*depth+int(v))*inner+i%inner] = 1
			}
		}
	}))
}
