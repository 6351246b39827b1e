package oip

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"serin/internal/model"
	"serin/internal/model/rows"
)

// Tensor is one input of a request. Its values are in one of three places,
// whatever its datatype needs.
type Tensor struct {
	Name     string
	Datatype string
	Shape    []int64
	// Raw are the values as the binary extension has them: little-endian, one
	// after another; BYTES each behind its length of four bytes.
	Raw []byte
	// Numbers and Texts are the values, where they came decoded. Absent marks the
	// elements that were null; it is nil if none was.
	Numbers []float64
	Texts   []string
	Absent  []bool
}

// Request is what a client asks.
type Request struct {
	ID     string
	Inputs []Tensor
	// Outputs are the names of the outputs that are wanted, nil for all, and
	// whether each is wanted as binary data.
	Outputs []Wish
	// Timeout is how long the client waits, in microseconds; 0 for as long as it takes.
	Timeout int64
	// Binary tells whether outputs that say nothing of it are wanted as binary data.
	Binary bool
}

// Wish is an output that a client wants.
type Wish struct {
	Name   string
	Binary bool
}

// features is the name of the one input of a model whose features are all numbers.
const features = "features"

// into reads the rows of a request into a batch, which it resets. Its error is
// a *Fault. maxRows bounds the rows.
func (r *Request) into(b *rows.Batch, s *model.Signature, maxRows int) error {
	b.Reset()
	if len(r.Inputs) == 0 {
		return fault("The request has no inputs: send %s.", expected(s))
	}
	n, err := r.rows(s)
	if err != nil {
		return err
	}
	if n > maxRows {
		return fault("The request has %d rows, and %d are the limit: send it in parts.", n, maxRows)
	}
	for i := range r.Inputs {
		if err := r.Inputs[i].check(); err != nil {
			return err
		}
	}
	columns, err := r.columns(s)
	if err != nil {
		return err
	}
	// Only now: there are values for every cell.
	width := len(s.Features)
	b.N = n
	b.Numbers = slices.Grow(b.Numbers[:0], n*width)[:n*width]
	if hasText(s) {
		b.Texts = slices.Grow(b.Texts[:0], n*width)[:n*width]
	}
	if columns == nil {
		return r.Inputs[0].fill(b, s, 0, width)
	}
	for i, at := range columns {
		if err := r.Inputs[i].fill(b, s, at, 1); err != nil {
			return err
		}
	}
	return nil
}

// columns are the features that the inputs are for, each once; nil where the
// only input is for all.
func (r *Request) columns(s *model.Signature) ([]int, error) {
	if r.whole(s) {
		return nil, nil
	}
	width := len(s.Features)
	columns, seen := make([]int, 0, min(len(r.Inputs), width)), make([]bool, width)
	for i := range r.Inputs {
		name := r.Inputs[i].Name
		at := slices.IndexFunc(s.Features, func(f model.Feature) bool { return f.Name == name })
		if !s.Named {
			at = numbered(name, width)
		}
		if at < 0 {
			return nil, fault("The model has no input %s: send %s.", model.Quote(name), expected(s))
		}
		if seen[at] {
			return nil, fault("Input %s is there twice.", model.Quote(name))
		}
		seen[at] = true
		columns = append(columns, at)
	}
	if at := slices.Index(seen, false); at >= 0 {
		return nil, fault("Input %s is missing: send %s.", model.Quote(inputName(s, at)), expected(s))
	}
	return columns, nil
}

// whole tells whether the request has one tensor for all features, and not a
// column for the only one that it names.
func (r *Request) whole(s *model.Signature) bool {
	if len(r.Inputs) != 1 {
		return false
	}
	t := &r.Inputs[0]
	return len(s.Features) == 1 || t.Name == features || len(t.Shape) > 0 && t.Shape[len(t.Shape)-1] != 1
}

// rows finds out how many rows all inputs agree on.
func (r *Request) rows(s *model.Signature) (int, error) {
	if r.whole(s) {
		t := &r.Inputs[0]
		width := int64(len(s.Features))
		switch {
		case len(t.Shape) == 2 && t.Shape[1] == width && t.Shape[0] > 0 && t.Shape[0] <= math.MaxInt32:
			return int(t.Shape[0]), nil
		case len(t.Shape) == 1 && t.Shape[0] == width && width > 1:
			return 1, nil
		case len(t.Shape) == 1 && width == 1 && t.Shape[0] > 0 && t.Shape[0] <= math.MaxInt32:
			return int(t.Shape[0]), nil
		}
		return 0, fault("Input %s has shape %v: send %s.", model.Quote(t.Name), t.Shape, expected(s))
	}
	n := int64(0)
	for i := range r.Inputs {
		t := &r.Inputs[i]
		if len(t.Shape) == 0 || len(t.Shape) > 2 || len(t.Shape) == 2 && t.Shape[1] != 1 || t.Shape[0] < 1 || t.Shape[0] > math.MaxInt32 {
			return 0, fault("Input %s has shape %v: send %s.", model.Quote(t.Name), t.Shape, expected(s))
		}
		if i > 0 && t.Shape[0] != n {
			return 0, fault("Inputs %s and %s have %d and %d rows: send the same number in each.", model.Quote(r.Inputs[0].Name), model.Quote(t.Name), n, t.Shape[0])
		}
		n = t.Shape[0]
	}
	return int(n), nil
}

// elements is how many values the shape says, which is at most what the caller
// has checked.
func (t *Tensor) elements() int {
	n := int64(1)
	for _, d := range t.Shape {
		if d < 0 || d > 0 && n > math.MaxInt32/d {
			return -1
		}
		n *= d
	}
	return int(n)
}

// check compares the values that came with the shape and the datatype.
func (t *Tensor) check() error {
	d, known := datatypeOf(t.Datatype)
	if !known {
		return fault("Input %s has the datatype %s, which the protocol does not have: use FP64.", model.Quote(t.Name), model.Quote(t.Datatype))
	}
	want := t.elements()
	if want < 0 {
		return fault("Input %s has shape %v, which is too large.", model.Quote(t.Name), t.Shape)
	}
	have := max(len(t.Numbers), len(t.Texts))
	if t.Raw != nil {
		switch {
		case d.size > 0 && len(t.Raw) != want*d.size:
			return fault("Input %s has %d bytes of data: shape %v of %s needs %d.", model.Quote(t.Name), len(t.Raw), t.Shape, t.Datatype, want*d.size)
		case d.name == "BOOL":
			if i := slices.IndexFunc(t.Raw, func(b byte) bool { return b > 1 }); i >= 0 {
				return fault("Input %s, element %d: %d is no BOOL: send 0 or 1.", model.Quote(t.Name), i, t.Raw[i])
			}
			return nil
		case d.size > 0:
			return nil
		}
		var err error
		if t.Texts, err = texts(t.Raw, want); err != nil {
			return fault("Input %s: %v.", model.Quote(t.Name), err)
		}
		have = len(t.Texts)
	}
	if have != want {
		return fault("Input %s has %d values: shape %v needs %d.", model.Quote(t.Name), have, t.Shape, want)
	}
	return nil
}

// texts takes the elements of BYTES apart; want is not trusted.
func texts(raw []byte, want int) ([]string, error) {
	out := make([]string, 0, min(want, len(raw)/4))
	for len(raw) > 0 {
		if len(raw) < 4 {
			return nil, fmt.Errorf("its data end within the length of element %d", len(out))
		}
		n := uint64(binary.LittleEndian.Uint32(raw))
		if n > uint64(len(raw)-4) {
			return nil, fmt.Errorf("element %d claims %d bytes and %d are left", len(out), n, len(raw)-4)
		}
		out = append(out, string(raw[4:4+n]))
		raw = raw[4+n:]
	}
	return out, nil
}

// Within holds decoded values to what the datatype can hold.
func (t *Tensor) Within() error {
	d, known := datatypeOf(t.Datatype)
	if !known || d.number == nil {
		return nil // check says so
	}
	for i, v := range t.Numbers {
		if _, ok := d.hold(v); !ok && !math.IsNaN(v) {
			return fault("Input %s, element %d: %v is no %s.", model.Quote(t.Name), i, v, t.Datatype)
		}
	}
	return nil
}

// fill puts the tensor's values into the columns of the batch that begin at
// first.
func (t *Tensor) fill(b *rows.Batch, s *model.Signature, first, columns int) error {
	d, _ := datatypeOf(t.Datatype)
	width := len(s.Features)
	if columns == width && d.name == "FP64" && t.Raw != nil && allNumbers(s) {
		return t.copyNumbers(b, s)
	}
	if columns == width && t.Numbers != nil && t.Absent == nil && allNumbers(s) {
		copy(b.Numbers, t.Numbers)
		return finite(b, s, model.Quote(t.Name))
	}
	for i := range b.N {
		for c := range columns {
			if err := t.put(b, s, d, i*columns+c, i, first+c); err != nil {
				return err
			}
		}
	}
	return nil
}

// exponent is all ones in a number that is not finite, and in no other.
const exponent = 0x7ff << 52

// copyNumbers is the straight way for the usual request: all numbers, 64 bits. It
// only notes whether one is not finite, and looks for it then: a batch has twenty
// thousand numbers, and this loop is a good part of what the server adds to a
// model's own time.
func (t *Tensor) copyNumbers(b *rows.Batch, s *model.Signature) error {
	var carry uint64 // its highest bit is set by an exponent of all ones
	to, from := b.Numbers, t.Raw[:8*len(b.Numbers)]
	for len(to) >= 4 && len(from) >= 32 {
		v0, v1 := binary.LittleEndian.Uint64(from), binary.LittleEndian.Uint64(from[8:])
		v2, v3 := binary.LittleEndian.Uint64(from[16:]), binary.LittleEndian.Uint64(from[24:])
		to[0], to[1], to[2], to[3] = math.Float64frombits(v0), math.Float64frombits(v1), math.Float64frombits(v2), math.Float64frombits(v3)
		carry |= (v0&exponent + 1<<52) | (v1&exponent + 1<<52) | (v2&exponent + 1<<52) | (v3&exponent + 1<<52)
		to, from = to[4:], from[32:]
	}
	for i := range to {
		v := binary.LittleEndian.Uint64(from[8*i:])
		to[i] = math.Float64frombits(v)
		carry |= v&exponent + 1<<52
	}
	if carry>>63 == 0 {
		return nil
	}
	return finite(b, s, model.Quote(t.Name))
}

// finite holds the numbers of a batch to what its features may be.
func finite(b *rows.Batch, s *model.Signature, input string) error {
	for i, v := range b.Numbers {
		if math.Float64bits(v)&exponent == exponent && !(math.IsNaN(v) && s.Features[i%len(s.Features)].Missing) {
			return notFinite(input, s, i/len(s.Features), i%len(s.Features), v)
		}
	}
	return nil
}

func notFinite(input string, s *model.Signature, row, at int, v float64) error {
	if math.IsNaN(v) {
		return fault("Input %s, row %d, feature %s: it is missing (NaN or null), and this model does not take that: send a number.", input, row, model.Quote(inputName(s, at)))
	}
	return fault("Input %s, row %d, feature %s: %v is no finite number.", input, row, model.Quote(inputName(s, at)), v)
}

// put takes one element to its cell.
func (t *Tensor) put(b *rows.Batch, s *model.Signature, d datatype, from, row, at int) error {
	f, cell := &s.Features[at], row*len(s.Features)+at
	absent := t.Absent != nil && t.Absent[from]
	if len(b.Texts) > 0 {
		b.Texts[cell] = ""
	}
	switch {
	case f.Kind == model.Unused:
		b.Numbers[cell] = 0
		return nil
	case absent && f.Missing:
		b.Numbers[cell] = math.NaN()
		return nil
	case absent:
		return notFinite(model.Quote(t.Name), s, row, at, math.NaN())
	case (f.Kind == model.Text) != (d.number == nil):
		return fault("Input %s has the datatype %s, and feature %s is a %s: send %s.", model.Quote(t.Name), t.Datatype, model.Quote(inputName(s, at)), f.Kind, datatypeFor(f.Kind))
	case f.Kind == model.Text:
		b.Numbers[cell], b.Texts[cell] = 0, t.Texts[from]
		return nil
	}
	var v float64
	if t.Raw == nil {
		v = t.Numbers[from]
	} else {
		v = d.number(t.Raw[from*d.size:])
	}
	if math.IsInf(v, 0) || math.IsNaN(v) && !f.Missing {
		return notFinite(model.Quote(t.Name), s, row, at, v)
	}
	if f.Kind == model.Bool && v != 0 && v != 1 && !math.IsNaN(v) {
		return fault("Input %s, row %d, feature %s: %v is neither true nor false.", model.Quote(t.Name), row, model.Quote(inputName(s, at)), v)
	}
	b.Numbers[cell] = v
	return nil
}

func hasText(s *model.Signature) bool {
	return slices.ContainsFunc(s.Features, func(f model.Feature) bool { return f.Kind == model.Text })
}

func allNumbers(s *model.Signature) bool {
	return !slices.ContainsFunc(s.Features, func(f model.Feature) bool { return f.Kind != model.Number })
}

func datatypeFor(k model.Kind) string {
	return [...]string{model.Number: "FP64", model.Text: "BYTES", model.Bool: "BOOL", model.Unused: "BYTES"}[k]
}

// inputName is the name of a feature's own tensor.
func inputName(s *model.Signature, at int) string {
	if s.Named {
		return s.Features[at].Name
	}
	return "x" + strconv.Itoa(at)
}

// numbered finds the feature that inputName calls so.
func numbered(name string, width int) int {
	digits, ok := strings.CutPrefix(name, "x")
	at, err := strconv.Atoi(digits)
	if !ok || err != nil || at < 0 || at >= width || strconv.Itoa(at) != digits {
		return -1
	}
	return at
}

// expected says in words what the metadata say.
func expected(s *model.Signature) string {
	if allNumbers(s) {
		return fmt.Sprintf("one input %q of datatype FP64 and shape [rows, %d]", features, len(s.Features))
	}
	const shown = 5
	var parts []string
	for i, f := range s.Features {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(s.Features)-shown))
			break
		}
		parts = append(parts, fmt.Sprintf("%q (%s)", inputName(s, i), datatypeFor(f.Kind)))
	}
	return "an input of shape [rows, 1] for each feature: " + strings.Join(parts, ", ")
}
