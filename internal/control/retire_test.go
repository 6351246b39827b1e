package control

import (
	"testing"
	"testing/synctest"

	"serin/internal/rollout"
)

// TestRetire: a pilot retires only with nothing on its way, and then takes no
// deploy any more.
func TestRetire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cars.hold = make(chan struct{})
		w.start(Start{})
		deployed := w.deploying("v2")
		if err := w.Retire(t.Context()); code(err) != "canary_active" {
			t.Errorf("while it loads: %v", err)
		}
		close(w.cars.hold)
		if err := <-deployed; err != nil {
			t.Fatal(err)
		}
		if err := w.Retire(t.Context()); code(err) != "canary_active" {
			t.Errorf("while it is live: %v", err)
		}
		w.must(rollout.Rollback, "")
		if err := w.Retire(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := w.do(rollout.Deploy, "v3"); code(err) != "shutting_down" {
			t.Errorf("after it: %v", err)
		}
		w.want("v1", "install deploy loaded rollback")
		w.halt()
		if err := w.Retire(t.Context()); code(err) != "shutting_down" {
			t.Errorf("after its end: %v", err)
		}
	})
}
