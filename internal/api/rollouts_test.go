package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"serin/internal/control"
	"serin/internal/rollout"
)

// written is a journal of many rollouts, newest first: each second one is
// promoted, the others are rolled back, and the last one goes on.
func written(n int) []control.Entry {
	var journal []control.Entry
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	add := func(e control.Entry) {
		e.Seq = uint64(len(journal) + 1)
		e.At = start.Add(time.Duration(e.Seq) * time.Minute)
		journal = append(journal, e)
	}
	state := rollout.State{Model: "churn", Stable: rollout.Version{Name: "v0"}}
	add(control.Entry{Event: rollout.Install, State: state})
	for i := 1; i <= n; i++ {
		id := fmt.Sprintf("r%d", i)
		state.Rollout = &rollout.Rollout{ID: id, Canary: rollout.Version{Name: fmt.Sprintf("v%d", i), SHA256: "ab"}}
		add(control.Entry{Event: rollout.Deploy, Actor: "ana", Reason: "it is new", Rollout: id, State: state})
		add(control.Entry{Event: rollout.Loaded, Actor: "serin", Rollout: id, State: state})
		if i == n {
			break
		}
		ended := rollout.Ended{Rollout: id, Version: state.Rollout.Canary.Name, Event: rollout.Rollback, Actor: "bo", Reason: "slow", At: start}
		if i%2 == 0 {
			ended.Event, ended.Reason, state.Stable = rollout.Promote, "well", state.Rollout.Canary
		}
		state.Rollout, state.Last = nil, &ended
		add(control.Entry{Event: ended.Event, Actor: "bo", Rollout: id, State: state, Finding: &rollout.Finding{Verdict: rollout.Fail, Sentence: "slower"}})
		add(control.Entry{}) // one that cannot be read
	}
	slices.Reverse(journal)
	return journal
}

func TestRollouts(t *testing.T) {
	t.Parallel()
	p := &scripted{health: live(), journal: written(151)} // several pages
	client, err := NewClient(serve(t, p).URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	all, err := client.Rollouts(t.Context(), 1000)
	if err != nil || len(all) != 151 {
		t.Fatalf("%d rollouts, %v", len(all), err)
	}
	for i, x := range all {
		n := 151 - i
		want := chapterOf(n)
		if x.Began == nil || (x.Ended == nil) != (n == 151) {
			t.Errorf("r%d: began %v, ended %v", n, x.Began, x.Ended)
		}
		got := fmt.Sprintf("%s %s after %s %s by %s: %s %s", x.Rollout, x.Version, x.Stable, x.Outcome, x.Actor, x.Reason, x.Verdict)
		if got != want || x.SHA256 != "ab" {
			t.Errorf("%s (%s); want %s", got, x.SHA256, want)
		}
	}
	few, err := client.Rollouts(t.Context(), 2)
	if err != nil || len(few) != 2 || few[1].Rollout != "r150" || few[1].Began == nil {
		t.Errorf("%+v %v", few, err)
	}
	_, err = client.Rollouts(t.Context(), 0)
	if refused, ok := errors.AsType[*Problem](err); !ok || refused.Status != http.StatusUnprocessableEntity {
		t.Errorf("no rollouts: %v", err)
	}
	p.broken = errors.New("the disk is gone")
	if _, err = client.Rollouts(t.Context(), 2); err == nil {
		t.Error("a journal that cannot be read is answered")
	}
}

// chapterOf is what the list says of the n-th of 151.
func chapterOf(n int) string {
	stable := fmt.Sprintf("v%d", (n-1)/2*2)
	switch {
	case n == 151:
		return fmt.Sprintf("r%d v%d after %s in progress by ana: it is new ", n, n, stable)
	case n%2 == 0:
		return fmt.Sprintf("r%d v%d after %s promoted by bo: well fail", n, n, stable)
	default:
		return fmt.Sprintf("r%d v%d after %s rolled back by bo: slow fail", n, n, stable)
	}
}
