package judge

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// requests fills an arm with requests round 88 ms times factor, of which some
// shares fail or take twice as long.
func requests(a *record.Arm, rng *rand.Rand, n int, factor, fail, tail float64) {
	for range n {
		a.Started++
		if rng.Float64() < fail {
			a.Failures++
			continue
		}
		ns := 88e6 * factor * math.Exp(0.2*rng.NormFloat64())
		if rng.Float64() < tail {
			ns *= 2
		}
		a.Observe(time.Duration(ns), 0.5)
	}
}

// TestNoStageHidesAnother: one stage in which everything was slow, or failed,
// for both arms, must not outweigh what the other shows.
func TestNoStageHidesAnother(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	var reference record.Arm
	requests(&reference, rng, 5000, 1, 0, 0)
	outage, failing := record.Stage{Share: 100, Reference: reference}, record.Stage{Share: 5000, Reference: reference}
	requests(&outage.Stable, rng, 9900, 1, 0.2, 0)
	requests(&outage.Canary, rng, 100, 1, 0.2, 0)
	requests(&failing.Stable, rng, 5000, 1, 0.001, 0)
	requests(&failing.Canary, rng, 5000, 1, 0.05, 0)
	busy, tailed := record.Stage{Share: 100, Reference: reference}, record.Stage{Share: 5000, Reference: reference}
	requests(&busy.Stable, rng, 30_000, 3, 0, 0)
	requests(&busy.Canary, rng, 300, 3, 0, 0)
	requests(&tailed.Stable, rng, 5000, 1, 0, 0)
	requests(&tailed.Canary, rng, 5000, 0.99, 0, 0.03)
	for name, tt := range map[string]struct {
		stages []record.Stage
		signal string
	}{
		"an outage":  {[]record.Stage{outage, failing}, Errors},
		"a busy day": {[]record.Stage{busy, tailed}, LatencyP99},
	} {
		j := NewMonitor(watched).Judge(&record.Evidence{Stages: tt.stages, Elapsed: time.Hour})
		if !slices.Contains(j.Alarms, tt.signal) {
			t.Errorf("%s hides the alarm of %s: %s", name, tt.signal, j.Sentence)
		}
	}
}

// TestASettledCanaryIsJudgedByWhatItDoesNow: how slow it was when it was cold is
// no effect of the stages that are judged.
func TestASettledCanaryIsJudgedByWhatItDoesNow(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 1))
	var reference record.Arm
	requests(&reference, rng, 5000, 1, 0, 0)
	cold, warm := record.Stage{Share: 1000, Reference: reference, Settling: true}, record.Stage{Share: 1000, Reference: reference}
	requests(&cold.Stable, rng, 9000, 1, 0, 0)
	requests(&cold.Canary, rng, 1000, 8, 0, 0)
	requests(&warm.Stable, rng, 9000, 1, 0, 0)
	requests(&warm.Canary, rng, 1000, 1, 0, 0)
	j := NewMonitor(watched).Judge(&record.Evidence{Stages: []record.Stage{cold, warm}, Elapsed: time.Hour})
	if math.Abs(j.Signals[tail].Effect) > 20 || math.Abs(j.Signals[shape].Effect) > 20 || j.Verdict != rollout.Pass {
		t.Errorf("p99 effect %v ms, shape effect %v ms, %s: %s", j.Signals[tail].Effect, j.Signals[shape].Effect, j.Verdict, j.Sentence)
	}
}

// TestAllTrafficIsNoComparison: a pass of before says nothing of a canary that
// answers everything.
func TestAllTrafficIsNoComparison(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 1))
	var reference record.Arm
	requests(&reference, rng, 5000, 1, 0, 0)
	split, all := record.Stage{Share: 1000, Reference: reference}, record.Stage{Share: 10_000, Reference: reference}
	requests(&split.Stable, rng, 9000, 1, 0, 0)
	requests(&split.Canary, rng, 1000, 1, 0, 0)
	requests(&all.Canary, rng, 50_000, 10, 0.9, 0)
	j := NewMonitor(watched).Judge(&record.Evidence{Stages: []record.Stage{split, all}, Elapsed: time.Hour})
	if j.Verdict != rollout.Insufficient || !strings.Contains(j.Promote.Missing, "answers every request") {
		t.Errorf("%s, missing %q", j.Verdict, j.Promote.Missing)
	}
}

// TestAVerySlowCanaryIsNotTheSplitsFault: requests that are still on their way
// were dealt as planned.
func TestAVerySlowCanaryIsNotTheSplitsFault(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 1))
	s := record.Stage{Share: 1000}
	requests(&s.Reference, rng, 5000, 1, 0, 0)
	requests(&s.Stable, rng, 54_000, 1, 0, 0)
	requests(&s.Canary, rng, 5400, 700, 0, 0)
	s.Canary.Started += 600 // in flight
	j := NewMonitor(watched).Judge(&record.Evidence{Stages: []record.Stage{s}, Elapsed: 10 * time.Minute})
	if j.Verdict != rollout.Fail || j.Canary.Unfinished != 600 {
		t.Errorf("%s with %d unfinished: %s", j.Verdict, j.Canary.Unfinished, j.Sentence)
	}
}
