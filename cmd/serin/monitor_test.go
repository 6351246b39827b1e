package main

import (
	"encoding/json"
	"strings"
	"testing"

	"serin/internal/api"
	"serin/internal/report"
)

// TestTheMonitorOfARealServer releases a canary that is slowed down, sees the
// monitor's alarm, kills the server, and finds the alarm again; then everything
// that was decided is judged again, by asking the server and from its files.
func TestTheMonitorOfARealServer(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	s := child(t, dir).mustBeReady()
	s.traffic(150) // what stable is usually like
	request := api.DeployRequest{ModelPath: "models/model_v2.joblib", Policy: &api.Policy{InitialDelay: "0s"}}
	if _, err := s.client.Deploy(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.ToggleSlowdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.traffic(100)
	if _, err := s.client.Reweigh(t.Context(), api.WeightRequest{Weight: 0.5}); err != nil {
		t.Fatal(err)
	}
	s.traffic(20)
	eventually(t, "an alarm of the monitor, which nobody asks", func() bool {
		a := s.state().AlertStatus
		return a.MonitorLook > 0 && a.AlarmTime != ""
	})
	a := s.state().AlertStatus
	if a.AlertSource != "both" || a.MonitorVerdict != "fail" || a.Monitor.Stages != 2 || a.Samples.Canary != 20 {
		t.Errorf("source %s, monitor %s, %d stages, %d canary requests: %s", a.AlertSource, a.MonitorVerdict, a.Monitor.Stages, a.Samples.Canary, a.MonitorFinding)
	}
	s.kill()
	s = child(t, dir).mustBeReady()
	if again := s.state().AlertStatus; again.AlarmTime != a.AlarmTime || again.MonitorVerdict != "fail" || again.MonitorFinding != a.MonitorFinding {
		t.Errorf("after a kill: alarm of %q, monitor %s: %s", again.AlarmTime, again.MonitorVerdict, again.MonitorFinding)
	}
	if _, err := s.client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	online := explain(t, "r1", "--server", s.url)
	if code, _, errs := command("explain", "r1", "--data", dir+"/serin-data"); code == api.ExitOK || !strings.Contains(errs, "--server") {
		t.Errorf("reading the files of a running server: exit %d, %s", code, errs)
	}
	s.kill()
	if offline := explain(t, "r1", "--data", dir+"/serin-data"); offline != online {
		t.Errorf("from the files:\n%s\nfrom the server:\n%s", offline, online)
	}
}

// explain judges a rollout again, and nothing may come out otherwise.
func explain(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := command(append([]string{"explain", "--output", "json"}, args...)...)
	var e report.Explanation
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != api.ExitOK {
		t.Fatalf("exit %d, %v: %s", code, err, errs)
	}
	if e.Decisions < 2 || e.Looks < 1 || e.Different != 0 {
		t.Errorf("%d decisions, %d looks, %d different", e.Decisions, e.Looks, e.Different)
	}
	return out
}
