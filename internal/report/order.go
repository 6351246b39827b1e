package report

import (
	"math"
	"time"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// inOrder are the cases as they happened. Decisions are in their order already, and so are
// looks; which look was before which decision is told by how much had been observed, and by
// dates only where that is not known or the same: a clock may have been set back in between.
func inOrder(cases []judge.Case) []judge.Case {
	var decisions, looks []judge.Case
	for _, c := range cases {
		if c.Look > 0 {
			looks = append(looks, c)
		} else {
			decisions = append(decisions, c)
		}
	}
	// A decision was made no later than the next one that was judged.
	observed, latest := make([]time.Duration, len(decisions)), make([]time.Duration, len(decisions))
	bound := time.Duration(math.MaxInt64)
	for i := len(decisions) - 1; i >= 0; i-- {
		if observed[i] = observedAt(&decisions[i]); observed[i] >= 0 {
			bound = observed[i]
		}
		latest[i] = bound
	}
	ordered := make([]judge.Case, 0, len(cases))
	n := 0
	for _, l := range looks {
		at := observedAt(&l)
		for n < len(decisions) && before(&decisions[n], observed[n], latest[n], &l, at) {
			ordered, n = append(ordered, decisions[n]), n+1
		}
		ordered = append(ordered, l)
	}
	return append(ordered, decisions[n:]...)
}

// before says whether a decision was made before a look.
func before(d *judge.Case, observed, latest time.Duration, l *judge.Case, at time.Duration) bool {
	switch {
	case d.Event == rollout.Deploy || d.Event == rollout.Loaded: // nothing is looked at before
		return true
	case at >= 0 && latest != at && (latest < at || observed >= 0):
		return latest < at
	}
	return d.At.Before(l.At)
}

// observedAt is how much of the rollout had been observed; negative if that is not known.
func observedAt(c *judge.Case) time.Duration {
	var e record.Evidence
	if len(c.Evidence) == 0 || e.UnmarshalBinary(c.Evidence) != nil {
		return -1
	}
	return e.Elapsed
}
