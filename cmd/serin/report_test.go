package main

import (
	"encoding/json"
	"fmt"
	"regexp"
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
// gets no escapes that were not asked for; and so is what is said instead of one.
func TestReportOnATerminal(t *testing.T) {
	t.Parallel()
	cases, ended := judged(t), strings.Replace(twoRollouts, "promoted", "rolled back", 1)
	// Processors do not agree on the last digits of numbers in data.
	rounded := regexp.MustCompile(`(\d\.\d{5})\d+`)
	var all strings.Builder
	for _, tt := range []struct {
		answers []string
		args    string
	}{
		{[]string{cases, ended}, "report r7 --output markdown"},
		{[]string{cases, ended}, "report r7"},
		{[]string{cases, ended}, "report r7 --output json"},
		{[]string{cases, ended}, "report r7 --output yaml"},
		{[]string{cases, `{"rollouts":[]}`}, "report r7 --output markdown"}, // so old that only its cases are told
		{nil, "report r99"},
		{[]string{strings.TrimSuffix(cases, `{"end":2}`+"\n")}, "report r7"}, // cut off in between
		{[]string{""}, "report r7"},
		{nil, "report r7 --output text"},
		{nil, "report"},
	} {
		var texts [2]string
		var codes [2]api.ExitCode
		for i, run := range []func(...string) (api.ExitCode, string){
			unwatched, func(args ...string) (api.ExitCode, string) { return onTerminal(t, args...) },
		} {
			url := script(t, tt.answers...)
			codes[i], texts[i] = run(append(strings.Fields(tt.args), "--server", url)...)
			texts[i] = strings.ReplaceAll(texts[i], url, "SERVER")
		}
		if codes[0] != codes[1] || texts[0] != texts[1] {
			t.Errorf("%s: exit %d and %d, and on a terminal it is\n%s", tt.args, codes[0], codes[1], texts[1])
		}
		text := texts[0]
		if strings.HasSuffix(tt.args, "json") || strings.HasSuffix(tt.args, "yaml") {
			text = rounded.ReplaceAllString(text, "$1")
		}
		fmt.Fprintf(&all, "--- serin %s, text and terminal\n%s--- exit %d\n\n", tt.args, text, codes[0])
	}
	golden(t, "report.golden", all.String())
}
