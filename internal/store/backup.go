package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"serin/internal/store/wal"
)

// backupTries is how often a copy is begun anew because the server moved its WAL
// into the database, or pruned, in the middle: it does so every few minutes at most.
const backupTries = 5

// Backup copies a state directory, of a server that runs or not, to another one
// that must be empty or not exist, and verifies the copy. That is as of one moment,
// at most a second before now; it is a state directory as any other.
func Backup(ctx context.Context, dir, to string) (i Inventory, err error) {
	if _, err := os.Stat(filepath.Join(dir, headName)); err != nil { // Open would make one
		return i, fmt.Errorf("there is no state directory at %s: %w", dir, err)
	}
	if entries, err := os.ReadDir(to); len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return i, errors.Join(fmt.Errorf("%s cannot take the copy: %w", to, errFilled), err)
	}
	for range backupTries {
		if i, err = backupOnce(ctx, dir, to); err == nil || ctx.Err() != nil {
			return i, err
		}
		// What is there is ours, and no copy.
		for _, name := range []string{databaseName, walName, headName, artifactsName, lockName} {
			if err := os.RemoveAll(filepath.Join(to, name)); err != nil {
				return i, err
			}
		}
	}
	return i, fmt.Errorf("copying %s: %w", dir, err)
}

// errMoved means that the WAL was begun anew while it was copied.
var errMoved = errors.New("the server began a new write-ahead log meanwhile")

// backupOnce copies head.json, the database, and then its WAL. While a WAL is the
// same one, every page that has been moved from it into the database is still in it,
// so it does not matter when a page of the database was copied; and a row that was
// committed meanwhile is one more than head.json says, or none.
func backupOnce(ctx context.Context, dir, to string) (i Inventory, err error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return i, err
	}
	before, err := wal.Round(filepath.Join(dir, walName))
	if err != nil {
		return i, err
	}
	for _, name := range []string{headName, databaseName, walName} {
		if err := copyFile(filepath.Join(dir, name), filepath.Join(to, name)); err != nil && (name != walName || !errors.Is(err, fs.ErrNotExist)) {
			return i, err
		}
	}
	after, err := wal.Round(filepath.Join(dir, walName))
	if err != nil {
		return i, err
	}
	if !bytes.Equal(before, after) {
		return i, errMoved
	}
	s, err := Open(to, Options{})
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	v := newView()
	if err := s.snapshot(ctx, func(t tables) error { return v.read(ctx, t, nothing{}) }); err != nil {
		return i, s.explain(err)
	}
	if err := (&Store{dir: dir}).copyArtifacts(ctx, v, s); err != nil {
		return i, err
	}
	return s.inventory(ctx, v)
}

// copyFile copies a file to one that does not exist, durably.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, source)
	return errors.Join(err, f.Sync(), f.Close())
}
