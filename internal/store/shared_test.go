package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"serin/test/postgres"
)

// sql runs a statement on the tables of a shared store, as somebody else would.
func (h home) sql(t testing.TB, statement string) {
	t.Helper()
	p, err := dial(h.url, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Pool.ExecContext(t.Context(), statement)
	if err := errors.Join(err, p.close()); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestADirectoryWithAState does not start beside it, as if there were none.
func TestADirectoryWithAState(t *testing.T) {
	t.Parallel()
	s := open(t, quickDir(t))
	commit(t, s, life("churn", 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s.dir, Options{URL: shares(t)}); err == nil || !strings.Contains(err.Error(), "serin import") {
		t.Errorf("got %v", err)
	}
}

// TestUnreachable: the store opens, says so at each call, and works once somebody
// answers. An artifact that is here is served meanwhile.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, func(ctx context.Context) (*postgres.Server, error) { return postgres.Start(ctx) })
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	h := home{quickDir(t), server.URL}
	s := h.open(t)
	commit(t, s, life("churn", 1))
	digest := ingest(t, s, "model")
	if err := server.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	s2 := h.replica(t).open(t)
	for _, s := range []*Store{s, s2} {
		_, _, stateErr := s.State(t.Context(), "churn")
		_, modelsErr := s.Models(t.Context())
		_, beatErr := s.Beat(t.Context(), Beat{Replica: "a"})
		_, lookErr := s.SaveLook(t.Context(), "churn", "r1", lookAt(1))
		_, journalErr := s.Journal(t.Context(), "churn", "", 0, 1)
		for i, err := range []error{stateErr, modelsErr, beatErr, lookErr, journalErr, s.Commit(t.Context(), life("churn", 2)), s.SaveEvidence(t.Context(), "churn", "r1", evidence(1))} {
			if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnsettled) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if _, _, err := s.Ingest(t.Context(), strings.NewReader("another"), 100); !errors.Is(err, ErrUnreachable) {
			t.Errorf("ingest: %v", err)
		}
	}
	r, err := s.Artifact(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, r); got != "model" {
		t.Errorf("%q", got)
	}
	if _, err := s2.Artifact(t.Context(), digest); !errors.Is(err, ErrUnreachable) {
		t.Errorf("one that is not here: %v", err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit(t, s2, life("churn", 2))
	commit(t, s, life("churn", 3))
	if err := server.Restart(t.Context()); err != nil { // connections that are open are cut
		t.Fatal(err)
	}
	if state, _, err := s.State(t.Context(), "churn"); err != nil || state.Generation != 3 {
		t.Errorf("after a restart: %d, %v", state.Generation, err)
	}
	commit(t, s2, life("churn", 4))
}

// TestAServerThatForgets is refused in words.
func TestAServerThatForgets(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, func(ctx context.Context) (*postgres.Server, error) { return postgres.Start(ctx, "fsync=off") })
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := Open(quickDir(t), Options{URL: server.URL}); err == nil || !strings.Contains(err.Error(), "fsync = off") {
		t.Errorf("got %v", err)
	}
	// What somebody sets elsewhere does not matter where a session can set it.
	s := home{quickDir(t), shares(t) + "&synchronous_commit=off"}.open(t)
	var setting string
	q, end, err := s.reading(t.Context())
	if err == nil {
		defer end()
		err = q.one(t.Context(), "SELECT current_setting('synchronous_commit')", nil, &setting)
	}
	if err != nil || setting != "on" {
		t.Errorf("synchronous_commit is %q, %v", setting, err)
	}
}

// TestManyCommitters are processes that commit as they can: one chain comes of it,
// and each generation is committed once.
func TestManyCommitters(t *testing.T) {
	t.Parallel()
	const processes, each = 4, 50
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	var running sync.WaitGroup
	for i := range processes {
		running.Go(func() {
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Env = append(os.Environ(), committerURL+"="+h.url, childDir+"="+quickDir(t), committerCount+"="+strconv.Itoa(each), committerName+"="+fmt.Sprint(i))
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, out)
			}
		})
	}
	running.Wait()
	generations := map[string]uint64{}
	before := head{hash: genesis}
	tables, end, err := s.reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	err = tables.journal(t.Context(), "", "", 0, everything, func(r *row) (bool, error) {
		e, entryErr := r.entry()
		if e.State.Generation != generations[r.model]+1 {
			t.Errorf("row %d has generation %d of %s after %d", r.seq, e.State.Generation, r.model, generations[r.model])
		}
		generations[r.model] = e.State.Generation
		err := errors.Join(entryErr, r.check(before.seq+1, before.hash))
		before = head{r.seq, r.hash}
		return true, err
	})
	if err != nil || before.seq != 2*processes*each {
		t.Errorf("%d rows, %v", before.seq, err)
	}
	if want := map[string]uint64{"churn": processes * each, "0": each, "1": each, "2": each, "3": each}; !cmp.Equal(want, generations) {
		t.Errorf("%v", generations)
	}
}

const (
	committerURL   = "SERIN_STORE_COMMITTER_URL"
	committerCount = "SERIN_STORE_COMMITTER_COUNT"
	committerName  = "SERIN_STORE_COMMITTER_NAME"
)

// committer is a process that commits a number of generations of a model that all
// of them have, and as many of its own.
func committer(dir string) error {
	s, err := Open(dir, Options{URL: os.Getenv(committerURL)})
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(os.Getenv(committerCount))
	if err != nil {
		return err
	}
	ctx := context.Background()
	for n := 0; n < count; {
		state, _, err := s.State(ctx, "churn")
		if err != nil {
			return err
		}
		switch err := s.Commit(ctx, life("churn", state.Generation+1)); {
		case errors.Is(err, ErrStale):
			continue
		case err != nil:
			return err
		}
		n++
		if err := s.Commit(ctx, life(os.Getenv(committerName), uint64(n))); err != nil {
			return err
		}
	}
	return s.Close()
}

// TestSharedDamage: what somebody changed in the tables is told, and not served.
func TestSharedDamage(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		"UPDATE journal SET state = replace(state, 'v1', 'v9') WHERE seq = 2",
		"UPDATE journal SET hash = prev WHERE seq = 2",
		"UPDATE models SET seq = 1",
		"UPDATE models SET generation = 7",
		"UPDATE evidence SET data = ''",
		"UPDATE evidence SET rollout = 'r2'",
		"DELETE FROM evidence",
	} {
		h := home{quickDir(t), shares(t)}
		s := h.open(t)
		commit(t, s, life("churn", 1))
		commit(t, s, life("churn", 2))
		h.sql(t, statement)
		var damage *Damage
		if _, _, err := s.State(t.Context(), "churn"); !errors.As(err, &damage) || !strings.Contains(damage.Path, "postgres://") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	beat(t, s, Beat{Replica: "a", Gauges: []Gauge{{"churn", "r1", 1, []byte("one")}, {"churn", "r1", 2, []byte("two")}}})
	h.sql(t, "UPDATE gauges SET data = 'x' WHERE epoch = 1")
	var damage *Damage
	if rows, err := h.replica(t).open(t).Gauges(t.Context(), "churn", "r1"); !errors.As(err, &damage) || len(rows) != 1 || rows[0].Epoch != 2 {
		t.Errorf("%+v, %v", rows, err)
	}
	if rows, err := s.Gauges(t.Context(), "churn", "r1"); err != nil || len(rows) != 2 || string(rows[0].Data) != "one" { // who told it knows better
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestADroppedStore is not taken for a new one while a replica runs.
func TestADroppedStore(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	commit(t, s, life("churn", 1))
	seen := beat(t, s, Beat{Replica: "a"})
	h.sql(t, "DROP SCHEMA "+s.shared.Schema+" CASCADE")
	if err := s.Commit(t.Context(), life("churn", 2)); err == nil || !strings.Contains(err.Error(), "dropped") {
		t.Errorf("got %v", err)
	}
	again := h.replica(t).open(t)
	p := beat(t, again, Beat{Replica: "a", Seen: seen.Head})
	if p.Kept || p.Head != (Head{}) {
		t.Errorf("%+v", p)
	}
	commit(t, again, life("churn", 1))
	if p := beat(t, again, Beat{Replica: "a"}); p.Head.Seq != 1 {
		t.Errorf("%+v", p)
	}
}

// TestSharedArtifacts: of several parts; healed by storing them again.
func TestSharedArtifacts(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	a := h.open(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 3*partSize/16+1)
	put := func() string {
		digest, _, err := a.Ingest(t.Context(), bytes.NewReader(content), 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	digest := put()
	get := func() error {
		r, err := h.replica(t).open(t).Artifact(t.Context(), digest)
		if err != nil {
			return err
		}
		if got := readAll(t, r); got != string(content) {
			t.Errorf("%d bytes of another artifact", len(got))
		}
		return nil
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	var damage *Damage
	for _, statement := range []string{"UPDATE parts SET data = 'x' WHERE part = 1", "DELETE FROM parts WHERE part = 2", "UPDATE parts SET data = 'x' WHERE part = 3"} {
		h.sql(t, statement)
		if err := get(); err == nil || !errors.As(err, &damage) && !errors.Is(err, errReplaced) {
			t.Errorf("%s: %v", statement, err)
		}
		put()
		if err := get(); err != nil {
			t.Errorf("%s: not healed: %v", statement, err)
		}
	}
	large, size, err := a.Ingest(t.Context(), io.LimitReader(zeros{}, a.Shareable()+1), 1<<40)
	if err != nil || size != defaultShare+1 {
		t.Fatalf("got %d bytes, %v", size, err)
	}
	r, err := a.Artifact(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := h.replica(t).open(t).Artifact(t.Context(), large); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of one that is too large to share: %v", err)
	}
}

// TestSharedArtifactsAreLetGoOf once nobody can need them, by our clock: the server's may
// be stepped while another replica is about to commit one.
func TestSharedArtifactsAreLetGoOf(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	a := h.open(t)
	digest := ingest(t, a, "a model")
	get := func() error {
		r, err := h.replica(t).open(t).Artifact(t.Context(), digest)
		if err == nil {
			r.Close()
		}
		return err
	}
	if err := a.Prune(); err != nil { // another replica may be about to commit it
		t.Fatal(err)
	}
	if err := get(); err != nil {
		t.Error(err)
	}
	ours := time.Now()
	a.shared.now = func() time.Time { return ours }
	for _, step := range []string{"- interval '1 day'", "+ interval '2 days'"} { // the server's clock is stepped: what was stored seems old, or is yet to come
		h.sql(t, "UPDATE artifacts SET at = at "+step)
		if err := a.Prune(); err != nil {
			t.Fatal(err)
		}
		if err := get(); err != nil {
			t.Errorf("after at %s: %v", step, err)
		}
	}
	ours = ours.Add(spare)
	if err := a.Prune(digest); err != nil {
		t.Fatal(err)
	}
	if err := a.Prune(); err != nil { // the hour begins when it is not needed any more
		t.Fatal(err)
	}
	if err := get(); err != nil {
		t.Error(err)
	}
	ours = ours.Add(spare)
	ingest(t, a, "a model") // stored anew, perhaps to be committed
	if err := a.Prune(); err != nil {
		t.Fatal(err)
	}
	if err := get(); err != nil {
		t.Error(err)
	}
	ours = ours.Add(spare)
	if err := a.Prune(); err != nil {
		t.Fatal(err)
	}
	if err := get(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what was let go: %v", err)
	}
}

// zeros are without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestMigrations: replicas of the next release work beside those of this one where
// the layout says that they may.
func TestMigrations(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	commit(t, s, life("churn", 1))
	next := slices.Concat(sharedMigrations, []migration{{"ALTER TABLE models ADD COLUMN note TEXT NOT NULL DEFAULT ''", 1}})
	after := slices.Concat(next, []migration{{"ALTER TABLE models DROP COLUMN rollout", len(next) + 1}})
	migrate := func(steps []migration) error {
		return s.shared.transaction(t.Context(), func(q tables) error { return q.migrate(t.Context(), s.shared.Schema, steps) })
	}
	for range 2 {
		if err := migrate(next); err != nil {
			t.Fatal(err)
		}
	}
	commit(t, s, life("churn", 2))
	commit(t, h.replica(t).open(t), life("churn", 3))
	if err := migrate(after); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(quickDir(t), Options{URL: h.url}); err == nil || !strings.Contains(err.Error(), "newer serin") {
		t.Errorf("got %v", err)
	}
	if err := migrate(next); err == nil {
		t.Error("went back")
	}
}

// TestACommitMeetsASave of another replica, which locks the model and then its
// evidence. A commit that had them the other way round would be ended as a deadlock.
func TestACommitMeetsASave(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	other, err := dial(h.url, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	err = other.transaction(t.Context(), func(saving tables) error {
		var name string
		err := saving.one(t.Context(), "SELECT model FROM models WHERE model = 'churn' FOR UPDATE", nil, &name)
		go func() { done <- s.Commit(t.Context(), life("churn", 3)) }()
		for waits := false; err == nil && !waits; {
			err = saving.one(t.Context(), "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))", nil, &waits)
		}
		if err != nil {
			return err
		}
		return saving.one(t.Context(), "SELECT model FROM evidence WHERE model = 'churn' FOR UPDATE NOWAIT", nil, &name)
	})
	if err == nil {
		err = <-done
	}
	if err := errors.Join(err, other.close()); err != nil {
		t.Error(err)
	}
}

// TestACommitThatIsLost before any beat has seen it, as by a failover, is missed all the
// same: another replica may have put another one in its place.
func TestACommitThatIsLost(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	s, other := h.open(t), h.replica(t).open(t)
	commit(t, s, life("churn", 1))
	seen := beat(t, s, Beat{Replica: "a"}).Head
	commit(t, s, life("churn", 2))
	h.sql(t, "DELETE FROM journal WHERE seq = 2")
	h.sql(t, "DELETE FROM evidence")
	h.sql(t, "UPDATE models SET generation = 1, rollout = '', seq = 1")
	h.sql(t, "UPDATE head SET seq = 1, hash = (SELECT hash FROM journal WHERE seq = 1)")
	instead := life("churn", 2)
	instead.Reason = "another decision"
	commit(t, other, instead)
	if p := beat(t, s, Beat{Replica: "a", Seen: seen}); p.Kept {
		t.Errorf("who committed it believes %+v", p)
	}
	if p := beat(t, other, Beat{Replica: "b", Seen: seen}); !p.Kept {
		t.Errorf("who did not know of it misses it: %+v", p)
	}
}
