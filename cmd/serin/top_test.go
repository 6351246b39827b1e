package main

import (
	"fmt"
	"strings"
	"testing"

	"serin/internal/api"
)

// TestTop: what people see of several models on a terminal and without one.
func TestTop(t *testing.T) {
	t.Parallel()
	idle := func(name, more string) string {
		return fmt.Sprintf(`{"model":%q,"phase":"idle","stable":{"name":"model_v1"},"monitor_verdict":"none"%s}`, name, more)
	}
	live := func(name, phase, more string) string {
		return fmt.Sprintf(`{"model":%q,"phase":%q,"stable":{"name":"model_v1"},"rollout":{"id":"r7","canary":{"name":"model_v2"},"weight":0.1,"remaining_seconds":2400},
			"requests":{"stable":1800,"canary":200},"monitor_verdict":"insufficient","ratio":1,"ratio_lower":1,"ratio_upper":1%s}`, name, phase, more)
	}
	list := func(models ...string) string { return `{"models":[` + strings.Join(models, ",") + `]}` }
	const estimate, alarm = `,"ratio":1.12,"ratio_lower":1.02,"ratio_upper":1.29`, `,"alarm_time":"2026-03-01T12:20:00Z","monitor_verdict":"fail"`
	churn, fraud := idle("churn", `,"default":true`), live("fraud", "canary", "")
	answers := []string{
		list(churn, fraud),
		list(churn, live("fraud", "canary", estimate)), // nothing has happened but requests
		list(churn, live("fraud", "due", estimate), live("spam", "loading", "")),
		"", // the server restarts
		list(churn, live("fraud", "canary", estimate), live("spam", "canary", estimate+alarm+`,"simulate_slowdown":true`)),
		list(idle("fraud", "")),
		list(),
	}
	golden(t, "top.golden", both(t, answers, "top")+both(t, answers[4:], "top", "--once"))
}

// TestTopIsNoLongerThanTheScreen, and what needs somebody is on it.
func TestTopIsNoLongerThanTheScreen(t *testing.T) {
	t.Parallel()
	var all []api.Standing
	for i := range 50 {
		all = append(all, api.Standing{Model: fmt.Sprintf("m%02d", i), Phase: "idle"})
	}
	all[40].AlarmTime = "2026-03-01T12:20:00Z"
	text := overview(all, 10)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 12 || !strings.HasPrefix(lines[1], "m40 ") || !strings.HasPrefix(lines[2], "m00 ") || lines[11] != "and 40 more" {
		t.Errorf("%d lines:\n%s", len(lines), text)
	}
	if text := overview(all[:10], 10); strings.Contains(text, "more") || strings.Count(text, "\n") != 11 {
		t.Error(text)
	}
}
