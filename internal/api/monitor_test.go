package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/rollout"
)

// TestAlertSource: the seed's rule speaks for this look, the monitor's alarm stays.
func TestAlertSource(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 14, 7, 0, 0, time.UTC)
	latched := &rollout.Latched{Finding: rollout.Finding{Verdict: rollout.Fail, Sentence: "the canary is 4 ms slower"}, At: at}
	tests := []struct {
		name                    string
		welch, monitor          rollout.Verdict
		alarm                   *rollout.Latched
		source, status, finding string
	}{
		{"nothing", rollout.Pass, rollout.Insufficient, nil, "none", "healthy", "welch says"},
		{"too early", rollout.Insufficient, rollout.Insufficient, nil, "none", "insufficient_data", "welch says"},
		{"this look", rollout.Fail, rollout.Insufficient, nil, "welch", "alert", "welch says"},
		{"the monitor", rollout.Pass, rollout.Fail, latched, "monitor", "alert", "the canary is 4 ms slower (at 2026-11-23T14:07:00Z)"},
		{"the monitor, and the disk is full", rollout.Pass, rollout.Fail, nil, "monitor", "alert", "monitor says"},
		{"both", rollout.Fail, rollout.Fail, latched, "both", "alert", "welch says"},
		{"the split is wrong", rollout.Pass, rollout.Invalid, nil, "none", "insufficient_data", "monitor says"},
	}
	for _, tt := range tests {
		h := live()
		h.Result.Finding = rollout.Finding{Verdict: tt.welch, Sentence: "welch says"}
		h.Watch = control.Watch{Judgement: judge.Judgement{Finding: rollout.Finding{Verdict: tt.monitor, Sentence: "monitor says"}}, Number: 12}
		h.State.Rollout.Alarm = tt.alarm
		got := healthOf(h, plan)
		if got.AlertSource != tt.source || got.Status != tt.status || got.Finding != tt.finding || got.AlertTriggered != (tt.source != "none") || (got.AlarmTime != "") != (tt.alarm != nil) {
			t.Errorf("%s: source %s, status %s, finding %q, alarm at %q", tt.name, got.AlertSource, got.Status, got.Finding, got.AlarmTime)
		}
		if got.MonitorVerdict != tt.monitor.String() || got.MonitorLook != 12 || got.Verdict != tt.welch.String() {
			t.Errorf("%s: monitor %s at look %d, verdict %s", tt.name, got.MonitorVerdict, got.MonitorLook, got.Verdict)
		}
	}
}

func TestReweigh(t *testing.T) {
	t.Parallel()
	pilot := &scripted{health: live()}
	client, err := NewClient(serve(t, pilot).URL, "ana")
	if err != nil {
		t.Fatal(err)
	}
	change, err := client.Reweigh(t.Context(), WeightRequest{Weight: 0.25, Reason: "so far so good"})
	if err != nil || change.Message != "canary model_v2 gets 25% of the requests now" {
		t.Errorf("%q, %v", change.Message, err)
	}
	want := control.Command{Kind: rollout.Reweigh, Actor: "ana", Reason: "so far so good", Weight: 2500}
	if diff := cmp.Diff(want, pilot.asked); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []float64{0, -1, 1.5, 0.00001} {
		if _, err := client.Reweigh(t.Context(), WeightRequest{Weight: bad}); ExitOf(err) != ExitUsage {
			t.Errorf("weight %v: %v", bad, err)
		}
	}
}

func TestCases(t *testing.T) {
	t.Parallel()
	past := []judge.Case{
		{Name: "promote by ana", At: time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC), Plan: plan, Finding: rollout.Finding{Verdict: rollout.Pass, Sentence: "fine"}, Detail: json.RawMessage(`{"p":1}`), Evidence: []byte{2, 0, 0, 0}},
		{Name: "look 1", Look: 1, Plan: plan, Detail: json.RawMessage(`{}`), Evidence: []byte{2}},
	}
	unknown := &control.Fault{Code: control.RolloutUnknown, Detail: "there is no rollout r9", Next: "Look"}
	tests := []struct {
		name   string
		past   []judge.Case
		broken error
		exit   ExitCode
		detail string
	}{
		{"all", past, nil, ExitOK, ""},
		{"none was judged", nil, nil, ExitOK, ""},
		{"unknown", nil, unknown, ExitUsage, "there is no rollout r9"},
		{"half way", past, errors.New("look 2 is damaged"), ExitInternal, "look 2 is damaged"},
	}
	for _, tt := range tests {
		client, err := NewClient(serve(t, &scripted{past: tt.past, broken: tt.broken}).URL, "ana")
		if err != nil {
			t.Fatal(err)
		}
		var got []judge.Case
		err = client.Cases(t.Context(), "r1", func(c judge.Case) error {
			got = append(got, c)
			return nil
		})
		if diff := cmp.Diff(tt.past, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if (err != nil) != (tt.detail != "") || err != nil && (!strings.Contains(err.Error(), tt.detail) || ExitOf(err) != tt.exit) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestCasesCutOff: an answer without its end is no answer.
func TestCasesCutOff(t *testing.T) {
	t.Parallel()
	pilot := &scripted{past: []judge.Case{{Name: "look 1", Look: 1, Detail: json.RawMessage(`{}`)}}}
	server := serve(t, pilot)
	inner := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(&cutter{w, 60}, r)
	})
	client, err := NewClient(server.URL, "ana")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Cases(t.Context(), "r1", func(judge.Case) error { return nil }); err == nil {
		t.Error("an answer that was cut off passes for a whole one")
	}
}

// cutter passes on so many bytes and swallows the rest.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	part := b[:min(len(b), c.left)]
	c.left -= len(part)
	_, err := c.ResponseWriter.Write(part)
	return len(b), err
}
