package oip

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"serin/internal/model"
	"serin/internal/model/rows"
)

// Contract is what tensors mean to one model. It is immutable.
type Contract struct {
	signature *model.Signature
	outputs   []output
}

// Spec describes a tensor. An axis of -1 is the number of rows.
type Spec struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// output is a tensor of an answer.
type output struct {
	Spec

	columns int // of a row
	// labels are the classes of "prediction" as JSON and as binary data; nil where
	// the tensor is made of Answers.Values.
	labels []model.Label
	raw    [][]byte
}

// NewContract makes the contract of a signature.
func NewContract(s *model.Signature) *Contract {
	c := &Contract{signature: s}
	values := func(name string) output {
		shape := []int64{-1}
		if s.Outputs > 1 || s.Values == model.Probabilities {
			shape = append(shape, int64(s.Outputs))
		}
		return output{Spec: Spec{name, "FP64", shape}, columns: s.Outputs}
	}
	switch s.Values {
	case model.Probabilities:
		c.outputs = append(c.outputs, values("probabilities"), labels(s.Classes))
	case model.Scores:
		c.outputs = append(c.outputs, values("scores"), labels(s.Classes))
	case model.Quantities:
		c.outputs = append(c.outputs, values("prediction"))
	}
	return c
}

// labels is the output "prediction" of a classifier. Its datatype is the
// narrowest that holds all classes: BOOL, INT64, FP64, or BYTES.
func labels(classes []model.Label) output {
	o := output{Spec: Spec{"prediction", "BYTES", []int64{-1}}, columns: 1, labels: classes}
	for _, candidate := range []struct {
		datatype string
		raw      func(label string) ([]byte, bool)
	}{
		{"BOOL", func(label string) ([]byte, bool) {
			v := map[string]byte{"true": 1, "false": 0}[label]
			return []byte{v}, label == "true" || label == "false"
		}},
		{"INT64", func(label string) ([]byte, bool) {
			v, err := strconv.ParseInt(label, 10, 64)
			return binary.LittleEndian.AppendUint64(nil, uint64(v)), err == nil
		}},
		{"FP64", func(label string) ([]byte, bool) {
			v, err := strconv.ParseFloat(label, 64)
			return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)), err == nil
		}},
	} {
		raw := make([][]byte, 0, len(classes))
		for _, class := range classes {
			if b, ok := candidate.raw(string(class)); ok {
				raw = append(raw, b)
			}
		}
		if len(raw) == len(classes) {
			o.Datatype, o.raw = candidate.datatype, raw
			return o
		}
	}
	for i, class := range classes {
		var text string
		if json.Unmarshal([]byte(class), &text) != nil { // a number among strings
			text = string(class)
			o.labels = append([]model.Label(nil), o.labels...)
			o.labels[i] = model.Label(strconv.Quote(text))
		}
		o.raw = append(o.raw, append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...))
	}
	return o
}

// Signature is what the contract was made of.
func (c *Contract) Signature() *model.Signature { return c.signature }

// Inputs describes what a request should hold.
func (c *Contract) Inputs() []Spec {
	s := c.signature
	if allNumbers(s) {
		return []Spec{{features, "FP64", []int64{-1, int64(len(s.Features))}}}
	}
	specs := make([]Spec, len(s.Features))
	for i, f := range s.Features {
		specs[i] = Spec{inputName(s, i), datatypeFor(f.Kind), []int64{-1, 1}}
	}
	return specs
}

// Outputs describes what an answer holds.
func (c *Contract) Outputs() []Spec {
	specs := make([]Spec, len(c.outputs))
	for i, o := range c.outputs {
		specs[i] = o.Spec
	}
	return specs
}

// Read reads the rows of a request into a batch, which it resets. maxRows bounds
// them. Its error is a *Fault.
func (c *Contract) Read(r *Request, b *rows.Batch, maxRows int) error {
	wished := make([]bool, len(c.outputs))
	for _, w := range r.Outputs {
		i := c.output(w.Name)
		if i < 0 {
			return fault("The model has no output %s: it has %s.", model.Quote(w.Name), c.names())
		}
		if wished[i] { // each of them would be a copy of all rows
			return fault("Output %s is wished twice.", model.Quote(w.Name))
		}
		wished[i] = true
	}
	return r.into(b, c.signature, maxRows)
}

func (c *Contract) output(name string) int {
	for i, o := range c.outputs {
		if o.Name == name {
			return i
		}
	}
	return -1
}

func (c *Contract) names() string {
	quoted := make([]string, len(c.outputs))
	for i, o := range c.outputs {
		quoted[i] = strconv.Quote(o.Name)
	}
	return strings.Join(quoted, ", ")
}

// Each calls f for every output that a request wants, with its place among
// Outputs, its shape, and whether it is wanted as binary data.
func (c *Contract) Each(r *Request, n int, f func(output int, shape []int64, binary bool)) {
	give := func(i int, binary bool) {
		shape := append([]int64(nil), c.outputs[i].Shape...)
		shape[0] = int64(n)
		f(i, shape, binary)
	}
	if len(r.Outputs) == 0 {
		for i := range c.outputs {
			give(i, r.Binary)
		}
		return
	}
	for _, w := range r.Outputs {
		give(c.output(w.Name), w.Binary)
	}
}

// AppendRaw appends an output of a batch's answers as binary data.
func (c *Contract) AppendRaw(dst []byte, i int, b *rows.Batch) []byte {
	o := &c.outputs[i]
	if o.labels != nil {
		dst = slices.Grow(dst, b.N*len(o.raw[0])) // about: texts differ in length
		for _, class := range b.Answers.Classes[:b.N] {
			dst = append(dst, o.raw[class]...)
		}
		return dst
	}
	dst = slices.Grow(dst, 8*b.N*o.columns)
	for _, v := range b.Answers.Values[:b.N*o.columns] {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return dst
}

// appendData appends an output of a batch's answers as a flat JSON array.
func (c *Contract) appendData(dst []byte, i int, b *rows.Batch) []byte {
	o := &c.outputs[i]
	if o.labels != nil {
		dst = append(dst, '[')
		for k, class := range b.Answers.Classes[:b.N] {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, o.labels[class]...)
		}
		return append(dst, ']')
	}
	return rows.AppendNumbers(dst, b.Answers.Values[:b.N*o.columns])
}

// AppendReply appends the body of an answer and returns, where some outputs are
// binary data, how much of what was appended is JSON; -1 where all of it is.
func (c *Contract) AppendReply(dst []byte, r *Request, b *rows.Batch, name, version string) (reply []byte, header int) {
	begin := len(dst)
	var raw []byte
	binaries := false
	dst = rows.AppendText(append(dst, `{"model_name":`...), name)
	dst = rows.AppendText(append(dst, `,"model_version":`...), version)
	if r.ID != "" {
		dst = rows.AppendText(append(dst, `,"id":`...), r.ID)
	}
	dst = append(dst, `,"outputs":[`...)
	count := 0
	c.Each(r, b.N, func(i int, shape []int64, isBinary bool) {
		if count++; count > 1 {
			dst = append(dst, ',')
		}
		dst = rows.AppendText(append(dst, `{"name":`...), c.outputs[i].Name)
		dst = rows.AppendText(append(dst, `,"datatype":`...), c.outputs[i].Datatype)
		dst = append(dst, `,"shape":[`...)
		for k, d := range shape {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, d, 10)
		}
		if !isBinary {
			dst = append(c.appendData(append(dst, `],"data":`...), i, b), '}')
			return
		}
		binaries = true
		before := len(raw)
		raw = c.AppendRaw(raw, i, b)
		dst = strconv.AppendInt(append(dst, `],"parameters":{"binary_data_size":`...), int64(len(raw)-before), 10)
		dst = append(dst, `}}`...)
	})
	dst = append(dst, `]}`...)
	if !binaries {
		return dst, -1
	}
	return append(dst, raw...), len(dst) - begin
}
