package record

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
)

// int128 is an exact sum, in two's complement. Adding never rounds, so sums are
// the same in any order and any grouping.
type int128 struct{ hi, lo uint64 }

func (u *int128) add(v int128) {
	var carry uint64
	u.lo, carry = bits.Add64(u.lo, v.lo, 0)
	u.hi, _ = bits.Add64(u.hi, v.hi, carry)
}

func (u *int128) sub(v int128) {
	var borrow uint64
	u.lo, borrow = bits.Sub64(u.lo, v.lo, 0)
	u.hi, _ = bits.Sub64(u.hi, v.hi, borrow)
}

func (u int128) big() *big.Int {
	b := big.NewInt(int64(u.hi))
	return b.Add(b.Lsh(b, 64), new(big.Int).SetUint64(u.lo))
}

// float is the nearest float64 to u times 2^exponent.
func (u int128) float(exponent int) float64 {
	f, _ := u.big().Float64()
	return math.Ldexp(f, exponent)
}

var (
	mask64  = new(big.Int).SetUint64(math.MaxUint64)
	mask128 = new(big.Int).Or(new(big.Int).Lsh(mask64, 64), mask64)
)

// fromBig takes the low 128 bits.
func fromBig(b *big.Int) int128 {
	var raw [16]byte
	new(big.Int).And(b, mask128).FillBytes(raw[:])
	return int128{binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])}
}

// times is the exact product of two whole numbers.
func times(a, b uint64) int128 {
	hi, lo := bits.Mul64(a, b)
	return int128{hi, lo}
}

// timesWide is a product that the caller knows to fit.
func timesWide(a int128, n uint64) int128 {
	product := times(a.lo, n)
	product.hi += a.hi * n
	return product
}
