package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// shore is a store that replicas share, in memory. Its clock is the bubble's.
type shore struct {
	memory

	mu       sync.Mutex
	rows     map[string]Row
	replicas map[string]Replica
	leader   string
	led      time.Time
	forgot   bool          // it has lost what it had
	stepped  time.Duration // its clock, since everybody's last beat
	alarmed  []func()
}

const leaseOfTest = 5 * time.Second

// link is a replica's way to the store.
type link struct {
	*shore

	mu   sync.Mutex
	cut  bool // nothing comes through
	deaf bool // what is asked comes through, and no answer does
	mute bool // nobody is told of commits

	stale int           // so many commits are made from an outdated state
	stuck chan struct{} // commits wait for it, if it is set
}

var errCut = errors.New("the store does not answer")

func (l *link) set(cut, deaf bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut, l.deaf = cut, deaf
}

// through does something in the store, as far as the link lets it.
func (l *link) through(do func() error) error {
	l.mu.Lock()
	cut, deaf := l.cut, l.deaf
	l.mu.Unlock()
	if cut {
		return errCut
	}
	err := do()
	if deaf {
		return errCut
	}
	return err
}

func (l *link) State(ctx context.Context, model string) (s rollout.State, e record.Evidence, err error) {
	err = l.through(func() error { s, e, err = l.memory.State(ctx, model); return err })
	return s, e, err
}

func (l *link) Commit(ctx context.Context, e Entry) error {
	committed := errCut
	l.mu.Lock()
	stale, stuck := l.stale > 0, l.stuck
	if stale {
		l.stale--
	}
	l.mu.Unlock()
	if stale {
		return ErrStale
	}
	if stuck != nil {
		<-stuck
	}
	err := l.through(func() error {
		if committed = l.memory.Commit(ctx, e); committed != nil && committed.Error() == "stale" {
			committed = ErrStale
		}
		return committed
	})
	if err != nil && committed == nil {
		return ErrUnsettled
	}
	if err == nil {
		l.shore.mu.Lock()
		defer l.shore.mu.Unlock()
		for _, heard := range l.alarmed {
			heard()
		}
	}
	return err
}

// inProgress refuses evidence of a rollout that is over, as the store does.
func (l *link) inProgress(model, rolloutID string) error {
	state, _, err := l.memory.State(context.Background(), model)
	if err == nil && (state.Rollout == nil || state.Rollout.ID != rolloutID) {
		return errors.New("that rollout is not in progress")
	}
	return err
}

func (l *link) SaveEvidence(ctx context.Context, model, rolloutID string, e *record.Evidence) error {
	return l.through(func() error {
		if err := l.inProgress(model, rolloutID); err != nil {
			return err
		}
		return l.memory.SaveEvidence(ctx, model, rolloutID, e)
	})
}

func (l *link) SaveLook(ctx context.Context, model, rolloutID string, look Look) (n uint64, err error) {
	err = l.through(func() error {
		if err := l.inProgress(model, rolloutID); err != nil {
			return err
		}
		n, err = l.memory.SaveLook(ctx, model, rolloutID, look)
		return err
	})
	return n, err
}

func (l *link) Beat(_ context.Context, b Beat) (pulse Pulse, err error) {
	err = l.through(func() error {
		s := l.shore
		s.mu.Lock()
		defer s.mu.Unlock()
		now := time.Now()
		for _, r := range b.Rows {
			s.rows[fmt.Sprint(r.Model, r.Rollout, r.Replica, r.Epoch)] = r
		}
		b.Replica.Heard = now
		s.replicas[b.Replica.Name] = b.Replica
		if len(b.Models) > 0 && (s.leader == b.Replica.Name || now.Sub(s.led) >= leaseOfTest) {
			s.leader, s.led = b.Replica.Name, now
		}
		state, _, err := s.memory.State(context.Background(), "churn")
		pulse = Pulse{
			Head: fmt.Sprint(state.Generation), Kept: !s.forgot,
			Generations: map[string]uint64{"churn": state.Generation}, Leaders: map[string]string{"churn": s.leader},
		}
		return err
	})
	return pulse, err
}

func (l *link) Rows(_ context.Context, model, rolloutID string) (rows []Row, err error) {
	err = l.through(func() error {
		l.shore.mu.Lock()
		defer l.shore.mu.Unlock()
		for _, r := range l.rows {
			if r.Model == model && r.Rollout == rolloutID {
				rows = append(rows, r)
			}
		}
		return nil
	})
	return rows, err
}

func (l *link) Replicas(context.Context) (all []Replica, err error) {
	err = l.through(func() error {
		l.shore.mu.Lock()
		defer l.shore.mu.Unlock()
		for _, r := range l.replicas {
			r.Live = time.Since(r.Heard)+l.stepped < leaseOfTest
			all = append(all, r)
		}
		return nil
	})
	return all, err
}

func (l *link) Listen(ctx context.Context, heard func()) {
	if !l.mute {
		l.shore.mu.Lock()
		l.alarmed = append(l.alarmed, heard)
		l.shore.mu.Unlock()
	}
	<-ctx.Done()
}

// ship is a replica.
type ship struct {
	*Pilot

	link *link
	cars *garage
	halt func()
}

// fleetWorld is several replicas on one store; it runs in a synctest bubble.
type fleetWorld struct {
	t     *testing.T
	shore *shore
	ships []*ship
	log   bytes.Buffer
	logMu sync.Mutex
}

func (w *fleetWorld) Write(b []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(b)
}

// harbour runs a test with n replicas in fake time.
func harbour(t *testing.T, n int, f func(w *fleetWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &fleetWorld{t: t, shore: &shore{rows: map[string]Row{}, replicas: map[string]Replica{}}}
		for range n {
			w.launch(Start{}, nil)
		}
		f(w)
		for _, s := range w.ships {
			s.halt()
		}
	})
}

// launch starts a replica.
func (w *fleetWorld) launch(start Start, refuse map[string]error) *ship {
	w.t.Helper()
	s := &ship{link: &link{shore: w.shore, mute: true}, cars: &garage{refuse: refuse, baseline: usual()}}
	w.ships = append(w.ships, s)
	w.board(s, start)
	return s
}

func (w *fleetWorld) board(s *ship, start Start) {
	w.t.Helper()
	start.Model = "v1"
	log := slog.New(slog.NewTextHandler(w, nil))
	name := fmt.Sprintf("replica-%d", len(w.ships))
	fleet := &Fleet{Store: s.link, Self: Replica{Name: name}, Isolation: 2 * time.Minute, Log: log}
	s.Pilot = New(Config{Model: "churn", Store: s.link, Engines: s.cars, Log: log, Drills: true, Fleet: fleet})
	if err := s.Boot(w.t.Context(), start); err != nil {
		w.t.Fatalf("boot: %v", err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	running.Go(func() { fleet.Run(ctx) })
	s.halt = func() { cancel(); running.Wait() }
	synctest.Wait()
}

// kill ends a replica without a word to the store.
func (s *ship) kill() {
	s.link.set(true, false)
	s.halt()
	s.halt = func() {}
}

func (s *ship) do(k rollout.Kind, path string) (Health, error) {
	p := plan
	p.Weight = 5000
	return s.Do(context.Background(), Command{Kind: k, Actor: "ana", Source: Source{Path: path}, Plan: p})
}

func (s *ship) weigh(w rollout.Weight) error {
	_, err := s.Do(context.Background(), Command{Kind: rollout.Reweigh, Actor: "ana", Weight: w})
	return err
}

func (w *fleetWorld) must(i int, k rollout.Kind, path string) {
	w.t.Helper()
	if _, err := w.ships[i].do(k, path); err != nil {
		w.t.Fatalf("%s at replica %d: %v", k, i+1, err)
	}
}

// want is what each replica routes, and what the journal says.
func (w *fleetWorld) want(events string, routes ...string) {
	w.t.Helper()
	for i, want := range routes {
		if got := w.ships[i].cars.routes(); got != want {
			w.t.Errorf("replica %d routes to %q, want %q", i+1, got, want)
		}
	}
	if got := w.shore.events(); got != events {
		w.t.Errorf("journal: %s\nwant:    %s", got, events)
	}
}

// traffic is n requests per arm at each replica that has both.
func (w *fleetWorld) traffic(n int, slower time.Duration) (each int) {
	for _, s := range w.ships {
		if strings.Contains(s.cars.routes(), "and") {
			s.cars.traffic(n, slower)
			each += n
		}
	}
	return each
}
