package notify

import "time"

// Meter is what this process has seen of a hook since it started.
type Meter struct {
	// Name is the hook's.
	Name string
	// Sent counts the events that have arrived, Failed the tries that have not, and
	// Again the tries beyond an event's first.
	Sent, Failed, Again uint64
	// Letters is how many dead letters there are now; 0 in a process whose turn it is
	// not, since another one's memo counts.
	Letters int
	// Arrived is when the last event did; zero before one has.
	Arrived time.Time
}

// Meters are those of all hooks. They ask no store and wait for nobody.
func (h *Herald) Meters() []Meter {
	var out []Meter
	for _, t := range h.tellers {
		m := Meter{Name: t.hook.Name, Sent: t.sent.Load(), Failed: t.failed.Load(), Again: t.again.Load()}
		if at := t.arrived.Load(); at != nil {
			m.Arrived = *at
		}
		if known := t.known.Load(); known != nil && t.mine() {
			m.Letters = len(known.Letters)
		}
		out = append(out, m)
	}
	return out
}
