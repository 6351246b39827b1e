package onnx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/model/onnx"
)

// answer is one row of testdata/models.json: what ONNX Runtime made of it.
type answer struct {
	Row    []any
	Values []float64
	Label  json.RawMessage
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readAnswers(t testing.TB) map[string][]answer {
	t.Helper()
	var all map[string][]answer
	if err := json.Unmarshal(readFile(t, "models.json"), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func load(t testing.TB, name string) model.Predictor {
	t.Helper()
	p, err := onnx.Load(bytes.NewReader(readFile(t, name)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p
}

// rowsOf makes one block of all rows.
func rowsOf(answers []answer) model.Rows {
	in := model.Rows{N: len(answers)}
	for _, a := range answers {
		for _, v := range a.Row {
			number, text := 0.0, ""
			switch v := v.(type) {
			case float64:
				number = v
			case string:
				text = v
			default:
				number = math.NaN()
			}
			in.Numbers, in.Texts = append(in.Numbers, number), append(in.Texts, text)
		}
	}
	return in
}

func room(s *model.Signature, n int) model.Answers {
	out := model.Answers{Values: make([]float64, n*s.Outputs)}
	if s.Task == model.Classification {
		out.Classes = make([]int, n)
	}
	return out
}

// tolerance is relative to 1 or to the value, the greater: ONNX Runtime computes
// in float32, adds in another order, and approximates exponentials.
const tolerance = 5e-6

func TestModelsAnswerAsONNXRuntimeDoes(t *testing.T) {
	t.Parallel()
	for name, answers := range readAnswers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := load(t, name+".onnx")
			s := p.Signature()
			in, out := rowsOf(answers), room(s, len(answers))
			if err := p.Predict(in, out); err != nil {
				t.Fatal(err)
			}
			for r, a := range answers {
				want := a.Values
				if s.Values == model.Scores && len(want) == 2 {
					want = want[1:]
				}
				got := out.Values[r*s.Outputs : (r+1)*s.Outputs]
				if len(got) != len(want) {
					t.Fatalf("row %d: %d values, want %d", r, len(got), len(want))
				}
				for i := range want {
					if math.Abs(got[i]-want[i]) > tolerance*max(1, math.Abs(want[i])) {
						t.Errorf("row %d: value %d is %v, ONNX Runtime says %v", r, i, got[i], want[i])
					}
				}
				if out.Classes != nil && string(a.Label) != "null" && string(s.Classes[out.Classes[r]]) != string(a.Label) {
					t.Errorf("row %d: class %s, ONNX Runtime says %s", r, s.Classes[out.Classes[r]], a.Label)
				}
			}
		})
	}
}

// TestRowsAloneAndTogether: who else asks must not change an answer.
func TestRowsAloneAndTogether(t *testing.T) {
	t.Parallel()
	for name, answers := range readAnswers(t) {
		p := load(t, name+".onnx")
		s := p.Signature()
		many := answers
		for len(many) < 150 { // more than two blocks of the largest size
			many = append(many, answers...)
		}
		in, out, one := rowsOf(many), room(s, len(many)), room(s, 1)
		if err := p.Predict(in, out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for r := range many {
			if err := p.Predict(rowsOf(many[r:r+1]), one); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i, v := range one.Values {
				if together := out.Values[r*s.Outputs+i]; math.Abs(together-v) > 1e-6*max(1, math.Abs(v)) {
					t.Errorf("%s: row %d alone %v, among others %v", name, r, v, together)
				}
			}
		}
	}
}

func TestSignatures(t *testing.T) {
	t.Parallel()
	labels := func(l ...model.Label) []model.Label { return l }
	tests := []struct {
		name    string
		task    model.Task
		values  model.Meaning
		outputs int
		classes []model.Label
		missing bool
		library string
	}{
		{"logistic", model.Classification, model.Probabilities, 2, labels(`"no"`, `"yes"`), false, "skl2onnx 1.20.0"},
		{"logistic3", model.Classification, model.Probabilities, 3, labels("0", "1", "2"), false, "skl2onnx 1.20.0"},
		{"forest", model.Regression, model.Quantities, 2, nil, true, "skl2onnx 1.20.0"},
		{"isolation", model.Classification, model.Scores, 1, labels("-1", "1"), true, "skl2onnx 1.20.0"},
		{"network", model.Classification, model.Probabilities, 3, labels("0", "1", "2"), false, "onnx.helper 1.19.1"},
		{"sigmoid", model.Classification, model.Probabilities, 2, labels("0", "1"), false, "onnx.helper 1.19.1"},
		{"one_row", model.Regression, model.Quantities, 2, nil, false, "onnx.helper 1.19.1"},
		{"hist", model.Classification, model.Probabilities, 2, labels("0", "1"), true, "skl2onnx 1.20.0"},
		{"imputed", model.Classification, model.Probabilities, 2, labels("0", "1"), true, "skl2onnx 1.20.0"},
	}
	for _, test := range tests {
		s := load(t, test.name+".onnx").Signature()
		if s.Task != test.task || s.Values != test.values || s.Outputs != test.outputs || !slices.Equal(s.Classes, test.classes) {
			t.Errorf("%s: %s of a %s, %d outputs, classes %s", test.name, s.Values, s.Task, s.Outputs, s.Classes)
		}
		if len(s.Features) != 4 || s.Named || s.Features[1].Missing != test.missing || s.Library != test.library {
			t.Errorf("%s: features %+v, named %v, library %q", test.name, s.Features, s.Named, s.Library)
		}
	}
	s := load(t, "columns.onnx").Signature()
	kinds := []model.Kind{s.Features[0].Kind, s.Features[1].Kind, s.Features[2].Kind}
	if !slices.Equal(s.Names(), []string{"age", "visits", "city"}) || !slices.Equal(kinds, []model.Kind{model.Number, model.Number, model.Text}) {
		t.Errorf("columns: %+v", s.Features)
	}
	if known := s.Features[2].Known; len(known) != 3 || !slices.Contains(known, `"oslo"`) {
		t.Errorf("the categories of city are %s", known)
	}
}

func TestRowsWithoutAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		row     answer
		feature int
		reason  string
	}{
		{"columns", answer{Row: []any{30.0, 1.5, "oslo"}}, 1, "whole number"},
		{"strict", answer{Row: []any{30.0, 1.0, "paris"}}, -1, `the value "paris" was not among those`},
	}
	for _, test := range tests {
		p := load(t, test.name+".onnx")
		good := answer{Row: []any{30.0, 1.0, "oslo"}}
		rows := slices.Repeat([]answer{good}, 80)
		rows[70] = test.row
		err := p.Predict(rowsOf(rows), room(p.Signature(), len(rows)))
		u, ok := errors.AsType[*model.Unanswerable](err)
		if !ok || u.Row != 70 || u.Feature != test.feature || !strings.Contains(u.Reason, test.reason) {
			t.Errorf("%s: %#v", test.name, err)
		}
	}
}

// allocations is the least that one of many runs of f allocates: the race
// detector makes sync.Pool forget now and then what it was given.
func allocations(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for tries := 0; least > 0 && tries < 200; tries++ {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

func TestPredictDoesNotAllocate(t *testing.T) {
	for name, answers := range readAnswers(t) {
		p := load(t, name+".onnx")
		for _, n := range []int{1, 20} {
			in, out := rowsOf(answers[:n]), room(p.Signature(), n)
			if got := allocations(func() {
				if err := p.Predict(in, out); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%s: %v allocations for %d rows", name, got, n)
			}
		}
	}
}

func TestManyAskAtOnce(t *testing.T) {
	t.Parallel()
	answers := readAnswers(t)["columns"]
	p := load(t, "columns.onnx")
	s := p.Signature()
	in, want := rowsOf(answers), room(s, len(answers))
	if err := p.Predict(in, want); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	const askers = 16
	for range askers {
		go func() {
			out := room(s, len(answers))
			for range 50 {
				if err := p.Predict(in, out); err != nil || !slices.Equal(out.Values, want.Values) {
					done <- errors.New("another answer among many")
					return
				}
			}
			done <- nil
		}()
	}
	for range askers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
