package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"serin/internal/api"
	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// judged are the cases of a rollout whose canary is slower, as a server sends them:
// a look, and a rollback ten seconds later.
func judged(t *testing.T) string {
	t.Helper()
	plan := rollout.Plan{Weight: 1000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond, OnAlarm: rollout.HoldOnAlarm, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2}
	stage, began := record.Stage{Share: uint32(plan.Weight)}, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i := range 900 {
		arm, latency := &stage.Stable, time.Duration(1000+i*37%200)*time.Microsecond
		if i%10 == 9 {
			arm, latency = &stage.Canary, latency*3/2
		}
		arm.Started++
		arm.Observe(latency, 0.5)
	}
	e := record.Evidence{Stages: []record.Stage{stage}, Elapsed: 10 * time.Second}
	evidence, err := e.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	monitor := judge.NewMonitor(plan)
	look, opinion := monitor.Judge(&e), monitor.Opinion(&e)
	var lines strings.Builder
	for _, c := range []struct {
		judge.Case
		detail any
	}{
		{judge.Case{Name: "look 1", Look: 1, At: began.Add(10 * time.Second), Plan: plan, Finding: look.Finding, Evidence: evidence}, look},
		{judge.Case{Name: "rollback by ana", Event: rollout.Rollback, At: began.Add(20 * time.Second), Plan: plan, Finding: opinion.Finding(rollout.Rollback), Evidence: evidence}, opinion},
	} {
		if c.Detail, err = json.Marshal(c.detail); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(map[string]judge.Case{"case": c.Case})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s\n", text)
	}
	return lines.String() + `{"end":2}` + "\n"
}

// TestReportOnATerminal: a page is the same bytes in a file and on a terminal, which
// gets no escapes that were not asked for.
func TestReportOnATerminal(t *testing.T) {
	t.Parallel()
	cases, ended := judged(t), strings.Replace(twoRollouts, "promoted", "rolled back", 1)
	for _, output := range []string{"markdown", "html"} {
		args := []string{"report", "r7", "--output", output, "--server"}
		code, text := unwatched(append(args, script(t, cases, ended))...)
		watched, drawn := onTerminal(t, append(args, script(t, cases, ended))...)
		if code != api.ExitOK || watched != api.ExitOK || text != drawn {
			t.Errorf("%s: exit %d and %d, and on a terminal it is\n%s", output, code, watched, drawn)
		}
		if output == "markdown" {
			golden(t, "report.golden", text)
		}
	}
}
