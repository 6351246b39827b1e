// Package route is the switch: which version answers a request.
//
//	request --Switch.Table--> Table (immutable) --Pick--> Arm: predictor, gauges, slowdown
//	                             ^
//	control, after a commit --Switch.Swap
//
// A Table is compiled from committed state and never changes. A request takes
// the table once and keeps it to its end, so a swap in between changes neither
// its version nor the gauge that it reports to, and a version goes when the
// last request that uses it has gone: the garbage collector counts for us.
//
// What may not happen: a request that sees half of a swap; a share of the
// requests that differs from the plan by more than one within a block; a lock.
package route

import (
	"sync/atomic"
	"time"

	"serin/internal/model"
	"serin/internal/record"
	"serin/internal/rollout"
)

// Role is what an arm is for.
type Role string

const (
	// Stable answers what the canary does not.
	Stable Role = "stable"
	// Canary answers its share.
	Canary Role = "canary"
)

// Arm is one version that answers requests.
type Arm struct {
	Model     string // its name
	Role      Role
	Version   rollout.Version
	Predictor model.Predictor
	// Evidence takes what is observed of the version: of the rollout if one is
	// live, else of stable before the next one.
	Evidence *record.Gauge
	// Served takes the whole handler's time of what was answered.
	Served *Meter
	// Slowdown is added to every prediction; the drill.
	Slowdown time.Duration
}

// Table says which arms there are and who gets which request.
type Table struct {
	Stable *Arm
	// Canary and Split are nil unless a canary is live.
	Canary *Arm
	Split  *Split
}

// Protocol is whose words a request came in.
type Protocol uint8

// The protocols, as the front door answers them.
const (
	Native Protocol = iota
	Stream
	V1
	V2
	GRPC
	Scoring
	Protocols int = iota // how many there are
)

// String is what meters call it.
func (p Protocol) String() string {
	return [Protocols]string{"predict", "stream", "v1", "v2", "grpc", "invocations"}[p]
}

// Meter takes times by protocol, and failures by their reason, since the process
// started. Its zero value has seen nothing; what nobody asked by costs no memory.
type Meter struct {
	gauges [Protocols]atomic.Pointer[record.Gauge]
	failed [record.FailureKinds]atomic.Uint64
}

// Fail counts one prediction that gave no answer.
func (m *Meter) Fail(why record.Failure) { m.failed[why].Add(1) }

// EachFailure gives how many of each kind there were, also those of which there
// were none.
func (m *Meter) EachFailure(f func(record.Failure, uint64)) {
	for why := range m.failed {
		f(record.Failure(why), m.failed[why].Load())
	}
}

// Time takes one.
func (m *Meter) Time(p Protocol, d time.Duration) {
	g := m.gauges[p].Load()
	if g == nil { // two who are first agree on one gauge
		m.gauges[p].CompareAndSwap(nil, record.NewGauge(record.Arm{}))
		g = m.gauges[p].Load()
	}
	g.Time(d)
}

// Each gives what was seen of every protocol that somebody asked by.
func (m *Meter) Each(f func(Protocol, *record.Gauge)) {
	for p := range m.gauges {
		if g := m.gauges[p].Load(); g != nil {
			f(Protocol(p), g)
		}
	}
}

// Pick chooses the arm of one request.
func (t *Table) Pick() *Arm {
	if t.Split != nil && t.Split.canary() {
		return t.Canary
	}
	return t.Stable
}

// Switch holds the table in force. Its zero value has none.
type Switch struct{ table atomic.Pointer[Table] }

// Table returns the table in force; nil before the first Swap.
func (s *Switch) Table() *Table { return s.table.Load() }

// Swap puts another table in force.
func (s *Switch) Swap(t *Table) { s.table.Store(t) }
