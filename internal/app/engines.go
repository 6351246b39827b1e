package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"serin/internal/control"
	"serin/internal/fetch"
	"serin/internal/model"
	"serin/internal/model/format"
	"serin/internal/model/rows"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
	"serin/internal/store"
	"serin/internal/trace"
)

// engines are the loaded versions of one model; control.Engines.
type engines struct {
	name     string // of the model
	folder   fetch.Folder
	porter   *fetch.Porter
	limit    int64
	reading  format.Options
	store    *store.Store
	shelf    *shelf
	table    *route.Switch
	slowdown time.Duration
	log      *slog.Logger
	heap     *heap
	tracer   *trace.Tracer

	mu       sync.Mutex
	loaded   map[string]model.Predictor // by SHA-256
	served   []served                   // oldest first, at most maxServed
	baseline baseline
	trial    trial
	loads    loads
}

// baseline is what stable does while no rollout is live: what the next one is
// compared with. It belongs to stable's bytes, and outlives a rollback.
type baseline struct {
	sha256 string
	gauge  *record.Gauge
}

// maxServed bounds how many versions' gauges are kept for the meters.
const maxServed = 16

// served is what a version in a role has done since the process started; by
// name, as meters are.
type served struct {
	role    route.Role
	version string
	meter   *route.Meter
}

// trial is the measuring side of the rollout being served.
type trial struct {
	id             string
	stable, canary *record.Gauge
	weight         rollout.Weight
	split          *route.Split
}

var _ control.Engines = (*engines)(nil)

// Load parses the stored bytes, compares the signature, and warms the model up.
func (g *engines) Load(ctx context.Context, v rollout.Version, with *rollout.Version) error {
	begun := time.Now()
	inside, end := g.tracer.Start(ctx, "serin.load", "serin.model", g.name, "serin.version", v.Name, "serin.sha256", v.SHA256)
	p, err := g.ready(inside, v, with)
	end(err)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.loads.failed++
		return err
	}
	g.loaded[v.SHA256] = p
	g.loads.ready++
	g.loads.time += time.Since(begun)
	return nil
}

// loads are what came of the loads since the process started; time is that of those
// that became ready.
type loads struct {
	ready, failed uint64
	time          time.Duration
}

func (g *engines) ready(ctx context.Context, v rollout.Version, with *rollout.Version) (model.Predictor, error) {
	defer g.heap.load(v.Size)()
	p, err := g.parse(ctx, v)
	if err != nil {
		return nil, err
	}
	if with != nil {
		g.mu.Lock()
		other := g.loaded[with.SHA256]
		g.mu.Unlock()
		if other == nil {
			return nil, &control.Fault{Code: control.StoreDown, Detail: fmt.Sprintf("stable %s is not loaded", with.Name), Next: "This is a bug in serin: please report it."}
		}
		if why := p.Signature().Compatible(other.Signature()); why != "" {
			return nil, &control.Fault{
				Code: control.ModelIncompatible, Detail: fmt.Sprintf("%s cannot stand in for %s: %s", v.Name, with.Name, why),
				Next: "Fit it on the same features and classes.",
			}
		}
	}
	if err := g.reproduce(ctx, v, p); err != nil {
		return nil, err
	}
	return p, warm(ctx, p)
}

func (g *engines) parse(ctx context.Context, v rollout.Version) (p model.Predictor, err error) {
	data, err := g.stored(ctx, v)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	p, err = format.Open(contextReader{ctx, data}, g.reading)
	if bug, ok := errors.AsType[*format.Panic](err); ok {
		g.log.Error("a model file made its reader panic", "version", v.Name, "sha256", v.SHA256, "panic", bug.Value, "stack", string(bug.Stack))
		return nil, &control.Fault{Code: control.ModelRefused, Err: err, Detail: v.Name + " is not a file that serin can read", Next: "This is a bug in serin's reader: please report it with the file's SHA-256 " + v.SHA256 + "."}
	}
	if refusal, ok := errors.AsType[*model.Refusal](err); ok {
		return nil, &control.Fault{Code: control.ModelRefused, Err: err, Detail: v.Name + " is refused: " + control.Printable(refusal.Reason), Next: refusal.Next}
	}
	if err != nil {
		return nil, unloadable(ctx, v.Name, v.SHA256, err)
	}
	return p, nil
}

// stored opens the stored copy of a version. One that is not here, or is no good, is
// fetched again if it came from elsewhere: the store of replicas has no large ones.
func (g *engines) stored(ctx context.Context, v rollout.Version) (io.ReadCloser, error) {
	data, err := g.store.Artifact(ctx, v.SHA256)
	if err == nil || ctx.Err() != nil || !v.Elsewhere() {
		return data, unloadable(ctx, v.Name, v.SHA256, err)
	}
	g.shelf.storing.RLock()
	defer g.shelf.storing.RUnlock()
	body, err := g.open(ctx, v.Path, v.SHA256, g.limit)
	if err == nil {
		_, _, err = g.store.Ingest(ctx, body, g.limit)
		err = errors.Join(err, body.Close())
	}
	if err != nil {
		refused := notStored(err)
		if refused.Code == control.FileDiffers || refused.Code == control.FileMissing {
			refused.Code = control.ModelRefused
		}
		return nil, refused
	}
	data, err = g.store.Artifact(ctx, v.SHA256)
	return data, unloadable(ctx, v.Name, v.SHA256, err)
}

// reproduce holds the model against the golden predictions that came with it,
// also when it is loaded again: another serin may compute otherwise.
func (g *engines) reproduce(ctx context.Context, v rollout.Version, p model.Predictor) (err error) {
	if v.Golden == "" {
		return nil
	}
	data, err := g.store.Artifact(ctx, v.Golden)
	if err != nil {
		return unloadable(ctx, "the golden predictions of "+v.Name, v.Golden, err)
	}
	defer data.Close()
	defer func() {
		if r := recover(); r != nil {
			err = panics(r)
		}
	}()
	_, err = rows.Check(p, contextReader{ctx, data})
	if refusal, ok := errors.AsType[*model.Refusal](err); ok {
		return &control.Fault{Code: control.ModelRefused, Err: err, Detail: v.Name + " is refused: " + control.Printable(refusal.Reason), Next: refusal.Next}
	}
	if err != nil {
		return unloadable(ctx, "the golden predictions of "+v.Name, v.Golden, err)
	}
	return nil
}

func panics(r any) *control.Fault {
	return &control.Fault{Code: control.ModelRefused, Detail: fmt.Sprintf("the model panics when it predicts: %v", r), Next: "This is a bug in serin: please report it."}
}

// unloadable tells a stored copy that is no good from trouble with reading it,
// which says nothing about the version.
func unloadable(ctx context.Context, what, digest string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("loading %s was called off: %w", what, ctx.Err())
	}
	fault := &control.Fault{
		Code: control.StoreDown, Err: err, Detail: fmt.Sprintf("the stored copy of %s cannot be read: %v", what, err),
		Next: "Look into the server's log and at the disk, then try again.",
	}
	if _, damaged := errors.AsType[*store.Damage](err); damaged || errors.Is(err, fs.ErrNotExist) {
		fault.Code = control.ModelRefused
		fault.Next = fmt.Sprintf("Copy a file whose SHA-256 is %s to the folder artifacts of the state directory, under that name, or restore the directory from a backup.", digest)
	}
	return fault
}

// contextReader ends with its context, so that a load can be called off.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// warm predicts until code and caches are as they will be; nothing of it is
// measured. It is also the first proof that the model predicts at all. A category
// that it was not fitted on may have no answer; ordinary numbers must have one.
func warm(ctx context.Context, p model.Predictor) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panics(r)
		}
	}()
	const rounds, budget = 2000, 500 * time.Millisecond
	schema, batch := rows.NewSchema(p.Signature()), rows.Batch{}
	end := time.Now().Add(budget)
	for i := range rounds {
		if ctx.Err() != nil || time.Now().After(end) {
			break
		}
		batch.Reset()
		schema.Sample(&batch, i)
		err := batch.Predict(p)
		if _, ok := errors.AsType[*model.Unanswerable](err); !ok && math.IsNaN(batch.Answers.Values[0]) {
			return &control.Fault{
				Code: control.ModelRefused, Detail: fmt.Sprintf("the model has no number for a row as ordinary as %v", batch.Numbers[:min(len(batch.Numbers), 8)]),
				Next: "Look at its coefficients and at the scales of its features; fit it again on columns in ordinary units.",
			}
		}
	}
	return ctx.Err()
}

// Serve compiles the routing table of a committed state and swaps it in.
func (g *engines) Serve(s rollout.State, before *record.Evidence) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &route.Table{Stable: g.arm(route.Stable, s.Stable, "")}
	if g.baseline.sha256 != s.Stable.SHA256 {
		g.baseline = baseline{s.Stable.SHA256, record.NewGauge(record.Arm{})}
	}
	t.Stable.Evidence = g.baseline.gauge
	if s.Phase.Split() {
		if r := s.Rollout; g.trial.id != r.ID {
			stable, canary := before.Total()
			g.trial = trial{id: r.ID, stable: record.NewGauge(stable), canary: record.NewGauge(canary)}
		}
		if w := s.Rollout.Weight; g.trial.weight != w { // a new share, the same gauges
			g.trial.weight, g.trial.split = w, route.NewSplit(w, rand.Uint64())
		}
		t.Canary, t.Split = g.arm(route.Canary, s.Rollout.Canary, s.Stable.Name), g.trial.split
		t.Stable.Evidence, t.Canary.Evidence = g.trial.stable, g.trial.canary
		if s.Slowdown {
			t.Canary.Slowdown = g.slowdown
		}
	} else if s.Rollout == nil || s.Rollout.ID != g.trial.id { // else its canary is not served here for a while
		g.trial = trial{}
	}
	g.table.Swap(t)
	for sha256 := range g.loaded {
		if sha256 != s.Stable.SHA256 && (s.Rollout == nil || sha256 != s.Rollout.Canary.SHA256) {
			delete(g.loaded, sha256)
		}
	}
}

// arm makes an arm with its meters; those of a version that serves beside it
// stay, whatever must go to keep them few.
func (g *engines) arm(role route.Role, v rollout.Version, beside string) *route.Arm {
	a := &route.Arm{Model: g.name, Role: role, Version: v, Predictor: g.loaded[v.SHA256]}
	for _, s := range g.served {
		if s.role == role && s.version == v.Name {
			a.Served = s.meter
			return a
		}
	}
	if len(g.served) >= maxServed {
		oldest := slices.IndexFunc(g.served, func(s served) bool { return s.version != beside })
		g.served = slices.Delete(g.served, oldest, oldest+1)
	}
	a.Served = new(route.Meter)
	g.served = append(g.served, served{role, v.Name, a.Served})
	return a
}

// Gauges returns what the rollout being served has seen, and stable before it.
func (g *engines) Gauges() control.Gauges {
	g.mu.Lock()
	t, b := g.trial, g.baseline
	g.mu.Unlock()
	if t.id == "" {
		return control.Gauges{}
	}
	return control.Gauges{Rollout: t.id, Stable: t.stable.Snapshot(), Canary: t.canary.Snapshot(), Baseline: b.gauge.Snapshot()}
}
