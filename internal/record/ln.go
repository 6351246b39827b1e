package record

import (
	"math"
	"math/bits"
)

// Logarithms of latencies are whole numbers of 2^-32, so that their sums are
// exact, too. A unit is a relative difference of 2e-10 between two latencies:
// ten thousand times finer than a ns is of a ms.
const (
	lnDigits = 32
	lnMax    = 119_081_778_873 // of the longest latency, 2^40 ns; rounded up
)

// fixedLn is ln(ns) to the nearest 2^-32, or to one beside it where the two are
// equally near to within 1 %; 0 for 0 and 1 ns. It uses whole numbers only and
// a table of constants, so that every machine counts the same.
//
// ns is 2^e times x, and x is within 2^-8 of the middle m of one of 128 parts
// of an octave, so ln ns = e ln 2 + ln m + ln(1 + r), |r| <= 2^-8, and four
// terms of the series for ln(1 + r) are off by less than 2^-42.
func fixedLn(ns uint64) uint64 {
	if ns <= 1 {
		return 0
	}
	octave := bits.Len64(ns) - 1
	x := ns << (63 - octave)
	part := &parts[x>>56&127]
	quotient, _ := bits.Mul64(x, part.inverse)
	r := int64(quotient - 1<<63) // in 2^-63
	s := r >> 31                 // in 2^-32, as are the powers below, each with the digits that it needs
	s2 := s * s                  // in 2^-64
	s3 := (s2 >> 16) * s         // in 2^-80
	s4 := (s2 >> 24) * (s2 >> 24)
	series := r>>15 - s2>>17 + s3/3>>32 - s4>>34 // in 2^-48
	const rounding = 1 << 15
	return uint64(int64(octave)*ln2+part.ln+series+rounding) >> 16
}

const ln2 = 195_103_586_505_167 // ln 2 in 2^-48

// parts divides an octave; each has the inverse of its middle, as 2^127 over
// it, and the middle's ln in 2^-48.
var parts = makeParts()

type part struct {
	inverse uint64
	ln      int64
}

func makeParts() *[128]part {
	var p [128]part
	for i := range uint64(len(p)) {
		inverse, _ := bits.Div64(1<<63, 0, (2*(128+i)+1)<<55)
		p[i] = part{inverse, int64(math.Round(math.Ldexp(math.Log1p((float64(i)+0.5)/128), 48)))}
	}
	return &p
}
