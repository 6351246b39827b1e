package judge

import (
	"serin/internal/record"
	"serin/internal/stats/anytime"
)

// The numbers of windows after which the mixtures on them are tightest. Fewer
// than anytime.MinBlocks say nothing.
const (
	bestFast = 25
	bestSlow = 10
)

// blocked adds one stage's windows to a signal: the one-sided normal mixture on
// the difference of mean ln latencies, against "at most the margin".
func (m *Monitor) blocked(into *Signal, b *record.Blocks, best float64) {
	n, weight, s1, s2 := b.Sums()
	into.Canary += uint64(n)
	into.Stable += uint64(n)
	if test, ok := (anytime.Blocks{N: n, W: weight, S1: s1, S2: s2}).Test(m.bounds.margin); ok {
		into.LogE += m.mixture(best).LogE(test.Z, n)
	}
}

// mixture is the one-sided normal mixture that is tightest at a clock of n.
func (m *Monitor) mixture(n float64) anytime.Mixture {
	return anytime.Mixture{Rho: anytime.BestRho(n, min(2*m.plan.Alpha, 0.5))}
}
