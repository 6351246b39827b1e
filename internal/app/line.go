package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"serin/internal/api"
	"serin/internal/control"
	"serin/internal/fetch"
	"serin/internal/infer"
	"serin/internal/model"
	"serin/internal/notify"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
	"serin/internal/store"
	"serin/internal/trace"
)

// line is the parts of one model that is served: where its requests go in, who
// answers them, and who moves its rollouts. Lines have nothing in common but the
// yard.
type line struct {
	Model
	platform

	standard bool // the default model
	cars     *engines
	pilot    *control.Pilot
	stop     func() // ends the pilot, and waits for it; nil until it works
}

// platform is where requests for a model arrive. It stays when the model is
// unloaded, so that who stands there finds it again when it is loaded.
type platform struct {
	table *route.Switch
	front *infer.Handler
}

// yard is all lines, and what they share.
type yard struct {
	config    *Config
	root      *os.Root
	data      string // the state directory, absolute
	memory    *store.Store
	herald    *notify.Herald
	shelf     *shelf
	heap      *heap
	models    []Model // that were named, or lay in the folder at the start; the default first
	standard  platform
	served    atomic.Pointer[[]*line] // a change is another list; the default model's first
	protocols *infer.Protocols
	writes    writes
	folder    folder
	fleet     *fleet // nil where the store is this process's alone

	leaving context.Context // ends when no model may come any more
	leave   context.CancelFunc

	change    sync.Mutex // one model comes or goes at a time; guards what follows
	platforms map[string]platform
	shut      error // why nothing comes or goes, nil between start and stop
}

// newYard lays a line for each model.
func newYard(c *Config, root *os.Root, memory *store.Store, f *fleet, herald *notify.Herald, data string, models []Model) *yard {
	y := &yard{
		config: c, fleet: f, root: root, data: data, memory: memory, herald: herald, heap: newHeap(), models: models, shut: errStarting,
		shelf: &shelf{store: memory, log: c.Log, inHand: map[string][]string{}},
	}
	y.leaving, y.leave = context.WithCancel(context.Background())
	table := new(route.Switch)
	y.standard = platform{table, infer.NewHandler(table, c.Limits, c.Log)}
	y.platforms = map[string]platform{models[0].Name: y.standard}
	var lines []*line
	for _, m := range models {
		lines = append(lines, y.lay(m))
	}
	y.served.Store(&lines)
	return y
}

// lay makes the line of a model, from whose platform nothing leaves yet.
func (y *yard) lay(m Model) *line {
	c := y.config
	if m.Plan == nil {
		m.Plan = &c.Plan
	}
	p, known := y.platforms[m.Name]
	if !known {
		table := new(route.Switch)
		p = platform{table, y.standard.front.Beside(table)}
		y.platforms[m.Name] = p
	}
	cars := &engines{
		name: m.Name, folder: fetch.Folder{Root: y.root, Private: y.data}, porter: c.porter, limit: c.MaxModelBytes, reading: c.Reading, store: y.memory, shelf: y.shelf, table: p.table,
		slowdown: c.Slowdown, log: c.Log, tracer: c.tracer, loaded: map[string]model.Predictor{}, heap: y.heap,
	}
	config := control.Config{Model: m.Name, Engines: cars, Log: c.Log, Drills: c.Drills, Fleet: y.fleet.shared()}
	j := journal{Store: y.memory, cars: cars, writes: &y.writes, herald: y.herald, tracer: c.tracer, note: func(rollout.State) {}}
	if y.fleet != nil {
		j.note = y.fleet.known.note
	}
	config.Store = j
	pilot := control.New(config)
	return &line{Model: m, platform: p, standard: p == y.standard, cars: cars, pilot: pilot}
}

// lines are those that are served now.
func (y *yard) lines() []*line { return *y.served.Load() }

// serve makes these the lines that are served, in every door.
func (y *yard) serve(lines []*line) {
	y.served.Store(&lines)
	var all []infer.Model
	for _, l := range lines {
		all = append(all, infer.Model{Name: l.Name, Front: l.front})
	}
	y.protocols.Serve(y.models[0].Name, all...)
}

// journal is the store as control knows it. The entries and looks of both have
// the same fields: neither room may know the other.
type journal struct {
	*store.Store

	cars   *engines
	writes *writes
	herald *notify.Herald
	note   func(rollout.State) // keeps what is committed, for a start without the store
	tracer *trace.Tracer
}

func (j journal) State(ctx context.Context, model string) (rollout.State, record.Evidence, error) {
	s, e, err := j.Store.State(ctx, model)
	if err == nil {
		j.note(s)
	}
	return s, e, err
}

func (j journal) Commit(ctx context.Context, e control.Entry) (err error) {
	ctx, end := j.tracer.Start(ctx, "serin.decision "+string(e.Event), "serin.model", e.State.Model, "serin.event", string(e.Event), "serin.actor", e.Actor,
		"serin.reason", e.Reason, "serin.rollout", e.Rollout, "serin.phase", string(e.State.Phase), "serin.verdict", verdictOf(&e))
	defer func() { end(err) }()
	err = j.writes.time("commit", func() error { return j.Store.Commit(ctx, store.Entry(e)) })
	if err != nil {
		return stale(err)
	}
	j.herald.News()
	j.note(e.State)
	if e.Event == rollout.LoadRefused {
		// A version that is refused leaves nothing behind. No other deploy of this model
		// is on its way here: this one has not been answered yet.
		j.cars.shelf.hold(e.State.Model)
		j.cars.shelf.prune()
	}
	return nil
}

// verdictOf is what an event was decided on; "" where nothing was judged.
func verdictOf(e *control.Entry) string {
	if e.Finding == nil {
		return ""
	}
	return e.Finding.Verdict.String()
}

func (j journal) SaveLook(ctx context.Context, model, rolloutID string, l control.Look) (number uint64, err error) {
	err = j.writes.time("look", func() (err error) {
		number, err = j.Store.SaveLook(ctx, model, rolloutID, store.Look(l))
		return err
	})
	return number, err
}

func (j journal) SaveEvidence(ctx context.Context, model, rolloutID string, e *record.Evidence) error {
	return j.writes.time("evidence", func() error { return j.Store.SaveEvidence(ctx, model, rolloutID, e) })
}

// recall settles for each model what becomes of its rollout in progress, which goes
// by how the process before this one ended: one of these canaries ended it, if a
// canary did. That process may also have served models that this one does not, which
// were loaded while it ran. Until then nobody may ask, or would hear that there is no
// canary.
func (y *yard) recall(ctx context.Context, box *blackBox) error {
	start := box.start
	if y.fleet != nil {
		return y.join(ctx, box)
	}
	known, err := y.memory.Models(ctx)
	if err != nil {
		return fmt.Errorf("listing the models of the state directory: %w", err)
	}
	for _, name := range known {
		state, _, err := y.memory.State(ctx, name)
		if err != nil {
			return fmt.Errorf("reading the state of %s: %w", name, err)
		}
		if state.Rollout != nil {
			start.Suspects = append(start.Suspects, name)
		}
	}
	lines := slices.Clone(y.lines())
	for _, name := range start.Suspects {
		if y.line(name) == nil && start.Killed { // after a stop there is nothing to settle
			lines = append(lines, y.lay(Model{Name: name}))
		}
	}
	for _, l := range lines {
		if err := l.pilot.Recall(ctx, start); err != nil {
			return fmt.Errorf("model %s: %w", l.Name, err)
		}
	}
	return box.acted() // all is concluded, once, also if this start goes no further
}

// join is recall among other replicas, who go on whatever this one concludes. What
// cannot be concluded because the store is not heard is left to the next start.
func (y *yard) join(ctx context.Context, box *blackBox) error {
	lines := slices.Clone(y.lines())
	for _, name := range y.fleet.last.inProgress() {
		if y.line(name) == nil && box.start.Killed {
			lines = append(lines, y.lay(Model{Name: name}))
		}
	}
	for _, l := range lines {
		if err := l.pilot.Recall(ctx, y.fleet.start(l.Name, box.start)); err != nil {
			return fmt.Errorf("model %s: %w", l.Name, err)
		}
	}
	if y.fleet.Heard().IsZero() {
		return nil
	}
	return box.acted()
}

// boot brings all models up, together.
func (y *yard) boot(ctx context.Context) error {
	failed := make([]error, len(y.lines()))
	var loading sync.WaitGroup
	for i, l := range y.lines() {
		loading.Go(func() {
			if err := l.pilot.Boot(ctx, control.Start{Model: l.Path}); err != nil {
				failed[i] = fmt.Errorf("model %s: %w", l.Name, err)
			}
		})
	}
	loading.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	y.shelf.prune()
	return nil
}

// start lets the pilot work until stop is called.
func (l *line) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.pilot.Run(ctx)
	}()
	l.stop = func() { cancel(); <-done }
}

// work lets all pilots work and models come and go, and returns what ends that.
func (y *yard) work(ctx context.Context) (stop func()) {
	y.change.Lock()
	defer y.change.Unlock()
	y.shut = nil
	for _, l := range y.lines() {
		l.start(ctx)
	}
	tending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var heap sync.WaitGroup
	heap.Go(func() { y.heap.tend(tending) })
	rest := func() {}
	if y.fleet != nil {
		rest = y.fleet.work(ctx)
	}
	return func() {
		defer rest() // pilots beat once more when they end
		y.close()
		cancel()
		var ending sync.WaitGroup
		for _, l := range y.lines() {
			ending.Go(l.stop)
		}
		ending.Wait()
		heap.Wait()
	}
}

// close calls off a model that is coming, waits for one that goes, and lets no
// other do so.
func (y *yard) close() {
	y.leave()
	y.change.Lock()
	defer y.change.Unlock()
	y.shut = errClosing
}

// endDeploys calls off every deploy that is on its way.
func (y *yard) endDeploys(ctx context.Context) {
	y.close()
	var ending sync.WaitGroup
	for _, l := range y.lines() {
		ending.Go(func() { l.pilot.EndDeploys(ctx) })
	}
	ending.Wait()
}

// controls are the lines as the admin side knows them.
func (y *yard) controls() []api.Model {
	var all []api.Model
	for _, l := range y.lines() {
		all = append(all, api.Model{
			Name: l.Name, Default: l.standard, Pilot: l.pilot, History: history{y.memory, l.Name}, Plan: *l.Plan, Fleet: y.fleet.shared(),
			Signature: func() []byte { return l.front.Signature(l.Name) },
		})
	}
	return all
}

// serving tells of every model what came of its start.
func (y *yard) serving() []Serving {
	var all []Serving
	for _, l := range y.lines() {
		state := l.pilot.Peek().State
		s := Serving{State: state, Given: l.Path, Named: slices.ContainsFunc(y.config.Models, func(m Model) bool { return m.Name == l.Name }), Signature: l.table.Table().Stable.Predictor.Signature(), Changed: l.cars.folder.Changed(state.Stable.Path, state.Stable.Size, state.Stable.SHA256)}
		if s.Changed {
			y.config.Log.Warn("the file that stable came from has changed since; the copy from then is served", "model", l.Name, "path", state.Stable.Path, "sha256", state.Stable.SHA256)
		}
		all = append(all, s)
	}
	return all
}

// resting are the models that the state directory knows and that have no line.
func (y *yard) resting(ctx context.Context) []string {
	known, err := y.memory.Models(ctx)
	if err != nil {
		y.config.Log.Warn("the models of the state directory could not be listed", "err", err)
	}
	return slices.DeleteFunc(known, func(name string) bool { return y.line(name) != nil })
}

// line is that of a model that is served, or nil.
func (y *yard) line(name string) *line {
	for _, l := range y.lines() {
		if l.Name == name {
			return l
		}
	}
	return nil
}
