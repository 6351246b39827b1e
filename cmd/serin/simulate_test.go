package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/sim"
)

// TestSimulate keeps what people see, of runs that are short enough for a test.
func TestSimulate(t *testing.T) {
	t.Parallel()
	short := func(args ...string) []string {
		return append([]string{"simulate", "--runs", "6", "--period", "4m", "--seed", "3"}, args...)
	}
	var all strings.Builder
	for _, args := range [][]string{
		short("--slowdown", "100%", "--strict"),
		short("--law", "outliers", "--mean", "20ms", "--weight", "10%,0.5", "--rate", "5/s", "--load", "ramp", "--error-rate", "1%", "--stop-early"),
		short("--load", "ar1", "--sessions", "--cold-start", "--score-shift", "0.5", "--canary-errors", "2%", "--canary-outliers", "2%", "--disturbance", "5%", "--runs", "1"),
		{"simulate", "suite", "--runs", "5", "--only", "100 % slower"},
		{"simulate", "--law", "cauchy"},
		{"simulate", "--load", "heavy"},
		{"simulate", "--slowdown", "lots"},
		{"simulate", "--rate", "10/m"},
		{"simulate", "--rate", "0"},
		{"simulate", "--weight", "10"},
		{"simulate", "--runs", "0"},
		{"simulate", "--workers", "0"},
		{"simulate", "--output", "yaml"},
		{"simulate", "suite", "--only", "nothing"},
		{"simulate", "suites"},
	} {
		code, out, errs := command(args...)
		all.WriteString("$ serin " + strings.Join(args, " ") + "\n" + out + errs)
		if code != 0 {
			all.WriteString("exit " + string(rune('0'+code)) + "\n")
		}
		all.WriteString("\n")
	}
	golden(t, "simulate.golden", all.String())
}

// TestSimulateInJSON has the same numbers in it as the runs have.
func TestSimulateInJSON(t *testing.T) {
	t.Parallel()
	code, out, errs := command("simulate", "--runs", "4", "--period", "2m", "--slowdown", "1", "--strict", "--output", "json")
	var got struct {
		Runs, Asked int
		Seed        uint64
		Reached     []struct {
			Mark          string
			Runs          int
			Rate          float64
			MedianSamples *float64 `json:"median_canary_samples"`
		}
		Outcomes map[sim.Outcome]int
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != api.ExitOK || errs != "" {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, errs)
	}
	if got.Runs != 4 || got.Asked != 4 || got.Seed != 1 || got.Outcomes[sim.HeldAlarmed] != 4 {
		t.Errorf("%+v", got)
	}
	for _, r := range got.Reached {
		if r.Mark == sim.Alarm.String() && (r.Runs != 4 || r.Rate != 1 || r.MedianSamples == nil) {
			t.Errorf("%+v", r)
		}
	}
}

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
	if err := s.run(ctx, console{out: &out, err: &out}); !errors.Is(err, context.Canceled) || out.Len() > 0 {
		t.Errorf("%v\n%s", err, out.String())
	}
	if code := exitCode(ctx.Err(), true); code != api.ExitInterrupted {
		t.Errorf("exit %d", code)
	}
	part := measured{sim.Summarise(s.scenario, make([]sim.Run, 2)), 1, 3}
	if part.write(&out); !strings.Contains(out.String(), "ended after 2 of 3 canaries") {
		t.Error(out.String())
	}
}

func TestSimulateWritesEachRun(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "each.csv")
	code, _, errs := command("simulate", "--runs", "3", "--period", "1m", "--slowdown", "200%", "--strict", "--each", path)
	text, err := os.ReadFile(path)
	if code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s", code, err, errs)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if lines[0] != "run,mark,look,canary,minutes" || strings.Count(string(text), ",end,6,") != 3 || strings.Count(string(text), ",seed_alarm,") != 3 {
		t.Errorf("got\n%s", text)
	}
	if code, _, errs := command("simulate", "--runs", "1", "--period", "1m", "--each", filepath.Join(path, "no")); code == 0 || !strings.Contains(errs, "writing each run") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
