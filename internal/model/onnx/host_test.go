package onnx_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/model/graph"
	"serin/internal/model/onnx"
)

// host stands for ONNX Runtime: whatever it is asked, the label is gold. A row
// that begins above 1000 fails, one below -1000 gets an answer of another shape.
func host(_ []byte, _, outputs []string) (graph.Foreign, error) {
	return func(in []*graph.Tensor) ([]*graph.Tensor, error) {
		n, first := 1, 0.0
		if len(in[0].Shape) > 0 {
			n = in[0].Shape[0]
		}
		if d, ok := in[0].Data.([]float32); ok && len(d) > 0 {
			first = float64(d[0])
		}
		if first > 1000 {
			return nil, errors.New("no")
		}
		if first < -1000 {
			n++
		}
		out := make([]*graph.Tensor, len(outputs))
		for i, name := range outputs {
			if name == "label" {
				out[i] = &graph.Tensor{Shape: []int{n}, Data: slices.Repeat([]string{"gold"}, n)}
			} else {
				out[i] = &graph.Tensor{Shape: []int{n, 3}, Data: slices.Repeat([]float32{0.25, 0.5, 0.25}, n)}
			}
		}
		return out, nil
	}, nil
}

func hosted(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("../onnxruntime/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestLoadWith: a host's answers are interpreted as serin's own, with the
// classes that the file names, and its failures are those of a row.
func TestLoadWith(t *testing.T) {
	t.Parallel()
	p, err := onnx.LoadWith(bytes.NewReader(hosted(t, "classifier.onnx")), host)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Signature()
	if s.Task != model.Classification || s.Values != model.Probabilities || !slices.Equal(s.Classes, []model.Label{`"basic"`, `"gold"`, `"silver"`}) {
		t.Errorf("%+v", s)
	}
	const rows = 75 // blocks of each size
	in := model.Rows{N: rows, Numbers: make([]float64, 3*rows)}
	out := model.Answers{Values: make([]float64, 3*rows), Classes: make([]int, rows)}
	if err := p.Predict(in, out); err != nil || slices.ContainsFunc(out.Classes, func(c int) bool { return c != 1 }) || out.Values[3*rows-2] != 0.5 {
		t.Errorf("%v, %v", err, out)
	}
	for first, reason := range map[float64]string{2000: "no", -2000: "another shape"} {
		err := p.Predict(model.Row([]float64{first, 0, 0}), out)
		if problem, ok := errors.AsType[*model.Unanswerable](err); !ok || !strings.Contains(problem.Reason, reason) {
			t.Errorf("%v: %v, want %q", first, err, reason)
		}
	}
}

// TestHostIsNotAsked: a host never sees a file that points outside itself.
func TestHostIsNotAsked(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"refused/external.onnx", "refused/hidden.onnx", "refused/zipmap.onnx"} {
		_, err := onnx.LoadWith(bytes.NewReader(hosted(t, name)), func([]byte, []string, []string) (graph.Foreign, error) {
			t.Errorf("%s: the host was asked", name)
			return nil, errors.New("asked")
		})
		if _, refused := errors.AsType[*model.Refusal](err); !refused {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

// TestHostDamaged: files that are damaged or cut end in a refusal or a model.
func TestHostDamaged(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../onnxruntime/testdata/*.onnx")
	if err != nil || len(names) < 3 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, name := range names {
		whole := hosted(t, filepath.Base(name))
		for at := range whole {
			for _, change := range []byte{1, 0x80, 0xff} {
				data := bytes.Clone(whole)
				data[at] ^= change
				p, err := onnx.LoadWith(bytes.NewReader(data), host)
				if _, refused := errors.AsType[*model.Refusal](err); refused == (p != nil) {
					t.Fatalf("%s, byte %d: %v, %v", name, at, p, err)
				}
			}
		}
	}
}
