package graph

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"serin/internal/model"
)

// The budgets of the reader. Bytes are bounded by what arrived; these bound
// what bytes can unfold to.
const (
	maxBytes = 1 << 30 // of a file
	maxDepth = 8       // graphs inside graphs (the bodies of Scan)
	maxNodes = 100_000 // in all graphs together
	maxRank  = 8       // dimensions of a tensor
)

// The next steps of refusals.
const (
	NextExport   = "Export the model again with skl2onnx, onnxmltools or torch.onnx.export, and run onnx.checker.check_model on the file."
	nextShape    = "Export the model with an input of the shape [None, columns]."
	nextEmbed    = "Save the weights inside the file: onnx.save_model(onnx.load(path), new_path, save_as_external_data=False)."
	NextSmaller  = "A tabular model is far smaller. If this file is what you mean to serve, prune it, or split it before you export it."
	nextSimplify = "Export the model with fixed shapes but for the rows, or simplify it (python -m onnxsim in.onnx out.onnx)."
)

// refused is how a refusal travels from the depth of the reader and of the
// operators up to Try, as a panic that Try alone recovers. Any other panic is a
// mistake of ours and is not caught.
type refused struct{ *model.Refusal }

// Refuse gives up on the file, within Try.
func Refuse(next, format string, args ...any) {
	panic(refused{&model.Refusal{Reason: fmt.Sprintf(format, args...), Next: next}})
}

// Try does work that reads a file or builds a plan of it, and returns its
// refusal, or nil.
func Try(work func()) (refusal *model.Refusal) {
	defer func() {
		if problem := recover(); problem != nil {
			r, ours := problem.(refused)
			if !ours {
				panic(problem)
			}
			refusal = r.Refusal
		}
	}()
	work()
	return nil
}

// field is one field of a message: a number of its own or the bytes of what is
// inside.
type field struct {
	message string // whose field it is, for messages
	number  protowire.Number
	typ     protowire.Type
	value   uint64 // varint, fixed32 or fixed64
	bytes   []byte // a part of the file, not a copy
}

// fields calls visit with every field of a message, in order.
func fields(message string, b []byte, visit func(f field)) {
	for len(b) > 0 {
		var f field
		f, b = nextField(message, b)
		visit(f)
	}
}

// nextField takes the first field off a message. Its length is checked against
// the bytes that are there.
func nextField(message string, b []byte) (f field, rest []byte) {
	number, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		Refuse(NextExport, "a %s ends in the middle of a field", message)
	}
	b = b[n:]
	f = field{message: message, number: number, typ: typ}
	switch typ {
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(b)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(b)
		f.value = uint64(v)
	case protowire.Fixed64Type:
		f.value, n = protowire.ConsumeFixed64(b)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(b)
	default:
		Refuse(NextExport, "field %d of a %s is of wire type %d, which ONNX does not use", number, message, typ)
	}
	if n < 0 {
		Refuse(NextExport, "field %d of a %s is damaged or longer than its file", number, message)
	}
	return f, b[n:]
}

func (f field) is(typ protowire.Type) {
	if f.typ != typ {
		Refuse(NextExport, "field %d of a %s is of wire type %d instead of %d", f.number, f.message, f.typ, typ)
	}
}

// unknown refuses a field that could change what the file means.
func (f field) unknown() {
	Refuse(NextExport, "a %s has the field %d, which this version of serin does not know", f.message, f.number)
}

func (f field) body() []byte {
	f.is(protowire.BytesType)
	return f.bytes
}

func (f field) text() string { return string(f.body()) }

func (f field) int() int64 {
	f.is(protowire.VarintType)
	return int64(f.value)
}

// numbers hands every number of a repeated field to add, packed or not.
func (f field) numbers(plain protowire.Type, add func(v uint64)) {
	if f.typ == plain {
		add(f.value)
		return
	}
	for b := f.body(); len(b) > 0; {
		var v uint64
		var n int
		switch plain {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v32 uint32
			v32, n = protowire.ConsumeFixed32(b)
			v = uint64(v32)
		default:
			v, n = protowire.ConsumeFixed64(b)
		}
		if n < 0 {
			Refuse(NextExport, "the packed field %d of a %s is damaged", f.number, f.message)
		}
		b = b[n:]
		add(v)
	}
}

func (f field) ints(list *[]int64) {
	f.numbers(protowire.VarintType, func(v uint64) { *list = append(*list, int64(v)) })
}

func (f field) floats(list *[]float32) {
	f.numbers(protowire.Fixed32Type, func(v uint64) { *list = append(*list, math.Float32frombits(uint32(v))) })
}

func (f field) doubles(list *[]float64) {
	f.numbers(protowire.Fixed64Type, func(v uint64) { *list = append(*list, math.Float64frombits(v)) })
}
