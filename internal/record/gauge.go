package record

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Gauge takes the observations of one arm, from any number of goroutines.
// Make one with NewGauge.
type Gauge struct {
	base  Arm
	lanes []lane
}

// lane is the part of a gauge that one processor writes. Its lock is almost
// always free: see lanes.
type lane struct {
	mu  sync.Mutex
	arm Arm
	_   [64]byte // keeps the neighbour's lock off this one's cache line
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

// Observe counts one finished prediction.
func (g *Gauge) Observe(latency time.Duration) {
	hand := hands.Get().(*hand)
	l := &g.lanes[hand.lane&uint32(len(g.lanes)-1)]
	l.mu.Lock()
	l.arm.observe(latency)
	l.mu.Unlock()
	hands.Put(hand)
}

// Fail counts one prediction that gave no answer.
func (g *Gauge) Fail() {
	l := &g.lanes[0]
	l.mu.Lock()
	l.arm.Failures++
	l.mu.Unlock()
}

// Snapshot is everything observed so far, base included. Observations that
// arrive meanwhile are in it or in the next one, never in half.
func (g *Gauge) Snapshot() Arm {
	sum := g.base
	for i := range g.lanes {
		l := &g.lanes[i]
		l.mu.Lock()
		sum.Add(&l.arm)
		l.mu.Unlock()
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
