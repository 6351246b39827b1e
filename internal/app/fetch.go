package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"serin/internal/control"
	"serin/internal/fetch"
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

// open opens a file of the server's, or begins to fetch one from elsewhere.
func (g *engines) open(ctx context.Context, path, digest string, limit int64) (io.ReadCloser, error) {
	if !rollout.Elsewhere(path) {
		return g.folder.Open(path, limit)
	}
	r, err := fetch.Parse(path)
	if err != nil {
		return nil, err
	}
	if r.SHA256 != "" && digest != "" && r.SHA256 != digest {
		return nil, &fetch.Refusal{Kind: fetch.Differs, Detail: "two digests are given for " + r.String(), Next: "Give the one that the file has."}
	}
	r.SHA256 = cmp.Or(r.SHA256, digest)
	return g.porter.Open(ctx, r, limit)
}

// copied stores a file that is opened here, and the golden predictions beside it.
func (g *engines) copied(ctx context.Context, from control.Source) (v rollout.Version, err error) {
	if !rollout.Elsewhere(from.Path) {
		if err := misnamed(stem(from.Path)); err != nil {
			return v, err
		}
	}
	body, err := g.open(ctx, from.Path, from.SHA256, g.limit)
	if err != nil {
		return v, fault(err)
	}
	defer body.Close()
	v.Name, v.Path = stem(from.Path), control.Printable(from.Path)
	limit := min(g.limit, g.store.Shareable())
	parcel, elsewhere := body.(*fetch.Parcel)
	if elsewhere { // whatever its size, each replica can fetch it
		v.Name, v.Path, limit = control.Printable(parcel.From.Name()), parcel.From.String(), g.limit
		if err := misnamed(v.Name); err != nil {
			return v, err
		}
	}
	v.SHA256, v.Size, err = g.store.Ingest(ctx, body, limit)
	if _, ok := errors.AsType[*store.TooLarge](err); ok {
		return v, g.tooLarge(from.Path, limit)
	}
	if err != nil {
		return v, notStored(err)
	}
	if from.SHA256 != "" && from.SHA256 != v.SHA256 {
		return v, &control.Fault{
			Code: control.FileDiffers, Detail: fmt.Sprintf("the SHA-256 of %s is %s here, and that of the file that was meant is %s", from.Path, v.SHA256, from.SHA256),
			Next: "Give the path of the right file as the server sees it, or upload it.",
		}
	}
	if err := g.goldenBeside(ctx, &v, from); err != nil {
		return v, err
	}
	return v, goldenMeant(from, v)
}

// goldenBeside stores the golden predictions beside a file, if there are any. MLflow
// has none, and elsewhere some stores do not tell what is missing from what is secret.
func (g *engines) goldenBeside(ctx context.Context, v *rollout.Version, from control.Source) error {
	path := from.Path
	if v.Elsewhere() {
		if path = v.Path; strings.HasPrefix(path, "models:") {
			return nil
		}
	}
	golden, err := g.open(ctx, path+goldenSuffix, from.GoldenSHA256, maxGolden)
	refusal, _ := errors.AsType[*fetch.Refusal](err)
	switch {
	case err == nil:
		defer golden.Close()
		return g.keepGolden(ctx, v, golden)
	case refusal == nil:
		return fault(err)
	case refusal.Kind == fetch.Missing, v.Elsewhere() && (refusal.Kind == fetch.Denied || refusal.Kind == fetch.Forbidden):
		return nil
	case refusal.Kind == fetch.TooLarge:
		refusal.Next = nextFewer
	}
	return fault(refusal)
}

// faults are what refusals of files mean.
var faults = map[fetch.Kind]control.FaultCode{
	fetch.Missing: control.FileMissing, fetch.Differs: control.FileDiffers, fetch.Broken: control.FileUnreachable,
}

// fault puts a refusal into control's words.
func fault(err error) *control.Fault {
	refusal, ok := errors.AsType[*fetch.Refusal](err)
	if !ok {
		return &control.Fault{Code: control.FileRefused, Err: err, Detail: control.Printable(err.Error()), Next: "Give the path of a model file, or its address."}
	}
	return &control.Fault{Code: cmp.Or(faults[refusal.Kind], control.FileRefused), Err: err, Detail: control.Printable(refusal.Detail), Next: refusal.Next}
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
	if err := misnamed(stem(from.Path)); err != nil {
		return v, err
	}
	if int64(len(from.Golden)) > maxGolden {
		return v, &control.Fault{Code: control.FileRefused, Detail: fmt.Sprintf("the file of golden predictions is larger than %d bytes", maxGolden), Next: nextFewer}
	}
	limit := min(g.limit, g.store.Shareable())
	v.Name, v.Path = stem(from.Path), uploaded+control.Printable(path.Base(from.Path))
	v.SHA256, v.Size, err = g.store.Ingest(ctx, fetch.Verified(from.Model, from.SHA256), limit)
	if broken, ok := errors.AsType[*control.Fault](err); ok {
		return v, broken
	}
	if _, ok := errors.AsType[*store.TooLarge](err); ok {
		fault := g.tooLarge("the upload", limit)
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
func misnamed(name string) error {
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

// notStored is what went wrong with a copy: with what was read, or with the store.
func notStored(err error) *control.Fault {
	if _, ok := errors.AsType[*fetch.Refusal](err); ok {
		return fault(err)
	}
	return &control.Fault{
		Code: control.StoreDown, Err: err, Detail: "the file could not be copied into the state directory: " + err.Error(),
		Next: "Make room or make it writable, then try again.",
	}
}

// The next steps for what is too large.
const (
	nextLarger = "Start serin serve with a larger --max-model-bytes if it is meant to be."
	nextFewer  = "Fewer rows show the same: give some hundreds."
	nextShared = "Replicas do not share larger files through the store: put it where each can fetch it, and deploy it from there, as in serin deploy s3://BUCKET/KEY; or start all of them with a larger --store-artifact-limit."
)

// tooLarge is about a file above a limit, the server's or its replicas'.
func (g *engines) tooLarge(what string, limit int64) *control.Fault {
	f := &control.Fault{Code: control.FileRefused, Detail: fmt.Sprintf("%s is larger than %d bytes", what, limit), Next: nextLarger}
	if limit < g.limit {
		f.Next = nextShared
	}
	return f
}
