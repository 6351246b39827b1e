package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"
)

// folder opens a file of a folder that a source names. The folder may be another
// machine's, which does not answer any more: a call to it ends when the kernel says so,
// and nobody can end it before. So a goroutine makes all of them, and who waits for it
// leaves when ctx ends; the goroutine and its file stay behind until the call ends.
func (p *Porter) folder(ctx context.Context, r Reference) (io.ReadCloser, int64, error) {
	for _, source := range p.sources {
		if !source.covers(r) {
			continue
		}
		dir, name := "/"+source.path, r.path[min(len(source.path)+1, len(r.path)):]
		if name == "" { // the source is the file itself
			dir, name = path.Dir(dir), path.Base(dir)
		}
		return openBeside(ctx, r, dir, name)
	}
	return nil, 0, p.allow(r)
}

func openBeside(ctx context.Context, r Reference, dir, name string) (io.ReadCloser, int64, error) {
	type opened struct {
		file *os.File
		size int64
		err  error
	}
	done := make(chan opened)
	go func() {
		f, size, err := openIn(r, dir, name)
		select {
		case done <- opened{f, size, err}:
		case <-ctx.Done():
			if err == nil {
				_ = f.Close() // nothing was written
			}
		}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, 0, o.err
		}
		return readBeside(ctx, o.file), o.size, nil
	case <-ctx.Done():
		return nil, 0, broken(r, context.Cause(ctx))
	}
}

// openIn opens a regular file. Links that lead out of the folder are refused by os.Root.
// It is opened first and looked at then, without waiting for the other end of a pipe.
func openIn(r Reference, dir, name string) (*os.File, int64, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, 0, unopened(r, err)
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, unopened(r, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &Refusal{Kind: Forbidden, Detail: r.String() + " is not a regular file", Next: "Give a model file."}
	}
	if err != nil {
		return nil, 0, errors.Join(broken(r, err), f.Close())
	}
	return f, info.Size(), nil
}

// readBeside is a file's bytes, until ctx ends or they are closed. It closes the file.
func readBeside(ctx context.Context, f *os.File) io.ReadCloser {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) }) // a pipe's never fails
	go func() {
		defer f.Close()
		_, err := io.Copy(in, f)
		_ = in.CloseWithError(err)
	}()
	return out
}

// unopened tells a file that is not there from one that cannot be read.
func unopened(r Reference, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return &Refusal{Kind: Missing, Err: err, Detail: fmt.Sprintf("there is no file %s", r), Next: "Look whether the folder is mounted where the server runs."}
	}
	return broken(r, err)
}
