package record

import (
	"errors"
	"slices"
	"time"
)

// The windows of a stage's Blocks: ends are multiples of these of elapsed time.
const (
	fastWindow = 10 * time.Second
	slowWindow = 60 * time.Second
)

// enough is how many observations make a reference.
const enough = 100

// Trail makes evidence out of what the gauges of a rollout show from time to
// time. The gauges run through and are never replaced: a stage is the difference
// of two of their snapshots, so a request that is in flight when one stage ends
// is counted in the next.
//
// A trail holds nothing but its evidence: another one that goes on from there,
// as after a restart, comes to the same.
type Trail struct {
	seen Evidence
	// shared is true while somebody else may hold the stages of seen.
	shared bool
	// stable and canary are what the gauges showed when the last stage began.
	stable, canary Arm
	// settle is when the canary is no longer taken for cold.
	settle time.Duration
}

// NewTrail goes on from the evidence of before. If that has no stages, the
// first one begins, with the planned share in 1/10,000 (1 to 10,000; evidence
// of another share cannot be decoded), compared with reference, which may be
// nil, if that has at least 100 observations. It is a settling one until the
// time to settle has elapsed.
func NewTrail(before Evidence, share uint32, reference *Arm, settle time.Duration) *Trail {
	t := &Trail{seen: before, shared: true, settle: settle}
	if len(t.seen.Stages) == 0 {
		if reference == nil || reference.Count < enough {
			reference = new(Arm)
		}
		t.seen.Stages = []Stage{{Share: share, Reference: *reference, Settling: settle > 0}}
	}
	for i := range len(t.seen.Stages) - 1 {
		t.stable.Add(&t.seen.Stages[i].Stable)
		t.canary.Add(&t.seen.Stages[i].Canary)
	}
	return t
}

// Update takes what the gauges show after the given elapsed time, everything
// since the rollout began. It then
//
//   - closes the window of 10 or 60 s whose end has passed, where both arms were
//     observed in it, and leaves it open until its next end else. Windows that
//     passed since the last Update cannot be told apart any more and are one;
//   - begins another stage at the end of a window of 10 s, if the canary has
//     settled by then, or if this one has no reference and its stable arm at least
//     100 observations: it is the reference from now on.
//
// Elapsed time does not run backwards: an earlier one is taken as no progress.
// Neither do gauges: snapshots older than the last ones say nothing new, and
// nothing changes.
func (t *Trail) Update(stable, canary *Arm, elapsed time.Duration) {
	s := t.own()
	if stable.Count < t.stable.Count+s.Stable.Count || canary.Count < t.canary.Count+s.Canary.Count {
		return
	}
	s.Stable, s.Canary = *stable, *canary
	s.Stable.Sub(&t.stable)
	s.Canary.Sub(&t.canary)
	from := t.seen.Elapsed
	t.seen.Elapsed = max(from, elapsed)
	if t.seen.Elapsed/slowWindow > from/slowWindow {
		s.Slow.close(&s.Stable, &s.Canary)
	}
	if t.seen.Elapsed/fastWindow > from/fastWindow {
		s.Fast.close(&s.Stable, &s.Canary)
		t.turn(s)
	}
}

// turn begins another stage if this one is to end by itself.
func (t *Trail) turn(s *Stage) {
	settled := s.Settling && t.seen.Elapsed >= t.settle
	learned := s.Reference.Count == 0 && s.Stable.Count >= enough
	if !settled && !learned || len(t.seen.Stages) == mostStages {
		return
	}
	next := Stage{Share: s.Share, Reference: s.Reference, Settling: s.Settling && !settled}
	if learned {
		next.Reference = s.Stable
	}
	t.begin(next)
}

// Reweigh begins another stage, with another planned share in 1/10,000, at the
// last Update. The same share changes nothing. A rollout has at most 33 stages.
func (t *Trail) Reweigh(share uint32) error {
	s := t.last()
	if s.Share == share {
		return nil
	}
	if len(t.seen.Stages) == mostStages {
		return errors.New("a rollout has at most 33 stages")
	}
	t.begin(Stage{Share: share, Reference: s.Reference, Settling: s.Settling})
	return nil
}

// begin ends the last stage. Windows that are open end with it, however short;
// what is in a window that lacks an arm is in the stage's arms alone.
func (t *Trail) begin(next Stage) {
	s := t.own()
	s.Fast.close(&s.Stable, &s.Canary)
	s.Slow.close(&s.Stable, &s.Canary)
	t.stable.Add(&s.Stable)
	t.canary.Add(&s.Canary)
	t.seen.Stages = append(t.seen.Stages, next)
}

// last is the stage in progress, to read.
func (t *Trail) last() *Stage { return &t.seen.Stages[len(t.seen.Stages)-1] }

// own is the stage in progress, to write.
func (t *Trail) own() *Stage {
	if t.shared {
		t.seen.Stages, t.shared = slices.Clone(t.seen.Stages), false
	}
	return t.last()
}

// Evidence is all of it up to the last Update. What comes later does not change it.
func (t *Trail) Evidence() Evidence {
	t.shared = true
	return t.seen
}
