package rows

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"serin/internal/model"
)

// mixed has a feature of each kind, with and without missing values.
var mixed = model.Signature{
	Features: []model.Feature{
		{Name: "tenure"},
		{Name: "calls", Missing: true},
		{Name: "plan", Kind: model.Text, Known: []model.Label{`"basic"`, `"gold"`}},
		{Name: "region", Kind: model.Text, Missing: true},
		{Name: "paid", Kind: model.Bool},
	},
	Named: true, Outputs: 2, Classes: []model.Label{"0", "1"},
}

var unnamed = model.Signature{Features: model.Numbers(3, nil), Outputs: 1, Values: model.Quantities, Task: model.Regression}

// dropped has a feature that the model does not look at.
var dropped = model.Signature{
	Features: []model.Feature{{Name: "id", Kind: model.Unused, Missing: true}, {Name: "age"}},
	Named:    true, Outputs: 1, Values: model.Quantities, Task: model.Regression,
}

func TestJSON(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	tests := []struct {
		signature *model.Signature
		row       string
		numbers   []float64
		texts     []string
		fault     string
	}{
		{&mixed, `[1, 2, "gold", "north", true]`, []float64{1, 2, 0, 0, 1}, []string{"", "", "gold", "north", ""}, ""},
		{&mixed, `[1, null, "a\u0062\"", null, false]`, []float64{1, nan, 0, nan, 0}, []string{"", "", `ab"`, "", ""}, ""},
		{&mixed, `{"paid": true, "plan": "", "tenure": -1e3, "region": null, "calls": null}`, []float64{-1000, nan, 0, nan, 1}, make([]string, 5), ""},
		{&dropped, `["u7", 3]`, []float64{0, 3}, nil, ""},
		{&dropped, `[{"a": [1]}, 3]`, []float64{0, 3}, nil, ""},
		{&dropped, `{"age": 3}`, []float64{0, 3}, nil, ""},
		{&unnamed, `[true, false, 2]`, []float64{1, 0, 2}, nil, ""}, // a column of booleans in a table of numbers
		{&unnamed, `["true", false, 2]`, nil, nil, "[0]: expected a number, got a string. Send the number without quotes"},
		{&unnamed, ` [1,2e0,-0.5] `, []float64{1, 2, -0.5}, nil, ""},
		{&mixed, `[null, 2, "gold", "north", true]`, nil, nil, "[0]: expected a number, got null. This feature may not be missing: send a number"},
		{&mixed, `[1, NaN, "gold", "north", true]`, nil, nil, "[1]: NaN is not a number in JSON. Send null for a missing value"},
		{&mixed, `[1, 2, 3, "north", true]`, nil, nil, "[2]: expected a string, got a number. Put it into quotes"},
		{&mixed, `[1, 2, null, "north", true]`, nil, nil, "[2]: expected a string, got null. This feature may not be missing: send a string"},
		{&mixed, `[1, 2, "gold", "north", 1]`, nil, nil, "[4]: expected true or false, got a number. Send true or false"},
		{&mixed, `[1, 2, "gold", "north"]`, nil, nil, "expected 5 values, got 4"},
		{&mixed, `{"tenure": "1"}`, nil, nil, "tenure: expected a number, got a string. Send the number without quotes"},
		{&mixed, `{"tenrue": 1}`, nil, nil, "tenrue: this model has no such feature. Its features are tenure, calls, plan, region, paid"},
		{&mixed, `{"tenure": 1, "paid": true}`, nil, nil, "missing: calls, plan, region. Send a value for every feature; null where it may be missing"},
		{&unnamed, `[1, null, 2]`, nil, nil, "[1]: expected a number, got null. This model takes no missing values: send a number"},
		{&unnamed, `[1, 2, 3, 4]`, nil, nil, "expected 3 values, got 4"},
		{&unnamed, `[1, 1e400, 3]`, nil, nil, "[1]: 1e400 is outside the range of a 64-bit float. Send a number between -1.8e308 and 1.8e308"},
		{&unnamed, `{"a": 1}`, nil, nil, "this model knows no feature names. Send an array of 3 numbers"},
		{&unnamed, `7`, nil, nil, "expected an array of numbers"},
	}
	for _, tt := range tests {
		s, b := NewSchema(tt.signature), &Batch{}
		err := s.JSON(jsontext.NewDecoder(strings.NewReader(tt.row)), b)
		if tt.fault != "" {
			if fault, ok := errors.AsType[*Fault](err); !ok || fault.Error() != tt.fault || b.N != 0 || len(b.Numbers) != 0 {
				t.Errorf("%s:\n got %v with %d rows\nwant %s", tt.row, err, b.N, tt.fault)
			}
			continue
		}
		want := model.Rows{N: 1, Numbers: tt.numbers, Texts: tt.texts}
		if diff := cmp.Diff(want, b.Rows, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", tt.row, err, diff)
		}
	}
	for _, row := range []string{``, `[1,`, `[1,2,]`, `{"tenure": 1, "tenure": 2}`, `nope`, `[1,2,+]`} {
		b := &Batch{}
		err := NewSchema(&mixed).JSON(jsontext.NewDecoder(strings.NewReader(row)), b)
		if _, ok := errors.AsType[*Fault](err); ok || err == nil || b.N != 0 {
			t.Errorf("%s is no JSON: %v, %d rows", row, err, b.N)
		}
	}
}

// TestCSVMayLeaveOutWhatIsUnused, as JSON may.
func TestCSVMayLeaveOutWhatIsUnused(t *testing.T) {
	t.Parallel()
	for _, header := range [][]string{{"age"}, {"age", "id"}} {
		s, b := NewSchema(&dropped), &Batch{}
		c, err := s.header(header)
		if err != nil {
			t.Errorf("%q: %v", header, err)
			continue
		}
		record := []string{"3", "u7"}[:len(header)]
		_, err = c.record(record, b)
		if diff := cmp.Diff(model.Rows{N: 1, Numbers: []float64{0, 3}}, b.Rows, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", header, err, diff)
		}
	}
}

// TestAFaultLeavesTheOthers: rows before and after one at fault are as they were.
func TestAFaultLeavesTheOthers(t *testing.T) {
	t.Parallel()
	s, b := NewSchema(&mixed), &Batch{}
	d := jsontext.NewDecoder(strings.NewReader(`[1,2,"gold","n",true] [9,9,"x","y",7] [3,4,"basic","s",false]`))
	for range 2 {
		if err := s.JSON(d, b); err == nil {
			continue
		}
		d = jsontext.NewDecoder(strings.NewReader(`[3,4,"basic","s",false]`))
	}
	if err := s.JSON(d, b); err != nil {
		t.Fatal(err)
	}
	want := model.Rows{N: 2, Numbers: []float64{1, 2, 0, 0, 1, 3, 4, 0, 0, 0}, Texts: []string{"", "", "gold", "n", "", "", "", "basic", "s", ""}}
	if diff := cmp.Diff(want, b.Rows); diff != "" {
		t.Error(diff)
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	s, b := NewSchema(&mixed), &Batch{}
	c, err := s.header([]string{"id", "paid", "plan", "region", "calls", "tenure"})
	if err != nil || !cmp.Equal(c.unused, []string{"id"}) {
		t.Fatalf("%v, %v", c, err)
	}
	for _, record := range [][]string{{"7", "True", "gold", "north", "2", " 1 "}, {"8", "0", "", "", "", "1e3"}, {"9", "1", "", "", "False", "True"}} {
		if _, err := c.record(record, b); err != nil {
			t.Fatal(err)
		}
	}
	want := model.Rows{N: 3, Numbers: []float64{1, 2, 0, 0, 1, 1000, nan, 0, nan, 0, 1, 0, 0, nan, 1}, Texts: []string{"", "", "gold", "north", "", "", "", "", "", "", "", "", "", "", ""}}
	if diff := cmp.Diff(want, b.Rows, cmpopts.EquateNaNs()); diff != "" {
		t.Error(diff)
	}
	for _, tt := range []struct {
		record []string
		column int
		fault  string
	}{
		{[]string{"7", "yes", "gold", "", "", "1"}, 1, `paid: expected true or false, got "yes". Give true or false`},
		{[]string{"7", "1", "gold", "", "NA", "1"}, 4, `calls: expected a number, got "NA". Give a finite number, or leave the field empty for a missing value`},
		{[]string{"7", "1", "gold", "", "", ""}, 5, "tenure: it is empty. This feature may not be missing: give a number"},
		{[]string{"7", "1", "gold", "", "", "inf"}, 5, `tenure: expected a number, got "inf". Give a finite number`},
		{[]string{"7"}, -1, "the line has 1 columns and the header more. Complete the line"},
	} {
		if column, err := c.record(tt.record, b); err == nil || err.Error() != tt.fault || column != tt.column || b.N != 3 {
			t.Errorf("%q: column %d, %v", tt.record, column, err)
		}
	}
	for _, tt := range []struct {
		signature *model.Signature
		header    string
		fault     string
	}{
		{&mixed, "tenure,calls", "missing: plan, region, paid"},
		{&mixed, "tenure,calls,plan,region,paid,plan", `two columns are called "plan"`},
		{&dropped, "id", "missing: age"},
		{&unnamed, "a,b", "2 columns and the model takes 3"},
		{&unnamed, "0.5,1,2", "looks like data"},
		{&unnamed, "0,1,2", ""},
		{&unnamed, "a,b,c", ""},
	} {
		_, err := NewSchema(tt.signature).header(strings.Split(tt.header, ","))
		if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
			t.Errorf("%s: %v, want %q", tt.header, err, tt.fault)
		}
	}
}

func TestExamplesAreAccepted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		features := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model.Feature {
			f := model.Feature{Kind: model.Kind(rapid.IntRange(0, 2).Draw(t, "kind"))}
			if f.Kind == model.Text && rapid.Bool().Draw(t, "known") {
				f.Known = []model.Label{`"` + "gold" + `"`}
			}
			return f
		}), 1, 20).Draw(t, "features")
		s := model.Signature{Features: features, Named: rapid.Bool().Draw(t, "named"), Outputs: 1}
		if s.Named {
			names := rapid.SliceOfNDistinct(rapid.String(), len(features), len(features), rapid.ID).Draw(t, "names")
			for i := range features {
				features[i].Name = names[i]
			}
		}
		schema := NewSchema(&s)
		if err := schema.JSON(jsontext.NewDecoder(strings.NewReader(schema.Example())), &Batch{}); err != nil {
			t.Fatalf("%s: %v", schema.Example(), err)
		}
		if body := schema.ExampleBody(); len(features) <= 8 && !json.Valid([]byte(body)) {
			t.Fatalf("%s is not JSON", body)
		}
	})
}

// line answers 2x+1 for each number, as whatever the signature says.
type line struct{ signature model.Signature }

func (l *line) Signature() *model.Signature { return &l.signature }

func (l *line) Predict(in model.Rows, out model.Answers) error {
	width := len(l.signature.Features)
	for i := range in.N {
		for j := range l.signature.Outputs {
			out.Values[i*l.signature.Outputs+j] = 2*in.Numbers[i*width+j] + 1
		}
		if l.signature.Task == model.Classification {
			out.Classes[i] = 1
		}
		if in.Numbers[i*width] < 0 {
			return &model.Unanswerable{Row: i, Feature: 0, Reason: "the value is below zero"}
		}
	}
	return nil
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	labels := []model.Label{"0", `"b"`}
	for _, tt := range []struct {
		s    model.Signature
		want string
	}{
		{model.Signature{Values: model.Probabilities, Outputs: 2, Classes: labels}, `"probabilities":[1.5,null],"prediction":"b"`},
		{model.Signature{Values: model.Scores, Outputs: 1, Classes: labels}, `"score":1.5,"prediction":"b"`},
		{model.Signature{Values: model.Scores, Outputs: 2, Classes: labels}, `"scores":[1.5,null],"prediction":"b"`},
		{model.Signature{Values: model.Quantities, Outputs: 1, Task: model.Regression}, `"prediction":1.5`},
		{model.Signature{Values: model.Quantities, Outputs: 2, Task: model.Regression}, `"prediction":[1.5,null]`},
	} {
		tt.s.Features = model.Numbers(2, nil)
		b := &Batch{Rows: model.Rows{N: 2, Numbers: []float64{9, 9, 0.25, math.Inf(1)}}}
		if err := b.Predict(&line{tt.s}); err != nil {
			t.Fatal(err)
		}
		if got := string(b.appendAnswer(nil, &tt.s, 1)); got != tt.want || !json.Valid([]byte("{"+got+"}")) {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	two := model.Numbers(2, []string{"a", "b"})
	probabilities := &line{model.Signature{Features: two, Named: true, Outputs: 2, Classes: []model.Label{"0", "1"}}}
	scores := &line{model.Signature{Features: two, Values: model.Scores, Outputs: 1, Classes: []model.Label{"-1", `"no"`}}}
	regression := &line{model.Signature{Features: two, Values: model.Quantities, Task: model.Regression, Outputs: 1}}
	tests := []struct {
		p     model.Predictor
		lines string
		rows  int
		says  string
	}{
		{probabilities, `{"features": [0.1, 0.3], "probabilities": [1.2, 1.6], "prediction": 1}`, 1, ""},
		{probabilities, `{"probabilities": [1.2, 1.6], "features": {"b": 0.3, "a": 0.1}}` + "\n\n" + `{"features": [0, 0], "prediction": 1.0}` + "\n", 2, ""},
		{probabilities, `{"features": [0.1, 0.3], "probabilities": [1.2, 1.6000000009]}`, 1, ""},
		{probabilities, `{"features": [0, 0], "prediction": 1}` + "\n" + `{"features": [0.1, 0.3], "probabilities": [1.2, 1.6000000021]}`, 1, "line 2: probabilities[1] is 1.6 here and should be 1.6000000021"},
		{probabilities, `{"features": [0.1, 0.3], "prediction": 0}`, 0, "line 1: prediction is 1 here and should be 0"},
		{probabilities, `{"features": [0.1, 0.3], "prediction": "1"}`, 0, `prediction is 1 here and should be "1"`},
		{probabilities, `{"features": [0.1, 0.3], "probabilities": [1.2]}`, 0, "this model answers 2 numbers"},
		{probabilities, `{"features": [0.1, 0.3], "scores": [1.2]}`, 0, "this model answers probabilities"},
		{probabilities, `{"features": [0.1, 0.3], "probabilities": [[1.2], 1.6]}`, 0, "this model answers 2 numbers"},
		{probabilities, `{"features": [0.1, 0.3], "probabilities": "high"}`, 0, "this model answers 2 numbers"},
		{probabilities, `{"features": [0.1, 0.3], "probabilities": [1.2, null]}`, 0, "is 1.6 here and should be null"},
		{probabilities, `{"features": [-1, 0.3], "prediction": 1}`, 0, "the model does not answer: a: the value is below zero"},
		{probabilities, `{"features": [0.1], "prediction": 1}`, 0, "features: expected 2 values, got 1"},
		{probabilities, `{"features": [0.1, 0.3]}`, 0, "no answer is expected"},
		{probabilities, `{"prediction": 1}`, 0, "features are missing"},
		{probabilities, `{"features": [0.1, 0.3], "predictions": 1}`, 0, `"predictions" is unknown`},
		{probabilities, `{"features": [0.1, 0.3], "prediction": 1} x`, 0, "something follows"},
		{probabilities, `[1, 2]`, 0, "not a JSON object"},
		{probabilities, `{"features": [0.1, NaN], "prediction": 1}`, 0, "NaN is not a number in JSON"},
		{probabilities, "\n", 0, "the file has no line"},
		{scores, `{"features": [0.1, 0], "score": 1.2, "prediction": "no"}` + "\n" + `{"features": [0.1, 0], "scores": [1.2]}`, 2, ""},
		{scores, `{"features": [500000, 0], "score": 1000001.0005}`, 1, ""},
		{scores, `{"features": [500000, 0], "score": 1000001.0015}`, 0, "score is 1.000001e+06 here"},
		{regression, `{"features": [-0.5, 0], "prediction": 0}`, 0, "does not answer"},
		{regression, `{"features": [500000, 0], "prediction": 1000001.0005}`, 1, ""},
		{regression, `{"features": [0.00001, 0], "prediction": [1.00002]}`, 1, ""},
		{regression, `{"features": [0.1, 0], "prediction": 1.20000005}`, 0, "prediction is 1.2 here"},
		{regression, `{"features": [0.1, 0], "prediction": 1.2000000476837158}`, 1, ""}, // float32(1.2)
	}
	for _, tt := range tests {
		rows, err := Check(tt.p, strings.NewReader(tt.lines))
		if rows != tt.rows || (err == nil) != (tt.says == "") {
			t.Errorf("%s: %d rows, %v", tt.lines, rows, err)
			continue
		}
		if refusal, ok := errors.AsType[*model.Refusal](err); err != nil && (!ok || !strings.Contains(refusal.Reason, tt.says) || refusal.Next == "") {
			t.Errorf("%s:\n got %v\nwant %s", tt.lines, err, tt.says)
		}
	}
	broken := errors.New("the disk is broken")
	if _, err := Check(regression, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := Check(regression, bytes.NewReader(make([]byte, maxGoldenLine+1))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

// FuzzGolden: lines from anybody agree or are refused; nothing panics.
func FuzzGolden(f *testing.F) {
	p := &line{mixed}
	f.Add([]byte(`{"features": [1, null, "gold", null, true], "probabilities": [3, null], "prediction": 1}`))
	f.Add([]byte(`{"features": {"tenure": 1, "calls": NaN}, "prediction": [1, [2]]}`))
	f.Add([]byte("{\"features\": [1,2,\"\\ud800\",\"\",false], \"scores\": 1e999}\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Check(p, bytes.NewReader(data)); err != nil {
			if _, ok := errors.AsType[*model.Refusal](err); !ok {
				t.Fatal(err)
			}
		}
	})
}

// counting answers each row with its first number, and notes the sizes of its
// calls; a number below zero has no answer.
type counting struct {
	signature model.Signature
	calls     []int
}

func (c *counting) Signature() *model.Signature { return &c.signature }

func (c *counting) Predict(in model.Rows, out model.Answers) error {
	c.calls = append(c.calls, in.N)
	for i := range in.N {
		if out.Values[i] = in.Numbers[2*i]; out.Values[i] < 0 {
			return &model.Unanswerable{Row: i, Feature: 0, Reason: "it is below zero"}
		}
		if in.Texts[2*i+1] != "x" {
			return &model.Unanswerable{Row: i, Feature: 1, Reason: "it is not x"}
		}
	}
	return nil
}

// TestLongBatchesGoInBlocks: every row gets its own answer, a row that is blamed
// is counted from the first of the batch, and one may stop in between.
func TestLongBatchesGoInBlocks(t *testing.T) {
	t.Parallel()
	p := &counting{signature: model.Signature{Features: []model.Feature{{}, {Kind: model.Text}}, Task: model.Regression, Values: model.Quantities, Outputs: 1}}
	var b Batch
	const n = 2*blockRows + 7
	for i := range n {
		b.Numbers, b.Texts = append(b.Numbers, float64(i), 0), append(b.Texts, "", "x")
	}
	b.N = n
	if err := b.Predict(p); err != nil || !slices.Equal(p.calls, []int{blockRows, blockRows, 7}) {
		t.Fatal(err, p.calls)
	}
	for i, v := range b.Answers.Values {
		if v != float64(i) {
			t.Fatalf("row %d was answered %v", i, v)
		}
	}
	enough := errors.New("enough")
	p.calls = nil
	if err := b.PredictWhile(p, func() error { return enough }); !errors.Is(err, enough) || len(p.calls) != 1 {
		t.Errorf("%v after %v", err, p.calls)
	}
	b.Numbers[2*(blockRows+3)] = -1
	if u, ok := errors.AsType[*model.Unanswerable](b.Predict(p)); !ok || u.Row != blockRows+3 {
		t.Errorf("%+v", u)
	}
	if held := b.Held(); held < n*(16+32+8) {
		t.Errorf("%d bytes held", held)
	}
}

func TestTextsAreJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "model_v1", `a "b" \c`, "\u00fc\n\x00\u2028", "</script>", "\xff\xfe"} {
		var got string
		if text := AppendText([]byte("x"), s); json.Unmarshal(text[1:], &got) != nil || got != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q: %s", s, text)
		}
	}
}
