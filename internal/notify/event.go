package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"serin/internal/rollout"
)

// Event is a committed event, as the journal has it.
type Event struct {
	// Seq is its place in the journal, from 1, without gaps.
	Seq           uint64
	At            time.Time
	Kind          rollout.Kind
	Actor, Reason string
	// Rollout is the attempt that it belongs to; "" if none.
	Rollout string
	// Finding and Detail are the judge's finding and its numbers; nil where nothing
	// was judged.
	Finding *rollout.Finding
	Detail  json.RawMessage
	// State is the model's state after the event.
	State rollout.State
	// Lost says why the event cannot be read; "" if it can. Of one that cannot,
	// nothing but Seq is known.
	Lost string
}

// Outbox is where committed events are read, and where it is remembered which of
// them were told.
type Outbox interface {
	// Last is the number of the latest event, 0 without any.
	Last(ctx context.Context) (uint64, error)
	// Events are those after a number, oldest first, at most so many; an empty answer
	// means that there are no more.
	Events(ctx context.Context, after uint64, limit int) ([]Event, error)
	// Memo returns what was saved under a name, nil if nothing was.
	Memo(ctx context.Context, name string) ([]byte, error)
	// SwapMemo replaces it, durably, if it still is what was read, nil for nothing; it
	// returns false if it is not.
	SwapMemo(ctx context.Context, name string, old, data []byte) (bool, error)
}

// types are the events in CloudEvents' words.
var types = map[rollout.Kind]string{
	rollout.Install:     "io.serin.model.installed",
	rollout.Deploy:      "io.serin.canary.requested",
	rollout.Loaded:      "io.serin.canary.started",
	rollout.LoadRefused: "io.serin.canary.refused",
	rollout.Rollback:    "io.serin.canary.rolledback",
	rollout.Promote:     "io.serin.canary.promoted",
	rollout.Drill:       "io.serin.canary.drill",
	rollout.PeriodOver:  "io.serin.canary.expired",
	rollout.Alert:       "io.serin.canary.alert",
	rollout.Alarm:       "io.serin.canary.alarm",
	rollout.Reweigh:     "io.serin.canary.reweighed",
	rollout.Resume:      "io.serin.canary.resumed",
	rollout.Crash:       "io.serin.canary.crashed",
}

// typeOf names an event; one that is newer than the table by its own word.
func typeOf(kind rollout.Kind) string {
	if t, known := types[kind]; known {
		return t
	}
	return "io.serin.canary." + strings.ReplaceAll(string(kind), "-", "")
}

// cloudEvent is CloudEvents 1.0 in its JSON format.
type cloudEvent struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Subject     string    `json:"subject,omitempty"`
	Time        time.Time `json:"time"`
	ContentType string    `json:"datacontenttype"`
	Data        facts     `json:"data"`
}

// facts are what the journal says, in the words of the admin calls.
type facts struct {
	Seq     uint64 `json:"seq"`
	Model   string `json:"model"`
	Event   string `json:"event"`
	Actor   string `json:"actor"`
	Reason  string `json:"reason"`
	Rollout string `json:"rollout,omitempty"`
	Phase   string `json:"phase"`
	Stable  string `json:"stable"`
	// StableSHA256 and CanarySHA256 name the bytes.
	StableSHA256 string `json:"stable_sha256"`
	// Canary is the version on trial, or the one whose trial the event has ended.
	Canary       string `json:"canary,omitempty"`
	CanarySHA256 string `json:"canary_sha256,omitempty"`
	// Weight is the canary's share of the requests after the event, from 0 to 1.
	Weight float64 `json:"weight"`
	Drill  bool    `json:"simulate_slowdown"`
	// Verdict and Sentence are what was found, Numbers what from.
	Verdict  string          `json:"verdict,omitempty"`
	Sentence string          `json:"sentence,omitempty"`
	Numbers  json.RawMessage `json:"numbers,omitempty"`
}

// identity names an event the same for every try, also after a restart, and
// differently in every installation: its moment and its versions are its own.
func identity(e *Event) string {
	h := sha256.New()
	for _, part := range []any{e.Seq, e.At.UnixNano(), e.State.Model, e.Kind, e.Actor, e.State.Generation, e.State.Stable.SHA256, e.Rollout} {
		fmt.Fprintf(h, "%v\n", part)
	}
	return "msg_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// describe puts an event into CloudEvents' words.
func describe(e *Event) cloudEvent {
	s := &e.State
	f := facts{
		Seq: e.Seq, Model: s.Model, Event: string(e.Kind), Actor: e.Actor, Reason: e.Reason, Rollout: e.Rollout, Phase: string(s.Phase),
		Stable: s.Stable.Name, StableSHA256: s.Stable.SHA256, Drill: s.Slowdown, Numbers: e.Detail,
	}
	switch {
	case s.Rollout != nil:
		f.Canary, f.CanarySHA256 = s.Rollout.Canary.Name, s.Rollout.Canary.SHA256
		if s.Phase.Split() {
			f.Weight = s.Rollout.Weight.Fraction()
		}
	case s.Last != nil && s.Last.Rollout == e.Rollout:
		f.Canary = s.Last.Version
	}
	if e.Finding != nil {
		f.Verdict, f.Sentence = e.Finding.Verdict.String(), e.Finding.Sentence
	}
	return cloudEvent{
		SpecVersion: "1.0", ID: identity(e), Source: "/models/" + url.PathEscape(s.Model), Type: typeOf(e.Kind), Subject: e.Rollout,
		Time: e.At.UTC(), ContentType: "application/json", Data: f,
	}
}
