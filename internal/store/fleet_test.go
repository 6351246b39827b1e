package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func beat(t testing.TB, s *Store, b Beat) Pulse {
	t.Helper()
	p, err := s.Beat(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestBeat: what a replica says is there, and it hears where its models stand.
func TestBeat(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		p := beat(t, s, Beat{Replica: "a", Models: []string{"churn"}})
		if p.Head != (Head{}) || !p.Kept || !cmp.Equal(p.Models, map[string]Standing{"churn": {0, "a"}}) {
			t.Errorf("of nothing: %+v", p)
		}
		commit(t, s, life("churn", 1))
		commit(t, s, life("other", 1))
		commit(t, s, life("churn", 2))
		first := beat(t, s, Beat{Replica: "a", Address: "http://a", Version: "1", Status: []byte(`{"up": true}`), Models: []string{"churn"}})
		if first.Head.Seq != 3 || len(first.Head.Hash) != 64 || !cmp.Equal(first.Models, map[string]Standing{"churn": {2, "a"}, "other": {1, ""}}) {
			t.Errorf("%+v", first)
		}
		if again := beat(t, s, Beat{Replica: "a", Models: []string{"churn"}, Seen: first.Head}); !cmp.Equal(again, first) {
			t.Errorf("who knows the end hears %+v, want %+v", again, first)
		}
		commit(t, s, life("churn", 3))
		for _, tt := range []struct {
			seen Head
			kept bool
		}{{first.Head, true}, {Head{}, true}, {Head{3, strings.Repeat("0", 64)}, false}, {Head{9, first.Head.Hash}, false}, {Head{9, ""}, false}, {Head{3, ""}, false}} {
			if p := beat(t, s, Beat{Replica: "a", Seen: tt.seen}); p.Kept != tt.kept || p.Head.Seq != 4 || len(p.Head.Hash) != 64 {
				t.Errorf("having seen %+v: %+v", tt.seen, p)
			}
		}
		all, err := s.Replicas(t.Context())
		if err != nil || len(all) != 1 || all[0].Name != "a" || !all[0].Live || all[0].Age < 0 || all[0].Status != nil {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func TestBeatRefusesWhatIsNone(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		tests := map[string]Beat{
			"no name":                   {},
			"a long name":               {Replica: strings.Repeat("x", maxReplica+1)},
			"a name that is not text":   {Replica: "\xff"},
			"a name with a zero":        {Replica: "a\x00"},
			"a status that is not JSON": {Replica: "a", Status: []byte("{")},
			"a long status":             {Replica: "a", Status: []byte(`"` + strings.Repeat("x", maxStatus) + `"`)},
			"a gauge of no rollout":     {Replica: "a", Gauges: []Gauge{{Model: "churn"}}},
			"a huge gauge":              {Replica: "a", Gauges: []Gauge{{"churn", "r1", 1, make([]byte, maxGauge+1)}}},
			"an epoch that overflows":   {Replica: "a", Gauges: []Gauge{{"churn", "r1", 1 << 63, nil}}},
		}
		for name, b := range tests {
			if _, err := s.Beat(t.Context(), b); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		if all, err := s.Replicas(t.Context()); len(all) > 0 || err != nil {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// TestWhatAReplicaSaysOfItself is there as it was said last, and again within half a
// minute where the store has lost it.
func TestWhatAReplicaSaysOfItself(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	said := func() Replica {
		all, err := s.Replicas(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	b := Beat{Replica: "a", Address: "http://a", Version: "1", Status: []byte(`{"up": true}`)}
	for range 2 {
		beat(t, s, b)
		if r := said(); r.Address != b.Address || r.Version != b.Version || string(r.Status) != string(b.Status) {
			t.Errorf("%+v", r)
		}
	}
	b.Status = nil
	beat(t, s, b)
	if r := said(); r.Status != nil || r.Address != b.Address {
		t.Errorf("of no status any more: %+v", r)
	}
	h.sql(t, "DELETE FROM replicas")
	for range introduce {
		beat(t, s, b)
	}
	if r := said(); r.Address != b.Address {
		t.Errorf("after it was lost: %+v", r)
	}
}

// TestGauges: the latest of each epoch, until two more rollouts have ended.
func TestGauges(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		generation := uint64(0)
		next := func() {
			generation++
			commit(t, s, life("churn", generation))
		}
		say := func(gauges ...Gauge) { beat(t, s, Beat{Replica: "a", Gauges: gauges}) }
		next()
		next() // r1
		say(Gauge{"churn", "r1", 1, []byte("one")}, Gauge{"other", "r1", 1, []byte("other")})
		say(Gauge{"churn", "r1", 1, []byte("two")})
		say(Gauge{"churn", "r1", 2, []byte("three")})
		say()
		want := []GaugeRow{{"a", Gauge{"churn", "r1", 1, []byte("two")}}, {"a", Gauge{"churn", "r1", 2, []byte("three")}}}
		check := func(rolloutID string, want []GaugeRow) {
			t.Helper()
			got, err := s.Gauges(t.Context(), "churn", rolloutID)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v\n%s", rolloutID, err, diff)
			}
		}
		check("r1", want)
		for n := 2; n <= 4; n++ { // r1 is one, two, three old
			for range 3 {
				next()
			}
			id := fmt.Sprintf("r%d", n)
			say(Gauge{"churn", id, 1, []byte(id)})
			check(id, []GaugeRow{{"a", Gauge{"churn", id, 1, []byte(id)}}})
			if n < 4 {
				check("r1", want)
			}
		}
		check("r1", nil)
		check("r2", []GaugeRow{{"a", Gauge{"churn", "r2", 1, []byte("r2")}}})
		if got, err := s.Gauges(t.Context(), "other", "r1"); len(got) != 1 || err != nil {
			t.Errorf("those of another model: %+v, %v", got, err)
		}
	})
}

// TestAFleet is what only PostgreSQL can: several replicas with one truth.
func TestAFleet(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	a, b := h.open(t), h.replica(t).open(t)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan string, 10)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		a.Listen(ctx, func(name string, generation uint64) { heard <- fmt.Sprintf("%s %d", name, generation) })
	}()
	commit(t, a, life("churn", 1))
	if err := b.Commit(t.Context(), life("churn", 1)); !errors.Is(err, ErrStale) {
		t.Errorf("the same generation twice: %v", err)
	}
	commit(t, b, life("churn", 2))
	for generation := uint64(3); len(heard) == 0; generation++ { // whoever listens may not have begun
		commit(t, b, life("churn", generation))
	}
	if first := <-heard; !strings.HasPrefix(first, "churn ") {
		t.Errorf("heard %q", first)
	}
	cancel()
	<-listening

	p := beat(t, a, Beat{Replica: "a", Models: []string{"churn", "other"}, Gauges: []Gauge{{"churn", "r1", 1, []byte("of a")}}})
	p = beat(t, b, Beat{Replica: "b", Models: []string{"churn", "third"}, Gauges: []Gauge{{"churn", "r1", 1, []byte("of b")}}, Seen: p.Head})
	if p.Models["churn"].Leader != "a" || p.Models["third"].Leader != "b" || p.Models["other"].Leader != "" && p.Models["other"].Leader != "a" || !p.Kept {
		t.Errorf("%+v", p)
	}
	if _, err := a.shared.Pool.ExecContext(t.Context(), "UPDATE replicas SET at = at - interval '11 seconds' WHERE replica = 'a'"); err != nil { // a is silent for so long
		t.Fatal(err)
	}
	b.shared.now = func() time.Time { return time.Now().Add(leaseOfModel) }
	if p = beat(t, b, Beat{Replica: "b", Models: []string{"churn"}}); p.Models["churn"].Leader != "b" {
		t.Errorf("nobody took over: %+v", p)
	}
	if p = beat(t, a, Beat{Replica: "a2", Models: []string{"churn"}}); p.Models["churn"].Leader != "b" {
		t.Errorf("taken from one who lives: %+v", p)
	}
	rows, err := a.Gauges(t.Context(), "churn", "r1")
	if err != nil || len(rows) != 2 || string(rows[0].Data) != "of a" || string(rows[1].Data) != "of b" {
		t.Errorf("of the dead and of the living: %+v, %v", rows, err)
	}
	all, err := b.Replicas(t.Context())
	live := map[string]bool{}
	for _, r := range all {
		live[r.Name] = r.Live
	}
	if diff := cmp.Diff(map[string]bool{"a": false, "b": true, "a2": true}, live); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}

	digest := ingest(t, a, strings.Repeat("model ", 170_000))
	r, err := b.Artifact(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, r); digestOf(got) != digest {
		t.Errorf("%d bytes of another artifact", len(got))
	}
	if names := listArtifacts(t, b); len(names) != 1 {
		t.Errorf("fetched: %v", names)
	}
}
