package load

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"serin/internal/infer/inferencepb"
)

// tensors are what a model takes in the words of the Open Inference Protocol:
// one tensor with a column for each feature, or one of a single column for each.
// Where the server does not tell, it is one tensor as wide as the rows.
type tensors struct {
	Inputs []tensor `json:"inputs"`
}

type tensor struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`

	// Data are the values by rows, or Parameters say how many bytes of them follow.
	Data       []json.RawMessage `json:"data,omitempty"`
	Parameters map[string]int    `json:"parameters,omitempty"`
}

// seed is the row of the seed's example request, and the source of numbers for
// rows that are made up.
var seed = []string{"0.5", "1.2", "0.8", "0.3", "1.1"}

// maxWidth bounds the rows that are made up for what a server says of itself.
const maxWidth = 100_000

// wide says whether all features lie in one tensor, and how many those are: 0
// where the server does not tell.
func (t *tensors) wide() (columns int, one bool) {
	if t == nil || len(t.Inputs) == 0 {
		return 0, true
	}
	shape := t.Inputs[0].Shape
	if len(t.Inputs) > 1 || len(shape) != 2 || shape[1] == 1 {
		return len(t.Inputs), false
	}
	return int(min(max(shape[1], 0), maxWidth)), true
}

// example is a row that fits.
func (t *tensors) example() json.RawMessage {
	columns, one := t.wide()
	if columns == 0 {
		columns = len(seed)
	}
	row := make([]string, columns)
	for i := range row {
		datatype := ""
		if !one {
			datatype = t.Inputs[i].Datatype
		}
		switch {
		case datatype == "BYTES":
			row[i] = `"a"`
		case datatype == "BOOL":
			row[i] = "true"
		case datatype != "" && datatype[:1] != "F":
			row[i] = "1"
		default:
			row[i] = seed[i%len(seed)]
		}
	}
	return json.RawMessage("[" + strings.Join(row, ", ") + "]")
}

// fill puts rows into the tensors.
func (t *tensors) fill(rows []json.RawMessage) ([]tensor, error) {
	columns, one := t.wide()
	if one {
		values, err := t.matrix(rows, columns)
		return []tensor{values}, err
	}
	filled := make([]tensor, columns)
	for i := range filled {
		filled[i] = tensor{Name: t.Inputs[i].Name, Datatype: t.Inputs[i].Datatype, Shape: []int64{int64(len(rows)), 1}}
	}
	for n, row := range rows {
		if err := t.scatter(filled, row); err != nil {
			return nil, fmt.Errorf("row %d of a request: %w", n, err)
		}
	}
	return filled, nil
}

// matrix is one tensor of all features, by rows.
func (t *tensors) matrix(rows []json.RawMessage, columns int) (tensor, error) {
	m := tensor{Name: "features", Datatype: "FP64"}
	if t != nil && len(t.Inputs) > 0 {
		m.Name, m.Datatype = t.Inputs[0].Name, t.Inputs[0].Datatype
	}
	for n, row := range rows {
		var values []json.RawMessage
		if err := json.Unmarshal(row, &values); err != nil {
			return m, fmt.Errorf("row %d of a request is no array: the model's features are one tensor, without names", n)
		}
		if columns == 0 {
			columns = len(values)
		}
		if len(values) != columns {
			return m, fmt.Errorf("row %d of a request has %d values, and the model takes %d", n, len(values), columns)
		}
		m.Data = append(m.Data, values...)
	}
	m.Shape = []int64{int64(len(rows)), int64(columns)}
	return m, nil
}

// scatter gives each tensor its value of a row.
func (t *tensors) scatter(filled []tensor, row json.RawMessage) error {
	if row[0] == '[' {
		var values []json.RawMessage
		if err := json.Unmarshal(row, &values); err != nil || len(values) != len(filled) {
			return fmt.Errorf("it has %d values, and the model takes %d", len(values), len(filled))
		}
		for i := range filled {
			filled[i].Data = append(filled[i].Data, values[i])
		}
		return nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(row, &values); err != nil {
		return err
	}
	for i := range filled {
		value, ok := values[filled[i].Name]
		if !ok {
			value = json.RawMessage("null")
		}
		filled[i].Data = append(filled[i].Data, value)
	}
	return nil
}

func (t *Target) v2(takes *tensors) ([]Request, error) {
	return t.each(t.inferPath(), func(rows []json.RawMessage) ([]byte, error) {
		filled, err := takes.fill(rows)
		if err != nil {
			return nil, err
		}
		return json.Marshal(map[string][]tensor{"inputs": filled})
	})
}

func (t *Target) inferPath() string { return "/v2/models/" + url.PathEscape(t.Model) + "/infer" }

// v2Binary has the values after the JSON, as the machine holds them, and asks
// for the answer's in the same way.
func (t *Target) v2Binary(takes *tensors) ([]Request, error) {
	var requests []Request
	for _, rows := range t.batches() {
		filled, raw, err := takes.raw(rows)
		if err != nil {
			return nil, err
		}
		for i := range filled {
			filled[i].Parameters = map[string]int{"binary_data_size": len(raw[i])}
		}
		body, err := json.Marshal(map[string]any{"inputs": filled, "parameters": map[string]bool{"binary_data_output": true}})
		if err != nil {
			return nil, err
		}
		r := Request{
			Path: t.inferPath(), ContentType: "application/octet-stream",
			Headers: http.Header{"Inference-Header-Content-Length": {strconv.Itoa(len(body))}}, Body: body,
		}
		for _, data := range raw {
			r.Body = append(r.Body, data...)
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// grpc makes the messages.
func (t *Target) grpc(takes *tensors) ([]Request, error) {
	return t.each(inferencepb.GRPCInferenceService_ModelInfer_FullMethodName, func(rows []json.RawMessage) ([]byte, error) {
		filled, raw, err := takes.raw(rows)
		if err != nil {
			return nil, err
		}
		message := &inferencepb.ModelInferRequest{ModelName: t.Model, RawInputContents: raw}
		for _, in := range filled {
			message.Inputs = append(message.Inputs, &inferencepb.ModelInferRequest_InferInputTensor{Name: in.Name, Datatype: in.Datatype, Shape: in.Shape})
		}
		return proto.Marshal(message)
	})
}

// raw is fill with the values as bytes, little-endian.
func (t *tensors) raw(rows []json.RawMessage) ([]tensor, [][]byte, error) {
	filled, err := t.fill(rows)
	if err != nil {
		return nil, nil, err
	}
	all := make([][]byte, len(filled))
	for i := range filled {
		for _, value := range filled[i].Data {
			if all[i], err = appendRaw(all[i], filled[i].Datatype, value); err != nil {
				return nil, nil, fmt.Errorf("input %q: %w", filled[i].Name, err)
			}
		}
		filled[i].Data = nil
	}
	return filled, all, nil
}

// appendRaw encodes a value; null is NaN, or an empty text.
func appendRaw(b []byte, datatype string, value json.RawMessage) ([]byte, error) {
	if datatype == "BYTES" {
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, fmt.Errorf("%s is no text", value)
		}
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...), nil
	}
	number, err := numberOf(value)
	if err != nil {
		return nil, err
	}
	switch datatype {
	case "FP64":
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(number)), nil
	case "FP32":
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(number))), nil
	case "INT64":
		return binary.LittleEndian.AppendUint64(b, uint64(int64(number))), nil
	case "INT32":
		return binary.LittleEndian.AppendUint32(b, uint32(int32(number))), nil
	case "BOOL":
		return append(b, map[bool]byte{true: 1}[number != 0]), nil
	}
	return nil, fmt.Errorf("values of datatype %s cannot be made here: use the protocol v2", datatype)
}

var errNumber = errors.New("null, true, false or a number is needed")

func numberOf(value json.RawMessage) (float64, error) {
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case nil:
		return math.NaN(), nil
	case bool:
		return map[bool]float64{true: 1}[v], nil
	case float64:
		return v, nil
	}
	return 0, fmt.Errorf("%s: %w", value, errNumber)
}
