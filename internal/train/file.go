package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes the joblib file to path so that a server sees the old file or
// the whole new one, never a part: into a temporary file beside it, flushed to
// the disk, then renamed. The folder must exist.
func (m Model) WriteFile(path string) error {
	if err := m.writeFile(path); err != nil {
		return fmt.Errorf("writing the model to %s: %w", path, err)
	}
	return nil
}

func (m Model) writeFile(path string) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return errors.New("there is a folder or device of that name; choose another file name")
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its folder does not exist; create it first")
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("its folder cannot be written to: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = temporary.Close() // closed already, or no matter
			_ = os.Remove(temporary.Name())
		}
	}()
	if err := m.WriteJoblib(temporary); err != nil {
		return err
	}
	if err := temporary.Chmod(0o644); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
