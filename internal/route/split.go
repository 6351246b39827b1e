package route

import (
	"math/bits"
	"sync/atomic"

	"serin/internal/rollout"
)

// Split deals requests to the canary in exact shares: of every block of
// requests, as many as the weight says, at random positions. With 10 % each
// ten requests in a row hold one canary request, and nobody can foresee which.
//
// A block of B requests with K canaries is cut into K strata as equal as
// whole numbers allow, each with one canary at a uniformly random position;
// the strata begin at a random offset of the block, which makes every position
// equally likely, K/B. The positions are a hash of the seed and the block's
// number, so that one atomic counter is all the state that requests share.
type Split struct {
	canaries, block uint64
	seed            uint64
	next            atomic.Uint64
}

// NewSplit begins a first block. The seed should be random: whoever knows it
// knows which requests go to the canary.
func NewSplit(w rollout.Weight, seed uint64) *Split {
	s := &Split{seed: seed}
	s.canaries, s.block = w.Ratio()
	return s
}

// canary takes the next position and says whether it is the canary's.
func (s *Split) canary() bool {
	n := s.next.Add(1) - 1
	return s.at(n/s.block, n%s.block)
}

func (s *Split) at(block, position uint64) bool {
	if s.canaries > 1 {
		position = (position + below(s.block, s.seed, block, 0)) % s.block
	}
	stratum := position * s.canaries / s.block
	first := (stratum*s.block + s.canaries - 1) / s.canaries
	end := ((stratum+1)*s.block + s.canaries - 1) / s.canaries
	return position == first+below(end-first, s.seed, block, stratum+1)
}

// below returns a number in [0, n) that looks random in all its arguments.
func below(n, seed, block, stratum uint64) uint64 {
	high, _ := bits.Mul64(mix(mix(seed^block)+stratum), n)
	return high
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable
// pseudorandom number generators, OOPSLA 2014) on the next Weyl number.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
