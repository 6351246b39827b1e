package main

import (
	"io"
	"os"
	"strconv"
	"testing"
)

// TestSwapsUnderFullLoad is a short run of the program, or as long a one as
// SERIN_TEST_SWAPS has rounds.
func TestSwapsUnderFullLoad(t *testing.T) {
	t.Parallel()
	rounds, err := strconv.Atoi(os.Getenv("SERIN_TEST_SWAPS"))
	if err != nil {
		rounds = 5
	}
	r, err := measure(t.Context(), settings{rounds: rounds, blocks: min(2, rounds), connections: 4}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.holds(); err != nil {
		t.Error(err)
	}
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2", "gRPC"} {
		if n := r.answers(protocol); n < int64(rounds) {
			t.Errorf("%s: only %d answers in %d rounds", protocol, n, rounds)
		}
	}
	r.print(t.Output())
}

func TestWrongAnswersAreSeen(t *testing.T) {
	t.Parallel()
	live := &moment{stable: "a", canary: "b", settled: true}
	for _, c := range []struct {
		m            *moment
		arm, version string
		want         bool
	}{
		{live, "stable", "a", true}, {live, "canary", "b", true}, {live, "", "a", true}, {live, "", "b", true},
		{live, "canary", "a", false}, {live, "stable", "b", false}, {live, "", "c", false},
		{&moment{stable: "a", settled: true}, "canary", "b", false},
		{&moment{}, "canary", "b", true}, // in the midst of a call
	} {
		if got := c.m.may(c.arm, c.version); got != c.want {
			t.Errorf("%+v: %s %s: %v", *c.m, c.arm, c.version, got)
		}
	}
	r := newReport()
	if r.holds() != nil {
		t.Error("nothing was wrong yet")
	}
	r.fault("x")
	if r.holds() == nil {
		t.Error("a fault was overlooked")
	}
	if _, err := inferReply([]byte{0xff}); err == nil {
		t.Error("that was no message")
	}
}
