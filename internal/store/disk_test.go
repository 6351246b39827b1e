package store

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFullDisk lets a child commit, save and ingest while no file may grow
// beyond a limit, for limits that hit every place of every file, with the limit
// gone in between. (A limit also stops root, which permissions do not.)
func TestFullDisk(t *testing.T) {
	t.Parallel()
	c, output := startChild(t, quickDir(t), childFull+"=1")
	var lines []string
	for output.Scan() {
		lines = append(lines, output.Text())
	}
	if err := c.Wait(); err != nil {
		t.Fatalf("%v:\n%s", err, strings.Join(lines, "\n"))
	}
	t.Log(strings.Join(lines, "\n"))
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "refused ") {
		t.Errorf("the child wrote %q", lines)
	}
}

func childRunsOutOfDisk(dir string) {
	t := &outside{}
	signal.Ignore(syscall.SIGXFSZ)
	limitTo := func(bytes uint64) {
		var limit syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		limit.Cur = min(bytes, limit.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	const unlimited = 1<<63 - 1
	s := open(t, dir)
	generation, current, refused, unsettled, whole, looks := uint64(0), "", 0, 0, 0, 0
	for limit := uint64(0); limit < 250_000; limit += 1501 {
		limitTo(limit)
		err := s.Commit(t.Context(), life("churn", generation+1))
		_, _, ingestErr := s.Ingest(t.Context(), strings.NewReader(strings.Repeat("m", 50_000)), 100_000)
		_ = s.SaveEvidence(t.Context(), "churn", current, evidence(1)) // for what it does to the files
		_, lookErr := s.SaveLook(t.Context(), "churn", current, lookAt(1))
		limitTo(unlimited)
		state, _, stateErr := s.State(t.Context(), "churn")
		if stateErr != nil {
			t.Fatal("the store did not recover: ", stateErr)
		}
		switch {
		case err == nil && state.Generation != generation+1:
			t.Fatal("an acknowledged commit is not there, limit ", limit)
		case err != nil && !errors.Is(err, ErrUnsettled) && state.Generation != generation:
			t.Fatal("a failed commit is there: ", err)
		case errors.Is(err, ErrUnsettled):
			unsettled++
		case err != nil:
			refused++
		}
		if ingestErr == nil {
			whole++
		}
		if lookErr == nil {
			looks++
		}
		generation = state.Generation
		if err := s.Commit(t.Context(), life("churn", generation+1)); err != nil {
			t.Fatal("no commit after the disk had space again: ", err)
		}
		generation++
		if state, _, err := s.State(t.Context(), "churn"); err != nil {
			t.Fatal(err)
		} else if current = ""; state.Rollout != nil {
			current = state.Rollout.ID
		}
	}
	want := read(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open(t, dir)); !cmp.Equal(want, got, equal) || uint64(len(got.Journal)) != generation {
		t.Fatal("a restart changed something: ", cmp.Diff(want, got, equal))
	}
	if refused == 0 || whole == 0 || looks == 0 {
		t.Fatal("nothing was refused, or no artifact or no look was stored: ", refused, whole, looks)
	}
	fmt.Printf("refused %d commits, %d unsettled for a while; %d artifacts whole, %d looks\n", refused, unsettled, whole, looks)
}

// TestCommitFails makes COMMIT fail before or after it took effect, with or
// without a disk that can be read afterwards.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		finish   string // instead of COMMIT
		gone     bool   // the directory cannot be read afterwards
		there    bool   // the commit happened
		reported bool   // as an error
	}{
		{"before", "SELECT * FROM nowhere", false, false, true},
		{"after", "COMMIT; SELECT * FROM nowhere", false, true, false},
		{"before, and then the disk is gone", "SELECT * FROM nowhere", true, false, true},
		{"after, and then the disk is gone", "COMMIT; SELECT * FROM nowhere", true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, elsewhere := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "elsewhere")
			armed := false
			s, err := Open(dir, Options{Step: func(step string) {
				if armed && tt.gone && step == "commit: begin" {
					if err := os.Rename(dir, elsewhere); err != nil {
						t.Error(err)
					}
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			commit(t, s, life("churn", 1))
			armed, s.db.finish = true, tt.finish
			err = s.Commit(t.Context(), life("churn", 2))
			armed = false
			if (err != nil) != tt.reported || errors.Is(err, ErrUnsettled) != tt.gone {
				t.Errorf("Commit: %v", err)
			}
			if tt.gone {
				if _, _, err := s.State(t.Context(), "churn"); !errors.Is(err, ErrUnsettled) {
					t.Errorf("State before the disk is back: %v", err)
				}
				if err := s.Commit(t.Context(), life("churn", 2)); !errors.Is(err, ErrUnsettled) {
					t.Errorf("Commit before the disk is back: %v", err)
				}
				if err := os.Rename(elsewhere, dir); err != nil {
					t.Fatal(err)
				}
			}
			n := uint64(1)
			if tt.there {
				n = 2
			}
			if state, _, err := s.State(t.Context(), "churn"); err != nil || state.Generation != n {
				t.Errorf("State: generation %d, %v; want %d", state.Generation, err, n)
			}
			commit(t, s, life("churn", n+1))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if got := read(t, open(t, dir)); uint64(len(got.Journal)) != n+1 {
				t.Errorf("%d rows, want %d", len(got.Journal), n+1)
			}
		})
	}
}

// TestAnotherDirectoryInItsPlace: a disk that goes away may leave an empty
// directory, or an older copy. What was acknowledged is not forgotten.
func TestAnotherDirectoryInItsPlace(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir)
	commit(t, s, life("churn", 1))
	older := takeImage(t, dir)
	commit(t, s, life("churn", 2))
	replace := func(im image) {
		if err := os.MkdirAll(filepath.Join(dir, artifactsName), 0o700); err != nil {
			t.Fatal(err)
		}
		im.restore(t, dir)
	}
	// It goes away in the middle of a commit, which fails.
	s.db.finish = "SELECT * FROM nowhere"
	s.step = func(step string) {
		if step == "commit: begin" {
			s.step = func(string) {}
			if err := os.Rename(dir, dir+" moved"); err != nil {
				t.Fatal(err)
			}
			replace(image{})
		}
	}
	for _, im := range []image{{}, older} {
		replace(im)
		for range 2 {
			if err := s.Commit(t.Context(), life("churn", 3)); !errors.Is(err, ErrUnsettled) {
				t.Errorf("got %v", err)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(dir+" moved", dir); err != nil {
		t.Fatal(err)
	}
	commit(t, s, life("churn", 3))
}

// TestHeadCannotBeWritten: the commit stands, no other write goes ahead of the
// head, and reading goes on.
func TestHeadCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	commit(t, s, life("churn", 1))
	obstacle := s.path(headName + temporarySuffix)
	if err := os.MkdirAll(filepath.Join(obstacle, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	commit(t, s, life("churn", 2))
	if err := s.Commit(t.Context(), life("churn", 3)); err == nil {
		t.Error("a second row went ahead of the head")
	}
	if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(1)); err == nil {
		t.Error("nobody is told that the head cannot be written")
	}
	want := read(t, s)
	if len(want.Journal) != 2 || want.State["churn"].Generation != 2 {
		t.Errorf("got %+v", want.State)
	}
	if got, err := openImage(t, takeImage(t, s.dir)); err != nil || !cmp.Equal(want, got, equal) {
		t.Errorf("after a kill: %v", err)
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	commit(t, s, life("churn", 3))
}
