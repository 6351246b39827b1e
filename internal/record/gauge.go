package record

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Gauge takes the observations of one arm, from any number of goroutines: of
// each request Begin, then either Observe or Fail, and Abandon after Observe
// where nobody waits for the answer any more. Make one with NewGauge.
type Gauge struct {
	base      Arm
	abandoned atomic.Uint64
	lanes     []lane
}

// lane is the part of a gauge that one processor writes. Its lock is almost
// always free: see hand.
type lane struct {
	started atomic.Uint64
	mu      sync.Mutex
	arm     Arm
	_       [64]byte // keeps the neighbour's lock off this one's cache line
}

// NewGauge returns a gauge that starts from base: what was observed before the
// process was restarted, or the zero Arm.
func NewGauge(base Arm) *Gauge {
	n := 1
	for n < runtime.GOMAXPROCS(0) {
		n *= 2
	}
	return &Gauge{base: base, lanes: make([]lane, n)}
}

// Begin counts one request that was routed here.
func (g *Gauge) Begin() {
	hand := hands.Get().(*hand)
	g.lane(hand).started.Add(1)
	hands.Put(hand)
}

// Observe counts one finished prediction; see Arm.Observe.
func (g *Gauge) Observe(latency time.Duration, score float64) {
	hand := hands.Get().(*hand)
	l := g.lane(hand)
	l.mu.Lock()
	l.arm.Observe(latency, score)
	l.mu.Unlock()
	hands.Put(hand)
}

// Time counts a latency alone, without its logarithm: for a meter that nobody
// judges by. Do not mix it with Observe.
func (g *Gauge) Time(latency time.Duration) {
	hand := hands.Get().(*hand)
	l := g.lane(hand)
	l.mu.Lock()
	l.arm.time(latency)
	l.mu.Unlock()
	hands.Put(hand)
}

// Abandon adds, to a prediction that was observed, that its client had gone.
func (g *Gauge) Abandon() { g.abandoned.Add(1) }

// Fail counts one prediction that gave no answer, and why.
func (g *Gauge) Fail(why Failure) {
	l := &g.lanes[0]
	l.mu.Lock()
	l.arm.fail(why)
	l.mu.Unlock()
}

// Snapshot is everything observed so far, base included. What arrives meanwhile
// is in it or in the next one, never in half.
//
// Counters are read against the order in which a request moves them: abandoned
// first, started last. So whatever is counted of a request, what came before is
// counted, too, and no snapshot has more requests ended than begun.
func (g *Gauge) Snapshot() Arm {
	sum := g.base
	sum.Abandoned += g.abandoned.Load()
	for i := range g.lanes {
		l := &g.lanes[i]
		l.mu.Lock()
		sum.Add(&l.arm)
		l.mu.Unlock()
	}
	for i := range g.lanes {
		sum.Started += g.lanes[i].started.Load()
	}
	return sum
}

// hand remembers which lane a processor writes to. sync.Pool keeps one per
// processor without a lock, so two processors rarely meet on a lane; when they
// do, or when a collection emptied the pool and the numbers are dealt anew,
// the lane's own lock keeps the counts right. The lanes themselves live in the
// gauge, so their number, and with it the memory, is fixed.
type hand struct{ lane uint32 }

var (
	dealt atomic.Uint32
	hands = sync.Pool{New: func() any { return &hand{lane: dealt.Add(1)} }}
)

func (g *Gauge) lane(h *hand) *lane { return &g.lanes[h.lane&uint32(len(g.lanes)-1)] }
