package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestADirectoryThatIsMovedTakesNoMoreCommits: a commit into files that nobody
// finds again must not be acknowledged.
func TestADirectoryThatIsMovedTakesNoMoreCommits(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(dir string) error{
		"deleted": os.RemoveAll,
		"moved":   func(dir string) error { return os.Rename(dir, dir+".old") },
		"replaced": func(dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			other, err := Open(dir, Options{})
			if err != nil {
				return err
			}
			return other.Close()
		},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context(), life("churn", 1)); err != nil {
			t.Fatal(err)
		}
		if err := harm(dir); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context(), life("churn", 2)); err == nil || !strings.Contains(err.Error(), "was moved or deleted") {
			t.Errorf("%s: the commit answered %v", name, err)
		}
		_ = s.Close() // what can be closed of what is gone
	}
}

// TestNoFileForTheIndexOfTheWAL: a full disk must not keep a store from
// starting again because a file of SQLite's own does not fit.
func TestNoFileForTheIndexOfTheWAL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 3 {
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, databaseName+"-shm")); err == nil {
			t.Error("there is a -shm file")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
