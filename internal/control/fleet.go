package control

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Fleet is this process as one of several that share a store. Fill it in, give it
// to each Pilot, and let Run work while any of them does. All fields but Seen are
// required.
//
// A Fleet beats: each second, and when something may have been committed elsewhere.
type Fleet struct {
	Store Shared
	// Self is this replica: name, address and version.
	Self Replica
	// Isolation is how long the store may be unheard before this replica serves
	// nothing but stable versions.
	Isolation time.Duration
	// Seen is the Head that an earlier process on this machine heard last, "" if none:
	// a store that has lost it is not believed.
	Seen string
	Log  *slog.Logger

	beating sync.Mutex // one beat at a time; guards what follows
	pilots  []*Pilot
	due     int  // beats until what was told once is told again
	missed  bool // a beat was not answered: everything is told again
	silent  bool // the last beat failed; said once
	forgot  bool // the store has lost what it had; said once

	once   sync.Once
	called chan struct{} // something may have been committed, or has changed here
	last   atomic.Pointer[heard]
	head   atomic.Pointer[string]
}

// heard is a pulse, and when it was asked for, by this process's clock.
type heard struct {
	Pulse
	at time.Time
}

const (
	// beatEvery is how often a replica says that it lives.
	beatEvery = time.Second
	// leadFor is how long a replica leads after a beat that was answered so. The store
	// gives the lead to another one later than that.
	leadFor = 4 * time.Second
	// retell is after how many beats what was told once is told again: a store that fails
	// may lose the last beats that it has answered.
	retell = 30
	// mostStatus is how many bytes of a status the store takes.
	mostStatus = 16 << 10
)

// errForgot is why a store is not believed.
var errForgot = errors.New("the store has lost what this replica knows to have been in it")

// Run beats until ctx ends.
func (f *Fleet) Run(ctx context.Context) {
	var listening sync.WaitGroup
	defer listening.Wait()
	listening.Go(func() { f.Store.Listen(ctx, f.hurry) })
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		_ = f.tell(ctx, true) // it has said so
		select {
		case <-ctx.Done():
			return
		case <-f.calls():
		case <-tick.C:
		}
	}
}

func (f *Fleet) calls() chan struct{} {
	f.once.Do(func() { f.called = make(chan struct{}, 1) })
	return f.called
}

// hurry lets the next beat be now.
func (f *Fleet) hurry() {
	select {
	case f.calls() <- struct{}{}:
	default: // it is on its way
	}
}

// beat tells all that is new here, and every pilot what is new elsewhere.
func (f *Fleet) beat(ctx context.Context) error { return f.tell(ctx, false) }

// tell is beat; a calm one leaves out rows that are large and were told lately.
func (f *Fleet) tell(ctx context.Context, calm bool) error {
	f.beating.Lock()
	defer f.beating.Unlock()
	b := Beat{Replica: f.Self, Seen: f.Seen}
	status := map[string]standing{}
	f.due--
	for _, p := range f.pilots {
		b.Rows = append(b.Rows, p.tally.news(f.missed, f.due <= 0, calm)...)
		v := p.view.Load()
		if !f.forgot && !v.lost { // who does not believe the store must not lead in it
			b.Models = append(b.Models, p.Model)
		}
		status[p.Model] = standing{v.state.Generation, v.here}
	}
	text, err := json.Marshal(status)
	if err != nil { // words and numbers
		return err
	}
	if len(text) <= mostStatus { // it is for people; nobody is cut off for having much to say
		b.Replica.Status = text
	}
	began := time.Now()
	pulse, err := f.Store.Beat(ctx, b)
	if err != nil {
		f.missed = true
		if !f.silent && ctx.Err() == nil {
			f.silent = true
			f.Log.Error("the store is not heard; predictions go on", "err", err)
		}
		return err
	}
	if f.silent {
		f.silent = false
		f.Log.Info("the store is heard again")
	}
	if !pulse.Kept {
		f.missed = true
		if !f.forgot {
			f.forgot = true
			f.Log.Error("the store has lost what this replica knows to have been in it, or is another one; nothing is decided until somebody has looked: serin doctor", "known", f.Seen)
		}
		return errForgot
	}
	if f.due <= 0 {
		f.due = retell
	}
	f.forgot, f.missed, f.Seen = false, false, pulse.Head
	f.head.Store(&pulse.Head)
	f.last.Store(&heard{pulse, began})
	for _, p := range f.pilots {
		p.tally.kept(b.Rows)
		select {
		case p.nudge <- struct{}{}:
		default:
		}
	}
	return nil
}

// standing is how a replica serves a model, for the others to read.
type standing struct {
	Generation uint64 `json:"generation"`
	Here       string `json:"here,omitempty"`
}

// Head is where the journal ended when it was heard last; "" before that.
func (f *Fleet) Head() string {
	if h := f.head.Load(); h != nil {
		return *h
	}
	return ""
}

// Heard is when the store was heard last, by this process's clock; zero before.
func (f *Fleet) Heard() time.Time {
	if h := f.last.Load(); h != nil {
		return h.at
	}
	return time.Time{}
}

func (f *Fleet) join(p *Pilot) {
	f.beating.Lock()
	defer f.beating.Unlock()
	f.pilots = append(f.pilots, p)
}

func (f *Fleet) leave(p *Pilot) {
	f.beating.Lock()
	defer f.beating.Unlock()
	for i := range f.pilots {
		if f.pilots[i] == p {
			f.pilots = append(f.pilots[:i:i], f.pilots[i+1:]...)
			return
		}
	}
}

// Foremost says whether this replica leads the first of the models that are led, by
// name: it does what one of all replicas does for all. Two may believe it for a
// moment, and nobody while the store is not heard.
func (f *Fleet) Foremost() bool {
	h := f.last.Load()
	if h == nil || time.Since(h.at) >= leadFor {
		return false
	}
	for _, model := range slices.Sorted(maps.Keys(h.Leaders)) {
		if leader := h.Leaders[model]; leader != "" {
			return leader == f.Self.Name
		}
	}
	return false
}
