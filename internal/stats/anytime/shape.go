package anytime

import (
	"math"
	"slices"
)

// slowdowns are the alternatives that a Shape bets on, as shares: 0.03 is 3 %
// slower. One more bet is that the slowest 1 % doubles.
var slowdowns = [...]float64{0.03, 0.06, 0.12, 0.25, 0.5, 1}

const bets = len(slowdowns) + 1

// Shape is the histogram label test.
type Shape struct {
	// odds holds g for each bucket and bet, logOdds its logarithm.
	odds, logOdds [][bets]float64
}

// NewSlower makes the test of "the canary is not slower".
func NewSlower(reference []uint64, step float64) *Shape {
	density, first := smooth(reference)
	if len(density) == 0 || !(step > 0) {
		return &Shape{}
	}
	s := &Shape{make([][bets]float64, len(reference)), make([][bets]float64, len(reference))}
	for j, slowdown := range slowdowns {
		s.place(j, first, pool(shifted(density, math.Log1p(slowdown)/step), density))
	}
	s.place(bets-1, first, tailDoubles(density))
	return s
}

// place spreads a bet's odds over the buckets.
func (s *Shape) place(j, first int, odds []float64) {
	for k := range s.odds {
		g := odds[max(0, min(k-first, len(odds)-1))]
		s.odds[k][j], s.logOdds[k][j] = g, math.Log(g)
	}
}

// NewFaster makes the test of "the canary is not faster".
func NewFaster(reference []uint64, step float64) *Shape {
	mirrored := slices.Clone(reference)
	slices.Reverse(mirrored)
	s := NewSlower(mirrored, step)
	slices.Reverse(s.odds)
	slices.Reverse(s.logOdds)
	return s
}

// LogE is ln E of the counts.
func (s *Shape) LogE(canary, stable []uint64, share float64) float64 {
	if len(s.odds) == 0 || !(share > 0 && share < 1) {
		return 0
	}
	var logs [bets]float64
	for i := range max(len(canary), len(stable)) {
		c, t := float64(at(canary, i)), float64(at(stable, i))
		if c == 0 && t == 0 {
			continue
		}
		k := min(i, len(s.odds)-1)
		odds, logOdds := &s.odds[k], &s.logOdds[k]
		for j := range logs {
			logs[j] += c*logOdds[j] - (c+t)*math.Log1p(share*(odds[j]-1))
		}
	}
	largest := slices.Max(logs[:])
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - largest)
	}
	return largest + math.Log(sum/float64(bets))
}
