package app

import (
	"testing"

	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
)

// TestAChangedWeightKeepsTheGauges: nothing that is in flight may be lost, and
// what is routed anew for another reason keeps its place in the block.
func TestAChangedWeightKeepsTheGauges(t *testing.T) {
	t.Parallel()
	g := &engines{table: new(route.Switch)}
	serve := func(id string, w rollout.Weight, slowdown bool) *route.Table {
		r := &rollout.Rollout{ID: id, Canary: rollout.Version{Name: "v2", SHA256: "2"}, Weight: w}
		g.Serve(rollout.State{Phase: rollout.Live, Stable: rollout.Version{Name: "v1", SHA256: "1"}, Rollout: r, Slowdown: slowdown}, new(record.Evidence))
		return g.table.Table()
	}
	first := serve("r1", 1000, false)
	tests := []struct {
		name          string
		table         *route.Table
		gauges, split bool // new ones?
	}{
		{"a drill", serve("r1", 1000, true), false, false},
		{"another weight", serve("r1", 2500, true), false, true},
		{"another rollout", serve("r2", 1000, false), true, true},
	}
	for _, tt := range tests {
		if (tt.table.Stable.Evidence != first.Stable.Evidence) != tt.gauges || (tt.table.Canary.Evidence != first.Canary.Evidence) != tt.gauges {
			t.Errorf("%s: new gauges, want %v", tt.name, tt.gauges)
		}
		if (tt.table.Split != first.Split) != tt.split {
			t.Errorf("%s: a new split, want %v", tt.name, tt.split)
		}
	}
	canaries, last := 0, serve("r2", 2500, false)
	for range 1000 {
		if last.Pick() == last.Canary {
			canaries++
		}
	}
	if canaries != 250 {
		t.Errorf("%d of 1000 requests went to a canary with 25%%", canaries)
	}
}
