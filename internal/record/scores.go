package record

import "math"

// The buckets of scores divide probabilities at fixed edges of the odds
// p/(1-p), for near 0 and near 1 it is the odds that a small change of the
// model moves: 16 buckets, evenly spaced, to each doubling of the odds, from
// 2^-16 to 2^16 (p from 0.000015 to 0.999985), and one beyond either end.
//
//	bucket 0                       odds below 2^-16
//	bucket 1 + 16 (16 + e) + j     odds 2^e (1 + j/16) up to 2^e (1 + (j+1)/16)
//	last bucket                    odds of 2^16 and more
//
// At p = 0.5 a bucket is 0.015 wide. Nobody need know the edges to compare two
// arms: what is asked of scores is whether both arms fill the same buckets.
const (
	scoreOctaves = 16 // on either side of even odds
	scoreFine    = 4  // 2^4 buckets to an octave
	scoreCount   = 2*scoreOctaves<<scoreFine + 2
)

// scoreBucket says where a score is counted; ok is false for what is not a
// probability, as NaN, which stands for no score.
//
// The bits of a positive float64 grow with it, and the highest of them are the
// octave and the sixteenth, so the index needs no logarithm. (Zero may be -0.)
func scoreBucket(p float64) (i int, ok bool) {
	if !(p >= 0 && p <= 1) {
		return 0, false
	}
	const lowest = uint64(1023-scoreOctaves) << scoreFine // the cell of odds 2^-16
	cell := math.Float64bits(math.Abs(p/(1-p))) >> (52 - scoreFine)
	if cell < lowest {
		return 0, true
	}
	return int(min(cell-lowest+1, scoreCount-1)), true
}
