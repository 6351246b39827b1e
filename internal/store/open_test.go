package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnusableDirectory: one clear error that names the path. These places
// refuse root as well.
func TestUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	obstructed := t.TempDir() // the lock cannot be opened for writing
	if err := os.MkdirAll(filepath.Join(obstructed, lockName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/serin", "/dev/null/serin", obstructed} {
		s, err := Open(dir, Options{})
		if err == nil {
			t.Errorf("%s was opened: %v", dir, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "choose another") {
			t.Errorf("%s: the error does not help: %v", dir, err)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "not a directory" {
		t.Errorf("the file was changed: %q, %v", data, err)
	}
}

// TestObstructedDatabase: what SQLite cannot open is told with its path, and is
// not taken for damage or for a fresh start.
func TestObstructedDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, databaseName, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	var damage *Damage
	if _, err := Open(dir, Options{}); err == nil || errors.As(err, &damage) || !strings.Contains(err.Error(), databaseName) {
		t.Errorf("got %v", err)
	}
}

func TestDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "data"))
	ingest(t, s, "model")
	for path, want := range map[string]os.FileMode{s.dir: 0o700, s.path(artifactsName): 0o700, s.path(headName): 0o600, s.artifact(digestOf("model")): 0o400} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

// TestLocked: a second Store of the same process is a second writer too.
func TestLocked(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if _, err := Open(s.dir, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	commit(t, s, life("churn", 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open(t, s.dir)); len(got.Journal) != 1 {
		t.Errorf("%d rows", len(got.Journal))
	}
}

// TestRefusedOpenGivesTheLockBack: after the repair no restart is needed.
func TestRefusedOpenGivesTheLockBack(t *testing.T) {
	t.Parallel()
	_, _, closed := lived(t)
	dir := t.TempDir()
	closed.with(headName, "{}").restore(t, dir)
	var damage *Damage
	if _, err := Open(dir, Options{}); !errors.As(err, &damage) {
		t.Errorf("got %v", err)
	}
	closed.restore(t, dir)
	open(t, dir)
}

func TestNewerLayout(t *testing.T) {
	t.Parallel()
	truth, _, closed := lived(t)
	dir := t.TempDir()
	closed.restore(t, dir)
	setLayout := func(n int) {
		db, err := openDatabase(t.Context(), filepath.Join(dir, databaseName))
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA user_version = %d", n))
		if err := errors.Join(err, db.close()); err != nil {
			t.Fatal(err)
		}
	}
	setLayout(len(migrations) + 1)
	var damage *Damage
	if _, err := Open(dir, Options{}); err == nil || errors.As(err, &damage) || !strings.Contains(err.Error(), "newer serin") {
		t.Errorf("got %v", err)
	}
	setLayout(len(migrations))
	if got := read(t, open(t, dir)); len(got.Journal) != len(truth.Journal) {
		t.Errorf("the newer layout was harmed: %d rows", len(got.Journal))
	}
}

// TestAnOlderLayout is brought up to date where nothing is in progress, and left
// as it is otherwise: its evidence does not hold what a rollout is judged by now.
func TestAnOlderLayout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		events uint64
		goesOn bool
	}{{0, true}, {1, true}, {2, false}, {3, false}, {4, true}} {
		s := open(t, t.TempDir())
		for generation := range tt.events {
			commit(t, s, life("churn", generation+1))
		}
		want := read(t, s)
		if _, err := s.db.conn.ExecContext(t.Context(), "DROP TABLE looks; DROP TABLE memos; DROP INDEX journal_of_model; PRAGMA user_version = 1"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := takeImage(t, s.dir)
		got, err := openImage(t, before)
		if !tt.goesOn {
			var damage *Damage
			if err == nil || errors.As(err, &damage) || !strings.Contains(err.Error(), "older serin") {
				t.Errorf("after %d events: %v", tt.events, err)
			}
			if _, err := Open(s.dir, Options{}); err == nil || !cmp.Equal(before, takeImage(t, s.dir)) {
				t.Errorf("after %d events: the directory was changed", tt.events)
			}
			continue
		}
		if diff := cmp.Diff(want, got, equal); err != nil || diff != "" {
			t.Errorf("after %d events: %v\n%s", tt.events, err, diff)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	for version, good := range map[string]bool{
		"3.51.3": true, "3.51.10": true, "3.54.1": true, "4.0.0": true,
		"3.51.2": false, "3.50.9": false, "2.99.99": false, "": false, "new": false,
	} {
		if err := checkVersion(version); (err == nil) != good {
			t.Errorf("%q: %v", version, err)
		}
	}
}

// TestLongWAL goes through several rounds of a real WAL, and opens what a kill
// would leave at moments of each.
func TestLongWAL(t *testing.T) {
	t.Parallel()
	s := open(t, quickDir(t))
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	largest, rounds := 0, 0
	for i := range 1500 {
		if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(i%100)); err != nil {
			t.Fatal(err)
		}
		if i%100 != 99 {
			continue
		}
		commit(t, s, life("other", s.known.models["other"].generation+1))
		want, im := read(t, s), takeImage(t, s.dir)
		got, err := openImage(t, im)
		if diff := cmp.Diff(want, got, equal); err != nil || diff != "" {
			t.Fatalf("after %d saves: %v\n%s", i, err, diff)
		}
		if len(im[walName]) == largest {
			rounds++
		}
		largest = max(largest, len(im[walName]))
	}
	if rounds < 3 {
		t.Errorf("the WAL was not overwritten: %d bytes", largest)
	}
}

// FuzzReadHead looks for a panic, and for a head that was not sealed.
func FuzzReadHead(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add(seal([]byte(`{"seq": 1, "hash": "00"`)))
	f.Add(seal([]byte(`{"seq": -1`)))
	f.Add(seal(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), headName)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := readHead(path)
		var damage *Damage
		if err == nil && !bytes.Contains(data, []byte(`"sha256"`)) || err != nil && !errors.As(err, &damage) || (h == nil) != (err != nil) {
			t.Errorf("got %v, %v", h, err)
		}
	})
}

// FuzzRow looks for a panic in what reads a row back.
func FuzzRow(f *testing.F) {
	r, err := encode(life("churn", 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.model, r.at, r.finding, r.detail, r.state, r.evidence)
	f.Add("", "", "", "", "{}", []byte{})
	f.Add("churn", r.at, "{}", "1 2", `{"model": "churn", "new": 1}`, []byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, model, at, finding, detail, state string, evidence []byte) {
		r := row{model: model, at: at, finding: finding, detail: detail, state: state, evidence: evidence}
		e, err := r.entry()
		if err != nil {
			return
		}
		again, err := encode(e)
		if err != nil {
			var tooLarge *TooLarge
			if errors.As(err, &tooLarge) || model == "" || strings.ToValidUTF8(model, "") != model || r.at > "9999" {
				return
			}
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := again.entry(); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
