package onnx_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/model/onnx"
)

// readOperators reads testdata/operators.tar.gz.
func readOperators(t *testing.T) map[string][]byte {
	t.Helper()
	unpacked, err := gzip.NewReader(bytes.NewReader(readFile(t, "operators.tar.gz")))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOperators holds the operators of ai.onnx.ml against ONNX Runtime's, each in
// a graph of its own.
func TestOperators(t *testing.T) {
	t.Parallel()
	files := readOperators(t)
	const least = 70
	if len(files) < 2*least {
		t.Errorf("only %d files", len(files))
	}
	for name, data := range files {
		graph, ok := strings.CutSuffix(name, ".json")
		if !ok {
			continue
		}
		var answers []struct {
			Row    []any
			Values []*float64 // nil: NaN
			Label  json.RawMessage
		}
		if err := json.Unmarshal(data, &answers); err != nil {
			t.Fatal(err)
		}
		p, err := onnx.Load(bytes.NewReader(files[graph+".onnx"]))
		if err != nil {
			t.Errorf("%s: %v", graph, err)
			continue
		}
		s := p.Signature()
		for r, a := range answers {
			out := room(s, 1)
			if err := p.Predict(rowsOf([]answer{{Row: a.Row}}), out); err != nil {
				t.Fatalf("%s: %v", graph, err)
			}
			want := a.Values
			if s.Values == model.Scores && len(want) == 2 {
				want = want[1:]
			}
			for i, w := range want {
				if got := out.Values[i]; w == nil != math.IsNaN(got) || w != nil && math.Abs(got-*w) > tolerance*max(1, math.Abs(*w)) {
					t.Errorf("%s: row %d, value %d is %v, ONNX Runtime says %v", graph, r, i, got, w)
				}
			}
			if out.Classes != nil && string(s.Classes[out.Classes[0]]) != string(a.Label) {
				t.Errorf("%s: row %d is %s, ONNX Runtime says %s", graph, r, s.Classes[out.Classes[0]], a.Label)
			}
		}
	}
}
