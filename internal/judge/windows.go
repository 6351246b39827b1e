package judge

import (
	"serin/internal/record"
	"serin/internal/stats/anytime"
)

// windows says how blocked sums are judged: a mixture that is tightest after
// best windows, and silent before least.
type windows struct{ best, least float64 }

var (
	fastWindows = windows{best: 25, least: 10}
	// Five windows of a minute are the least in which a burst can be told from a
	// slowdown, and ten a time after which somebody who switched automatic
	// rollback on expects it to act.
	slowWindows = windows{best: 10, least: 5}
)

// blocked adds one stage's windows to a signal: the one-sided normal mixture on
// the difference of mean ln latencies, against "at most the margin".
func (m *Monitor) blocked(into *Signal, b *record.Blocks, w windows) {
	n, weight, s1, s2 := b.Sums()
	into.Canary += uint64(n)
	into.Stable += uint64(n)
	test, ok := anytime.Blocks{N: n, W: weight, S1: s1, S2: s2}.Test(m.bounds.margin)
	if ok && n >= w.least {
		into.LogE += m.mixture(w.best).LogE(test.Z, n)
	}
}

// mixture is the one-sided normal mixture that is tightest at a clock of n.
func (m *Monitor) mixture(n float64) anytime.Mixture {
	return anytime.Mixture{Rho: anytime.BestRho(n, min(2*m.plan.Alpha, 0.5))}
}
