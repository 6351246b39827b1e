//go:build onnxruntime && cgo

package onnxruntime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"serin/internal/model/graph"
)

// Runtime is the library, loaded into the process for good.
type Runtime struct{}

// opened is the one library that a process can have.
var opened struct {
	sync.Mutex

	library string
}

// Open loads the shared library of ONNX Runtime. A process has one: to open the
// same again is free, to open another one is an error.
func Open(library string) (*Runtime, error) {
	path, err := filepath.Abs(library) // without a slash the linker would search for it
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w", err)
	}
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w", err)
	} else if info.IsDir() {
		return nil, fmt.Errorf("ONNX Runtime: %s is a folder: name the library itself, libonnxruntime.so", path)
	}
	opened.Lock()
	defer opened.Unlock()
	switch opened.library {
	case path:
		return &Runtime{}, nil
	case "":
	default:
		return nil, fmt.Errorf("ONNX Runtime: %s is loaded already, and a process has one", opened.library)
	}
	ort.SetSharedLibraryPath(path)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %s: %w", path, err)
	}
	opened.library = path
	return &Runtime{}, nil
}

// session frees the library's session when nobody can call it any more.
type session struct {
	ort     *ort.DynamicAdvancedSession
	outputs int
}

// Load hands a model to the library. It computes one request on one thread, so
// that sums are made in one order.
func (*Runtime) Load(data []byte, inputs, outputs []string) (graph.Foreign, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer free(options)
	if err := errors.Join(options.SetIntraOpNumThreads(1), options.SetInterOpNumThreads(1)); err != nil {
		return nil, err
	}
	native, err := ort.NewDynamicAdvancedSessionWithONNXData(data, inputs, outputs, options)
	if err != nil {
		return nil, err
	}
	s := &session{native, len(outputs)}
	runtime.AddCleanup(s, func(native *ort.DynamicAdvancedSession) { free(native) }, native)
	return s.run, nil
}

// destroyer is what the library allocated.
type destroyer interface{ Destroy() error }

// free gives memory back. What cannot be freed is lost, and nothing follows from it.
func free(d destroyer) { _ = d.Destroy() }

func (s *session) run(inputs []*graph.Tensor) ([]*graph.Tensor, error) {
	defer runtime.KeepAlive(s)
	in, out := make([]ort.Value, 0, len(inputs)), make([]ort.Value, s.outputs)
	defer func() {
		for _, list := range [][]ort.Value{in, out} {
			for _, v := range list {
				if v != nil {
					free(v)
				}
			}
		}
	}()
	for _, t := range inputs {
		v, err := valueOf(t)
		if err != nil {
			return nil, err
		}
		in = append(in, v)
	}
	if err := s.ort.Run(in, out); err != nil {
		return nil, err
	}
	answers := make([]*graph.Tensor, len(out))
	for i, v := range out {
		var err error
		if answers[i], err = tensorOf(v); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// valueOf makes the library's tensor of a tensor.
func valueOf(t *graph.Tensor) (ort.Value, error) {
	shape := make(ort.Shape, len(t.Shape))
	for i, d := range t.Shape {
		shape[i] = int64(d)
	}
	switch d := t.Data.(type) {
	case []float32:
		return ort.NewTensor(shape, d)
	case []float64:
		return ort.NewTensor(shape, d)
	case []int64:
		return ort.NewTensor(shape, d)
	case []int32:
		return ort.NewTensor(shape, d)
	case []bool:
		return ort.NewTensor(shape, d)
	case []string:
		for _, text := range d {
			if strings.ContainsRune(text, 0) {
				return nil, errors.New("ONNX Runtime takes no text with a zero byte")
			}
		}
		v, err := ort.NewStringTensor(shape)
		if err != nil {
			return nil, err
		}
		if err := v.SetContents(d); err != nil {
			free(v)
			return nil, err
		}
		return v, nil
	}
	return nil, fmt.Errorf("ONNX Runtime is given no %s tensors", t.Kind())
}

// tensorOf copies what the library answered.
func tensorOf(v ort.Value) (*graph.Tensor, error) {
	t := &graph.Tensor{}
	for _, d := range v.GetShape() {
		t.Shape = append(t.Shape, int(d))
	}
	switch v := v.(type) {
	case *ort.Tensor[float32]:
		t.Data = v.GetData() // Go's memory, which outlives the value
	case *ort.Tensor[float64]:
		t.Data = v.GetData()
	case *ort.Tensor[int64]:
		t.Data = v.GetData()
	case *ort.Tensor[int32]:
		t.Data = v.GetData()
	case *ort.Tensor[bool]:
		t.Data = v.GetData()
	case *ort.StringTensor:
		texts, err := v.GetContents()
		if err != nil {
			return nil, err
		}
		t.Data = texts
	default:
		return nil, fmt.Errorf("an output is a %T, and not a tensor of floats, doubles, whole numbers, bools or texts", v)
	}
	return t, nil
}
