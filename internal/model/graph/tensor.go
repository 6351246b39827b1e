package graph

import (
	"encoding/binary"
	"math"
	"slices"
)

// Tensor is a value of the graph: elements in row-major order and their shape.
type Tensor struct {
	Shape []int
	Data  any  // []float32, []float64, []int64, []int32, []bool or []string, as long as the shape says; [][]string: see tokenizer
	Fixed bool // the same for every request: an initializer, or computed from such ones
	// Keys are the labels of the columns where a ZipMap makes maps of the tensor;
	// nil for all others.
	Keys *Tensor
	// Classes are all values that the elements can have, where the elements are
	// answers of a classifier; nil where that is not known.
	Classes *Tensor
	// Column is the number of the feature, from 1, that the tensor is; 0 for all
	// others.
	Column int
}

// Number is what arithmetic is done with.
type Number interface {
	float32 | float64 | int64 | int32
}

// Float is what functions are computed with.
type Float interface{ float32 | float64 }

// Element is what a tensor can hold.
type Element interface {
	Number | bool | string
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	switch d := t.Data.(type) {
	case []float32:
		return len(d)
	case []float64:
		return len(d)
	case []int64:
		return len(d)
	case []int32:
		return len(d)
	case []bool:
		return len(d)
	case []string:
		return len(d)
	case [][]string:
		return len(d)
	}
	return 0
}

// Kind names the element type for messages.
func (t *Tensor) Kind() string {
	switch t.Data.(type) {
	case []float32:
		return "float"
	case []float64:
		return "double"
	case []int64:
		return "int64"
	case []int32:
		return "int32"
	case []bool:
		return "bool"
	case [][]string:
		return "token"
	}
	return "string"
}

// Element is the element type of TensorProto.
func (t *Tensor) Element() Elem {
	switch t.Data.(type) {
	case []float32:
		return ElemFloat
	case []float64:
		return ElemDouble
	case []int64:
		return ElemInt64
	case []int32:
		return ElemInt32
	case []bool:
		return ElemBool
	case []string:
		return ElemString
	}
	return 0
}

// Rank is the number of dimensions.
func (t *Tensor) Rank() int { return len(t.Shape) }

// Width is the product of the dimensions from axis on.
func (t *Tensor) Width(axis int) int { return product(t.Shape[axis:]) }

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// sensible tells shapes that arithmetic on sizes can trust: few dimensions, none
// negative, and their product small even where one of them is zero.
func sensible(shape []int) bool {
	if len(shape) > maxRank {
		return false
	}
	size := 1
	for _, d := range shape {
		if d < 0 || d > maxBytes {
			return false
		}
		if size *= max(d, 1); size > maxBytes {
			return false
		}
	}
	return true
}

func float32Of(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) }
func float64Of(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
func int64Of(b []byte) int64     { return int64(binary.LittleEndian.Uint64(b)) }
func int32Of(b []byte) int32     { return int32(binary.LittleEndian.Uint32(b)) }

// decodeRaw reads raw_data: little-endian elements of the given size.
func decodeRaw[T Element](raw []byte, size int, of func([]byte) T) []T {
	if len(raw)%size != 0 {
		Refuse(NextExport, "the raw data of a tensor is %d bytes long, which is no multiple of %d", len(raw), size)
	}
	list := make([]T, len(raw)/size)
	for i := range list {
		list[i] = of(raw[i*size:])
	}
	return list
}

// Convert is a list in another type of number.
func Convert[to, from Number](list []from) []to {
	out := make([]to, len(list))
	for i, v := range list {
		out[i] = to(v)
	}
	return out
}

func truths(list []int64) []bool {
	out := make([]bool, len(list))
	for i, v := range list {
		out[i] = v != 0
	}
	return out
}

// strides are the distances between neighbours along each axis.
func strides(shape []int) []int {
	s := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		s[i] = step
		step *= shape[i]
	}
	return s
}

// table lists, for every element of a tensor of the given shape, the place
// that lies at start plus its coordinates times steps. nil stands for the table
// that says i at i.
func table(shape []int, start int, steps []int) []int32 {
	size := product(shape)
	list := make([]int32, size)
	at := make([]int, len(shape))
	place, straight := start, true
	for i := range list {
		list[i] = int32(place)
		straight = straight && place == i
		for axis := len(shape) - 1; axis >= 0; axis-- {
			place += steps[axis]
			if at[axis]++; at[axis] < shape[axis] {
				break
			}
			place -= steps[axis] * shape[axis]
			at[axis] = 0
		}
	}
	if straight {
		return nil
	}
	return list
}

// broadcast is the shape that two shapes have in common under numpy's rule.
func broadcast(a, b []int) (shape []int, ok bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	shape = slices.Clone(a)
	lead := len(a) - len(b)
	for i, d := range b {
		switch s := &shape[lead+i]; {
		case *s == d || d == 1:
		case *s == 1:
			*s = d
		default:
			return nil, false
		}
	}
	return shape, true
}

// spread is the table by which a tensor of shape from fills shape to.
func spread(from, to []int) []int32 {
	steps := make([]int, len(to))
	lead := len(to) - len(from)
	for i, step := range strides(from) {
		if from[i] != 1 {
			steps[lead+i] = step
		}
	}
	return table(to, 0, steps)
}
