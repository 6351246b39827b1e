package infer

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/route"
)

// TestCrowd: whoever is sent away is counted once, by why.
func TestCrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHandler(new(route.Switch), Limits{Concurrency: 1, Queue: 1, Patience: time.Second, Bodies: 10}, slog.New(slog.DiscardHandler))
		enter := func(within time.Duration) *trouble {
			_, why := h.gate.enter(t.Context(), time.Now().Add(within))
			return why
		}
		if enter(time.Hour) != nil || !h.gate.lend(8) || h.gate.lend(3) {
			t.Fatal("an empty gate has room for one, and for ten bytes")
		}
		if enter(time.Hour) != overloaded || enter(time.Millisecond) != late {
			t.Fatal("nobody has left")
		}
		go enter(time.Hour)
		synctest.Wait()
		if c := h.Crowd(); c.Busy != 1 || c.Waiting != 1 || c.Lent != 8 {
			t.Errorf("%+v", c)
		}
		if enter(time.Hour) != overloaded {
			t.Fatal("the queue is full")
		}
		shed := h.Crowd().Shed
		for why, want := range map[string]uint64{"memory": 1, "waited": 1, "deadline": 1, "queue_full": 1} {
			if shed[why] != want {
				t.Errorf("%s: %d, want %d", why, shed[why], want)
			}
		}
		h.gate.leave()
		synctest.Wait()
		h.gate.leave()
		if c := h.Crowd(); c.Busy != 0 || c.Waiting != 0 {
			t.Errorf("%+v", c)
		}
	})
}
