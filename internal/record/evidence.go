package record

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Stage is a part of a rollout in which requests were dealt in one planned
// share and compared with one reference. Arms of different stages are not to be
// pooled for a comparison: if load and share change together, a mixture of
// stages shows a difference where no stage has one (Simpson's paradox).
type Stage struct {
	// Share is the canary's planned share of the requests in 1/10,000.
	Share uint32
	// Settling is true while the canary may be cold: its latencies are recorded
	// and not judged.
	Settling bool
	// Reference is stable as it was observed before this stage, frozen, for tests
	// that must fix beforehand what they look for. Its Count is 0 if there is none.
	Reference Arm
	// Stable and Canary are what was observed in this stage.
	Stable, Canary Arm
	// Fast and Slow are windows of 10 and of 60 s of this stage.
	Fast, Slow Blocks
}

// Evidence is what was observed during one rollout. The zero value has seen
// nothing. A copy shares its stages with the original.
type Evidence struct {
	// Stages are in order; the last is in progress.
	Stages []Stage
	// Elapsed is how much of the period was observed: time in which the process
	// served, by the monotonic clock.
	Elapsed time.Duration
	// Looks counts how often somebody asked for the verdict.
	Looks uint64
}

// Bounds of evidence.
const (
	mostStages  = 33 // 30 changes of the share, the end of settling, the freezing of a reference
	mostShare   = 10_000
	mostCounted = 1 << 46 // of anything, in all stages together
)

// Total is what the arms observed in all stages together.
func (e *Evidence) Total() (stable, canary Arm) {
	for i := range e.Stages {
		stable.Add(&e.Stages[i].Stable)
		canary.Add(&e.Stages[i].Canary)
	}
	return stable, canary
}

// Add merges the evidence of another replica of the same rollout. Observations
// and looks are added, in any order and any grouping to the same result; the
// elapsed time is the longest. Stages must agree in share, settling and reference; a
// replica that is behind may have fewer. On an error e is left as it was.
func (e *Evidence) Add(other *Evidence) error {
	for i := range min(len(e.Stages), len(other.Stages)) {
		if a, b := &e.Stages[i], &other.Stages[i]; a.Share != b.Share {
			return fmt.Errorf("merging evidence: stage %d has a share of %d here and %d there, in 1/10,000", i+1, a.Share, b.Share)
		} else if a.Settling != b.Settling {
			return fmt.Errorf("merging evidence: stage %d is settling in one of them", i+1)
		} else if a.Reference != b.Reference {
			return fmt.Errorf("merging evidence: stage %d is compared with another reference here than there", i+1)
		}
	}
	if e.counted()+other.counted() > mostCounted || saturated(e.Looks)+saturated(other.Looks) > mostCounted {
		return errors.New("merging evidence: the counters overflow")
	}
	common := min(len(e.Stages), len(other.Stages))
	for i := range common {
		e.Stages[i].add(&other.Stages[i])
	}
	e.Stages = append(slices.Clip(e.Stages), other.Stages[common:]...) // a copy of e may share what is behind its end
	e.Elapsed = max(e.Elapsed, other.Elapsed)
	e.Looks += other.Looks
	return nil
}

func (s *Stage) add(other *Stage) {
	s.Stable.Add(&other.Stable)
	s.Canary.Add(&other.Canary)
	s.Fast.Add(&other.Fast)
	s.Slow.Add(&other.Slow)
}

// counted is at least as large as any counter of all stages together, or beyond
// mostCounted as they are.
func (e *Evidence) counted() uint64 {
	n := uint64(0)
	for i := range e.Stages {
		s := &e.Stages[i]
		n = saturated(n + max(s.Stable.largest(), s.Canary.largest()))
	}
	return n
}

func (a *Arm) largest() uint64 {
	return max(saturated(a.Count), saturated(a.Failures), saturated(a.Started), saturated(a.Abandoned))
}

// saturated keeps sums of counters that are too large anyway from wrapping round.
func saturated(n uint64) uint64 { return min(n, mostCounted+1) }
