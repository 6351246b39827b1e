package control

import (
	"strings"
	"testing"
	"time"

	"serin/internal/rollout"
)

// These tests are about replicas that do not hear the store, or not in time.

// stuck deploys, and lets a commit of the second ship hang until free; it returns what
// that commit is told.
func (w *fleetWorld) stuck() (s *ship, free func(), told chan error) {
	w.must(0, rollout.Deploy, "v2")
	pass(2 * time.Second)
	s, told = w.ships[1], make(chan error, 1)
	held := make(chan struct{})
	hold := func(by chan struct{}) {
		s.link.mu.Lock()
		defer s.link.mu.Unlock()
		s.link.stuck = by
	}
	hold(held)
	go func() { told <- s.weigh(1000) }()
	return s, func() {
		hold(nil)
		close(held)
	}, told
}

// TestACommitThatHangs does not keep a replica from serving stable only when it has
// heard nothing for too long.
func TestACommitThatHangs(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		s, free, told := w.stuck()
		pass(time.Second)
		s.link.set(true, false)
		pass(s.Fleet.Isolation - 2*time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
		pass(3 * time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1")
		free()
		if err := <-told; code(err) != string(StoreDown) {
			t.Errorf("told: %v", err)
		}
		s.link.set(false, false)
		pass(2 * time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
	})
}

// TestACommitThatHangsWhileTheStoreIsHeard takes nobody's canary away.
func TestACommitThatHangsWhileTheStoreIsHeard(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		s, free, told := w.stuck()
		pass(2 * s.Fleet.Isolation)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
		free()
		if err := <-told; err != nil {
			t.Error(err)
		}
		w.want("install deploy loaded reweigh", "v1 and v2", "v1 and v2")
	})
}

// TestWhoDoesNotBelieveTheStoreDoesNotLead in it: whoever does may.
func TestWhoDoesNotBelieveTheStoreDoesNotLead(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*shore){
		"another store": func(s *shore) { s.forgot = true },
		"an older one":  func(s *shore) { s.state.Generation = 1 },
	} {
		harbour(t, 1, func(w *fleetWorld) {
			w.must(0, rollout.Deploy, "v2")
			pass(2 * time.Second)
			w.shore.mu.Lock()
			w.shore.memory.mu.Lock()
			lose(w.shore)
			w.shore.memory.mu.Unlock()
			w.shore.mu.Unlock()
			pass(leaseOfTest + 3*time.Second)
			w.shore.mu.Lock()
			defer w.shore.mu.Unlock()
			if w.shore.led.IsZero() || time.Since(w.shore.led) < leaseOfTest {
				t.Errorf("%s: it has led until %v ago", name, time.Since(w.shore.led))
			}
		})
	}
}

// TestAStopWhileSomebodyDecides: the end of a replica that loads a canary is not taken
// for the canary's fault because another one has decided something at that moment.
func TestAStopWhileSomebodyDecides(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		s := w.ships[1]
		s.cars.hold = make(chan struct{})
		go func() { _, _ = s.do(rollout.Deploy, "v2") }()
		pass(2 * time.Second)
		s.link.mu.Lock()
		s.link.stale = 1
		s.link.mu.Unlock()
		s.halt()
		s.halt = func() {}
		pass(time.Minute)
		w.want("install deploy rollback", "v1")
		state := w.ships[0].Peek().State
		if past := state.Recall("v2"); past != nil && past.Quarantined {
			t.Errorf("remembered: %+v", past)
		}
	})
}

// TestTheStoresClockIsStepped while a canary is loaded: nobody is gone because of that.
func TestTheStoresClockIsStepped(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		s := w.ships[1]
		s.cars.hold = make(chan struct{})
		told := make(chan error, 1)
		go func() { _, err := s.do(rollout.Deploy, "v2"); told <- err }()
		w.shore.mu.Lock()
		w.shore.stepped = time.Hour
		w.shore.mu.Unlock()
		pass(time.Minute)
		close(s.cars.hold)
		if err := <-told; err != nil {
			t.Error(err)
		}
		pass(time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
	})
}

// TestNothingIsCountedTwice when replicas stop, are killed and come back in the middle
// of a rollout, leaders and others.
func TestNothingIsCountedTwice(t *testing.T) {
	t.Parallel()
	harbour(t, 3, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(2 * time.Second)
		sent := 0
		for i := range 4 {
			sent += w.traffic(25, 0)
			pass(3 * time.Second)
			s := w.ships[i]
			if known := s.Peek().State; i%2 == 0 {
				s.kill()
				w.launch(Start{Last: &known, Killed: true, Kills: 1}, nil)
			} else {
				s.halt()
				s.halt = func() {}
				w.launch(Start{Last: &known}, nil)
			}
			s.cars = new(garage)
			pass(time.Second)
		}
		pass(leaseOfTest + watchEvery)
		for _, s := range w.ships[4:] {
			h, err := s.Check(w.t.Context())
			if err != nil || h.Result.Stable.Count != uint64(sent) || h.Result.Canary.Count != uint64(sent) {
				t.Errorf("%d and %d of %d: %v", h.Result.Stable.Count, h.Result.Canary.Count, sent, err)
			}
		}
		if stable, canary := w.shore.evidence.Total(); stable.Count != uint64(sent) || canary.Count != uint64(sent) {
			t.Errorf("saved: %d and %d of %d", stable.Count, canary.Count, sent)
		}
		if log := w.log.String(); strings.Contains(log, "cannot be added up") {
			t.Error(log)
		}
	})
}
