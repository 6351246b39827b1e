package oip

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"serin/internal/model"
	"serin/internal/model/rows"
)

// numbers takes two numbers and answers two probabilities.
var numbers = &model.Signature{Features: model.Numbers(2, []string{"tenure", "calls"}), Named: true, Outputs: 2, Classes: []model.Label{"0", "1"}}

// mixed takes one of each kind, and the number may be missing.
var mixed = &model.Signature{
	Features: []model.Feature{{Name: "age", Missing: true}, {Name: "plan", Kind: model.Text}, {Name: "vip", Kind: model.Bool}}, Named: true,
	Values: model.Scores, Outputs: 1, Classes: []model.Label{`"stays"`, `"goes"`},
}

func read(t testing.TB, s *model.Signature, body string) (*rows.Batch, error) {
	t.Helper()
	var b rows.Batch
	r, err := Parse([]byte(body), -1)
	if err == nil {
		err = NewContract(s).Read(r, &b, 1000)
	}
	if err != nil {
		if _, ok := errors.AsType[*Fault](err); !ok {
			t.Errorf("%v is no Fault", err)
		}
	}
	return &b, err
}

func TestRequests(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	for _, tt := range []struct {
		name    string
		s       *model.Signature
		body    string
		numbers []float64
		texts   []string
	}{
		{"nested", numbers, `{"inputs":[{"name":"features","shape":[2,2],"datatype":"FP64","data":[[1,2.5],[-3,4e2]]}]}`, []float64{1, 2.5, -3, 400}, nil},
		{"flat", numbers, `{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP64","data":[1,2.5,-3,4e2]}]}`, []float64{1, 2.5, -3, 400}, nil},
		{"data before shape", numbers, `{"inputs":[{"data":[1,2],"datatype":"INT32","shape":[1,2],"name":"x"}]}`, []float64{1, 2}, nil},
		{"one row", numbers, `{"inputs":[{"name":"x","shape":[2],"datatype":"UINT8","data":[255,0]}]}`, []float64{255, 0}, nil},
		{"rounded to its datatype", numbers, `{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[0.1,1e-60]}]}`, []float64{float64(float32(0.1)), 0}, nil},
		{"the greatest", numbers, `{"inputs":[{"name":"x","shape":[2],"datatype":"INT64","data":[9223372036854775807,-9223372036854775808]}]}`, []float64{1 << 63, -1 << 63}, nil},
		{"half", numbers, `{"inputs":[{"name":"x","shape":[2],"datatype":"FP16","data":[0.1,65504]}]}`, []float64{0.0999755859375, 65504}, nil},
		{"by feature", numbers, `{"inputs":[{"name":"calls","shape":[2,1],"datatype":"FP64","data":[[3],[4]]},{"name":"tenure","shape":[2],"datatype":"INT64","data":[1,2]}]}`, []float64{1, 3, 2, 4}, nil},
		{"every kind", mixed, `{"id":"7","parameters":{"a":1,"b":"x","c":true},"other":[{}],"inputs":[
			{"name":"age","shape":[2,1],"datatype":"FP64","data":[40,null]},
			{"name":"vip","shape":[2,1],"datatype":"BOOL","data":[true,0]},
			{"name":"plan","shape":[2,1],"datatype":"BYTES","parameters":{"content_type":"str"},"data":["gold","gr\u00fcn, \"x\" ]"]}]}`, []float64{40, 0, 1, nan, 0, 0}, []string{"", "gold", "", "", `grün, "x" ]`, ""}},
		{"escaped names", numbers, `{"inputs":[{"n\u0061me":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}`, []float64{1, 2}, nil},
	} {
		b, err := read(t, tt.s, tt.body)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.numbers, b.Numbers, cmpopts.EquateNaNs()) + cmp.Diff(tt.texts, b.Texts, cmpopts.EquateEmpty()); diff != "" || b.N != len(tt.numbers)/len(tt.s.Features) {
			t.Errorf("%s: %d rows\n%s", tt.name, b.N, diff)
		}
	}
}

// TestMemoryIsUsedAgain: a batch that had texts takes rows that have none.
func TestMemoryIsUsedAgain(t *testing.T) {
	t.Parallel()
	var b rows.Batch
	for _, tt := range []struct {
		s    *model.Signature
		body string
	}{
		{mixed, `{"inputs":[{"name":"age","shape":[1],"datatype":"FP64","data":[1]},{"name":"plan","shape":[1],"datatype":"BYTES","data":["a"]},{"name":"vip","shape":[1],"datatype":"BOOL","data":[true]}]}`},
		{numbers, `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}` + "\x00\x00\x80\x3f\x00\x00\x00\x40"},
	} {
		header := -1
		if i := strings.Index(tt.body, "]}\x00"); i >= 0 {
			header = i + 2
		}
		r, err := Parse([]byte(tt.body), header)
		if err != nil {
			t.Fatal(err)
		}
		if err := NewContract(tt.s).Read(r, &b, 10); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]float64{1, 2}, b.Numbers); diff != "" || len(b.Texts) != 0 {
		t.Error(diff, b.Texts)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	input := func(shape, datatype, data string) string {
		return fmt.Sprintf(`{"inputs":[{"name":"features","shape":%s,"datatype":%q,"data":%s}]}`, shape, datatype, data)
	}
	for _, tt := range []struct {
		s          *model.Signature
		body, want string
	}{
		{numbers, ``, "not JSON"},
		{numbers, `{`, "not JSON at byte 1"},
		{numbers, `[]`, "The request is no object"},
		{numbers, `{} {}`, "Something follows"},
		{numbers, `{"inputs":[],"inputs":[]}`, "not JSON"},
		{numbers, `{}`, `The request has no inputs: send one input "features" of datatype FP64 and shape [rows, 2].`},
		{numbers, `{"inputs":{}}`, "inputs is no array"},
		{numbers, `{"inputs":[7]}`, "An input is no object"},
		{numbers, `{"id":7,"inputs":[]}`, "id is no string"},
		{numbers, `{"parameters":{"a":[]}}`, `Parameter "a" is no string, number or boolean`},
		{numbers, `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64"}]}`, `Input "x" has no data`},
		{numbers, input(`[1,2]`, "DOUBLE", `[1,2]`), `datatype "DOUBLE", which the protocol does not have`},
		{numbers, input(`[1,2]`, "FP64", `7`), "data is no array"},
		{numbers, input(`[1,2]`, "FP64", `[1]`), "has 1 values: shape [1 2] needs 2"},
		{numbers, input(`[1,2]`, "FP64", `[1,2,3]`), "has 3 values"},
		{numbers, input(`[2,2]`, "FP64", `[[1,2],[3]]`), "nested otherwise than shape [2 2] says: 1 elements where 2"},
		{numbers, input(`[2,2]`, "FP64", `[[1,2]]`), "nested otherwise"},
		{numbers, input(`[1,2]`, "FP64", `[[1,[2]]]`), "got something nested"},
		{numbers, input(`[2,2]`, "FP64", `[[1,2],3]`), "not nested everywhere"},
		{numbers, input(`[1,3]`, "FP64", `[1,2,3]`), "has shape [1 3]: send one input"},
		{numbers, input(`[0,2]`, "FP64", `[]`), "has shape [0 2]"},
		{numbers, input(`[1,2,1]`, "FP64", `[1,2]`), "has shape [1 2 1]"},
		{numbers, input(`[-1,2]`, "FP64", `[1,2]`), "A shape is made of whole numbers"},
		{numbers, input(`[9223372036854775807,2]`, "FP64", `[1,2]`), "has shape"},
		{numbers, input(`[2147483647,2]`, "FP64", `[1,2]`), "rows, and 1000 are the limit"},
		{numbers, input(`[1,1,1,1,1,1,1,1,1]`, "FP64", `[1]`), "more than 8 axes"},
		{numbers, input(`[1001,2]`, "FP64", `[]`), "1001 rows, and 1000 are the limit"},
		{numbers, input(`[1,2]`, "FP64", `[1,"2"]`), `element 1: "\"2\"" is no FP64`},
		{numbers, input(`[1,2]`, "FP64", `[1,true]`), `element 1: "true" is no FP64`},
		{numbers, input(`[1,2]`, "FP64", `[1,1e999]`), "is no FP64"},
		{numbers, input(`[1,2]`, "FP64", `[1,NaN]`), "not JSON"},
		{numbers, input(`[1,2]`, "FP32", `[1,1e39]`), "is no FP32"},
		{numbers, input(`[1,2]`, "FP16", `[1,65520]`), "is no FP16"},
		{numbers, input(`[1,2]`, "INT8", `[1,128]`), `"128" is no INT8`},
		{numbers, input(`[1,2]`, "INT8", `[1,0.5]`), `"0.5" is no INT8`},
		{numbers, input(`[1,2]`, "UINT64", `[1,-1]`), `"-1" is no UINT64`},
		{numbers, input(`[1,2]`, "BOOL", `[1,2]`), `"2" is no BOOL`},
		{numbers, input(`[1,2]`, "BYTES", `["a","b"]`), `datatype BYTES, and feature "tenure" is a number: send FP64`},
		{numbers, input(`[1,2]`, "FP64", `[1,null]`), `row 0, feature "calls": it is missing`},
		{numbers, `{"inputs":[{"name":"age","shape":[1,1],"datatype":"FP64","data":[1]}]}`, `no input "age"`},
		{numbers, `{"inputs":[{"name":"calls","shape":[1,1],"datatype":"FP64","data":[1]}]}`, `Input "tenure" is missing`},
		{numbers, `{"inputs":[{"name":"calls","shape":[1,1],"datatype":"FP64","data":[1]},{"name":"calls","shape":[1,1],"datatype":"FP64","data":[1]}]}`, `"calls" is there twice`},
		{numbers, `{"inputs":[{"name":"calls","shape":[1,1],"datatype":"FP64","data":[1]},{"name":"tenure","shape":[2,1],"datatype":"FP64","data":[1,2]}]}`, "1 and 2 rows"},
		{numbers, `{"outputs":[{"name":"logits"}],"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}`, `no output "logits": it has "probabilities", "prediction"`},
		{numbers, `{"outputs":[{"name":"prediction"},{"name":"prediction"}],"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}`, `Output "prediction" is wished twice`},
		{numbers, `{"outputs":[{}],"inputs":[]}`, "Output 0 has no name"},
		{numbers, `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","parameters":{"binary_data_size":16}}]}`, "no header Inference-Header-Content-Length"},
		{mixed, `{"inputs":[{"name":"features","shape":[1,3],"datatype":"FP64","data":[1,2,1]}]}`, `feature "plan" is a text: send BYTES`},
		{mixed, `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP64","data":[1,2]}]}`, `send an input of shape [rows, 1] for each feature: "age" (FP64), "plan" (BYTES), "vip" (BOOL)`},
		{mixed, `{"inputs":[{"name":"age","shape":[1],"datatype":"FP64","data":[1]},{"name":"plan","shape":[1],"datatype":"BYTES","data":[null]},{"name":"vip","shape":[1],"datatype":"BOOL","data":[true]}]}`, `feature "plan": it is missing`},
		{mixed, `{"inputs":[{"name":"age","shape":[1],"datatype":"FP64","data":[1]},{"name":"plan","shape":[1],"datatype":"BYTES","data":["a"]},{"name":"vip","shape":[1],"datatype":"INT8","data":[2]}]}`, "2 is neither true nor false"},
	} {
		if _, err := read(t, tt.s, tt.body); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v\nwant %s", tt.body, err, tt.want)
		}
	}
}

// TestBinaryIsTheSame: the binary extension gives the rows that JSON gives.
func TestBinaryIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "rows")
		d := rapid.SampledFrom(datatypes[:12]).Draw(t, "datatype")
		values := make([]float64, 2*n)
		var raw []byte
		for i := range values {
			values[i], _ = d.hold(float64(rapid.IntRange(0, 1).Draw(t, "value")))
			if strings.HasPrefix(d.name, "FP") {
				values[i], _ = d.hold(rapid.Float64Range(-60000, 60000).Draw(t, "value"))
			}
			raw = append(raw, encode(d, values[i])...)
		}
		data, _ := json.Marshal(values)
		plain, err := Parse(fmt.Appendf(nil, `{"inputs":[{"name":"x","shape":[%d,2],"datatype":%q,"data":%s}]}`, n, d.name, data), -1)
		if err != nil {
			t.Fatal(err)
		}
		header := fmt.Appendf(nil, `{"inputs":[{"name":"x","shape":[%d,2],"datatype":%q,"parameters":{"binary_data_size":%d}}]}`, n, d.name, len(raw))
		packed, err := Parse(append(header, raw...), len(header))
		if err != nil {
			t.Fatal(err)
		}
		var one, two rows.Batch
		c := NewContract(numbers)
		if err := errors.Join(c.Read(plain, &one, 10), c.Read(packed, &two, 10)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one.Rows, two.Rows); diff != "" || !cmp.Equal(one.Numbers, values) {
			t.Fatalf("%s: %v\n%s", d.name, values, diff)
		}
	})
}

// encode is the inverse of datatype.number.
func encode(d datatype, v float64) []byte {
	switch d.name {
	case "FP64":
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))
	case "FP32":
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
	case "FP16":
		for h := range 1 << 16 {
			if half(uint16(h)) == v {
				return binary.LittleEndian.AppendUint16(nil, uint16(h))
			}
		}
		panic("no half")
	default:
		return binary.LittleEndian.AppendUint64(nil, uint64(int64(v)))[:d.size]
	}
}

func TestBinaryTexts(t *testing.T) {
	t.Parallel()
	text := func(s string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(s))), s...)
	}
	body := func(size int, raw []byte) ([]byte, int) {
		header := fmt.Sprintf(`{"inputs":[{"name":"age","shape":[2],"datatype":"FP64","data":[1,2]},{"name":"vip","shape":[2],"datatype":"BOOL","data":[true,false]},
			{"name":"plan","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":%d}}]}`, size)
		return append([]byte(header), raw...), len(header)
	}
	good := append(text("gold"), text("")...)
	r, err := Parse(body(len(good), good))
	if err != nil {
		t.Fatal(err)
	}
	var b rows.Batch
	if err := NewContract(mixed).Read(r, &b, 10); err != nil || b.Texts[1] != "gold" || b.Texts[4] != "" || b.Numbers[0] != 1 {
		t.Errorf("%v: %q", err, b.Texts)
	}
	for name, tt := range map[string]struct {
		size int
		raw  []byte
		want string
	}{
		"too few":    {8, text("gold"), "has 1 values"},
		"cut length": {10, append(text("gold"), 1, 0), "end within the length of element 1"},
		"cut":        {12, append(text("gold"), 9, 0, 0, 0), "element 1 claims 9 bytes and 0 are left"},
		"lies":       {4, []byte{0xff, 0xff, 0xff, 0xff}, "claims 4294967295 bytes"},
		"more":       {len(good), append(slices.Clip(good), 1), "1 bytes follow"},
		"less":       {100, good, "claims 100 bytes of binary data and 12 are left"},
	} {
		r, err := Parse(body(tt.size, tt.raw))
		if err == nil {
			err = NewContract(mixed).Read(r, &b, 10)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	if _, err := Parse([]byte("{}"), 3); err == nil || !strings.Contains(err.Error(), "is 3 and the body has 2 bytes") {
		t.Error(err)
	}
}

// TestFewValuesCannotClaimMuch: the values that are there decide what is
// allocated, and not the shape or the number of features.
func TestFewValuesCannotClaimMuch(t *testing.T) {
	wide := &model.Signature{Features: model.Numbers(10_000, nil), Outputs: 1, Task: model.Regression, Values: model.Quantities}
	body := `{"inputs":[{"name":"x7","shape":[1000,1],"datatype":"FP64","data":[` + strings.Repeat("1,", 999) + `1]}]}`
	var b rows.Batch
	c := NewContract(wide)
	allocated := testing.AllocsPerRun(1, func() {
		r, err := Parse([]byte(body), -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Read(r, &b, 1000); err == nil || !strings.Contains(err.Error(), `Input "x0" is missing`) {
			t.Fatal(err)
		}
	})
	if cap(b.Numbers) > 10_000 || allocated > 1000 {
		t.Errorf("place for %d numbers, %v allocations", cap(b.Numbers), allocated)
	}
}
