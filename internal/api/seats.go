package api

import (
	"slices"
	"sync"
	"time"
)

// Pages that nobody looks at any more must not keep out those that somebody
// opens. One that does not read is let go after livePatience; and where all
// places are taken, whoever has sat longest makes room for who comes. A page that
// is alive comes again by itself, so it loses a moment; one that hangs is gone.
const (
	livePages    = 64               // at once, for each model
	livePatience = 10 * time.Second // for a page that does not read
	liveTenure   = 20 * time.Second // in which nobody is sent away, so that crowds do not push each other out all the time
)

// seat is the place of one page.
type seat struct {
	since time.Time
	lost  chan struct{} // closed when another page has it
}

// seats are those of one model, whoever has sat longest first. The zero value is empty.
type seats struct {
	mu    sync.Mutex
	taken []*seat
}

// take gives a page a place, if need be that of another; nil if there is none.
func (s *seats) take(now time.Time) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.taken) == livePages {
		if now.Sub(s.taken[0].since) < liveTenure {
			return nil
		}
		close(s.taken[0].lost)
		s.taken = slices.Delete(s.taken, 0, 1)
	}
	mine := &seat{now, make(chan struct{})}
	s.taken = append(s.taken, mine)
	return mine
}

// leave gives a place back, if it is not somebody else's already.
func (s *seats) leave(mine *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = slices.DeleteFunc(s.taken, func(other *seat) bool { return other == mine })
}
