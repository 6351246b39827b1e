package format

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"serin/internal/model"
)

// headSize is how many bytes are looked at before a format is chosen.
const headSize = 64 << 10

// Open reads a model file to its end, whatever its format. Refusals of its
// content are *model.Refusal; any other error is r's own.
func Open(r io.Reader) (model.Predictor, error) {
	buffered := bufio.NewReaderSize(r, headSize)
	k, err := recognise(buffered)
	if err != nil {
		return nil, err
	}
	return k.open(buffered)
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
	// mark is written once for each tree; "" where nothing is.
	mark string
}

func (k *kind) open(r io.Reader) (model.Predictor, error) {
	if k.read == nil {
		return nil, k.refusal()
	}
	return k.read(r)
}

func (k *kind) refusal() *model.Refusal {
	return &model.Refusal{Reason: "the file is " + k.name, Next: k.next}
}
