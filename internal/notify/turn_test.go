package notify

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/rollout"
)

// oneOf is one of several processes that tell a hook, when it is its turn.
func oneOf(t *testing.T, o Outbox, r *receiver, turn func() bool) *Herald {
	t.Helper()
	h := New(Config{
		Hooks: []Hook{hookAt(t, "ops=https://example.com/")}, Outbox: o, Log: slog.New(slog.DiscardHandler), Way: r, Turn: turn,
		Chance: func() float64 { return 1 },
	})
	h.Prepare(t.Context())
	return h
}

// running lets a herald work until the function that it returns is called.
func running(t *testing.T, h *Herald) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	return func() { cancel(); <-done }
}

// TestALetterThatCouldNotBeSaved is not forgotten, nor one that another process has
// written over.
func TestALetterThatCouldNotBeSaved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now(), answer: always(404)}
		h := oneOf(t, d, r, func() bool { return true })
		defer running(t, h)()
		before, _ := d.Memo(t.Context(), "ops")
		d.breakIt(errors.New("the store is down"))
		d.commit(rollout.Deploy)
		<-time.After(time.Minute) // it is given up
		d.breakIt(nil)
		d.commit(rollout.Loaded)
		<-time.After(time.Minute)
		if s := standing(t, h); s.Position != 2 || len(s.Letters) != 2 {
			t.Errorf("%+v", s)
		}
		d.mu.Lock()
		d.write("ops", before) // the store has forgotten what came then
		d.mu.Unlock()
		d.commit(rollout.Promote)
		<-time.After(time.Minute)
		if s := standing(t, h); s.Position != 3 || len(s.Letters) != 3 {
			t.Errorf("written over: %+v", s)
		}
	})
}

// TestATurnThatIsLostForAMoment leaves no event out.
func TestATurnThatIsLostForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lost atomic.Bool
		d, r := &desk{}, &receiver{begun: time.Now()}
		r.answer = func(n int, _ *http.Request) (int, http.Header) {
			if n == 0 {
				lost.Store(true)
				return http.StatusServiceUnavailable, http.Header{}
			}
			return http.StatusOK, http.Header{}
		}
		h := oneOf(t, d, r, func() bool { return !lost.Swap(false) })
		d.commit(rollout.Deploy)
		d.commit(rollout.Loaded)
		defer running(t, h)()
		<-time.After(time.Minute)
		got := r.got()
		if len(got) != 3 || got[1].id != got[0].id || !strings.Contains(got[2].body, `"event":"loaded"`) {
			t.Errorf("%+v", got)
		}
	})
}

// between is a desk at which something happens after a memo was read.
type between struct {
	*desk

	then func()
}

func (b *between) Memo(ctx context.Context, name string) ([]byte, error) {
	data, err := b.desk.Memo(ctx, name)
	if then := b.then; then != nil {
		b.then = nil
		then()
	}
	return data, err
}

// TestTwoBeginAtOnce: what one of them commits is not before the beginning of the other.
func TestTwoBeginAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{begun: time.Now(), answer: always(200)}
		b := &between{desk: &desk{}}
		b.then = func() {
			oneOf(t, b.desk, r, func() bool { return false })
			b.commit(rollout.Install)
		}
		h := oneOf(t, b, r, func() bool { return true })
		defer running(t, h)()
		<-time.After(time.Minute)
		if got := r.got(); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

// TestTwoSaveAtOnce: what one of them saves does not take back what the other has.
func TestTwoSaveAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, r := &desk{}, &receiver{begun: time.Now(), answer: always(200)}
		b := &between{desk: d}
		slow, quick := oneOf(t, b, r, func() bool { return true }), oneOf(t, d, r, func() bool { return true })
		for range 3 {
			d.commit(rollout.Deploy)
		}
		to := func(position uint64) func(memo) memo {
			return func(m memo) memo { m.Position = max(m.Position, position); return m }
		}
		b.then = func() { // slow has read, and not saved yet
			if err := quick.tellers[0].change(t.Context(), to(3)); err != nil {
				t.Error(err)
			}
		}
		if err := slow.tellers[0].change(t.Context(), to(1)); err != nil {
			t.Error(err)
		}
		for _, h := range []*Herald{slow, quick} {
			if s := standing(t, h); s.Position != 3 {
				t.Errorf("%+v", s)
			}
		}
	})
}
