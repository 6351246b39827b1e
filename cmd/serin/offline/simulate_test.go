package offline

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/sim"
)

// TestABrokenLimitIsAFailure: five canaries are too few to tell, so a rate is
// either 0 or far above alpha.
func TestABrokenLimitIsAFailure(t *testing.T) {
	t.Parallel()
	most := 0.05
	broken := attempt{Trial: sim.Trial{Name: "x", Limits: []sim.Limit{{Mark: sim.Alarm, Rate: &most}}}}
	runs := make([]sim.Run, 5)
	runs[0].First[sim.Alarm] = sim.Moment{Look: 1, Canary: 10}
	broken.Report.Report = sim.Summarise(sim.Scenario{}, runs)
	kept := broken
	kept.Limits = nil
	for _, tt := range []struct {
		attempts []attempt
		fails    bool
	}{
		{[]attempt{kept.judged()}, false},
		{[]attempt{kept.judged(), broken.judged()}, true},
	} {
		var out bytes.Buffer
		for _, a := range tt.attempts {
			a.write(&out)
		}
		if err := verdictOf(tt.attempts); (err != nil) != tt.fails || strings.Contains(out.String(), "BROKEN") != tt.fails {
			t.Errorf("%v\n%s", err, out.String())
		}
	}
}

// TestSimulateIsInterrupted prints what was measured until then.
func TestSimulateIsInterrupted(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := simulation{batch: batch{runs: 3, seed: 1, workers: 1, output: "text"}}
	s.scenario = sim.Suite(app.Default().Plan)[0].Scenario
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.run(ctx, term.Console{Out: &out, Err: &out}); !errors.Is(err, context.Canceled) || out.Len() > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
	if code := api.ExitOf(ctx.Err()); code != api.ExitInterrupted {
		t.Errorf("exit %d", code)
	}
	part := measured{sim.Summarise(s.scenario, make([]sim.Run, 2)), 1, 3}
	if part.write(&out); !strings.Contains(out.String(), "ended after 2 of 3 canaries") {
		t.Error(out.String())
	}
}
