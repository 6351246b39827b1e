package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/api"
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
		{"simulate", "--output", "xml"},
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
