package offline

import (
	"os"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/model/format"
	"serin/internal/model/onnxruntime"
)

// NativeLibrary is the path of ONNX Runtime's shared library, empty for none.
type NativeLibrary string

// Flag adds the flag that sets it.
func (n *NativeLibrary) Flag(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(n), "onnxruntime", os.Getenv("SERIN_ONNXRUNTIME"),
		"shared library of ONNX Runtime, for ONNX models with operators that serin lacks; native code then runs inside serin on bytes of the file (SERIN_ONNXRUNTIME)")
}

// Options are how model files are read. It is a usage error if the library cannot
// be loaded.
func (n *NativeLibrary) Options() (format.Options, error) {
	if *n == "" {
		return format.Options{}, nil
	}
	runtime, err := onnxruntime.Open(string(*n))
	if err != nil {
		return format.Options{}, term.Usage(err)
	}
	return format.Options{ONNXRuntime: runtime}, nil
}
