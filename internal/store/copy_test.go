package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lively is a store with a history that has everything in it.
func lively(t testing.TB, h home) *Store {
	t.Helper()
	s := h.open(t)
	for _, content := range []string{"stable", "canary", "golden"} {
		ingest(t, s, content)
	}
	for generation := uint64(1); generation <= 8; generation++ {
		for _, name := range []string{"churn", "other"} {
			commit(t, s, artful(life(name, generation)))
		}
		if generation%3 == 2 {
			for n := range 5 {
				saveLook(t, s, fmt.Sprintf("r%d", (generation+1)/3), lookAt(n))
			}
		}
	}
	if _, err := s.SwapMemo(t.Context(), "hook", nil, []byte("told up to 7")); err != nil {
		t.Fatal(err)
	}
	return s
}

// artful is an entry whose state names artifacts that are there.
func artful(e Entry) Entry {
	e.State.Stable.SHA256, e.State.Stable.Golden = digestOf("stable"), digestOf("golden")
	if e.State.Rollout != nil {
		e.State.Rollout.Canary.SHA256 = digestOf("canary")
	}
	return e
}

// rows are those of the journal, as they are stored.
func rows(t testing.TB, s *Store) []row {
	t.Helper()
	q, end, err := s.reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	var all []row
	if err := q.journal(t.Context(), "", "", 0, everything, func(r *row) (bool, error) { all = append(all, *r); return true, nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestCopies go from each database to each, again and again, and are the same to the
// byte; and a copy goes on where its original was.
func TestCopies(t *testing.T) {
	t.Parallel()
	s := lively(t, home{dir: quickDir(t)})
	want, wantRows := read(t, s), rows(t, s)
	found, err := s.Verify(t.Context())
	if err != nil || len(found.States) != 2 || found.States[1].Generation != 8 || found.Head.Seq != 16 || found.Looks != 15 || found.Artifacts != 3 ||
		found.ArtifactBytes != 18 || found.Last == nil || found.Last.Seq != 16 || found.LostLooks != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	before := s
	for i, h := range []home{{quickDir(t), shares(t)}, {quickDir(t), shares(t)}, {dir: quickDir(t)}, {dir: quickDir(t)}} {
		next := h.open(t)
		got, err := before.CopyTo(t.Context(), next)
		if diff := cmp.Diff(found, got, equal); err != nil || diff != "" {
			t.Fatalf("copy %d: %v\n%s", i, err, diff)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
		next = h.open(t)
		if diff := cmp.Diff(wantRows, rows(t, next), cmp.AllowUnexported(row{})); diff != "" {
			t.Errorf("copy %d: %s", i, diff)
		}
		if diff := cmp.Diff(want, read(t, next), equal); diff != "" {
			t.Errorf("copy %d: %s", i, diff)
		}
		if memo, err := next.Memo(t.Context(), "hook"); string(memo) != "told up to 7" || err != nil {
			t.Errorf("copy %d: the memo is %q, %v", i, memo, err)
		}
		if _, err := before.CopyTo(t.Context(), next); !errors.Is(err, errFilled) {
			t.Errorf("copy %d over what is there: %v", i, err)
		}
		before = next
	}
	saveLook(t, before, "r3", lookAt(6))
	commit(t, before, artful(life("churn", 9)))
	if again, err := before.Verify(t.Context()); err != nil || again.Identity != found.Identity || again.Head.Seq != 17 || again.Looks != 16 {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestACopyOfNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		i, err := s.CopyTo(t.Context(), open(t, quickDir(t)))
		if err != nil || !cmp.Equal(i, Inventory{}) {
			t.Errorf("%+v, %v", i, err)
		}
		commit(t, s, life("churn", 1))
	})
}

// TestVerify finds what somebody changed behind the store's back.
func TestVerify(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		for _, statement := range []string{
			"UPDATE journal SET actor = 'eve' WHERE seq = 3",
			"DELETE FROM journal WHERE seq = 3",
			"UPDATE evidence SET data = checksum",
			"DELETE FROM evidence",
		} {
			h := home{dir: quickDir(t), url: h.url}
			if h.url != "" {
				h.url = shares(t)
			}
			s := lively(t, h)
			h.change(t, s, statement)
			var damage *Damage
			if _, err := s.Verify(t.Context()); !errors.As(err, &damage) || damage.Path == "" {
				t.Errorf("%s: %v", statement, err)
			}
			target := open(t, quickDir(t))
			if _, err := s.CopyTo(t.Context(), target); !errors.As(err, &damage) {
				t.Errorf("%s is copied: %v", statement, err)
			}
		}
		s := lively(t, h)
		h.change(t, s, "UPDATE looks SET at = 'x' WHERE number = 2")
		if i, err := s.Verify(t.Context()); err != nil || i.LostLooks != 3 || i.Looks != 12 {
			t.Errorf("%+v, %v", i, err)
		}
		if err := os.Remove(s.artifact(digestOf("golden"))); err != nil {
			t.Fatal(err)
		}
		if h.url != "" {
			h.sql(t, "DELETE FROM artifacts")
		}
		if _, err := s.Verify(t.Context()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("without an artifact: %v", err)
		}
	})
}

// change does something to the tables that the store knows nothing of.
func (h home) change(t testing.TB, s *Store, statement string) {
	t.Helper()
	q, end, err := s.reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	if err := q.exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// TestBackupOfARunningServer copies a directory while it is written as fast as can
// be, its WAL begun anew every few copies.
func TestBackupOfARunningServer(t *testing.T) {
	t.Parallel()
	h := home{dir: quickDir(t)}
	s := lively(t, h)
	generation := uint64(8)
	committed := make(chan uint64, 1) // holds the latest
	committed <- generation
	const copiesMade, commitsBeside = 10, 40
	turns, done := make(chan bool), make(chan error, 1)
	go func() {
		for range turns {
			for range commitsBeside {
				generation++
				e := artful(life("churn", generation))
				e.Reason = strings.Repeat("reason ", 4000) // a WAL lasts for a hundred of them
				if err := s.Commit(context.Background(), e); err != nil {
					done <- err
					return
				}
				<-committed
				committed <- generation
			}
		}
		done <- nil
	}()
	latest := func() uint64 { g := <-committed; committed <- g; return g }
	copies := quickDir(t)
	for n := range copiesMade {
		turns <- true
		to := filepath.Join(copies, fmt.Sprint(n))
		before := latest()
		i, err := Backup(t.Context(), h.dir, to)
		if err != nil {
			t.Fatal(err)
		}
		if got := i.States[0].Generation; got < before || got > latest()+1 {
			t.Errorf("copy %d is of generation %d, and was begun at %d", n, got, before)
		}
		if i.Artifacts != 2 && i.Artifacts != 3 {
			t.Errorf("copy %d: %+v", n, i)
		}
	}
	close(turns)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	i, err := Backup(t.Context(), h.dir, filepath.Join(copies, "stopped"))
	if err != nil || i.States[0].Generation != latest() {
		t.Errorf("of a stopped one: %+v, %v", i, err)
	}
	copied := open(t, filepath.Join(copies, "stopped"))
	commit(t, copied, artful(life("churn", latest()+1)))
	if _, err := Backup(t.Context(), h.dir, copied.dir); !errors.Is(err, errFilled) {
		t.Errorf("over another: %v", err)
	}
	if _, err := Backup(t.Context(), copies, quickDir(t)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of no state directory: %v", err)
	}
}
