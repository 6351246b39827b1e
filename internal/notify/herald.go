package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Herald is made from.
type Config struct {
	// Hooks are who is told; Equip has checked them.
	Hooks  []Hook
	Outbox Outbox
	Log    *slog.Logger
	// Version is serin's, for the receiver's log.
	Version string
	// Way is how requests go out; nil is a connection of its own for each hook.
	Way http.RoundTripper
	// Turn says whether this process is the one to tell, of several that share an
	// outbox; nil is one alone. Where two believe it for a moment, an event is told
	// twice, under one id.
	Turn func() bool
	// Chance returns numbers from 0 to 1, and may be called by many; nil is math/rand's.
	Chance func() float64
}

// Herald tells hooks what was committed. Make one with New, let it Prepare before
// anything is committed, then Run.
type Herald struct{ tellers []*teller }

// New returns a Herald that tells nobody yet. Without hooks it never does anything.
func New(c Config) *Herald {
	if c.Chance == nil {
		c.Chance = rand.Float64
	}
	h := &Herald{}
	for _, hook := range c.Hooks {
		way := c.Way
		if way == nil {
			way = newTransport()
		}
		h.tellers = append(h.tellers, &teller{Config: c, hook: hook, way: way, news: make(chan struct{}, 1), urged: make(chan struct{}, 1)})
	}
	return h
}

// Prepare reads how far each hook is. One that is new begins here, so that what is
// committed from now on is told, whatever becomes of this process. Where it cannot be
// read, it is tried again while the herald runs: no hook keeps a server from starting.
func (h *Herald) Prepare(ctx context.Context) {
	for _, t := range h.tellers {
		if err := t.prepare(ctx); err != nil {
			t.complain(err)
		}
	}
}

// Run tells until ctx ends, and waits for everything that it started.
func (h *Herald) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, t := range h.tellers {
		all.Go(func() { t.run(ctx) })
	}
	all.Wait()
}

// News says that something was committed. It never waits.
func (h *Herald) News() {
	for _, t := range h.tellers {
		signal(t.news)
	}
}

// signal says something to one who may be busy: then it is heard later, once.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// teller tells one hook.
type teller struct {
	Config

	hook Hook
	way  http.RoundTripper
	// news says that something was committed, urged that somebody wants the next try
	// now.
	news, urged chan struct{}

	mu    sync.Mutex           // one change of the memo at a time, until it is saved
	known atomic.Pointer[memo] // nil until it could be read
	// trouble is the event that does not arrive; nil while there is none.
	trouble atomic.Pointer[Trouble]
	arrived atomic.Pointer[time.Time]
	// sent counts events that have arrived, failed tries that have not, and again
	// tries beyond an event's first, since the process started.
	sent, failed, again atomic.Uint64
}

// Trouble is an event on its way that did not arrive yet.
type Trouble struct {
	ID    string    `json:"id"`
	Type  string    `json:"type"`
	Tries int       `json:"tries"`
	Error string    `json:"error"`
	Next  time.Time `json:"next"`
}

func (t *teller) complain(err error) {
	t.Log.Error("a web hook cannot be served; it is tried again", "hook", t.hook.Name, "err", err)
}

// saved is the memo as the outbox has it; nil if there is none.
func (t *teller) saved(ctx context.Context) (*memo, error) {
	data, err := t.Outbox.Memo(ctx, t.hook.Name)
	if err != nil {
		return nil, err
	}
	return readMemo(data)
}

// prepare learns how far the hook is.
func (t *teller) prepare(ctx context.Context) error {
	known := t.known.Load()
	var begin uint64 // of a hook that is new
	if known == nil {
		last, err := t.Outbox.Last(ctx) // before others can begin, and commit what is told then
		if err != nil {
			return err
		}
		begin = last
	}
	saved, err := t.saved(ctx)
	if err != nil {
		return err
	}
	if saved == nil {
		return t.change(ctx, func(m memo) memo {
			m.Position = max(m.Position, begin)
			return m
		})
	}
	m := saved.with(known)
	t.known.Store(&m)
	return nil
}

// change makes another memo of the one that is saved, with what this process has done
// beyond it, and saves it, again where another process was faster. If that fails, the
// change holds for this process, and the next change saves both.
func (t *teller) change(ctx context.Context, f func(memo) memo) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	var known memo
	if k := t.known.Load(); k != nil {
		known = *k
	}
	changed := f(known)
	for range attempts {
		old, err := t.Outbox.Memo(ctx, t.hook.Name)
		saved, unread := readMemo(old)
		if err := cmp.Or(err, unread); err != nil {
			t.known.Store(&changed)
			return err
		}
		if saved != nil {
			changed = f(saved.with(&known))
		}
		t.known.Store(&changed)
		data, err := json.Marshal(changed)
		if err != nil {
			return fmt.Errorf("encoding the memo: %w", err)
		}
		if done, err := t.Outbox.SwapMemo(ctx, t.hook.Name, old, data); done || err != nil {
			return err
		}
	}
	return errors.New("others were faster, again and again, to save how far the hook is")
}

const (
	// attempts bounds how often a change is made anew because another process was faster.
	attempts = 10
	// pageSize is how many events are held at once.
	pageSize = 10
	// poll is how often a hook looks by itself: for what somebody else has committed,
	// and what was committed although it seemed to have failed.
	poll = 10 * time.Second
)

// run tells what there is, and waits for more.
func (t *teller) run(ctx context.Context) {
	if closer, ok := t.way.(*http.Transport); ok {
		defer closer.CloseIdleConnections()
	}
	again := time.NewTicker(poll)
	defer again.Stop()
	complained := false
	for {
		more, err := t.round(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !complained {
			t.complain(err)
		}
		if complained = err != nil; more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-t.news:
		case <-t.urged:
		case <-again.C:
		}
	}
}

// mine says whether this process tells.
func (t *teller) mine() bool { return t.Turn == nil || t.Turn() }

// round tells a letter that somebody asked for, or else the next events; more is
// true if there may be others.
func (t *teller) round(ctx context.Context) (more bool, err error) {
	if !t.mine() {
		return false, nil
	}
	if t.known.Load() == nil || t.Turn != nil { // others may have told since
		if err := t.prepare(ctx); err != nil {
			return false, err
		}
	}
	if letter := t.known.Load().due(); letter != nil {
		events, err := t.Outbox.Events(ctx, letter.Seq-1, 1)
		if err != nil {
			return false, err
		}
		if len(events) == 0 { // there is no such event, and there was none
			return true, t.change(ctx, func(m memo) memo { return m.without(letter.Seq) })
		}
		return true, t.tell(ctx, &events[0])
	}
	events, err := t.Outbox.Events(ctx, t.known.Load().Position, pageSize)
	for i := range events {
		if err := t.tell(ctx, &events[i]); err != nil {
			return false, err
		}
		if known := t.known.Load(); known.due() != nil || known.Position < events[i].Seq || !t.mine() {
			return true, nil // nothing is told before what was left off
		}
	}
	return len(events) > 0, err
}

// tell posts an event until it has arrived or is given up, and remembers which.
func (t *teller) tell(ctx context.Context, e *Event) error {
	letter := Letter{Seq: e.Seq, ID: identity(e), Type: typeOf(e.Kind), At: e.At, Model: e.State.Model, Error: e.Lost}
	if m, err := compose(e, t.hook.Kind); err != nil {
		letter.Error = err.Error()
	} else if e.Lost == "" {
		switch t.deliver(ctx, m, &letter) {
		case leftOff:
			return ctx.Err() // whoever has the turn now tries it
		case givenUp:
		case arrived:
			now := time.Now()
			t.arrived.Store(&now)
			t.sent.Add(1)
			return t.change(ctx, func(m memo) memo {
				m.Position = max(m.Position, e.Seq)
				return m.without(e.Seq)
			})
		}
	}
	letter.GivenUp = time.Now().UTC()
	t.Log.Error("a web hook was not told an event, which is a dead letter now: serin webhooks lists it, and serin webhooks replay tells it again",
		"hook", t.hook.Name, "id", letter.ID, "type", letter.Type, "model", letter.Model, "tries", letter.Tries, "err", letter.Error)
	return t.change(ctx, func(m memo) memo {
		m.Position = max(m.Position, e.Seq)
		return m.bury(letter)
	})
}

// ending is how the tries of an event have ended.
type ending int

const (
	arrived ending = iota
	givenUp
	leftOff // this process is about to end, or it is another's turn
)

// deliver tries until the event has arrived, is given up, or is left to others.
func (t *teller) deliver(ctx context.Context, m *message, letter *Letter) ending {
	defer t.trouble.Store(nil)
	for {
		if letter.Tries > 0 {
			t.again.Add(1)
		}
		failed := post(ctx, t.way, &t.hook, m, "serin/"+t.Version)
		letter.Tries++
		switch {
		case failed == nil:
			return arrived
		case ctx.Err() != nil:
			return leftOff
		}
		t.failed.Add(1)
		letter.Error = failed.what
		if failed.hopeless(letter.Tries) {
			return givenUp
		}
		pause := failed.pause(letter.Tries, t.Chance())
		if letter.Tries == 1 {
			t.Log.Warn("a web hook does not take an event; it is tried again", "hook", t.hook.Name, "id", m.id, "type", m.kind, "err", failed.what)
		}
		t.trouble.Store(&Trouble{m.id, m.kind, letter.Tries, failed.what, time.Now().Add(pause).UTC()})
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-t.urged:
		case <-ctx.Done():
		}
		if wait.Stop(); ctx.Err() != nil || !t.mine() {
			return leftOff
		}
	}
}
