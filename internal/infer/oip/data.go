package oip

import (
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// decode reads the data of a tensor from JSON that is known to be valid: one
// flat array, or arrays nested as the shape says.
func (t *Tensor) decode(data jsontext.Value) error {
	d, known := datatypeOf(t.Datatype)
	if !known {
		return fault("Input %s has the datatype %s, which the protocol does not have: use FP64.", model.Quote(t.Name), model.Quote(t.Datatype))
	}
	r := reader{tensor: t, datatype: d, json: data}
	if r.peek() != '[' {
		return fault("Input %s: data is no array.", model.Quote(t.Name))
	}
	if d.number == nil {
		t.Texts = []string{}
	} else {
		// A value takes two bytes at least, and no more are made than are claimed.
		t.Numbers = make([]float64, 0, min(len(data)/2, max(t.elements(), 0)))
	}
	flat := len(t.Shape) < 2 || !r.nested()
	if flat {
		return r.flat()
	}
	return r.nest(t.Shape)
}

// reader walks over valid JSON.
type reader struct {
	tensor   *Tensor
	datatype datatype
	json     []byte
	at       int
}

// peek passes over what stands between values.
func (r *reader) peek() byte {
	for {
		switch c := r.json[r.at]; c {
		case ' ', '\t', '\r', '\n', ',':
			r.at++
		default:
			return c
		}
	}
}

// nested tells whether the first element of the array is an array.
func (r *reader) nested() bool {
	ahead := *r
	ahead.at++
	return ahead.peek() == '['
}

func (r *reader) flat() error {
	for r.at++; r.peek() != ']'; {
		if err := r.element(); err != nil {
			return err
		}
	}
	return nil
}

// nest reads arrays of arrays, which must be just as long as the shape says; its
// depth is that of the shape, which is bounded.
func (r *reader) nest(shape []int64) error {
	n := int64(0)
	for r.at++; r.peek() != ']'; n++ {
		var err error
		switch c := r.peek(); {
		case len(shape) == 1:
			err = r.element()
		case c != '[':
			err = fault("Input %s: data are nested and are not nested everywhere.", model.Quote(r.tensor.Name))
		default:
			err = r.nest(shape[1:])
		}
		if err != nil {
			return err
		}
	}
	r.at++
	if n != shape[0] {
		return fault("Input %s: data are nested otherwise than shape %v says: %d elements where %d are expected.", model.Quote(r.tensor.Name), r.tensor.Shape, n, shape[0])
	}
	return nil
}

// element reads one value.
func (r *reader) element() error {
	start, t := r.at, r.tensor
	switch c := r.json[r.at]; c {
	case '[', '{':
		return fault("Input %s, element %d: expected %s, got something nested.", model.Quote(t.Name), r.count(), r.datatype.name)
	case '"':
		r.skipString()
	default:
		r.skipWord()
	}
	raw := r.json[start:r.at]
	if string(raw) == "null" {
		r.absent()
		return nil
	}
	if r.datatype.number == nil {
		if raw[0] != '"' {
			return r.unfit(raw)
		}
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return r.unfit(raw)
		}
		t.Texts = append(t.Texts, string(text))
		r.present()
		return nil
	}
	v, ok := r.number(raw)
	if !ok {
		return r.unfit(raw)
	}
	t.Numbers = append(t.Numbers, v)
	r.present()
	return nil
}

// skipWord passes over a number, true, false or null.
func (r *reader) skipWord() {
	for ; ; r.at++ {
		switch r.json[r.at] {
		case ' ', '\t', '\r', '\n', ',', ']':
			return
		}
	}
}

func (r *reader) skipString() {
	for r.at++; r.json[r.at] != '"'; r.at++ {
		if r.json[r.at] == '\\' {
			r.at++
		}
	}
	r.at++
}

// number reads a value within the range of its datatype.
func (r *reader) number(raw []byte) (float64, bool) {
	if r.datatype.name == "BOOL" {
		switch string(raw) {
		case "true", "1":
			return 1, true
		case "false", "0":
			return 0, true
		}
		return 0, false
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	if err != nil { // true, a string, or out of range
		return 0, false
	}
	return r.datatype.hold(v)
}

// hold is the value that an element of the datatype has for v; ok is false if
// it cannot have one.
func (d datatype) hold(v float64) (held float64, ok bool) {
	bits := 8 * d.size
	switch d.name {
	case "FP64":
		return v, true
	case "FP32":
		held = float64(float32(v))
		return held, !math.IsInf(held, 0)
	case "FP16":
		_, exponent := math.Frexp(v)
		ulp := math.Ldexp(1, max(exponent-1, -14)-10)
		held = math.RoundToEven(v/ulp) * ulp
		return held, math.Abs(held) <= 65504
	case "UINT8", "UINT16", "UINT32", "UINT64":
		return v, v == math.Trunc(v) && v >= 0 && v <= math.Ldexp(1, bits)-1
	default: // of 64 bits, the greatest is the next float, 2^63
		return v, v == math.Trunc(v) && v >= -math.Ldexp(1, bits-1) && v <= math.Ldexp(1, bits-1)-1
	}
}

func (r *reader) count() int { return max(len(r.tensor.Numbers), len(r.tensor.Texts)) }

// absent notes a null.
func (r *reader) absent() {
	t := r.tensor
	if t.Absent == nil {
		t.Absent = make([]bool, r.count())
	}
	t.Absent = append(t.Absent, true)
	if r.datatype.number == nil {
		t.Texts = append(t.Texts, "")
	} else {
		t.Numbers = append(t.Numbers, 0)
	}
}

// present notes a value, where some were null.
func (r *reader) present() {
	if r.tensor.Absent != nil {
		r.tensor.Absent = append(r.tensor.Absent, false)
	}
}

func (r *reader) unfit(raw []byte) error {
	return fault("Input %s, element %d: %s is no %s.", model.Quote(r.tensor.Name), r.count(), model.Quote(string(raw)), r.datatype.name)
}
