package format

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"serin/internal/model"
	"serin/internal/model/onnx"
	"serin/internal/model/onnxruntime"
)

// headSize is how many bytes are looked at before a format is chosen.
const headSize = 64 << 10

// Options are what a file may be read with beside serin itself. The zero value
// is nothing.
type Options struct {
	// ONNXRuntime computes ONNX models with operators that serin does not have;
	// nil: they are refused.
	ONNXRuntime *onnxruntime.Runtime
}

// Panic is a bug of serin's that a file has found: its reader panicked. It is no
// refusal, for nothing is known of the file.
type Panic struct {
	// Value is what the reader panicked with, Stack where.
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("serin's reader panics: %v", p.Value) }

// Reportable makes a Panic a refusal that asks for a report with the file's
// SHA-256; other errors stay.
func Reportable(err error, sha256 string) error {
	if bug, ok := errors.AsType[*Panic](err); ok {
		return &model.Refusal{Reason: bug.Error(), Next: "This is a bug in serin's reader: please report it with the file's SHA-256 " + sha256 + "."}
	}
	return err
}

// caught makes a panic an error; no file may take the process down.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = &Panic{r, debug.Stack()}
	}
}

// Open reads a model file to its end, whatever its format. Refusals of its
// content are *model.Refusal, bugs of its reader *Panic; any other error is r's own.
func Open(r io.Reader, o Options) (p model.Predictor, err error) {
	defer caught(&err)
	buffered := bufio.NewReaderSize(r, headSize)
	k, err := recognise(buffered)
	if err != nil {
		return nil, err
	}
	return k.open(buffered, o)
}

// recognise takes the head and leaves the reader where it was.
func recognise(r *bufio.Reader) (*kind, error) {
	head, err := r.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading a model file: %w", err)
	}
	for i := range kinds {
		if kinds[i].is(head) {
			return &kinds[i], nil
		}
	}
	return &unknown, nil
}

// kind is one format.
type kind struct {
	// name is what a sentence calls it: "an HTML page".
	name string
	is   func(head []byte) bool
	// read is its reader; nil for what is refused, with next as the next step.
	read func(io.Reader) (model.Predictor, error)
	next string
	// hosted is the reader that may call ONNX Runtime; nil for most.
	hosted func(io.Reader, onnx.Host) (model.Predictor, error)
	// mark is written once for each tree; "" where nothing is.
	mark string
}

func (k *kind) open(r io.Reader, o Options) (model.Predictor, error) {
	if k.hosted != nil && o.ONNXRuntime != nil {
		return k.hosted(r, o.ONNXRuntime.Load)
	}
	if k.read == nil {
		return nil, k.refusal()
	}
	return k.read(r)
}

func (k *kind) refusal() *model.Refusal {
	return &model.Refusal{Reason: "the file is " + k.name, Next: k.next}
}
