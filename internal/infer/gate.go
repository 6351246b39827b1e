package infer

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound the predictions that are under way and those that wait.
type Limits struct {
	// Concurrency is how many requests are read and predicted at once, besides
	// those that are received or sent. More than the cores can work on only take
	// memory and time from each other.
	Concurrency int
	// Queue is how many more may wait for their turn, and Patience how long. Who
	// finds the queue full, or has waited so long, is told to come again.
	Queue    int
	Patience time.Duration
}

// DefaultLimits suit the machine.
func DefaultLimits() Limits {
	return Limits{Concurrency: max(8, 4*runtime.GOMAXPROCS(0)), Queue: 1000, Patience: time.Second}
}

// gate lets requests in, the first come first. As long as nobody has to wait it
// costs two atomic additions; only those who wait take its lock.
//
//	enter ── a slot is free and nobody waits ──────────────────> in ── leave: free the slot,
//	   └──── else the queue ── a leaver hands over its slot ──────^         or hand it over
//	              └── full, too old, or the client has gone: out
type gate struct {
	limits  Limits
	busy    atomic.Int64 // slots taken
	waiting atomic.Int64 // len(queue), to be asked without the lock

	mu    sync.Mutex
	queue []*waiter // the oldest first
}

// waiter is one request in the queue. Its channel is closed when a slot is its own.
type waiter struct{ in chan struct{} }

// enter takes a slot, and waits for one if it must.
func (g *gate) enter(ctx context.Context) bool {
	if g.waiting.Load() == 0 && g.take() {
		return true
	}
	w := g.join()
	if w == nil {
		return false
	}
	patience := time.NewTimer(g.limits.Patience)
	defer patience.Stop()
	select {
	case <-w.in:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	return !g.quit(w)
}

// take takes a free slot.
func (g *gate) take() bool {
	if g.busy.Add(1) <= int64(g.limits.Concurrency) {
		return true
	}
	g.busy.Add(-1)
	return false
}

// join goes to the end of the queue; nil if it is full.
func (g *gate) join() *waiter {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) >= g.limits.Queue {
		return nil
	}
	w := &waiter{make(chan struct{})}
	g.queue = append(g.queue, w)
	g.waiting.Store(int64(len(g.queue)))
	g.admit() // a slot may have become free before anybody could see that we wait
	return w
}

// quit leaves the queue; false if a slot has been handed over meanwhile.
func (g *gate) quit(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.queue {
		if other == w {
			g.queue = append(g.queue[:i], g.queue[i+1:]...)
			g.waiting.Store(int64(len(g.queue)))
			return true
		}
	}
	return false
}

// leave gives the slot back, and it to those who wait.
func (g *gate) leave() {
	g.busy.Add(-1)
	if g.waiting.Load() > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.admit()
	}
}

// admit gives free slots to the oldest. The caller has the lock.
func (g *gate) admit() {
	n := 0
	for n < len(g.queue) && g.take() {
		close(g.queue[n].in)
		n++
	}
	if n > 0 {
		clear(g.queue[:n])
		g.queue = g.queue[n:]
		g.waiting.Store(int64(len(g.queue)))
	}
}
