package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"serin/internal/control"
	"serin/internal/rollout"
	"serin/internal/route"
	"serin/internal/store"
)

const (
	// goldenSuffix is what a file of golden predictions is called beside its model.
	goldenSuffix = ".golden.jsonl"
	// maxGolden bounds it, in bytes.
	maxGolden = 16 << 20
	// uploaded is how the path of a version begins that was uploaded. No file that
	// the server opens is called so.
	uploaded = "upload:"
)

// Fetch copies the file into the store while it is hashed, so that what was
// hashed is what will be parsed, whatever happens to the file meanwhile; golden
// predictions are an artifact of their own. A model has one deploy at a time, and
// before it is when nothing of it is on its way, so this is where artifacts go
// that no committed state names any more.
func (g *engines) Fetch(ctx context.Context, from control.Source) (v rollout.Version, err error) {
	if fault := misnamed(stem(from.Path)); fault != nil {
		return v, fault
	}
	g.shelf.hold(g.name)
	g.shelf.prune()
	g.shelf.storing.RLock()
	defer g.shelf.storing.RUnlock()
	if from.Model != nil {
		v, err = g.take(ctx, from)
	} else {
		v, err = g.copied(ctx, from)
	}
	if err == nil {
		g.shelf.hold(g.name, v.SHA256, v.Golden)
	}
	return v, err
}

// copied stores a file of the server's.
func (g *engines) copied(ctx context.Context, from control.Source) (rollout.Version, error) {
	none := rollout.Version{}
	inside, fault := resolve(g.root, from.Path)
	if fault != nil {
		return none, fault
	}
	if g.ours(inside) {
		return none, &control.Fault{Code: control.FileRefused, Detail: from.Path + " lies in the state directory", Next: "Give a model file."}
	}
	f, fault := g.openFile(inside, from.Path, g.limit, nextLarger)
	if fault != nil {
		return none, fault
	}
	defer f.Close()
	v := rollout.Version{Name: stem(from.Path), Path: control.Printable(from.Path)}
	var err error
	v.SHA256, v.Size, err = g.store.Ingest(ctx, f, g.limit)
	if _, ok := errors.AsType[*store.TooLarge](err); ok { // it grew
		return none, tooLarge(from.Path, g.limit, nextLarger)
	}
	if err != nil {
		return none, notStored(err)
	}
	if from.SHA256 != "" && from.SHA256 != v.SHA256 {
		return none, &control.Fault{
			Code: control.FileDiffers, Detail: fmt.Sprintf("the SHA-256 of %s is %s here, and that of the file that was meant is %s", from.Path, v.SHA256, from.SHA256),
			Next: "Give the path of the right file as the server sees it, or upload it.",
		}
	}
	golden, fault := g.openFile(inside+goldenSuffix, from.Path+goldenSuffix, maxGolden, nextFewer)
	if fault != nil && fault.Code != control.FileMissing {
		return none, fault
	}
	if fault == nil {
		defer golden.Close()
		if err := g.keepGolden(ctx, &v, golden); err != nil {
			return none, err
		}
	}
	return v, goldenMeant(from, v)
}

// goldenMeant is nil if the golden predictions are those that were meant.
func goldenMeant(from control.Source, v rollout.Version) error {
	if from.GoldenSHA256 == "" || from.GoldenSHA256 == v.Golden {
		return nil
	}
	return &control.Fault{
		Code: control.FileDiffers, Detail: "the golden predictions of " + from.Path + " are not those that were meant",
		Next: "Put the right ones beside the model, as the server sees it, or upload both.",
	}
}

// take stores an upload.
func (g *engines) take(ctx context.Context, from control.Source) (v rollout.Version, err error) {
	if int64(len(from.Golden)) > maxGolden {
		return v, tooLarge("the file of golden predictions", maxGolden, nextFewer)
	}
	v.Name, v.Path = stem(from.Path), uploaded+control.Printable(path.Base(from.Path))
	v.SHA256, v.Size, err = g.store.Ingest(ctx, &verified{from: from.Model, hash: sha256.New(), want: from.SHA256}, g.limit)
	if fault, ok := errors.AsType[*control.Fault](err); ok {
		return v, fault
	}
	if _, ok := errors.AsType[*store.TooLarge](err); ok {
		fault := tooLarge("the upload", g.limit, nextLarger)
		fault.Code = control.FileTooLarge
		return v, fault
	}
	if err != nil {
		return v, notStored(err)
	}
	if from.Golden != nil {
		if err := g.keepGolden(ctx, &v, bytes.NewReader(from.Golden)); err != nil {
			return v, err
		}
	}
	return v, goldenMeant(from, v)
}

// verified ends a file whose digest is not the one that was promised with an
// error, so that it never gets a name in the store.
type verified struct {
	from io.Reader
	hash hash.Hash
	want string // "": anything
}

func (v *verified) Read(b []byte) (int, error) {
	n, err := v.from.Read(b)
	v.hash.Write(b[:n])
	if !errors.Is(err, io.EOF) || v.want == "" {
		return n, err
	}
	if got := hex.EncodeToString(v.hash.Sum(nil)); got != v.want {
		return n, &control.Fault{
			Code: control.FileDiffers, Detail: fmt.Sprintf("the SHA-256 of what arrived is %s, and that of the file that was sent is %s", got, v.want),
			Next: "It was damaged on the way, or the digest is of another file: send it again.",
		}
	}
	return n, err
}

// keepGolden stores golden predictions beside the version that they are of.
func (g *engines) keepGolden(ctx context.Context, v *rollout.Version, r io.Reader) (err error) {
	counted := &lineCounter{from: r}
	if v.Golden, _, err = g.store.Ingest(ctx, counted, maxGolden); err != nil {
		return notStored(err)
	}
	v.GoldenRows = counted.lines
	return nil
}

// lineCounter counts the lines that are not blank.
type lineCounter struct {
	from   io.Reader
	lines  int
	inside bool // of a line that has been counted
}

func (c *lineCounter) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	for _, x := range b[:n] {
		switch {
		case x == '\n':
			c.inside = false
		case !c.inside && x != ' ' && x != '\t' && x != '\r':
			c.inside = true
			c.lines++
		}
	}
	return n, err
}

// stem is the name of a version: that of its file without the extension.
func stem(path string) string {
	name := filepath.Base(path)
	return control.Printable(cmp.Or(strings.TrimSuffix(name, filepath.Ext(name)), name))
}

// longestName is of a version, in bytes: every answer carries it.
const longestName = 200

// misnamed says what is wrong with a version's name; nil if nothing is. Clients may
// ask for a version by its name or by its role.
func misnamed(name string) *control.Fault {
	fault := &control.Fault{Code: control.FileRefused, Next: "Give the file another name: it is the version's."}
	switch {
	case len(name) > longestName:
		fault.Detail = fmt.Sprintf("the file's name has %d bytes, and %d are the limit", len(name), longestName)
	case name == string(route.Stable) || name == string(route.Canary):
		fault.Detail = fmt.Sprintf("a version called %q could be either arm to those who ask for %[1]q", name)
	case name == "." || name == string(filepath.Separator):
		fault.Detail = "the file has no name"
	default:
		return nil
	}
	return fault
}

// openFile opens a regular file of at most limit bytes. It is opened first and
// looked at then, without waiting for the other end of a pipe: what is behind the
// name may change in between.
func (g *engines) openFile(inside, path string, limit int64, next string) (*os.File, *control.Fault) {
	f, err := g.root.OpenFile(inside, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &control.Fault{
			Code: control.FileMissing, Err: err, Detail: fmt.Sprintf("there is no file %s in %s", path, g.root.Name()),
			Next: "Give the path as the server sees it, or make the example models with serin train.",
		}
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	var fault *control.Fault
	info, err := f.Stat()
	switch {
	case err != nil:
		fault = unreadable(path, err)
	case !info.Mode().IsRegular():
		fault = &control.Fault{Code: control.FileRefused, Detail: path + " is not a regular file", Next: "Give a model file."}
	case info.Size() > limit:
		fault = tooLarge(path, limit, next)
	default:
		return f, nil
	}
	_ = f.Close()
	return nil, fault
}

func notStored(err error) *control.Fault {
	return &control.Fault{
		Code: control.StoreDown, Err: err, Detail: "the file could not be copied into the state directory: " + err.Error(),
		Next: "Make room or make it writable, then try again.",
	}
}

// ours says whether a path leads into the state directory. Its files must not be
// opened a second time: POSIX drops a process's locks on a file when it closes
// any of its descriptors.
func (g *engines) ours(inside string) bool {
	path, err := filepath.EvalSymlinks(g.root.Name() + string(filepath.Separator) + inside) // not Join: .. is taken after links
	if err != nil {
		return false // it cannot be opened, either
	}
	data, err := filepath.EvalSymlinks(g.data)
	if err != nil {
		return false
	}
	within, err := filepath.Rel(data, path)
	return err == nil && filepath.IsLocal(within)
}

// changed says whether a version's file holds other bytes now. A file that is
// gone, or cannot be read, has not changed: it is not needed.
func (g *engines) changed(v rollout.Version) bool {
	inside, fault := resolve(g.root, v.Path)
	if fault != nil || g.ours(inside) {
		return false
	}
	f, err := g.root.OpenFile(inside, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if info.Size() != v.Size {
		return true
	}
	digest := sha256.New()
	_, err = io.Copy(digest, f)
	return err == nil && hex.EncodeToString(digest.Sum(nil)) != v.SHA256
}

// resolve finds a path inside the root; os.Root keeps symbolic links from
// leading out of it.
func resolve(root *os.Root, path string) (string, *control.Fault) {
	if !filepath.IsAbs(path) {
		return path, nil
	}
	if inside, err := filepath.Rel(root.Name(), path); err == nil && filepath.IsLocal(inside) {
		return inside, nil
	}
	return "", &control.Fault{Code: control.FileRefused, Detail: path + " lies outside " + root.Name(), Next: "Put the file there, or start serin serve with --root."}
}

func unreadable(path string, err error) *control.Fault {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	return &control.Fault{Code: control.FileRefused, Err: err, Detail: fmt.Sprintf("%s cannot be read: %v", path, err), Next: "Give a readable file below the directory that the server was started with (--root)."}
}

// The next steps for what is too large.
const (
	nextLarger = "Start serin serve with a larger --max-model-bytes if it is meant to be."
	nextFewer  = "Fewer rows show the same: give some hundreds."
)

func tooLarge(what string, limit int64, next string) *control.Fault {
	return &control.Fault{Code: control.FileRefused, Detail: fmt.Sprintf("%s is larger than %d bytes", what, limit), Next: next}
}
