package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Folder is the directory of the server's that files are opened in. os.Root keeps
// symbolic links from leading out of it.
type Folder struct {
	// Root is it, by an absolute name.
	Root *os.Root
	// Private is a directory below which no file is opened a second time: POSIX drops a
	// process's locks on a file when it closes any of its descriptors.
	Private string
}

// Inside is a path as it is below the root.
func (f Folder) Inside(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return path, nil
	}
	if inside, err := filepath.Rel(f.Root.Name(), path); err == nil && filepath.IsLocal(inside) {
		return inside, nil
	}
	return "", &Refusal{Kind: Forbidden, Detail: path + " lies outside " + f.Root.Name(), Next: "Put the file there, or start serin serve with --root."}
}

// Open opens a regular file of at most limit bytes. It is opened first and looked at
// then, without waiting for the other end of a pipe: what is behind the name may change
// in between. All errors are a *Refusal.
func (f Folder) Open(path string, limit int64) (*os.File, error) {
	inside, err := f.Inside(path)
	if err != nil {
		return nil, err
	}
	if f.private(inside) {
		return nil, &Refusal{Kind: Forbidden, Detail: path + " lies in the state directory", Next: "Give a model file."}
	}
	file, err := f.Root.OpenFile(inside, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Refusal{
			Kind: Missing, Err: err, Detail: fmt.Sprintf("there is no file %s in %s", path, f.Root.Name()),
			Next: "Give the path as the server sees it, or make the example models with serin train.",
		}
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		err = unreadable(path, err)
	case !info.Mode().IsRegular():
		err = &Refusal{Kind: Forbidden, Detail: path + " is not a regular file", Next: "Give a model file."}
	case info.Size() > limit:
		err = tooLarge(path, limit)
	default:
		return file, nil
	}
	_ = file.Close()
	return nil, err
}

// private says whether a path leads into the private directory.
func (f Folder) private(inside string) bool {
	path, err := filepath.EvalSymlinks(f.Root.Name() + string(filepath.Separator) + inside) // not Join: .. is taken after links
	if err != nil {
		return false // it cannot be opened, either
	}
	private, err := filepath.EvalSymlinks(f.Private)
	if err != nil {
		return false
	}
	within, err := filepath.Rel(private, path)
	return err == nil && filepath.IsLocal(within)
}

// Changed says whether a file holds other bytes than those of a size and a digest. One
// that is gone, or cannot be read, has not changed: it is not needed.
func (f Folder) Changed(path string, size int64, digest string) bool {
	inside, err := f.Inside(path)
	if err != nil || f.private(inside) {
		return false
	}
	file, err := f.Root.OpenFile(inside, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if info.Size() != size {
		return true
	}
	h := sha256.New()
	_, err = io.Copy(h, file)
	return err == nil && hex.EncodeToString(h.Sum(nil)) != digest
}

func unreadable(path string, err error) error {
	cause := err
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		cause = p.Err
	}
	return &Refusal{Kind: Forbidden, Err: cause, Detail: fmt.Sprintf("%s cannot be read: %v", path, cause), Next: "Give a readable file below the directory that the server was started with (--root)."}
}

func tooLarge(what string, limit int64) error {
	return &Refusal{Kind: TooLarge, Detail: fmt.Sprintf("%s is larger than %d bytes", what, limit), Next: "Start serin serve with a larger --max-model-bytes if it is meant to be."}
}
