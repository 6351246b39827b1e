package oip

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// datatype is one of the protocol's.
type datatype struct {
	name string
	size int // of an element in binary; 0 for BYTES, whose elements tell their own
	// number reads one element of binary data; nil for BYTES.
	number func(b []byte) float64
}

// datatypes are all of them, in the protocol's order.
var datatypes = []datatype{
	{"BOOL", 1, func(b []byte) float64 { return float64(b[0]) }},
	{"UINT8", 1, func(b []byte) float64 { return float64(b[0]) }},
	{"UINT16", 2, func(b []byte) float64 { return float64(binary.LittleEndian.Uint16(b)) }},
	{"UINT32", 4, func(b []byte) float64 { return float64(binary.LittleEndian.Uint32(b)) }},
	{"UINT64", 8, func(b []byte) float64 { return float64(binary.LittleEndian.Uint64(b)) }},
	{"INT8", 1, func(b []byte) float64 { return float64(int8(b[0])) }},
	{"INT16", 2, func(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) }},
	{"INT32", 4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) }},
	{"INT64", 8, func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) }},
	{"FP16", 2, func(b []byte) float64 { return half(binary.LittleEndian.Uint16(b)) }},
	{"FP32", 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	{"FP64", 8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	{"BYTES", 0, nil},
}

func datatypeOf(name string) (datatype, bool) {
	i := slices.IndexFunc(datatypes, func(d datatype) bool { return d.name == name })
	if i < 0 {
		return datatype{}, false
	}
	return datatypes[i], true
}

// half decodes an IEEE 754 number of 16 bits: 1 sign, 5 exponent, 10 fraction.
func half(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	fraction := float64(h & 0x3ff)
	switch exponent := int(h>>10) & 0x1f; exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	default:
		return sign * math.Ldexp(1024+fraction, exponent-25)
	}
}

// Fault is what is wrong with a request, in one sentence and what to do next.
type Fault struct{ Detail string }

func (f *Fault) Error() string { return f.Detail }

func fault(format string, args ...any) *Fault { return &Fault{fmt.Sprintf(format, args...)} }
