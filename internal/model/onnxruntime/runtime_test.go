//go:build onnxruntime && cgo

package onnxruntime_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"serin/internal/model"
	"serin/internal/model/format"
	"serin/internal/model/onnxruntime"
)

// library opens what SERIN_TEST_ONNXRUNTIME names; make test-onnxruntime sets it.
func library(t *testing.T) *onnxruntime.Runtime {
	t.Helper()
	path := os.Getenv("SERIN_TEST_ONNXRUNTIME")
	if path == "" {
		if os.Getenv("SERIN_TEST_FULL") == "1" {
			t.Fatal("SERIN_TEST_FULL=1 asks for every test, and SERIN_TEST_ONNXRUNTIME names no library")
		}
		t.Skip("SERIN_TEST_ONNXRUNTIME names no shared library of ONNX Runtime: run make test-onnxruntime")
	}
	r, err := onnxruntime.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type expected struct {
	Rows    [][]any
	Answers []struct {
		Label  *string
		Values []float64
	}
}

// rows are what a client would send.
func (e expected) rows() model.Rows {
	in := model.Rows{N: len(e.Rows)}
	for _, row := range e.Rows {
		for _, v := range row {
			number, text := 0.0, ""
			switch v := v.(type) {
			case float64:
				number = v
			case string:
				text = v
			case bool:
				if v {
					number = 1
				}
			}
			in.Numbers, in.Texts = append(in.Numbers, number), append(in.Texts, text)
		}
	}
	return in
}

func (e expected) compare(t *testing.T, name string, p model.Predictor) {
	t.Helper()
	s := p.Signature()
	out := model.Answers{Values: make([]float64, len(e.Rows)*s.Outputs), Classes: make([]int, len(e.Rows))}
	if err := p.Predict(e.rows(), out); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for i, want := range e.Answers {
		for k, v := range want.Values {
			if got := out.Values[i*s.Outputs+k]; math.Abs(got-v) > 1e-6*max(1, math.Abs(v)) {
				t.Errorf("%s: row %d: value %d is %v, want %v", name, i, k, got, v)
			}
		}
		if want.Label == nil {
			continue
		}
		if got := s.Classes[out.Classes[i]]; string(got) != `"`+*want.Label+`"` {
			t.Errorf("%s: row %d: %s, want %q", name, i, got, *want.Label)
		}
	}
}

// TestModels: models with operators that serin lacks are refused without the
// library, and answered with it as Python's onnxruntime answers them, by several
// at once.
func TestModels(t *testing.T) {
	t.Parallel()
	o := format.Options{ONNXRuntime: library(t)}
	text, err := os.ReadFile("testdata/models.json")
	if err != nil {
		t.Fatal(err)
	}
	var models map[string]expected
	if err := json.Unmarshal(text, &models); err != nil || len(models) < 3 {
		t.Fatalf("%d models: %v", len(models), err)
	}
	for name, want := range models {
		data, err := os.ReadFile("testdata/" + name + ".onnx")
		if err != nil {
			t.Fatal(err)
		}
		_, err = format.Open(bytes.NewReader(data), format.Options{})
		if refusal, ok := errors.AsType[*model.Refusal](err); !ok || !strings.Contains(refusal.Reason, "which serin does not have") {
			t.Errorf("%s: %v: want a refusal that lists operators", name, err)
		}
		p, err := format.Open(bytes.NewReader(data), o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s := p.Signature(); !strings.HasSuffix(s.Library, "computed by ONNX Runtime") || len(s.Features) != len(want.Rows[0]) {
			t.Errorf("%s: %+v", name, s)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() { want.compare(t, name, p) })
		}
		all.Wait()
	}
}

// TestRefused: what points outside the file, or is damaged, never gets as far
// as the library, or is refused by it.
func TestRefused(t *testing.T) {
	t.Parallel()
	o := format.Options{ONNXRuntime: library(t)}
	for name, reason := range map[string]string{"external": "a file of its own", "hidden": "a file of its own", "zipmap": "ZipMap", "invalid": "ONNX Runtime does not take the model"} {
		data, err := os.ReadFile("testdata/refused/" + name + ".onnx")
		if err != nil {
			t.Fatal(err)
		}
		p, err := format.Open(bytes.NewReader(data), o)
		if refusal, ok := errors.AsType[*model.Refusal](err); !ok || p != nil || !strings.Contains(refusal.Reason, reason) {
			t.Errorf("%s: %v: want a refusal: %s", name, err, reason)
		}
	}
}

// TestTextWithZero: C would cut it, and answer another row.
func TestTextWithZero(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/columns.onnx")
	if err != nil {
		t.Fatal(err)
	}
	p, err := format.Open(bytes.NewReader(data), format.Options{ONNXRuntime: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	in := model.Rows{N: 1, Numbers: []float64{0, 1, 1, 0.5}, Texts: []string{"a\x00b", "", "", ""}}
	if err := p.Predict(in, model.Answers{Values: make([]float64, 3), Classes: make([]int, 1)}); err == nil {
		t.Error("a text with a zero byte has an answer")
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	library(t)
	for _, path := range []string{"testdata", "testdata/none.so", "testdata/generate.py"} {
		if r, err := onnxruntime.Open(path); r != nil || err == nil {
			t.Errorf("%s: opened", path)
		}
	}
}
