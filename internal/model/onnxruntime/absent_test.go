//go:build !onnxruntime || !cgo

package onnxruntime

import (
	"strings"
	"testing"
)

func TestAbsent(t *testing.T) {
	t.Parallel()
	if r, err := Open("libonnxruntime.so"); r != nil || err == nil || !strings.Contains(err.Error(), "go build -tags onnxruntime") {
		t.Errorf("%v, %v: want an error that says how to build serin with it", r, err)
	}
}
