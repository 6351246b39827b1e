package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Array is a numpy array. Its elements stay as they were in the file until one
// of the methods decodes them; each returns all elements in C order (the last
// index runs fastest) as a new slice.
type Array struct {
	// Shape is the length of each axis; empty for an array of one element
	// without axes.
	Shape []int
	Type  DType

	raw     []byte
	count   int // elements
	step    int // bytes from one element to the next; more than Type.Size in a Field
	objects []Value
	fortran bool // raw is in Fortran order: the first index runs fastest
	built   bool
	node
}

// String names the array's type and shape: "float64 array of shape (1, 5)".
func (a *Array) String() string {
	dims := make([]string, len(a.Shape))
	for i, n := range a.Shape {
		dims[i] = fmt.Sprint(n)
	}
	return fmt.Sprintf("a %v array of shape (%s)", a.Type, strings.Join(dims, ", "))
}

// Len is the number of elements.
func (a *Array) Len() int { return a.count }

// Floats decodes numbers and booleans. Floats of 16 and 32 bits are exact, as
// are integers up to 2^53.
func (a *Array) Floats() ([]float64, error) {
	switch a.Type.Kind {
	case 'f':
		return a.floats()
	case 'b', 'i', 'u':
		out := make([]float64, a.Len())
		a.each(func(to, from int) {
			u := a.word(from)
			if a.Type.Kind == 'i' {
				out[to] = float64(a.signed(u))
			} else {
				out[to] = float64(u)
			}
		})
		return out, nil
	}
	return nil, fmt.Errorf("%v holds no real numbers", a)
}

func (a *Array) floats() ([]float64, error) {
	out := make([]float64, a.Len())
	switch a.Type.Size {
	case 8:
		if !a.Type.BigEndian && !a.turned() {
			for i := range out { // the common case, in one pass
				out[i] = math.Float64frombits(binary.LittleEndian.Uint64(a.raw[a.step*i:]))
			}
			return out, nil
		}
		a.each(func(to, from int) { out[to] = math.Float64frombits(a.word(from)) })
	case 4:
		a.each(func(to, from int) { out[to] = float64(math.Float32frombits(uint32(a.word(from)))) })
	case 2:
		a.each(func(to, from int) { out[to] = half(uint16(a.word(from))) })
	default:
		return nil, fmt.Errorf("%v has more precision than serin computes with", a)
	}
	return out, nil
}

// half decodes an IEEE 754 number of 16 bits: 1 sign, 5 exponent, 10 fraction.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	fraction := float64(h & 0x3ff)
	switch exponent := int(h>>10) & 0x1f; exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	default:
		return sign * math.Ldexp(1024+fraction, exponent-25)
	}
}

// Ints decodes integers and booleans.
func (a *Array) Ints() ([]int64, error) {
	out := make([]int64, a.Len())
	tooLarge := false
	switch a.Type.Kind {
	case 'i':
		a.each(func(to, from int) { out[to] = a.signed(a.word(from)) })
	case 'b', 'u':
		a.each(func(to, from int) {
			out[to] = int64(a.word(from))
			tooLarge = tooLarge || out[to] < 0
		})
	default:
		return nil, fmt.Errorf("%v holds no whole numbers", a)
	}
	if tooLarge {
		return nil, fmt.Errorf("%v holds a number beyond 2^63", a)
	}
	return out, nil
}

// Bools decodes booleans.
func (a *Array) Bools() ([]bool, error) {
	if a.Type.Kind != 'b' {
		return nil, fmt.Errorf("%v holds no booleans", a)
	}
	out := make([]bool, a.Len())
	a.each(func(to, from int) { out[to] = a.raw[from*a.step] != 0 })
	return out, nil
}

// Objects returns the elements of an array of Python objects.
func (a *Array) Objects() ([]Value, error) {
	if a.Type.Kind != 'O' {
		return nil, fmt.Errorf("%v holds no objects", a)
	}
	return append([]Value(nil), a.objects...), nil
}

// Strings decodes text, of dtype U or an object array of strings.
func (a *Array) Strings() ([]string, error) {
	out := make([]string, a.Len())
	if a.Type.Kind == 'O' {
		for i, v := range a.objects {
			s, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("%v holds %s among strings", a, Describe(v))
			}
			out[i] = s
		}
		return out, nil
	}
	if a.Type.Kind != 'U' {
		return nil, fmt.Errorf("%v holds no text", a)
	}
	order := a.order()
	bad := false
	var text []byte
	a.each(func(to, from int) {
		text = text[:0]
		end := 0 // numpy fills up with zeros, which are not part of the text
		for i := 0; i < a.Type.Size; i += 4 {
			r := order.Uint32(a.raw[from*a.step+i:])
			bad = bad || r > utf8.MaxRune || !utf8.ValidRune(rune(r))
			text = utf8.AppendRune(text, rune(r))
			if r != 0 {
				end = len(text)
			}
		}
		out[to] = string(text[:end])
	})
	if bad {
		return nil, errors.New("an array of text holds something that is no character")
	}
	return out, nil
}

func (a *Array) order() binary.ByteOrder {
	if a.Type.BigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// word returns the bits of stored element i, whose size is at most 8.
func (a *Array) word(i int) uint64 {
	b := a.raw[i*a.step:]
	switch a.Type.Size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(a.order().Uint16(b))
	case 4:
		return uint64(a.order().Uint32(b))
	default:
		return a.order().Uint64(b)
	}
}

func (a *Array) signed(u uint64) int64 {
	shift := 64 - 8*a.Type.Size
	return int64(u<<shift) >> shift
}

// turned reports whether the stored order differs from C order.
func (a *Array) turned() bool { return a.fortran && len(a.Shape) > 1 }

// each calls visit with the C-order position and the stored position of every
// element.
func (a *Array) each(visit func(to, from int)) {
	count := a.Len()
	if !a.turned() {
		for i := range count {
			visit(i, i)
		}
		return
	}
	index := make([]int, len(a.Shape))
	stride := make([]int, len(a.Shape))
	for axis, step := 0, 1; axis < len(a.Shape); axis++ {
		stride[axis] = step
		step *= a.Shape[axis]
	}
	from := 0
	for to := range count {
		visit(to, from)
		for axis := len(index) - 1; axis >= 0; axis-- {
			index[axis]++
			from += stride[axis]
			if index[axis] < a.Shape[axis] {
				break
			}
			from -= index[axis] * stride[axis]
			index[axis] = 0
		}
	}
}
