package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"serin/internal/rollout"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// eventOf is an event of each kind, as the journal may have it.
func eventOf(kind rollout.Kind) *Event {
	v1, v2 := rollout.Version{Name: "model_v1", SHA256: strings.Repeat("a1", 32)}, rollout.Version{Name: "model_v2", SHA256: strings.Repeat("b2", 32)}
	e := &Event{
		Seq: 7, At: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), Kind: kind, Actor: "ana", Rollout: "r3",
		State: rollout.State{Model: "churn", Generation: 7, Phase: rollout.Live, Stable: v1, Rollout: &rollout.Rollout{ID: "r3", Canary: v2, Weight: 1000}},
	}
	switch kind {
	case rollout.Install:
		e.Rollout, e.State.Rollout, e.State.Phase = "", nil, rollout.Idle
	case rollout.Deploy:
		e.State.Phase = rollout.Loading
	case rollout.Rollback, rollout.LoadRefused, rollout.Crash, rollout.Promote:
		e.State.Rollout, e.State.Phase = nil, rollout.Idle
		e.State.Last = &rollout.Ended{Rollout: "r3", Version: "model_v2", Event: kind}
		e.Reason = "it is <slow> & *late*"
		if kind == rollout.Promote {
			e.State.Stable = v2
		}
	case rollout.Alarm, rollout.Alert:
		e.Actor = "serin"
		e.Finding = &rollout.Finding{Verdict: rollout.Fail, Sentence: "the canary is 50 % slower"}
		e.Detail = json.RawMessage(`{"monitor":{"log_e":12.5},"sentence":"a < b"}`)
	case rollout.Drill:
		e.State.Slowdown = true
	}
	return e
}

// TestMessages keeps what receivers get, of every kind of event and in every way.
func TestMessages(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, kind := range append(slices.Sorted(maps.Keys(types)), "later-kind") {
		for _, way := range []Kind{Structured, Binary, Slack} {
			if way == Binary && kind != rollout.Alarm {
				continue // it is the data of the structured one
			}
			m, err := compose(eventOf(kind), way)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString("--- " + string(kind) + ", " + string(way) + "\n")
			for _, name := range slices.Sorted(maps.Keys(m.header)) {
				all.WriteString(name + ": " + m.header.Get(name) + "\n")
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, m.body, "", "  "); err != nil {
				t.Fatal(err)
			}
			all.WriteString(pretty.String() + "\n\n")
		}
	}
	const path = "testdata/messages.golden"
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("%s (rewrite with go test ./internal/notify -update):\n%s", path, diff)
	}
}

// TestIdentities: the same event has one, and what differs in any way another.
func TestIdentities(t *testing.T) {
	t.Parallel()
	id := identity(eventOf(rollout.Alarm))
	if id != identity(eventOf(rollout.Alarm)) || len(id) != 36 {
		t.Error(id)
	}
	for name, change := range map[string]func(*Event){
		"another moment": func(e *Event) { e.At = e.At.Add(1) },
		"another place":  func(e *Event) { e.Seq++ },
		"another model":  func(e *Event) { e.State.Model = "fraud" },
		"another kind":   func(e *Event) { e.Kind = rollout.Alert },
		"another actor":  func(e *Event) { e.Actor = "bob" },
	} {
		other := eventOf(rollout.Alarm)
		if change(other); identity(other) == id {
			t.Errorf("%s has the same id", name)
		}
	}
}

// TestNothingIsALinkInSlack, whatever a model, an actor or a reason is called.
func TestNothingIsALinkInSlack(t *testing.T) {
	t.Parallel()
	const evil = "<!channel> <https://evil.example|click> & \n\r&lt;"
	e := eventOf(rollout.Alarm)
	e.Actor, e.Reason, e.Rollout, e.State.Model, e.State.Rollout.Canary.Name = evil, evil, evil, evil, evil
	e.Finding.Sentence = evil + strings.Repeat("&", 5000)
	m, err := compose(e, Slack)
	if err != nil {
		t.Fatal(err)
	}
	var a announcement
	if err := json.Unmarshal(m.body, &a); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{a.Text, a.Blocks[0].Text.Text} {
		if strings.ContainsAny(text, "<\r") || strings.Count(text, "&") != strings.Count(text, "&lt;")+strings.Count(text, "&gt;")+strings.Count(text, "&amp;") || len([]rune(text)) > 3000 {
			t.Errorf("%d bytes: %s", len(text), text)
		}
	}
}
