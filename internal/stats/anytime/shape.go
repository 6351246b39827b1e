package anytime

import (
	"math"
	"slices"
)

// slowdowns are the alternatives that a Shape bets on, as shares: 0.03 is 3 %
// slower. One more bet is that the slowest 1 % doubles.
var slowdowns = [...]float64{0.03, 0.06, 0.12, 0.25, 0.5, 1}

const bets = len(slowdowns) + 1

// stakes divide the capital over the bets. They favour slowdowns between 10 and
// 25 %, which take long enough to see that a few requests matter; twice as slow
// is seen within ten or twenty requests whatever is staked on it.
var stakes = [bets]float64{0.06, 0.13, 0.24, 0.29, 0.12, 0.11, 0.05}

// Shape is the histogram label test: the e-process that compares how two arms'
// observations are distributed over the same buckets. Given the bucket k of an
// observation, its label, the arm, is the canary's with probability share if
// both arms have one distribution, whatever that is at the moment. A bet gives
// each bucket odds g_k, how much likelier it is under its alternative, and
//
//	ln E_j = sum over k of  c_k ln g_jk - (c_k + s_k) ln(1 - share + share g_jk)
//
// with c_k and s_k the arms' counts. E is the mean of the bets' E_j, weighted by
// their stakes.
//
// The odds come from a reference, frozen before the observations that are
// judged: the smoothed histogram of stable, moved up by each slowdown. They are
// clipped, and made not to fall with k. Then each request's factor has mean 1
// where the arms are alike and at most 1 where the canary is stochastically
// smaller, however load moves both. A reference that has become stale costs
// power, not validity.
//
// It is a test of order, not of means: equal means with a longer tail raise it.
// A margin is not its business: raise stable's and the reference's counts by it.
// Source: the betting form of Lindon, Sanden and Shirikian, KDD 2022
// (arXiv:2205.14762), with plug-in alternatives.
//
// Assumes that requests are given to the arms at random with that share; the
// share that was realised so far may stand for it. Counts up to 2^46.
type Shape struct {
	// odds holds g for each bucket and bet, logOdds its logarithm.
	odds, logOdds [][bets]float64
}

// NewSlower makes the test of "the canary is not slower", given the counts of
// the reference over the buckets and step, the distance of two neighbouring
// buckets in ln. Of an empty reference, or a step that is not above 0, it makes
// a test that shows nothing.
func NewSlower(reference []uint64, step float64) *Shape {
	density, first := smooth(reference)
	if len(density) == 0 || !(step > 0) {
		return &Shape{}
	}
	s := &Shape{make([][bets]float64, len(reference)), make([][bets]float64, len(reference))}
	for j, slowdown := range slowdowns {
		s.place(j, first, rising(shifted(density, min(math.Log1p(slowdown)/step, float64(len(density)))), density))
	}
	s.place(bets-1, first, rising(tailDoubles(density), density))
	return s
}

// NewFaster makes its mirror image, the test of "the canary is not faster": what
// a promotion has to refute, with stable's and the reference's counts raised by
// the slowdown that is tolerated.
func NewFaster(reference []uint64, step float64) *Shape {
	mirrored := slices.Clone(reference)
	slices.Reverse(mirrored)
	s := NewSlower(mirrored, step)
	slices.Reverse(s.odds)
	slices.Reverse(s.logOdds)
	return s
}

// place spreads a bet's odds over the buckets; what lies beyond the density has
// the odds of its end.
func (s *Shape) place(j, first int, odds []float64) {
	for k := range s.odds {
		g := odds[max(0, min(k-first, len(odds)-1))]
		s.odds[k][j], s.logOdds[k][j] = g, math.Log(g)
	}
}

// LogE is ln E of the counts in each bucket, given the canary's share of them.
// Where one slice is longer, the other has counts of 0; buckets that the
// reference did not have count as its last. With a share that is not strictly
// between 0 and 1 it shows nothing: 0.
func (s *Shape) LogE(canary, stable []uint64, share float64) float64 {
	if len(s.odds) == 0 || !(share > 0 && share < 1) {
		return 0
	}
	var logs [bets]float64
	for i := range max(len(canary), len(stable)) {
		c, both := float64(at(canary, i)), float64(at(canary, i))+float64(at(stable, i))
		if both == 0 {
			continue
		}
		k := min(i, len(s.odds)-1)
		odds, logOdds := &s.odds[k], &s.logOdds[k]
		for j := range logs {
			logs[j] += c*logOdds[j] - both*math.Log(1-share+share*odds[j])
		}
	}
	largest := slices.Max(logs[:])
	sum := 0.0
	for j, l := range logs {
		sum += stakes[j] * math.Exp(l-largest)
	}
	return largest + math.Log(sum)
}
