//go:build race

package onnx_test

// racing tells whether the race detector is on.
const racing = true
