package main

import (
	"os"

	"github.com/spf13/cobra"

	"serin/internal/model/format"
	"serin/internal/model/onnxruntime"
)

// nativeLibrary is the path of ONNX Runtime's shared library, empty for none.
type nativeLibrary string

func (n *nativeLibrary) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(n), "onnxruntime", os.Getenv("SERIN_ONNXRUNTIME"),
		"shared library of ONNX Runtime, for ONNX models with operators that serin lacks; native code then runs inside serin on bytes of the file (SERIN_ONNXRUNTIME)")
}

// options are how model files are read.
func (n *nativeLibrary) options() (format.Options, error) {
	if *n == "" {
		return format.Options{}, nil
	}
	runtime, err := onnxruntime.Open(string(*n))
	if err != nil {
		return format.Options{}, usageError{err}
	}
	return format.Options{ONNXRuntime: runtime}, nil
}
