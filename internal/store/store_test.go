package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"serin/internal/record"
	"serin/internal/rollout"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

func TestMain(m *testing.M) {
	if os.Getenv(committerURL) != "" {
		if err := committer(os.Getenv(childDir)); err != nil {
			panic(err)
		}
		return
	}
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	// A check opens the directory some ten times. The command line overrides this.
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := stopCluster(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

// open opens a directory and closes it at the end of the test.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// quickDir is a directory in memory where there is one: for tests that open
// thousands of times and lose no power.
func quickDir(t testing.TB) string {
	t.Helper()
	base := "/dev/shm"
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = ""
	}
	dir, err := os.MkdirTemp(base, "serin-store-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func commit(t testing.TB, s *Store, e Entry) {
	t.Helper()
	if err := s.Commit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

// life is a plausible history of one model: entries of generations 1, 2, ...
// Every third opens a rollout, every third judges it, every third ends it.
func life(model string, generation uint64) Entry {
	stable := rollout.Version{Name: "v1", Path: "models/v1.joblib", SHA256: strings.Repeat("a1", 32), Size: 100}
	state := rollout.State{Model: model, Generation: generation, Phase: rollout.Idle, Stable: stable, Rollouts: (generation + 1) / 3}
	e := Entry{At: noon.Add(time.Duration(generation) * time.Minute), Actor: "ada", Reason: fmt.Sprintf("event %d", generation), Event: rollout.Rollback}
	if generation%3 == 1 {
		e.State = state
		return e
	}
	canary := rollout.Version{Name: "v2", Path: "models/v2.joblib", SHA256: strings.Repeat("b2", 32), Size: 200}
	state.Phase = rollout.Live
	state.Rollout = &rollout.Rollout{
		ID: fmt.Sprintf("r%d", state.Rollouts), Canary: canary, Requested: noon, Started: noon.Add(time.Second),
		Plan: rollout.Plan{Weight: 1000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05}, Weight: 1000,
	}
	e.Event, e.Rollout = rollout.Deploy, state.Rollout.ID
	if generation%3 == 0 {
		e.Event = rollout.Alert
		e.Finding = &rollout.Finding{Verdict: rollout.Fail, Sentence: "v2 is 20 ms slower"}
		e.Detail = json.RawMessage(`{"p_value": 1e-300}`)
		e.Evidence = evidence(int(generation))
		state.Rollout.Alert = e.Finding
	}
	e.State = state
	return e
}

// evidence is what n observations per arm look like.
func evidence(n int) *record.Evidence {
	s := record.Stage{Share: 1000}
	for i := range n {
		s.Stable.Started++
		s.Stable.Observe(time.Duration(i)*time.Microsecond, 0.5)
		s.Canary.Started++
		s.Canary.Observe(time.Duration(i)*time.Millisecond, 0.25)
	}
	e := &record.Evidence{Elapsed: time.Duration(n) * time.Second, Looks: uint64(n)}
	if n > 0 {
		e.Stages = []record.Stage{s}
	}
	return e
}

// same compares evidence by its encoding, of which there is only one.
func same(a, b record.Evidence) bool {
	x, _ := a.MarshalBinary()
	y, _ := b.MarshalBinary()
	return bytes.Equal(x, y)
}

var equal = cmp.Comparer(same)

// TestRoundTrip commits a history, and finds it again in the open store and
// after a restart.
func TestRoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		h.dir = filepath.Join(t.TempDir(), "a path?with#odd%41 letters ü", "deeper")
		s := h.open(t)
		var want []Entry
		for generation := range uint64(5) {
			e := life("churn", generation+1)
			commit(t, s, e)
			commit(t, s, life("other", generation+1))
			e.Seq = 2*generation + 1
			want = append(want, e)
		}
		if err := s.SaveEvidence(t.Context(), "churn", "r2", evidence(9)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			state, observed, err := s.State(t.Context(), "churn")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[4].State, state); diff != "" {
				t.Error(diff)
			}
			if !same(observed, *evidence(9)) {
				t.Error("the evidence is not what was saved")
			}
			got, err := s.Journal(t.Context(), "churn", "", 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, equal); diff != "" {
				t.Error(diff)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = h.open(t)
		}
	})
}

func TestUnknownModelIsEmpty(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		state, observed, err := s.State(t.Context(), "churn")
		if err != nil || !cmp.Equal(state, rollout.State{Model: "churn"}) || !same(observed, record.Evidence{}) {
			t.Errorf("got %+v, %v", state, err)
		}
		if page, err := s.Journal(t.Context(), "churn", "", 0, 10); len(page) != 0 || err != nil {
			t.Errorf("got %v, %v", page, err)
		}
	})
}

func TestJournalPages(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		for generation := range uint64(7) {
			commit(t, s, life("churn", generation+1))
			commit(t, s, life("other", generation+1))
		}
		var seqs []uint64
		for after := uint64(0); ; {
			page, err := s.Journal(t.Context(), "other", "", after, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				seqs = append(seqs, e.Seq)
			}
			after = seqs[len(seqs)-1]
		}
		if diff := cmp.Diff([]uint64{2, 4, 6, 8, 10, 12, 14}, seqs); diff != "" {
			t.Error(diff)
		}
		if page, err := s.Journal(t.Context(), "", "", 12, 100); len(page) != 2 || err != nil {
			t.Errorf("all models: got %d entries, %v", len(page), err)
		}
		for _, limit := range []int{0, -1} {
			if page, err := s.Journal(t.Context(), "other", "", 0, limit); len(page) != 0 || err != nil {
				t.Errorf("limit %d: got %d entries, %v", limit, len(page), err)
			}
		}
		if page, err := s.Journal(t.Context(), "other", "", math.MaxUint64, 1); len(page) != 0 || err != nil {
			t.Errorf("after the end: got %d entries, %v", len(page), err)
		}
		if page, err := s.Recent(t.Context(), "other", 0, 3); len(page) != 3 || page[0].Seq != 14 || page[2].Seq != 10 || err != nil {
			t.Errorf("the latest three of one model: %+v, %v", page, err)
		}
		if page, err := s.Recent(t.Context(), "other", 14, 1); len(page) != 1 || page[0].Seq >= 14 || page[0].Seq <= 10 || err != nil {
			t.Errorf("the one before that: %+v, %v", page, err)
		}
		for id, want := range map[string][]rollout.Kind{"r2": {rollout.Deploy, rollout.Alert}, "r9": nil} {
			page, err := s.Journal(t.Context(), "churn", id, 0, 100)
			var got []rollout.Kind
			for _, e := range page {
				if got = append(got, e.Event); e.State.Model != "churn" || e.Rollout != id || e.State.Rollout.Plan.Period != time.Hour {
					t.Errorf("%s: %+v", id, e)
				}
			}
			if !cmp.Equal(want, got) || err != nil {
				t.Errorf("%s: %v, %v", id, got, err)
			}
		}
	})
}

// TestAnEntryThatCannotBeRead does not hide the others.
func TestAnEntryThatCannotBeRead(t *testing.T) {
	t.Parallel()
	foreign := func(s *Store) error { // with the right hash: another version wrote it
		e := life("churn", 3)
		r, err := encode(e)
		if err != nil {
			return err
		}
		r.evidence, r.seq, r.prev = []byte{99}, s.known.head.seq+1, s.known.head.hash
		r.hash = r.digest()
		next := newModel(e.State, r.state)
		next.evidence = s.known.models["churn"].evidence
		return s.append(t.Context(), r, next)
	}
	tests := []struct {
		name    string
		third   func(s *Store) error
		damaged bool
	}{
		{"foreign", foreign, false},
		{"changed", func(s *Store) error {
			commit(t, s, life("churn", 3))
			_, err := s.db.conn.ExecContext(t.Context(), "UPDATE journal SET actor = 'bob' WHERE seq = 3")
			return err
		}, true},
	}
	for _, tt := range tests {
		s := open(t, t.TempDir())
		commit(t, s, life("churn", 1))
		commit(t, s, life("churn", 2))
		if err := tt.third(s); err != nil {
			t.Fatal(err)
		}
		commit(t, s, life("churn", 4))
		page, err := s.Journal(t.Context(), "churn", "", 0, 10)
		var damage *Damage
		if err == nil || errors.As(err, &damage) != tt.damaged || !strings.Contains(err.Error(), "row 3") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if len(page) != 3 || !cmp.Equal(page[2], Entry{Seq: 3}) {
			t.Errorf("%s: %d entries", tt.name, len(page))
		}
		if page, err := s.Journal(t.Context(), "churn", "", 3, 10); len(page) != 1 || page[0].Seq != 4 || err != nil {
			t.Errorf("%s: %d entries after it, %v", tt.name, len(page), err)
		}
		recent, err := s.Recent(t.Context(), "churn", 0, 3)
		if len(recent) != 3 || recent[0].Seq != 4 || !cmp.Equal(recent[1], Entry{Seq: 3}) || recent[2].Event == "" || err != nil {
			t.Errorf("%s: the latest three are %+v, %v", tt.name, recent, err)
		}
	}
}

// TestCompareAndSet lets the same generation be committed once.
func TestCompareAndSet(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		commit(t, s, life("churn", 1))
		for _, generation := range []uint64{0, 1, 3, math.MaxUint64} {
			e := life("churn", 1)
			e.State.Generation = generation
			if err := s.Commit(t.Context(), e); !errors.Is(err, ErrStale) {
				t.Errorf("generation %d: got %v", generation, err)
			}
		}
		results := make(chan error)
		for range 8 {
			go func() { results <- s.Commit(context.Background(), life("churn", 2)) }()
		}
		committed := 0
		for range 8 {
			if err := <-results; err == nil {
				committed++
			} else if !errors.Is(err, ErrStale) {
				t.Error(err)
			}
		}
		if page, err := s.Journal(t.Context(), "churn", "", 0, 10); committed != 1 || len(page) != 2 || err != nil {
			t.Errorf("%d commits of one generation succeeded, %d rows, %v", committed, len(page), err)
		}
	})
}

// TestEvidenceBelongsToItsRollout: late evidence of an earlier rollout must not
// be taken for that of the next one, which begins with none.
func TestEvidenceBelongsToItsRollout(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		commit(t, s, life("churn", 1))
		if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(1)); !errors.Is(err, ErrStale) {
			t.Errorf("evidence before its rollout: %v", err)
		}
		if err := s.SaveEvidence(t.Context(), "churn", "", evidence(1)); !errors.Is(err, ErrStale) {
			t.Errorf("evidence of no rollout: %v", err)
		}
		wantEvidence := func(want *record.Evidence) {
			t.Helper()
			if _, got, err := s.State(t.Context(), "churn"); err != nil || !same(got, *want) {
				t.Errorf("got %d looks, %v; want %d", got.Looks, err, want.Looks)
			}
		}
		commit(t, s, life("churn", 2))
		wantEvidence(evidence(0))
		if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(2)); err != nil {
			t.Fatal(err)
		}
		wantEvidence(evidence(2))
		commit(t, s, life("churn", 3)) // with evidence of its own
		wantEvidence(evidence(3))
		commit(t, s, life("churn", 4)) // the end
		wantEvidence(evidence(0))
		commit(t, s, life("churn", 5))
		if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(4)); !errors.Is(err, ErrStale) {
			t.Errorf("evidence after its rollout: %v", err)
		}
		wantEvidence(evidence(0))
	})
}

// TestCommitRefusesWhatCannotBeReadBack keeps rows out that would make the
// directory unreadable.
func TestCommitRefusesWhatCannotBeReadBack(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		tests := []struct {
			name   string
			change func(*Entry)
		}{
			{"no model", func(e *Entry) { e.State.Model = "" }},
			{"a model that is not text", func(e *Entry) { e.State.Model = "\xff" }},
			{"a plan of no weight", func(e *Entry) { e.State.Rollout = &rollout.Rollout{} }},
			{"a level that is no number", func(e *Entry) {
				e.State.Rollout = &rollout.Rollout{Plan: rollout.Plan{Weight: 1, Alpha: math.NaN()}, Weight: 1}
			}},
			{"a detail that is not JSON", func(e *Entry) { e.Detail = json.RawMessage("{") }},
			{"a year that RFC 3339 does not know", func(e *Entry) { e.At = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) }},
			{"evidence that contradicts itself", func(e *Entry) { e.Evidence = &record.Evidence{Elapsed: -1} }},
			{"a huge reason", func(e *Entry) { e.Reason = strings.Repeat("x", maxRow) }},
		}
		s := h.open(t)
		for _, tt := range tests {
			e := life("churn", 1)
			tt.change(&e)
			if err := s.Commit(t.Context(), e); err == nil {
				t.Errorf("%s: committed", tt.name)
			}
		}
		commit(t, s, life("churn", 1))
	})
}

func TestContext(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	s.turn <- struct{}{} // somebody is in front of a slow disk
	waiting := make(chan error)
	go func() { waiting <- s.Commit(ctx, life("churn", 3)) }()
	go func() { waiting <- s.SaveEvidence(ctx, "churn", "r1", evidence(1)) }()
	go func() { _, _, err := s.State(ctx, "churn"); waiting <- err }()
	go func() { _, err := s.Journal(ctx, "churn", "", 0, 1); waiting <- err }()
	go func() { _, err := s.SaveLook(ctx, "churn", "r1", lookAt(1)); waiting <- err }()
	go func() { _, err := s.Looks(ctx, "churn", "r1", 0, 1); waiting <- err }()
	cancel()
	for range 6 {
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	<-s.turn
	if err := s.Commit(ctx, life("churn", 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	commit(t, s, life("churn", 3))
}

func TestClosed(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		_, _, stateErr := s.State(t.Context(), "churn")
		_, journalErr := s.Journal(t.Context(), "churn", "", 0, 1)
		_, lookErr := s.SaveLook(t.Context(), "churn", "r1", lookAt(1))
		_, looksErr := s.Looks(t.Context(), "churn", "r1", 0, 1)
		for _, err := range []error{stateErr, journalErr, lookErr, looksErr, s.Commit(t.Context(), life("churn", 1)), s.SaveEvidence(t.Context(), "churn", "r1", evidence(1)), s.Prune()} {
			if !errors.Is(err, errClosed) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func readAll(t testing.TB, r io.ReadCloser) string {
	t.Helper()
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}
