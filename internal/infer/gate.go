package infer

import (
	"context"
	"errors"
	"runtime"
	"slices"
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
	// Timeout is how long a request may wait and be predicted, from when its body
	// is there; 0 is for ever. A client may ask for less. Streams have no such end.
	Timeout time.Duration
	// Bodies bounds the bodies that are there at once, in bytes, all together: those
	// that come, wait and are predicted. The first 64 KiB of each count for nothing.
	// Who would need more is told to come again; 0 is 256 MiB.
	Bodies int64
	// Standstill is how long a large body may take, and a stream wait for its
	// client, to send or to read; 0 is 30 s.
	Standstill time.Duration
}

// DefaultLimits suit the machine: two slots for each core, so that one huge batch
// does not keep a core from everybody else. With more, whoever reads a request or
// answers an admin call waits behind them all for its turn on a core, for a time
// slice each.
func DefaultLimits() Limits {
	return Limits{Concurrency: 2 * runtime.GOMAXPROCS(0), Queue: 1000, Patience: time.Second, Timeout: 20 * time.Second}
}

// Crowd is how busy the front door is, of all models together.
type Crowd struct {
	// Limits are those in force.
	Limits Limits
	// Busy are the requests that are read and predicted, Waiting those in the queue.
	Busy, Waiting int
	// Lent is the memory of large bodies, in bytes.
	Lent int64
	// Shed counts requests that were told to come again, by why: "queue_full",
	// "waited", "deadline" and "memory".
	Shed map[string]uint64
}

// Why requests are shed; gate.sheds counts them.
const (
	shedFull = iota
	shedWaited
	shedLate
	shedMemory
)

// Crowd tells how busy the front door is.
func (h *Handler) Crowd() Crowd {
	g := h.gate
	c := Crowd{Limits: g.limits, Busy: int(g.busy.Load()), Waiting: int(g.waiting.Load()), Lent: g.lent.Load(), Shed: map[string]uint64{}}
	for why, name := range []string{shedFull: "queue_full", shedWaited: "waited", shedLate: "deadline", shedMemory: "memory"} {
		c.Shed[name] = g.sheds[why].Load()
	}
	return c
}

// gate lets requests in. As long as nobody has to wait it costs two atomic
// additions; only those who wait take its lock.
//
//	enter ── a slot is free and nobody waits ──────────────────> in ── leave: free the slot,
//	   └──── else the queue ── a leaver hands over its slot ──────^         or hand it over
//	              └── full, too old, past its deadline, or the client has gone: out
//
// Who is next depends on the age of the queue. A burst is served in the order in
// which it came. But where the oldest has waited for half of what it may, and the
// others cannot be let in within as much, more comes than can be answered, and some
// of those who wait will wait in vain. Served in order, all of them would wait as
// long as they may, and be let in when their deadline is so near that the prediction
// comes too late: all work, no answers. So then the newest is next, who has the most
// time left, and the oldest makes room in a queue that is full. The others are told
// at their age, or when the load goes down are served after all. Where the oldest has
// a deadline of its own, half of that is enough: it would be let in too late. Nobody
// is let in at or after its deadline.
type gate struct {
	limits  Limits
	busy    atomic.Int64 // slots taken
	waiting atomic.Int64 // len(queue), to be asked without the lock
	lent    atomic.Int64 // bytes, to bodies
	open    atomic.Int64 // bytes, to gRPC calls that anybody may make
	sheds   [4]atomic.Uint64

	mu       sync.Mutex
	queue    []*waiter // the oldest first
	admitted uint64    // out of the queue, so far
}

// waiter is one request in the queue.
type waiter struct {
	since time.Time
	until time.Time // when it is of no use to let it in
	asked bool      // until is its own deadline, and not the end of the gate's patience
	ahead uint64    // how many had been admitted when it came
	told  chan struct{}
	in    bool // when told is closed: a slot is its own
	full  bool // there was no room for it in the queue
}

// tell ends the waiting.
func (w *waiter) tell(in bool) {
	w.in = in
	close(w.told)
}

// enter takes a slot, and waits for one if it must, but not to the deadline, if
// there is one. It returns for how long it waited, 0 if it need not, and why there
// is no slot.
func (g *gate) enter(ctx context.Context, deadline time.Time) (waited time.Duration, t *trouble) {
	if g.waiting.Load() == 0 && g.take() {
		return 0, nil
	}
	since := time.Now()
	w := &waiter{since: since, until: since.Add(g.limits.Patience), told: make(chan struct{})}
	if w.asked = passed(deadline, w.until); w.asked {
		w.until = deadline
	}
	if !g.wait(ctx, w) {
		switch err := ctx.Err(); {
		case errors.Is(err, context.DeadlineExceeded), passed(deadline, time.Now()):
			g.sheds[shedLate].Add(1)
			return 0, late
		case err != nil:
			return 0, gone
		case w.full:
			g.sheds[shedFull].Add(1)
		default:
			g.sheds[shedWaited].Add(1)
		}
		return 0, overloaded
	}
	// Go runs whom a leaver has woken before everybody else, and he wakes the next:
	// without this, who has only just arrived is not read, and admin calls are not
	// answered, as long as anybody waits.
	runtime.Gosched()
	return time.Since(since), nil
}

func (g *gate) wait(ctx context.Context, w *waiter) (in bool) {
	if w.full = !g.join(w); w.full {
		return false
	}
	patience := time.NewTimer(w.until.Sub(w.since))
	defer patience.Stop()
	select {
	case <-w.told:
		return w.in
	case <-patience.C:
	case <-ctx.Done():
	}
	return !g.quit(w) && w.in
}

// lend gives memory for a body, if there is so much.
func (g *gate) lend(bytes int64) bool {
	if g.lent.Add(bytes) <= g.limits.Bodies {
		return true
	}
	g.lent.Add(-bytes)
	g.sheds[shedMemory].Add(1)
	return false
}

// lendWindow gives memory for what a gRPC call may send unasked; whoever has it gives
// it back to the account that is returned, nil if there is no memory. Calls that take
// no key have a share of their own, a quarter as much beside that of the bodies: who
// watches the health, or stays for an hour, keeps nobody from predictions, and who is
// busy is no less healthy.
func (g *gate) lendWindow(open bool) (from *atomic.Int64) {
	if !open {
		if g.lend(window) {
			return &g.lent
		}
		return nil
	}
	if g.open.Add(window) <= max(g.limits.Bodies/4, fewest*window) {
		return &g.open
	}
	g.open.Add(-window)
	g.sheds[shedMemory].Add(1)
	return nil
}

// fewest is how many calls that take no key there is always memory for.
const fewest = 16

// take takes a free slot.
func (g *gate) take() bool {
	if g.busy.Add(1) <= int64(g.limits.Concurrency) {
		return true
	}
	g.busy.Add(-1)
	return false
}

// join goes to the end of the queue; false if it is full.
func (g *gate) join(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	// A slot may have become free while somebody's vain try, as ours was, had it
	// counted as taken.
	g.admit(w.since)
	if len(g.queue) >= g.limits.Queue {
		if g.limits.Queue == 0 || !g.overdue(w.since) {
			return false
		}
		g.out(0).tell(false)
	}
	w.ahead = g.admitted
	g.queue = append(g.queue, w)
	g.waiting.Store(int64(len(g.queue)))
	g.admit(w.since) // or before anybody could see that we wait
	return true
}

// quit leaves the queue; false if it was told something meanwhile.
func (g *gate) quit(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.queue, w)
	if i >= 0 {
		g.out(i)
	}
	return i >= 0
}

// out takes a waiter out of the queue. The caller has the lock, as for the others
// below.
func (g *gate) out(i int) *waiter {
	w := g.queue[i]
	if i == 0 { // nearly always, and without moving the others
		g.queue[0] = nil
		g.queue = g.queue[1:]
	} else {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	g.waiting.Store(int64(len(g.queue)))
	return w
}

// overdue tells whether more comes than can be answered.
func (g *gate) overdue(now time.Time) bool {
	if len(g.queue) == 0 {
		return false
	}
	oldest := g.queue[0]
	age, left := now.Sub(oldest.since), oldest.until.Sub(now)
	if age < left || oldest.asked {
		return age >= left
	}
	// As fast as they were let in since the oldest came, how long would it take?
	rate := float64(g.admitted-oldest.ahead) / age.Seconds()
	return float64(len(g.queue)) >= rate*(age+left).Seconds()/2
}

// next takes out who is to be let in; nil if nobody who waits can be any more.
func (g *gate) next(now time.Time) *waiter {
	for len(g.queue) > 0 {
		i := 0
		if g.overdue(now) {
			i = len(g.queue) - 1
		}
		w := g.out(i)
		if now.Before(w.until) {
			return w
		}
		w.tell(false)
	}
	return nil
}

// leave gives the slot back, and it to those who wait.
func (g *gate) leave() {
	g.busy.Add(-1)
	if g.waiting.Load() > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.admit(time.Now())
	}
}

// admit gives free slots to those who wait.
func (g *gate) admit(now time.Time) {
	for len(g.queue) > 0 && g.take() {
		w := g.next(now)
		if w == nil {
			g.busy.Add(-1)
			return
		}
		g.admitted++
		w.tell(true)
	}
}
