package control

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// memory is a store that lives as long as its test and fails on demand.
type memory struct {
	mu       sync.Mutex
	state    rollout.State
	evidence record.Evidence
	journal  []Entry
	looked   []Look
	fail     error
	torn     bool // the next commit is reported as failed and is there all the same
}

func (m *memory) State(_ context.Context, model string) (rollout.State, record.Evidence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.state
	s.Model = model
	return s, m.evidence, m.fail
}

func (m *memory) Commit(_ context.Context, e Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if e.State.Generation != m.state.Generation+1 {
		return errors.New("stale")
	}
	if e.State.Rollout == nil || m.state.Rollout == nil || e.State.Rollout.ID != m.state.Rollout.ID {
		m.evidence = record.Evidence{}
	}
	m.state = e.State
	m.journal = append(m.journal, e)
	if m.torn {
		m.torn = false
		return ErrUnsettled
	}
	return nil
}

func (m *memory) SaveEvidence(_ context.Context, _, _ string, e *record.Evidence) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.evidence = *e
	return nil
}

func (m *memory) SaveLook(ctx context.Context, model, rolloutID string, l Look) (uint64, error) {
	if err := m.SaveEvidence(ctx, model, rolloutID, l.Evidence); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looked = append(m.looked, l)
	return uint64(len(m.looked)), nil
}

func (m *memory) breakDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// tear lets the next commit be torn. It locks because the commit may be that of
// a look, which nothing but the clock orders after the test's own steps.
func (m *memory) tear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.torn = true
}

func (m *memory) events() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var kinds []string
	for _, e := range m.journal {
		kinds = append(kinds, string(e.Event))
	}
	return strings.Join(kinds, " ")
}

// garage are engines without models: versions are names, and loading waits
// where a test says so.
type garage struct {
	mu             sync.Mutex
	served         rollout.State
	trial          string // the rollout that the gauges are of
	stable, canary *record.Gauge
	baseline       record.Arm
	loads          []string
	refuse         map[string]error
	hold           chan struct{} // loading a canary waits for it, if set
	fetching       chan struct{} // fetching waits for it, if set
}

func (g *garage) Fetch(ctx context.Context, from Source) (rollout.Version, error) {
	path := from.Path
	if g.fetching != nil {
		select {
		case <-g.fetching:
		case <-ctx.Done():
			return rollout.Version{}, ctx.Err()
		}
	}
	if strings.Contains(path, "missing") {
		return rollout.Version{}, &Fault{Code: FileMissing, Detail: path + " does not exist", Next: "Look."}
	}
	return rollout.Version{Name: path, Path: path, SHA256: path}, nil
}

func (g *garage) Load(ctx context.Context, v rollout.Version, with *rollout.Version) error {
	if with != nil && g.hold != nil {
		select {
		case <-g.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.loads = append(g.loads, v.Name)
	return g.refuse[v.Name]
}

func (g *garage) Serve(s rollout.State, before *record.Evidence) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.Rollout == nil {
		g.trial = ""
	} else if s.Phase.Split() && g.trial != s.Rollout.ID {
		g.trial = s.Rollout.ID
		stable, canary := before.Total()
		g.stable, g.canary = record.NewGauge(stable), record.NewGauge(canary)
	}
	g.served = s
}

func (g *garage) Gauges() Gauges {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trial == "" {
		return Gauges{}
	}
	return Gauges{Rollout: g.trial, Stable: g.stable.Snapshot(), Canary: g.canary.Snapshot(), Baseline: g.baseline}
}

// traffic is n requests per arm, the canary's slower by the given time.
func (g *garage) traffic(n int, slower time.Duration) {
	for i := range n {
		jitter := time.Duration(i%7) * time.Millisecond
		g.stable.Begin()
		g.stable.Observe(100*time.Millisecond+jitter, 0.5)
		g.canary.Begin()
		g.canary.Observe(100*time.Millisecond+jitter+slower, 0.5)
	}
}

// usual is stable before the canary, as traffic has it.
func usual() record.Arm {
	var a record.Arm
	for i := range 700 {
		a.Started++
		a.Observe(100*time.Millisecond+time.Duration(i%7)*time.Millisecond, 0.5)
	}
	return a
}

func (g *garage) routes() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.served.Phase.Split() {
		return g.served.Stable.Name + " and " + g.served.Rollout.Canary.Name
	}
	return g.served.Stable.Name
}

// world is a pilot with everything round it; it runs in a synctest bubble.
type world struct {
	*Pilot
	t     *testing.T
	store *memory
	cars  *garage
	log   bytes.Buffer
	halt  func()
}

func newWorld(t *testing.T) *world {
	return &world{t: t, store: &memory{}, cars: &garage{refuse: map[string]error{}}}
}

// start boots and runs a new pilot on the same store, as a new process would.
func (w *world) start(s Start) *world {
	w.t.Helper()
	s.Model = "v1"
	w.cars = &garage{refuse: w.cars.refuse, hold: w.cars.hold, fetching: w.cars.fetching}
	w.Pilot = New(Config{Model: "churn", Store: w.store, Engines: w.cars, Log: slog.New(slog.NewTextHandler(&w.log, nil)), Drills: true})
	if err := w.Boot(w.t.Context(), s); err != nil {
		w.t.Fatalf("boot: %v", err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); w.Run(ctx) }()
	w.halt = func() { cancel(); <-stopped }
	return w
}

var plan = rollout.Plan{
	Weight: 5000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond,
	OnAlarm: rollout.HoldOnAlarm, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2,
}

func (w *world) do(k rollout.Kind, path string) (Health, error) {
	return w.Do(w.t.Context(), Command{Kind: k, Actor: "ana", Source: Source{Path: path}, Plan: plan})
}

func (w *world) must(k rollout.Kind, path string) Health {
	w.t.Helper()
	h, err := w.do(k, path)
	if err != nil {
		w.t.Fatalf("%s: %v", k, err)
	}
	return h
}

// deploying begins a deploy that is held up, and returns where its answer will be.
func (w *world) deploying(path string) <-chan error {
	told := make(chan error, 1)
	go func() { _, err := w.do(rollout.Deploy, path); told <- err }()
	synctest.Wait()
	return told
}

func (w *world) look() Health {
	w.t.Helper()
	h, err := w.Check(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) want(routes, events string) {
	w.t.Helper()
	if got := w.cars.routes(); got != routes {
		w.t.Errorf("routes to %s, want %s", got, routes)
	}
	if got := w.store.events(); got != events {
		w.t.Errorf("journal: %s\nwant:    %s", got, events)
	}
}

// bubble runs a test in fake time; pass sleeps in it.
func bubble(t *testing.T, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).start(Start{})
		f(w)
		w.halt()
	})
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func code(err error) string {
	if fault, ok := errors.AsType[*Fault](err); ok {
		return string(fault.Code)
	}
	if refusal, ok := errors.AsType[*rollout.Refusal](err); ok {
		return string(refusal.Code)
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
