package oip

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"serin/internal/model"
	"serin/internal/model/rows"
)

func answered(values []float64, classes ...int) *rows.Batch {
	b := &rows.Batch{}
	b.N = max(len(classes), 1)
	b.Answers = model.Answers{Values: values, Classes: classes}
	return b
}

func TestReplies(t *testing.T) {
	t.Parallel()
	three := &model.Signature{Features: model.Numbers(1, nil), Outputs: 3, Classes: []model.Label{"true", "false", "true"}}
	odd := &model.Signature{Features: model.Numbers(1, nil), Outputs: 2, Classes: []model.Label{`"a"`, "7"}}
	floats := &model.Signature{Features: model.Numbers(1, nil), Outputs: 2, Classes: []model.Label{"0.5", "1"}}
	line := &model.Signature{Features: model.Numbers(1, nil), Task: model.Regression, Values: model.Quantities, Outputs: 1}
	plane := &model.Signature{Features: model.Numbers(1, nil), Task: model.Regression, Values: model.Quantities, Outputs: 2}
	for _, tt := range []struct {
		s     *model.Signature
		r     Request
		batch *rows.Batch
		want  string
	}{
		{numbers, Request{ID: `a"b`}, answered([]float64{0.25, 0.75, 0.5, 0.5}, 1, 0), `{"model_name":"churn","model_version":"v\"2","id":"a\"b","outputs":[{"name":"probabilities","datatype":"FP64","shape":[2,2],"data":[0.25,0.75,0.5,0.5]},{"name":"prediction","datatype":"INT64","shape":[2],"data":[1,0]}]}`},
		{numbers, Request{Outputs: []Wish{{Name: "prediction"}}}, answered([]float64{0.25, 0.75}, 1), `{"model_name":"churn","model_version":"v\"2","outputs":[{"name":"prediction","datatype":"INT64","shape":[1],"data":[1]}]}`},
		{mixed, Request{}, answered([]float64{-1.5}, 0), `{"model_name":"churn","model_version":"v\"2","outputs":[{"name":"scores","datatype":"FP64","shape":[1],"data":[-1.5]},{"name":"prediction","datatype":"BYTES","shape":[1],"data":["stays"]}]}`},
		{three, Request{Outputs: []Wish{{Name: "prediction"}}}, answered([]float64{0, 1, 0}, 1), `{"model_name":"churn","model_version":"v\"2","outputs":[{"name":"prediction","datatype":"BOOL","shape":[1],"data":[false]}]}`},
		{odd, Request{Outputs: []Wish{{Name: "prediction"}}}, answered([]float64{0, 1, 1, 0}, 1, 0), `{"model_name":"churn","model_version":"v\"2","outputs":[{"name":"prediction","datatype":"BYTES","shape":[2],"data":["7","a"]}]}`},
		{floats, Request{Outputs: []Wish{{Name: "prediction"}}}, answered([]float64{0, 1}, 0), `{"model_name":"churn","model_version":"v\"2","outputs":[{"name":"prediction","datatype":"FP64","shape":[1],"data":[0.5]}]}`},
		{line, Request{}, answered([]float64{math.NaN()}), `{"model_name":"churn","model_version":"v\"2","outputs":[{"name":"prediction","datatype":"FP64","shape":[1],"data":[null]}]}`},
		{plane, Request{}, answered([]float64{1e21, 2}), `{"model_name":"churn","model_version":"v\"2","outputs":[{"name":"prediction","datatype":"FP64","shape":[1,2],"data":[1e+21,2]}]}`},
	} {
		got, header := NewContract(tt.s).AppendReply(nil, &tt.r, tt.batch, "churn", `v"2`)
		if diff := cmp.Diff(tt.want, string(got)); diff != "" || header != -1 || !json.Valid(got) {
			t.Errorf("header %d\n%s", header, diff)
		}
	}
}

func TestBinaryReplies(t *testing.T) {
	t.Parallel()
	c := NewContract(numbers)
	r := Request{Outputs: []Wish{{"prediction", true}, {"probabilities", false}}}
	got, header := c.AppendReply([]byte("before"), &r, answered([]float64{0.25, 0.75, 0.5, 0.5}, 1, 0), "churn", "v2")
	got = got[len("before"):]
	want := `{"model_name":"churn","model_version":"v2","outputs":[{"name":"prediction","datatype":"INT64","shape":[2],"parameters":{"binary_data_size":16}},{"name":"probabilities","datatype":"FP64","shape":[2,2],"data":[0.25,0.75,0.5,0.5]}]}`
	if string(got[:header]) != want || binary.LittleEndian.Uint64(got[header:]) != 1 || binary.LittleEndian.Uint64(got[header+8:]) != 0 || len(got) != header+16 {
		t.Errorf("%d: %q", header, got)
	}
	texts := NewContract(mixed).AppendRaw(nil, 1, answered([]float64{1, -1}, 1, 0))
	if string(texts) != "\x04\x00\x00\x00goes\x05\x00\x00\x00stays" {
		t.Errorf("%q", texts)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		s       *model.Signature
		in, out string
	}{
		{numbers, `[{"name":"features","datatype":"FP64","shape":[-1,2]}]`, `[{"name":"probabilities","datatype":"FP64","shape":[-1,2]},{"name":"prediction","datatype":"INT64","shape":[-1]}]`},
		{mixed, `[{"name":"age","datatype":"FP64","shape":[-1,1]},{"name":"plan","datatype":"BYTES","shape":[-1,1]},{"name":"vip","datatype":"BOOL","shape":[-1,1]}]`, `[{"name":"scores","datatype":"FP64","shape":[-1]},{"name":"prediction","datatype":"BYTES","shape":[-1]}]`},
	} {
		in, err1 := json.Marshal(NewContract(tt.s).Inputs())
		out, err2 := json.Marshal(NewContract(tt.s).Outputs())
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if string(in) != tt.in || string(out) != tt.out {
			t.Errorf("%s\n%s", in, out)
		}
	}
}

func BenchmarkThousandRows(b *testing.B) {
	s := &model.Signature{Features: model.Numbers(20, nil), Outputs: 2, Classes: []model.Label{"0", "1"}}
	c := NewContract(s)
	values := make([]float64, 20_000)
	var raw []byte
	for i := range values {
		values[i] = math.Sin(float64(i))
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(values[i]))
	}
	data, err := json.Marshal(values)
	if err != nil {
		b.Fatal(err)
	}
	header := []byte(`{"inputs":[{"name":"features","shape":[1000,20],"datatype":"FP64","parameters":{"binary_data_size":160000}}]}`)
	for name, body := range map[string]struct {
		body   []byte
		header int
	}{
		"json":   {[]byte(`{"inputs":[{"name":"features","shape":[1000,20],"datatype":"FP64","data":` + string(data) + `}]}`), -1},
		"binary": {append(header, raw...), len(header)},
	} {
		b.Run(name, func(b *testing.B) {
			var batch rows.Batch
			b.ReportAllocs()
			for b.Loop() {
				r, err := Parse(body.body, body.header)
				if err != nil {
					b.Fatal(err)
				}
				if err := c.Read(r, &batch, 1000); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
