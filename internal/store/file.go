package store

import (
	"fmt"
	"os"
	"path/filepath"
)

// replaceFile gives a file new contents, durably and at once: whoever reads
// the path, also after a power failure, finds the old bytes or the new ones.
func (s *Store) replaceFile(path string, data []byte) (err error) {
	temporary := path + temporarySuffix
	defer func() {
		if err != nil {
			_ = os.Remove(temporary) // it would be overwritten anyway
		}
	}()
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	s.step("head: synced")
	return s.renameDurably(temporary, path, "head")
}

// renameDurably renames a file that is synced already. A rename is durable
// once the directory is.
func (s *Store) renameDurably(from, to, what string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	s.step(what + ": renamed")
	if err := syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	s.step(what + ": durable")
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("making %s durable: %w", dir, err)
	}
	return nil
}
