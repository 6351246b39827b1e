package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKnownGauges: whatever becomes of gauges, who knows some of them hears the same as
// who asks for the first time.
func TestKnownGauges(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	all := []*Store{h.open(t), h.replica(t).open(t)}
	random := rand.New(rand.NewPCG(8, 9))
	h.sql(t, "CREATE TABLE before AS SELECT * FROM gauges")
	for step := range 150 {
		at := fmt.Sprintf("replica = 'r%d' AND epoch = %d", random.IntN(len(all)), 1+random.IntN(3))
		switch i := random.IntN(len(all)); random.IntN(10) {
		case 0:
			h.sql(t, "DELETE FROM gauges WHERE "+at)
		case 1: // the server remembers what was then
			h.sql(t, "DELETE FROM before; INSERT INTO before SELECT * FROM gauges")
		case 2: // and has lost what was told since
			h.sql(t, "UPDATE gauges g SET data = b.data, checksum = b.checksum FROM before b WHERE b.model = g.model AND b.rollout = g.rollout AND b.replica = g.replica AND b.epoch = g.epoch")
		case 3:
			beat(t, all[i], Beat{Replica: fmt.Sprintf("r%d", i), Gauges: []Gauge{{"churn", "another", 1, []byte("of another rollout")}}})
		default:
			g := Gauge{"churn", "it", uint64(1 + random.IntN(3)), fmt.Appendf(nil, "step %d", step)}
			beat(t, all[i], Beat{Replica: fmt.Sprintf("r%d", i), Gauges: []Gauge{g}})
		}
		s := all[random.IntN(len(all))]
		got, err := s.Gauges(t.Context(), "churn", "it")
		if err != nil {
			t.Fatal(err)
		}
		s.shared.gauged.Forget("churn")
		want, err := s.Gauges(t.Context(), "churn", "it")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("step %d: %v\n%s", step, err, diff)
		}
		if random.IntN(2) == 0 { // else it knows what is there now
			s.shared.gauged.Forget("churn")
		}
	}
}

// TestTheLastRowStays where it is, and another one in its place is seen.
func TestTheLastRowStays(t *testing.T) {
	t.Parallel()
	w := through(t, shares(t))
	h := home{quickDir(t), w.url}
	s, other := h.open(t), h.replica(t).open(t)
	commit(t, other, life("churn", 1))
	commit(t, other, life("churn", 2))
	var m meter
	asked := func(generation uint64) int {
		m.watch(w)
		state, _, err := s.State(t.Context(), "churn")
		if w.set(nil); err != nil || state.Generation != generation {
			t.Errorf("generation %d, want %d: %v", state.Generation, generation, err)
		}
		return m.down
	}
	first := asked(2)
	if again := asked(2); again > first/2 {
		t.Errorf("%d bytes at first and %d again", first, again)
	}
	commit(t, other, life("churn", 3))
	asked(3)
	h.sql(t, "DROP SCHEMA "+s.shared.Schema+" CASCADE")
	another := h.replica(t).open(t)
	for _, name := range []string{"a", "b", "churn"} { // row 3 is another one
		commit(t, another, life(name, 1))
	}
	asked(1)
	h.sql(t, "DELETE FROM journal WHERE seq = 3; UPDATE models SET seq = 4 WHERE model = 'churn'")
	var damage *Damage
	if _, _, err := s.State(t.Context(), "churn"); !errors.As(err, &damage) {
		t.Errorf("without its row: %v", err)
	}
}

// TestKnownGaugesStay where they are: what has not changed does not come again.
func TestKnownGaugesStay(t *testing.T) {
	t.Parallel()
	w := through(t, shares(t))
	h := home{quickDir(t), w.url}
	s, other := h.open(t), h.replica(t).open(t)
	tell := func(s *Store, replica string, epoch uint64, requests int) {
		row, err := hours(requests).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		beat(t, s, Beat{Replica: replica, Gauges: []Gauge{{"churn", "r1", epoch, row}}})
	}
	var m meter
	asked := func(rows int) int {
		m.watch(w)
		got, err := s.Gauges(t.Context(), "churn", "r1")
		if w.set(nil); err != nil || len(got) != rows {
			t.Errorf("%d rows, %v", len(got), err)
		}
		return m.down
	}
	tell(s, "a", 0, 5000)
	tell(s, "a", 1, 50_000)
	if n := asked(2); n > 200 {
		t.Errorf("what was told from here comes back, %d bytes", n)
	}
	tell(other, "b", 0, 5000)
	tell(other, "b", 1, 50_000)
	if n := asked(4); n < 2000 {
		t.Errorf("what another told is %d bytes", n)
	}
	if n := asked(4); n > 200 {
		t.Errorf("what is known comes again, %d bytes", n)
	}
	tell(other, "b", 1, 60_000)
	if n := asked(4); n < 1000 || n > 2500 {
		t.Errorf("one that has changed is %d bytes", n)
	}
}
