package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"serin/test/faults/wire"
)

// The kinds of faults.
const (
	killed   = "replica killed"
	stopped  = "replica stopped"
	late     = "store late"
	cut      = "store cut off"
	held     = "store held"
	halfOpen = "store half open"
	reset    = "store reset"
	flickers = "store reset again and again"
	pgKilled = "PostgreSQL killed"
	pgCrash  = "PostgreSQL crashed"
	pgFrozen = "PostgreSQL frozen"
)

// plan is one fault before it happens.
type plan struct {
	kind    string
	replica int // -1: all of them
	gap     time.Duration
	length  time.Duration
}

// schedule is which faults come, as the seed says: one row of them for processes of
// serin, one for their store, one for audits. At most one replica is down at a time.
// Operators have a row, too.
type schedule struct{ processes, stores, audits, operators *rand.Rand }

func newSchedule(seed uint64) *schedule {
	row := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
	return &schedule{row(1), row(2), row(3), row(4)}
}

// between is a random time, long ones as likely as short ones in proportion.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Float64()*r.Float64()*float64(most-least))
}

// process is the next fault of a replica.
func (s *schedule) process(longest time.Duration) plan {
	r := s.processes
	kind := []string{killed, stopped}[r.IntN(2)]
	return plan{kind, r.IntN(fleetSize), between(r, 500*time.Millisecond, 5*time.Second), between(r, 0, longest)}
}

// ofStore is the next fault between replicas and the store, or of the store.
func ofStore(r *rand.Rand, longest time.Duration) plan {
	kind := []string{late, cut, held, halfOpen, reset, flickers, pgKilled, pgCrash, pgFrozen}[r.IntN(9)]
	whom := r.IntN(2*fleetSize) - fleetSize
	return plan{kind, max(whom, -1), between(r, 200*time.Millisecond, 4*time.Second), between(r, 100*time.Millisecond, longest)}
}

// weather plays a storm: faults in two rows, and operators at the same time.
func (w *world) weather(ctx context.Context, s *schedule) error {
	storm, end := context.WithTimeout(ctx, w.storm)
	defer end()
	longest := w.isolation + 3*time.Second // so that replicas are cut off, too
	var rows, operators sync.WaitGroup
	var failed [2]error
	for i, next := range []func() plan{
		func() plan { return s.process(longest) },
		func() plan { return ofStore(s.stores, longest) },
	} {
		rows.Go(func() {
			for failed[i] == nil && storm.Err() == nil {
				p := next()
				if wait(storm, p.gap); storm.Err() == nil {
					failed[i] = w.strike(storm, p)
				}
			}
		})
	}
	for i := range operatorCount {
		seed := s.operators.Uint64()
		operators.Go(func() { w.operate(storm, i, seed) })
	}
	rows.Wait() // all is healed
	operators.Wait()
	return errors.Join(failed[0], failed[1], ctx.Err())
}

// strike lets a fault begin, waits for its length or the end of ctx, and heals it.
func (w *world) strike(ctx context.Context, p plan) error {
	end := w.note(p.kind, p.replica)
	defer end()
	heal, err := w.begin(ctx, p)
	if err != nil {
		return fmt.Errorf("%s: %w", p.kind, err)
	}
	wait(ctx, p.length)
	if err := heal(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("healing: %s: %w", p.kind, err)
	}
	return nil
}

// begin does what a plan says, and returns what undoes it.
func (w *world) begin(ctx context.Context, p plan) (heal func(context.Context) error, err error) {
	switch p.kind {
	case killed:
		r := w.replicas[p.replica]
		return func(ctx context.Context) error { return w.start(ctx, r) }, w.kill(r)
	case stopped:
		r := w.replicas[p.replica]
		return func(context.Context) error { return r.signal(syscall.SIGCONT) }, r.signal(syscall.SIGSTOP)
	case pgKilled:
		return w.revive, w.store.Signal(syscall.SIGKILL)
	case pgCrash:
		return w.revive, w.store.Crash(ctx)
	case pgFrozen:
		return func(context.Context) error { return w.store.SignalAll(syscall.SIGCONT) }, w.store.SignalAll(syscall.SIGSTOP)
	}
	fault := map[string]wire.Fault{late: wire.Late, cut: wire.Cut, held: wire.Held, halfOpen: wire.HalfOpen, reset: wire.Reset}[p.kind]
	set := func(f wire.Fault) {
		for i, r := range w.replicas {
			if p.replica == i || p.replica == -1 {
				r.way.Set(f, p.length/20)
			}
		}
	}
	if p.kind == flickers { // so that it meets commits half way
		over := w.flicker(ctx, func() { set(wire.Reset) })
		return func(context.Context) error { over(); set(wire.Pass); return nil }, nil
	}
	set(fault)
	return func(context.Context) error { set(wire.Pass); return nil }, nil
}

// flicker resets some times in a second until what it returns is called.
func (w *world) flicker(ctx context.Context, reset func()) (over func()) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() {
		r := rand.New(rand.NewPCG(w.seed, uint64(w.rounds)))
		for ctx.Err() == nil {
			reset()
			wait(ctx, between(r, 0, 100*time.Millisecond))
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// revive starts PostgreSQL again. Right after a kill it may find processes of
// before, which end when they notice.
func (w *world) revive(ctx context.Context) error {
	return w.until(ctx, "PostgreSQL starts again", func() error { return w.store.Restart(ctx) })
}
