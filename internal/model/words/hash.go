package words

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Hash is MurmurHash3_x86_32 with seed 0, signed, as scikit-learn's hashers use
// it (sklearn/utils/src/MurmurHash3.cpp).
func Hash(data []byte) int32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var h uint32
	n := len(data)
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * c1
		h ^= bits.RotateLeft32(k, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	for _, b := range slices.Backward(data) {
		k = k<<8 | uint32(b)
	}
	if len(data) > 0 {
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= uint32(n)
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return int32(h ^ h>>16)
}
