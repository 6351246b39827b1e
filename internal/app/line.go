package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"serin/internal/api"
	"serin/internal/control"
	"serin/internal/infer"
	"serin/internal/model"
	"serin/internal/rollout"
	"serin/internal/route"
	"serin/internal/store"
)

// line is the parts of one model: where its requests go in, who answers them, and
// who moves its rollouts. Lines have nothing in common but the yard.
type line struct {
	Model

	standard bool // the default model
	table    *route.Switch
	front    *infer.Handler
	cars     *engines
	pilot    *control.Pilot
}

// yard is all lines, and what they share.
type yard struct {
	config *Config
	root   *os.Root
	data   string // the state directory, absolute
	memory *store.Store
	shelf  *shelf
	heap   *heap
	lines  []*line // the default model's first

	flying sync.WaitGroup
	land   context.CancelFunc // ends the pilots
}

// newYard lays a line for each model.
func newYard(c *Config, root *os.Root, memory *store.Store, data string, models []Model) *yard {
	y := &yard{
		config: c, root: root, data: data, memory: memory, heap: newHeap(),
		shelf: &shelf{store: memory, log: c.Log, inHand: map[string][]string{}},
	}
	for i, m := range models {
		l := &line{Model: m, standard: i == 0, table: &route.Switch{}}
		if m.Plan == nil {
			l.Plan = &c.Plan
		}
		if l.standard {
			l.front = infer.NewHandler(l.table, c.Limits, c.Log)
		} else {
			l.front = y.lines[0].front.Beside(l.table)
		}
		l.cars = &engines{
			name: m.Name, root: root, data: data, limit: c.MaxModelBytes, reading: c.Reading, store: memory, shelf: y.shelf, table: l.table,
			slowdown: c.Slowdown, log: c.Log, loaded: map[string]model.Predictor{}, heap: y.heap,
		}
		l.pilot = control.New(control.Config{Model: m.Name, Store: journal{memory, l.cars}, Engines: l.cars, Log: c.Log, Drills: c.Drills})
		y.lines = append(y.lines, l)
	}
	return y
}

// models are the lines as protocols know them.
func (y *yard) models() []infer.Model {
	var all []infer.Model
	for _, l := range y.lines {
		all = append(all, infer.Model{Name: l.Name, Front: l.front})
	}
	return all
}

// journal is the store as control knows it. The entries and looks of both have
// the same fields: neither room may know the other.
type journal struct {
	*store.Store

	cars *engines
}

func (j journal) Commit(ctx context.Context, e control.Entry) error {
	err := j.Store.Commit(ctx, store.Entry(e))
	if errors.Is(err, store.ErrUnsettled) {
		return errors.Join(control.ErrUnsettled, err)
	}
	if err == nil && e.Event == rollout.LoadRefused {
		// A version that is refused leaves nothing behind. No other deploy of this model
		// is on its way here: this one has not been answered yet.
		j.cars.shelf.hold(e.State.Model)
		j.cars.shelf.prune()
	}
	return err
}

func (j journal) SaveLook(ctx context.Context, model, rolloutID string, l control.Look) (uint64, error) {
	return j.Store.SaveLook(ctx, model, rolloutID, store.Look(l))
}

// boot brings all models up, together. First it is settled for each what becomes
// of its rollout in progress, which goes by how the process before this one ended:
// one of these canaries ended it, if a canary did.
func (y *yard) boot(ctx context.Context, box *blackBox) error {
	start := box.start
	for _, l := range y.lines {
		state, _, err := y.memory.State(ctx, l.Name)
		if err != nil {
			return fmt.Errorf("reading the state of %s: %w", l.Name, err)
		}
		if state.Rollout != nil {
			start.Suspects = append(start.Suspects, l.Name)
		}
	}
	for _, l := range y.lines {
		if err := l.pilot.Recall(ctx, start); err != nil {
			return fmt.Errorf("model %s: %w", l.Name, err)
		}
	}
	if err := box.acted(); err != nil { // all is concluded, once, also if this start goes no further
		return err
	}
	failed := make([]error, len(y.lines))
	var loading sync.WaitGroup
	for i, l := range y.lines {
		loading.Go(func() {
			start := start
			start.Model = l.Path
			if err := l.pilot.Boot(ctx, start); err != nil {
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

// fly lets the pilots work until land is called.
func (y *yard) fly(ctx context.Context) {
	ctx, y.land = context.WithCancel(context.WithoutCancel(ctx))
	y.flying.Go(func() { y.heap.tend(ctx) })
	for _, l := range y.lines {
		y.flying.Go(func() { l.pilot.Run(ctx) })
	}
}

// endDeploys calls off every deploy that is on its way.
func (y *yard) endDeploys(ctx context.Context) {
	var ending sync.WaitGroup
	for _, l := range y.lines {
		ending.Go(func() { l.pilot.EndDeploys(ctx) })
	}
	ending.Wait()
}

// controls are the lines as the admin side knows them.
func (y *yard) controls() []api.Model {
	var all []api.Model
	for _, l := range y.lines {
		all = append(all, api.Model{Name: l.Name, Default: l.standard, Pilot: l.pilot, History: history{y.memory, l.Name}, Plan: *l.Plan})
	}
	return all
}

// serving tells of every model what came of its start.
func (y *yard) serving() []Serving {
	var all []Serving
	for _, l := range y.lines {
		state := l.pilot.Peek().State
		s := Serving{State: state, Given: l.Path, Named: slices.ContainsFunc(y.config.Models, func(m Model) bool { return m.Name == l.Name }), Signature: l.table.Table().Stable.Predictor.Signature(), Changed: l.cars.changed(state.Stable)}
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
	if err != nil { // it has just been read
		y.config.Log.Warn("the models of the state directory could not be listed", "err", err)
	}
	return slices.DeleteFunc(known, func(name string) bool {
		return slices.ContainsFunc(y.lines, func(l *line) bool { return l.Name == name })
	})
}
