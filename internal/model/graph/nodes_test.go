package graph

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// readNodes reads testdata/nodes.tar.gz: file by file of each of ONNX's tests.
func readNodes(t *testing.T) map[string]map[string][]byte {
	t.Helper()
	file, err := os.Open("testdata/nodes.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	cases := make(map[string]map[string][]byte)
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return cases
		}
		if err != nil {
			t.Fatal(err)
		}
		name, part := path.Split(header.Name)
		name = strings.TrimSuffix(name, "/")
		if cases[name] == nil {
			cases[name] = make(map[string][]byte)
		}
		if cases[name][part], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func tensorsOf(files map[string][]byte, kind string) (list []*Tensor) {
	for i := 0; files[fmt.Sprintf("%s_%d.pb", kind, i)] != nil; i++ {
		_, t := readTensor(files[fmt.Sprintf("%s_%d.pb", kind, i)])
		list = append(list, t)
	}
	return list
}

// runNode builds the graph of a test on its inputs and runs it. With moving
// inputs, the first is not known while the graph is built, as in a request.
func runNode(files map[string][]byte, moving bool) []*Tensor {
	m := readModel(files["model.onnx"])
	if list := m.Missing(); list != nil {
		Refuse("", "missing %v", list)
	}
	inputs := tensorsOf(files, "input")
	b := &build{file: m, rows: 1, bytes: maxPlanBytes, work: maxWork, folded: &Folded{by: make(map[int]folded)}}
	var later reflect.Value // the contents of the first input, once it is asked for
	if moving && len(inputs) > 0 {
		first := reflect.ValueOf(inputs[0].Data)
		later = reflect.MakeSlice(first.Type(), first.Len(), first.Len())
		reflect.Copy(later, first)
		first.Clear()
		inputs[0].Fixed = false
	}
	given := make([]*Tensor, len(m.graph.inputs))
	next := 0
	for i, p := range m.graph.inputs {
		if given[i] = m.graph.constants[p.Name]; given[i] == nil {
			given[i] = inputs[next]
			next++
		}
	}
	out := b.graph(m.graph, given, nil)
	if moving && len(inputs) > 0 {
		reflect.Copy(reflect.ValueOf(inputs[0].Data), later)
		if err := (&Plan{steps: b.steps}).Run(); err != nil {
			Refuse("", "%v", err)
		}
	}
	return out
}

// sameTensor compares within what float32 and another order of sums allow.
func sameTensor(got, want *Tensor) bool {
	if !slices.Equal(got.Shape, want.Shape) || got.Kind() != want.Kind() {
		return false
	}
	switch w := want.Data.(type) {
	case []float32:
		return near(Convert[float64](w), Convert[float64](got.Data.([]float32)), 1e-5)
	case []float64:
		return near(w, got.Data.([]float64), 1e-9)
	}
	return got.Len() == 0 && want.Len() == 0 || reflect.DeepEqual(got.Data, want.Data)
}

func near(want, got []float64, tolerance float64) bool {
	for i, w := range want {
		if g := got[i]; !(math.Abs(g-w) <= tolerance*max(1, math.Abs(w)) || g == w || math.IsNaN(g) && math.IsNaN(w)) {
			return false
		}
	}
	return true
}

// refusedNodes are parts of the names of tests of what serin refuses: training,
// numbers of classes as floats, reductions of nothing and of bools, the Scan of
// version 8, and a graph without inputs.
var refusedNodes = []string{"training", "onehot", "empty_set", "bool_inputs", "test_scan_sum", "test_constant"}

// TestNodes is ONNX's own tests of operators, each with its inputs as constants
// and once more with the first input left open.
func TestNodes(t *testing.T) {
	t.Parallel()
	passed, open := 0, 0
	for name, files := range readNodes(t) {
		want := tensorsOf(files, "output")
		for _, moving := range []bool{false, true} {
			var got []*Tensor
			if refusal := Try(func() { got = runNode(files, moving) }); refusal != nil {
				if !moving && !slices.ContainsFunc(refusedNodes, func(part string) bool { return strings.Contains(name, part) }) {
					t.Errorf("%s: %v", name, refusal)
				}
				continue
			}
			for i := range want {
				if !sameTensor(got[i], want[i]) {
					t.Errorf("%s (moving: %v): output %d is %v %v, want %v %v", name, moving, i, got[i].Shape, got[i].Data, want[i].Shape, want[i].Data)
				}
			}
			if moving {
				open++
			} else {
				passed++
			}
		}
	}
	const least = 600
	if passed < least || open < least {
		t.Errorf("only %d tests as constants and %d with an open input", passed, open)
	}
}
