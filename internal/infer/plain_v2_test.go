package infer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	pb "serin/internal/infer/inferencepb"
	"serin/internal/infer/oip"
	"serin/internal/model"
	"serin/internal/model/rows"
)

// tensor is the plain reading of one: its values one after another, each a float64,
// a string, or nil where it is missing.
type tensor struct {
	name, datatype string
	shape          []int64
	values         []any
}

// sizes are those of an element in binary; 0 for BYTES.
var sizes = map[string]int{"BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "FP16": 2, "FP32": 4, "FP64": 8, "BYTES": 0}

// halves are the finite numbers of 16 bits from 0 up.
var halves = func() (all []float64) {
	for e := range 31 {
		for f := range 1 << 10 {
			all = append(all, math.Ldexp(float64(f+min(e, 1)<<10), max(e, 1)-25))
		}
	}
	return all
}()

// fitting is what an element of a datatype holds of a number; ok is false if it
// cannot hold it.
func fitting(datatype string, v float64) (held float64, ok bool) {
	bits, whole := 8*sizes[datatype], v == math.Trunc(v)
	switch {
	case datatype == "FP64":
		return v, true
	case datatype == "FP32":
		held = float64(float32(v))
		return held, !math.IsInf(held, 0)
	case datatype == "FP16":
		above, _ := slices.BinarySearch(halves, math.Abs(v))
		if above == len(halves) { // half a step above the greatest is still that
			return math.Copysign(halves[above-1], v), math.Abs(v) < 65520
		}
		if below := above - 1; above > 0 {
			low, high := math.Abs(v)-halves[below], halves[above]-math.Abs(v)
			if low < high || low == high && below%2 == 0 {
				above = below
			}
		}
		return math.Copysign(halves[above], v), true
	case datatype[0] == 'U':
		return v, whole && v >= 0 && v <= math.Ldexp(1, bits)-1
	}
	return v, whole && v >= -math.Ldexp(1, bits-1) && v <= math.Ldexp(1, bits-1)-1
}

// element reads a JSON value of a datatype.
func element(datatype string, n node) (v any, ok bool) {
	if n == nil {
		return nil, true
	}
	if datatype == "BYTES" {
		text, ok := n.(string)
		return text, ok
	}
	if datatype == "BOOL" {
		switch n {
		case true, json.Number("1"):
			return 1.0, true
		case false, json.Number("0"):
			return 0.0, true
		}
		return nil, false
	}
	text, _ := n.(json.Number)
	number, err := strconv.ParseFloat(string(text), 64)
	number, fits := fitting(datatype, number)
	return number, fits && err == nil
}

// flatten takes nested arrays apart, which must have the shape; an empty one is
// that of a flat array.
func flatten(n node, shape []int64, datatype string, to *[]any) bool {
	list, ok := n.([]node)
	if !ok || len(shape) > 0 && int64(len(list)) != shape[0] {
		return false
	}
	for _, e := range list {
		if len(shape) > 1 {
			if !flatten(e, shape[1:], datatype, to) {
				return false
			}
			continue
		}
		v, ok := element(datatype, e)
		if !ok {
			return false
		}
		*to = append(*to, v)
	}
	return true
}

// unpack reads binary data.
func unpack(datatype string, raw []byte) (values []any, ok bool) {
	size := sizes[datatype]
	for len(raw) > 0 {
		if datatype == "BYTES" {
			if len(raw) < 4 || uint64(binary.LittleEndian.Uint32(raw)) > uint64(len(raw)-4) {
				return nil, false
			}
			n := 4 + int(binary.LittleEndian.Uint32(raw))
			values, raw = append(values, string(raw[4:n])), raw[n:]
			continue
		}
		if len(raw) < size {
			return nil, false
		}
		var wide [8]byte
		copy(wide[:], raw[:size])
		bits := binary.LittleEndian.Uint64(wide[:])
		var v float64
		switch {
		case datatype == "FP64":
			v = math.Float64frombits(bits)
		case datatype == "FP32":
			v = float64(math.Float32frombits(uint32(bits)))
		case datatype == "FP16" && bits&0x7fff > 0x7c00:
			v = math.NaN()
		case datatype == "FP16" && bits&0x7fff == 0x7c00:
			v = math.Inf(1)
		case datatype == "FP16":
			v = math.Copysign(halves[bits&0x7fff], -float64(bits>>15))
		case datatype[0] == 'I':
			v = float64(int64(bits<<(64-8*size)) >> (64 - 8*size))
		default:
			v = float64(bits)
		}
		if datatype == "FP16" && bits>>15 == 0 {
			v = math.Abs(v)
		}
		if datatype == "BOOL" && v > 1 {
			return nil, false
		}
		values, raw = append(values, v), raw[size:]
	}
	return values, true
}

// plainV2 reads the JSON of a request and what follows it; wished are the outputs.
func plainV2(n node, rest []byte, withBinary bool) (inputs []tensor, wished []string, ok bool) {
	m, ok := n.(members)
	if id, there := m.get("id"); !ok || there && !isText(id) || !scalars(m) {
		return nil, nil, false
	}
	if p, _ := m.get("parameters"); p != nil {
		if timeout, there := p.(members).get("timeout"); there && whole(timeout) < 0 {
			return nil, nil, false
		}
	}
	all, there := m.get("inputs")
	list, isList := all.([]node)
	outputs, there2 := m.get("outputs")
	wishes, isList2 := outputs.([]node)
	if there && !isList || there2 && !isList2 {
		return nil, nil, false
	}
	for _, e := range list {
		t, ok := plainTensor(e, &rest, withBinary)
		if !ok {
			return nil, nil, false
		}
		inputs = append(inputs, t)
	}
	for _, e := range wishes {
		o, _ := e.(members)
		name, _ := o.get("name")
		if text, _ := name.(string); text == "" || !scalars(o) {
			return nil, nil, false
		}
		wished = append(wished, name.(string))
	}
	return inputs, wished, len(rest) == 0
}

func isText(n node) bool { _, ok := n.(string); return ok }

// whole is a whole number that is not below zero, else -1.
func whole(n node) int64 {
	text, _ := n.(json.Number)
	v, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return -1
	}
	return v
}

// scalars tells whether the parameters, if there are any, are made of them.
func scalars(m members) bool {
	p, there := m.get("parameters")
	all, ok := p.(members)
	return !there || ok && !slices.ContainsFunc(all, func(o member) bool {
		switch o.value.(type) {
		case nil, []node, members:
			return true
		}
		return false
	})
}

func plainTensor(n node, rest *[]byte, withBinary bool) (t tensor, ok bool) {
	m, ok := n.(members)
	for _, name := range []string{"name", "datatype"} {
		if v, there := m.get(name); !ok || there && !isText(v) {
			return t, false
		}
	}
	name, _ := m.get("name")
	datatype, _ := m.get("datatype")
	t.name, _ = name.(string)
	t.datatype, _ = datatype.(string)
	shape, there := m.get("shape")
	axes, isList := shape.([]node)
	size, known := sizes[t.datatype]
	if there && !isList || len(axes) > 8 || !scalars(m) || !known {
		return t, false
	}
	for _, a := range axes {
		if whole(a) < 0 {
			return t, false
		}
		t.shape = append(t.shape, whole(a))
	}
	data, has := m.get("data")
	if p, _ := m.get("parameters"); p != nil {
		if length, packed := p.(members).get("binary_data_size"); packed {
			n := whole(length)
			if n < 0 || !withBinary || n > int64(len(*rest)) || has {
				return t, false
			}
			t.values, ok = unpack(t.datatype, (*rest)[:n])
			*rest = (*rest)[n:]
			return t, ok && n%int64(max(size, 1)) == 0
		}
	}
	list, _ := data.([]node)
	nested := len(t.shape) > 1 && len(list) > 0
	if nested {
		_, nested = list[0].([]node)
	}
	if nested {
		return t, flatten(data, t.shape, t.datatype, &t.values)
	}
	return t, flatten(data, nil, t.datatype, &t.values)
}

// take takes the rows of a request; fewer than most.
func (t *table) take(s *model.Signature, inputs []tensor, wished []string, most int64) bool {
	outputs := []string{"probabilities", "prediction"}
	for i, w := range wished {
		if !slices.Contains(outputs, w) || slices.Contains(wished[:i], w) {
			return false
		}
	}
	if len(inputs) == 0 {
		return false
	}
	width := int64(len(s.Features))
	last := func(t tensor) int64 { return t.shape[len(t.shape)-1] }
	one := len(inputs) == 1 && (width == 1 || inputs[0].name == "features" || len(inputs[0].shape) > 0 && last(inputs[0]) != 1)
	n := int64(-1)
	for _, in := range inputs {
		var rows int64
		switch {
		case one && len(in.shape) == 1 && width > 1 && in.shape[0] == width:
			rows = 1
		case one && len(in.shape) == 2 && in.shape[1] == width, (!one || width == 1) && len(in.shape) == 1, !one && len(in.shape) == 2 && in.shape[1] == 1:
			rows = in.shape[0]
		}
		if rows < 1 || rows > most || n > 0 && n != rows {
			return false
		}
		n = rows
	}
	cells := make([]any, n*width)
	taken := make([]bool, width)
	for _, in := range inputs {
		if one {
			if int64(len(in.values)) != n*width {
				return false
			}
			copy(cells, in.values)
			break
		}
		at := slices.IndexFunc(s.Features, func(f model.Feature) bool { return f.Name == in.name })
		if !s.Named {
			at = slices.Index([]string{"x0", "x1", "x2", "x3", "x4"}[:width], in.name)
		}
		if at < 0 || taken[at] || int64(len(in.values)) != n {
			return false
		}
		taken[at] = true
		for i := range n {
			cells[i*width+int64(at)] = in.values[i]
		}
	}
	if !one && slices.Contains(taken, false) {
		return false
	}
	t.n = int(n)
	for i, v := range cells {
		f := s.Features[i%int(width)]
		number, text, ok := fill(f, v)
		if !ok {
			return false
		}
		t.numbers, t.texts = append(t.numbers, number), append(t.texts, text)
	}
	return true
}

func fill(f model.Feature, v any) (number float64, text string, ok bool) {
	number, isNumber := v.(float64)
	text, isText := v.(string)
	switch {
	case f.Kind == model.Unused:
		return 0, "", true
	case v == nil || isNumber && math.IsNaN(number) && f.Kind != model.Text:
		return math.NaN(), "", f.Missing
	case f.Kind == model.Text:
		return 0, text, isText
	case f.Kind == model.Bool:
		return number, "", isNumber && (number == 0 || number == 1)
	}
	return number, "", isNumber && !math.IsInf(number, 0)
}

var tensorSignatures = []*model.Signature{
	{Named: true, Features: model.Numbers(2, []string{"age", "calls"}), Outputs: 2, Classes: []model.Label{"0", "1"}},
	{Features: []model.Feature{{Missing: true}, {Kind: model.Text, Missing: true}, {Kind: model.Bool, Missing: true}, {Kind: model.Unused}}, Outputs: 2, Classes: []model.Label{"0", "1"}},
	scales().Signature(),
	{Features: []model.Feature{{Kind: model.Text}}, Outputs: 2, Classes: []model.Label{"0", "1"}},
}

// holdTensors compares what a real reader makes of a request with the plain one.
func holdTensors(t *testing.T, name string, read func() (*oip.Request, error), inputs []tensor, wished []string, plain bool) {
	t.Helper()
	r, failed := read()
	for _, s := range tensorSignatures {
		var b rows.Batch
		err := failed
		if err == nil {
			err = oip.NewContract(s).Read(r, &b, 100)
		}
		var want table
		ok := plain && want.take(s, inputs, wished, 100)
		if ok != (err == nil) {
			t.Fatalf("%s for %v: %v, read plainly it is accepted: %v", name, s.Features, err, ok)
		}
		if !ok {
			continue
		}
		for i, v := range b.Numbers { // which NaN it is does not matter
			if math.IsNaN(v) {
				b.Numbers[i] = math.NaN()
			}
		}
		want.hold(t, name, &b)
	}
}

// FuzzTensorsAgainstEncodingJSON holds V2's reader to the plain reading, of JSON and
// of binary data.
func FuzzTensorsAgainstEncodingJSON(f *testing.F) {
	add := func(text, data string) {
		f.Add([]byte(text), -1)
		f.Add([]byte(text+data), len(text))
	}
	add(v2Rows, "")
	add(strings.Replace(v2Rows, `,"data":[60,20]`, `,"parameters":{"binary_data_size":8}`, 1), "\x3c\x00\x00\x00\x14\x00\x00\x00")
	add(`{"inputs":[{"name":"features","shape":[2,2],"datatype":"FP64","data":[[1,2],[3,4]]}],"outputs":[{"name":"prediction","parameters":{"binary_data":true}}]}`, "")
	add(`{"parameters":{"timeout":5,"x":true},"inputs":[{"name":"f","shape":[2],"datatype":"FP16","data":[65519,1e-8]}]}`, "")
	add(`{"inputs":[{"name":"f","shape":[1,2],"datatype":"UINT64","data":[18446744073709551615,-0]}]}`, "")
	add(`{"inputs":[{"name":"x0","shape":[2],"datatype":"FP32","data":[null,3.4028236e38]},{"name":"x1","shape":[2,1],"datatype":"BYTES","data":[["a"],[null]]},{"name":"x2","shape":[2],"datatype":"BOOL","data":[1,null]},{"name":"x3","shape":[2],"datatype":"INT8","data":[-128,127]}]}`, "")
	add(`{"inputs":[{"name":"x","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":9}}]}`, "\x01\x00\x00\x00a\x00\x00\x00\x00")
	add(`{"inputs":[{"name":"f","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}}]}`, "\x00\x3c\x00\x80")
	add(`{"inputs":[{"name":"f","shape":[1,2],"datatype":"BOOL","parameters":{"binary_data_size":2}}]}`, "\x01\x07")
	f.Fuzz(func(t *testing.T, body []byte, header int) {
		text, rest := body, []byte(nil)
		if header >= 0 {
			text, rest = body[:min(header, len(body))], body[min(header, len(body)):]
		}
		if bytes.Contains(bytes.ToLower(text), []byte(`\ud`)) || bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > 5000 {
			return
		}
		n, ok := tree(text)
		inputs, wished, read := plainV2(n, rest, header >= 0)
		holdTensors(t, strconv.Quote(string(body)), func() (*oip.Request, error) { return oip.Parse(body, header) }, inputs, wished, ok && read && header <= len(body))
	})
}

// plainMessage reads a message of gRPC.
func plainMessage(in *pb.ModelInferRequest) (inputs []tensor, wished []string, ok bool) {
	raw := in.GetRawInputContents()
	if len(raw) > 0 && len(raw) != len(in.GetInputs()) {
		return nil, nil, false
	}
	if p := in.GetParameters()["timeout"]; p != nil {
		if _, text := p.GetParameterChoice().(*pb.InferParameter_StringParam); text || p.GetInt64Param() < 0 {
			return nil, nil, false
		}
	}
	for _, o := range in.GetOutputs() {
		wished = append(wished, o.GetName())
	}
	for i, input := range in.GetInputs() {
		t := tensor{name: input.GetName(), datatype: input.GetDatatype(), shape: input.GetShape()}
		if _, known := sizes[t.datatype]; !known || len(t.shape) > 8 || len(raw) > 0 && input.GetContents() != nil {
			return nil, nil, false
		}
		if len(raw) > 0 {
			t.values, ok = unpack(t.datatype, raw[i])
		} else {
			t.values, ok = plainContents(t.datatype, input.GetContents())
		}
		if !ok {
			return nil, nil, false
		}
		inputs = append(inputs, t)
	}
	return inputs, wished, true
}

func plainContents(datatype string, c *pb.InferTensorContents) (values []any, ok bool) {
	ok = true
	number := func(v float64) {
		held, fits := fitting(datatype, v)
		if math.IsNaN(v) {
			held, fits = v, true
		}
		values, ok = append(values, held), ok && fits
	}
	switch datatype {
	case "BOOL":
		for _, v := range c.GetBoolContents() {
			values = append(values, map[bool]float64{true: 1}[v])
		}
	case "INT8", "INT16", "INT32":
		for _, v := range c.GetIntContents() {
			number(float64(v))
		}
	case "UINT8", "UINT16", "UINT32":
		for _, v := range c.GetUintContents() {
			number(float64(v))
		}
	case "INT64":
		for _, v := range c.GetInt64Contents() {
			number(float64(v))
		}
	case "UINT64":
		for _, v := range c.GetUint64Contents() {
			number(float64(v))
		}
	case "FP32":
		for _, v := range c.GetFp32Contents() {
			number(float64(v))
		}
	case "FP64":
		for _, v := range c.GetFp64Contents() {
			number(v)
		}
	case "BYTES":
		for _, v := range c.GetBytesContents() {
			values = append(values, string(v))
		}
	default:
		return nil, false
	}
	return values, ok
}

// FuzzMessagesAgainstProto holds the reader of gRPC's messages to the plain one.
func FuzzMessagesAgainstProto(f *testing.F) {
	for _, ask := range []*pb.ModelInferRequest{
		{Inputs: two()}, {Inputs: two(), Parameters: map[string]*pb.InferParameter{"timeout": {ParameterChoice: &pb.InferParameter_Uint64Param{Uint64Param: math.MaxUint64}}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{input("features", "FP64", &pb.InferTensorContents{Fp64Contents: []float64{1, math.NaN()}}, 1, 2)}, Outputs: []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "prediction"}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{input("plan", "BYTES", nil, 1), input("age", "FP32", nil, 1)}, RawInputContents: [][]byte{{1, 0, 0, 0, 'a'}, {0, 0, 0x80, 0x7f}}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{input("f", "INT64", &pb.InferTensorContents{Int64Contents: []int64{math.MaxInt64, math.MinInt64}}, 1, 2)}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{input("f", "INT8", &pb.InferTensorContents{IntContents: []int32{-128, 128}}, 1, 2)}},
		{Inputs: []*pb.ModelInferRequest_InferInputTensor{input("f", "UINT64", &pb.InferTensorContents{Uint64Contents: []uint64{math.MaxUint64, 0}}, -1, 2)}},
	} {
		wire, err := proto.Marshal(ask)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var ask pb.ModelInferRequest
		if proto.Unmarshal(wire, &ask) != nil || !utf8.ValidString(ask.GetId()) {
			return
		}
		inputs, wished, ok := plainMessage(&ask)
		holdTensors(t, ask.String(), func() (*oip.Request, error) {
			r, _, err := tensors(&ask)
			return r, err
		}, inputs, wished, ok)
	})
}
