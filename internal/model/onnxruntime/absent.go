//go:build !onnxruntime || !cgo

package onnxruntime

import (
	"errors"

	"serin/internal/model/graph"
)

// Runtime is the library. This build has none.
type Runtime struct{}

var errAbsent = errors.New("this serin was built without ONNX Runtime: build it with go build -tags onnxruntime, or leave --onnxruntime out")

// Open is an error in this build.
func Open(string) (*Runtime, error) { return nil, errAbsent }

// Load is an error in this build.
func (*Runtime) Load([]byte, []string, []string) (graph.Foreign, error) { return nil, errAbsent }
