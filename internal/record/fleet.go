package record

import (
	"fmt"
	"time"
)

// Epoch is what all replicas of a rollout observed while the canary's planned
// share was one and the same, each for as long as it was in force there: they hear
// of another one at different moments. So no share is judged by requests that were
// dealt by another.
type Epoch struct {
	// Share is the planned share in 1/10,000.
	Share uint32
	// Stable and Canary are what was observed. Requests that were in flight at the
	// end of an epoch end in the next.
	Stable, Canary Arm
}

// Follow is Update for a rollout on several replicas, and Reweigh: it takes what
// they observed in all epochs so far, from the rollout's first, at least one. The
// last is in progress. What comes in late of an earlier epoch is added to that
// epoch's last stage, and to none of its windows, which are closed.
//
// On an error nothing has changed: where the evidence is of other shares, or
// holds more than was observed.
func (t *Trail) Follow(epochs []Epoch, elapsed time.Duration) error {
	ends, err := t.match(epochs)
	if err != nil {
		return err
	}
	current := len(ends) - 1
	first := 0
	for k := range current {
		t.late(&epochs[k], first, ends[k])
		first = ends[k] + 1
	}
	for k := current; ; k++ {
		// t.stable and t.canary go up to the beginning of the last stage, which may be
		// one of several of its epoch.
		stable, canary := epochs[k].Stable, epochs[k].Canary
		for i := range first {
			stable.Add(&t.seen.Stages[i].Stable)
			canary.Add(&t.seen.Stages[i].Canary)
		}
		if k == len(epochs)-1 {
			t.Update(&stable, &canary, elapsed)
			return nil
		}
		t.Update(&stable, &canary, t.seen.Elapsed)
		if err := t.Reweigh(epochs[k+1].Share); err != nil {
			return err
		}
		first = len(t.seen.Stages) - 1
	}
}

// Sums are the rows that one replica would have told which has observed all of this
// by itself: of each epoch what was observed up to its end, as evidence of one stage.
// Shares are the planned ones of all epochs so far. It is an error if the stages are not
// of these.
func (e *Evidence) Sums(shares []uint32) ([]Evidence, error) {
	var rows []Evidence
	var sum Stage
	for i := range e.Stages {
		s := &e.Stages[i]
		if i == 0 || s.Share != e.Stages[i-1].Share {
			rows = append(rows, Evidence{})
		}
		k := len(rows) - 1
		if k == len(shares) || s.Share != shares[k] {
			return nil, fmt.Errorf("stage %d of the evidence has a share of %d in 1/10,000, and the rollout had none such then", i+1, s.Share)
		}
		sum.Share = s.Share
		sum.Stable.Add(&s.Stable)
		sum.Canary.Add(&s.Canary)
		rows[k] = Evidence{Stages: []Stage{sum}, Looks: e.Looks}
	}
	return rows, nil
}

// match finds the last stage of each epoch that has stages, and that the epochs
// hold what their stages do.
func (t *Trail) match(epochs []Epoch) (ends []int, err error) {
	var left Epoch
	for i := range t.seen.Stages {
		s := &t.seen.Stages[i]
		if i == 0 || s.Share != t.seen.Stages[i-1].Share {
			k := len(ends)
			if k == len(epochs) || epochs[k].Share != s.Share {
				return nil, fmt.Errorf("stage %d of the evidence has a share of %d in 1/10,000, and the rollout had none such then", i+1, s.Share)
			}
			ends, left = append(ends, i), epochs[k]
		}
		ends[len(ends)-1] = i
		if !left.Stable.holds(&s.Stable) || !left.Canary.holds(&s.Canary) {
			return nil, fmt.Errorf("stage %d of the evidence holds more than all replicas have counted", i+1)
		}
		left.Stable.Sub(&s.Stable)
		left.Canary.Sub(&s.Canary)
	}
	return ends, nil
}

// late adds to the last of an epoch's stages what all of them lack of it.
func (t *Trail) late(e *Epoch, first, last int) {
	rest := *e
	for i := first; i <= last; i++ {
		rest.Stable.Sub(&t.seen.Stages[i].Stable)
		rest.Canary.Sub(&t.seen.Stages[i].Canary)
	}
	if rest.Stable == (Arm{}) && rest.Canary == (Arm{}) {
		return
	}
	t.own()
	t.seen.Stages[last].Stable.Add(&rest.Stable)
	t.seen.Stages[last].Canary.Add(&rest.Canary)
	t.stable.Add(&rest.Stable)
	t.canary.Add(&rest.Canary)
}

// holds says whether an arm has of everything at least what another one has.
func (a *Arm) holds(b *Arm) bool {
	if a.Fewer(b) {
		return false
	}
	for i, n := range &b.latencies {
		if a.latencies[i] < n {
			return false
		}
	}
	for i, n := range &b.scores {
		if a.scores[i] < n {
			return false
		}
	}
	return true
}
