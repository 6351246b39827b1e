package pickle

import (
	"fmt"
	"io"
)

// Options are the allow-list and the budgets of one Read. A budget of zero
// means its default.
type Options struct {
	// Allow holds the exact names of the classes that the caller can read.
	// Instances of them become Objects. It is only read.
	Allow map[Global]bool
	// MaxBytes bounds the pickle after decompression. Default 2 GiB.
	MaxBytes int64
	// MaxObjects bounds the values that the pickle's opcodes may put on the
	// stack, and the steps of a full walk over the result, in which a value that
	// is shared counts each time. A vocabulary of a million words takes ten
	// million. The memory that values take is bounded by the file's size besides
	// (machine.go). Default 16,777,216.
	MaxObjects int
	// MaxDepth bounds how deep values are nested in the result. Default 256.
	MaxDepth int
	// Mention is called with every name that the pickle mentions and that is
	// allowed, each time; nil: nobody asks.
	Mention func(Global)
}

const (
	defaultMaxBytes   = 2 << 30
	defaultMaxObjects = 16 << 20
	defaultMaxDepth   = 256
	mostObjects       = 1 << 30 // what walk can count
	mostDepth         = 1 << 12
)

// WithDefaults returns the options with every budget set.
func (o Options) WithDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxObjects <= 0 {
		o.MaxObjects = defaultMaxObjects
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = defaultMaxDepth
	}
	o.MaxObjects, o.MaxDepth = min(o.MaxObjects, mostObjects), min(o.MaxDepth, mostDepth)
	return o
}

// Read reads one pickle or joblib file to its end and returns its value.
// Errors about the content are *Error.
func Read(r io.Reader, opts Options) (Value, error) {
	opts = opts.WithDefaults()
	src, err := open(r, opts.MaxBytes)
	if err != nil {
		return nil, err
	}
	m := &machine{src: src, opts: opts, budget: &budget{}, ops: &opcodes, known: known}
	v, err := m.run()
	if err != nil {
		return nil, err
	}
	if err := src.finish(); err != nil {
		return nil, err
	}
	if err := opts.Check(v); err != nil {
		err.Offset, err.Container = src.at, src.container
		return nil, err
	}
	return v, nil
}

// Error says why a file is refused.
type Error struct {
	// Offset is the byte at which the refused thing begins, counted after
	// decompression.
	Offset int64
	// Container is what was unpacked: the compression around the pickle ("gzip")
	// or a file in an archive ("schema.json"); empty for a bare pickle.
	Container string
	// Reason says what is wrong, Next what to do about it. Reason is a clause
	// without a full stop; Next is whole sentences.
	Reason, Next string
	// Refused is the name that is on no allow-list, where that is the reason.
	Refused Global
}

func (e *Error) Error() string {
	return e.Where() + ": " + e.Reason + ". " + e.Next
}

// Where names the place: "byte 210", or "byte 210 inside the gzip data".
func (e *Error) Where() string {
	if e.Container == "" {
		return fmt.Sprintf("byte %d", e.Offset)
	}
	return fmt.Sprintf("byte %d inside the %s data", e.Offset, e.Container)
}

// The next steps that more than one refusal gives.
const (
	nextSaveAgain = "Save the fitted model again with joblib.dump(model, path) and use that file."
	nextCopyAgain = "Copy the file again from where it was saved and compare sizes, or save the model again with joblib.dump(model, path)."
	nextSmaller   = "Save only the fitted model with joblib.dump(model, path), without data or results beside it."
)
