package app

import (
	"testing"
	"time"

	"serin/internal/model"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
)

// TestBaseline follows stable's gauges through two rollouts: what is observed
// while none is live is the baseline of the next, until stable changes.
func TestBaseline(t *testing.T) {
	t.Parallel()
	g := &engines{table: new(route.Switch), loaded: map[string]model.Predictor{}}
	version := func(name string) rollout.Version { return rollout.Version{Name: name, SHA256: name} }
	idle := func(stable string) rollout.State {
		return rollout.State{Phase: rollout.Idle, Stable: version(stable)}
	}
	live := func(stable, id string, w rollout.Weight) rollout.State {
		return rollout.State{Phase: rollout.Live, Stable: version(stable), Rollout: &rollout.Rollout{ID: id, Canary: version("canary of " + id), Weight: w}}
	}
	observe := func(n int) { // of each arm
		for _, arm := range []*route.Arm{g.table.Table().Stable, g.table.Table().Canary} {
			if arm == nil {
				continue
			}
			for range n {
				arm.Evidence.Begin()
				arm.Evidence.Observe(time.Millisecond, 0.5)
			}
		}
	}
	for _, step := range []struct {
		name                     string
		state                    rollout.State
		rollout                  string
		baseline, stable, canary uint64 // before this step's ten observations
	}{
		{"before", idle("a"), "", 0, 0, 0},
		{"a canary", live("a", "r1", 1000), "r1", 10, 0, 0},
		{"in another share", live("a", "r1", 2500), "r1", 10, 10, 10},
		{"rolled back", idle("a"), "", 0, 0, 0},
		{"another canary", live("a", "r2", 1000), "r2", 20, 0, 0},
		{"promoted", idle("canary of r2"), "", 0, 0, 0},
		{"its own canary", live("canary of r2", "r3", 1000), "r3", 10, 0, 0},
	} {
		g.Serve(step.state, new(record.Evidence))
		seen := g.Gauges()
		if seen.Rollout != step.rollout || seen.Baseline.Count != step.baseline || seen.Stable.Count != step.stable || seen.Canary.Count != step.canary {
			t.Errorf("%s: rollout %q, baseline %d, stable %d, canary %d; want %+v", step.name, seen.Rollout, seen.Baseline.Count, seen.Stable.Count, seen.Canary.Count, step)
		}
		observe(10)
	}
}

// TestARestartGoesOnFromTheEvidence: all stages together are what the gauges
// begin with.
func TestARestartGoesOnFromTheEvidence(t *testing.T) {
	t.Parallel()
	var one, two record.Arm
	one.Observe(time.Second, 0.5)
	two.Observe(time.Minute, 0.5)
	before := record.Evidence{Stages: []record.Stage{{Stable: one, Canary: one}, {Stable: two}}}
	g := &engines{table: new(route.Switch), loaded: map[string]model.Predictor{}}
	g.Serve(rollout.State{Phase: rollout.Live, Stable: rollout.Version{SHA256: "a"}, Rollout: &rollout.Rollout{ID: "r1", Weight: 1000}}, &before)
	seen := g.Gauges()
	if stable, canary := before.Total(); seen.Stable != stable || seen.Canary != canary {
		t.Errorf("%d and %d observations", seen.Stable.Count, seen.Canary.Count)
	}
}
