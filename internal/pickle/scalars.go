package pickle

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"unicode/utf8"
)

// The binary forms of numbers, strings and bytes. The text forms of protocol 0
// are in text.go.

func (m *machine) pushSize(n uint64) error { return m.push(int64(n)) } // n has two bytes at most

func opBinInt(m *machine) error {
	b, err := m.src.take(4)
	if err != nil {
		return err
	}
	return m.push(int64(int32(binary.LittleEndian.Uint32(b))))
}

func opBinFloat(m *machine) error {
	b, err := m.src.take(8)
	if err != nil {
		return err
	}
	return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
}

// long reads a two's-complement little-endian integer of n bytes.
func (m *machine) long(n uint64) error {
	b, err := m.src.bytes(n)
	if err != nil {
		return err
	}
	if n <= 8 {
		return m.push(littleInt(b, true))
	}
	negative := b[n-1]&0x80 != 0
	slices.Reverse(b)
	v := new(big.Int).SetBytes(b)
	if negative {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	return m.push(smallest(v))
}

// littleInt decodes up to 8 little-endian bytes. An unsigned number of 8 bytes
// must be below 2^63.
func littleInt(b []byte, signed bool) int64 {
	if len(b) == 0 {
		return 0
	}
	var u uint64
	for i, c := range b {
		u |= uint64(c) << (8 * i)
	}
	if shift := 64 - 8*len(b); signed {
		return int64(u<<shift) >> shift
	}
	return int64(u)
}

// smallest returns v as an int64 where it fits.
func smallest(v *big.Int) Value {
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

func (m *machine) unicode(n uint64) error {
	b, err := m.field(n)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return m.refuse("a string is not UTF-8")
	}
	return m.push(string(b))
}

func (m *machine) bytes(n uint64) error {
	b, err := m.field(n)
	if err != nil {
		return err
	}
	return m.push(Bytes(b))
}

// oldString reads a str of Python 2, which may be text or raw bytes.
func (m *machine) oldString(n uint64) error {
	b, err := m.field(n)
	if err != nil {
		return err
	}
	return m.push(textOrBytes(b))
}

func textOrBytes(b []byte) Value {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return Bytes(b)
		}
	}
	return string(b)
}

// field reads n bytes that the caller copies at once.
func (m *machine) field(n uint64) ([]byte, error) {
	if n <= 4<<10 {
		return m.src.take(int(n))
	}
	return m.src.bytes(n)
}
