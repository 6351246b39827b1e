package control

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/rollout"
)

// These tests were written against bugs that a review found; each failed first.

// TestAStopDuringAStartDecidesNothing: SIGTERM while the canary is loaded again
// must not roll it back.
func TestAStopDuringAStartDecidesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).start(Start{})
		w.must(rollout.Deploy, "v2")
		w.halt()
		engines := &garage{hold: make(chan struct{})}
		p := New(Config{Model: "churn", Store: w.store, Engines: engines, Log: w.Log, Drills: true})
		ctx, cancel := context.WithCancel(t.Context())
		booted := make(chan error, 1)
		go func() { booted <- p.Boot(ctx, Start{Killed: true}) }()
		synctest.Wait()
		cancel()
		if err := <-booted; !errors.Is(err, context.Canceled) {
			t.Errorf("boot: %v", err)
		}
		if engines.routes() != "" || w.store.events() != "install deploy loaded resume" {
			t.Errorf("routes to %q, journal: %s", engines.routes(), w.store.events())
		}
	})
}

func TestACanaryThatCannotBeLoadedAgainIsRolledBack(t *testing.T) {
	t.Parallel()
	for _, code := range []FaultCode{ModelRefused, FileRefused, FileUnreachable} { // the latter of what is fetched again
		bubble(t, func(w *world) {
			w.must(rollout.Deploy, "v2")
			w.halt()
			w.cars.refuse["v2"] = &Fault{Code: code, Detail: "its stored copy is damaged", Next: "Deploy it again."}
			w.start(Start{})
			w.want("v1", "install deploy loaded resume rollback")
		})
	}
}

func TestADeployRepeatedAfterAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cars.hold = make(chan struct{})
		w.start(Start{})
		w.store.tear()
		if _, err := w.do(rollout.Deploy, "v2"); !strings.Contains(err.Error(), "not known") {
			t.Errorf("first: %v", err)
		}
		if _, err := w.do(rollout.Deploy, "v2"); code(err) != "canary_active" {
			t.Errorf("second: %v", err)
		}
		close(w.cars.hold)
		pass(3 * time.Second)
		w.want("v1 and v2", "install deploy loaded")
		w.halt()
	})
}

func TestNothingIsCommittedWhileTheStoreIsUnsure(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.store.tear()
		if _, err := w.do(rollout.Drill, ""); !strings.Contains(err.Error(), "before you repeat it") {
			t.Errorf("told: %v", err)
		}
		w.store.breakDown(errors.New("disk gone"))
		for _, k := range []rollout.Kind{rollout.Rollback, rollout.Deploy} {
			if _, err := w.do(k, "v3"); code(err) != "store_unavailable" {
				t.Errorf("%s was told: %v", k, err)
			}
		}
		w.store.breakDown(nil)
		w.must(rollout.Rollback, "")
		w.want("v1", "install deploy loaded drill rollback")
	})
}

func TestPromoteRightAfterATornLoad(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.hold = make(chan struct{})
		deployed := w.deploying("v2")
		w.store.tear()
		close(w.cars.hold)
		<-deployed
		_, err := w.do(rollout.Promote, "")
		if code(err) != "evidence_insufficient" || !strings.HasPrefix(err.Error(), "not enough data") {
			t.Errorf("%v", err)
		}
	})
}

func TestALoadingCanaryHasItsOwnClock(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		pass(20 * time.Minute)
		w.look()
		w.must(rollout.Rollback, "")
		w.cars.hold = make(chan struct{})
		deployed := w.deploying("v3")
		if h := w.Peek(); h.Elapsed != 0 || h.Look != 0 {
			t.Errorf("while loading: elapsed %v, look %d", h.Elapsed, h.Look)
		}
		close(w.cars.hold)
		<-deployed
	})
}

func TestARunningDrillCanBeEndedWhenDrillsAreOff(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.must(rollout.Drill, "")
		w.Drills = false
		if h := w.must(rollout.Drill, ""); h.State.Slowdown {
			t.Error("still on")
		}
		if _, err := w.do(rollout.Drill, ""); code(err) != "drills_off" {
			t.Errorf("switched on again: %v", err)
		}
	})
}

func TestLooksThatNobodyTookAreNotCounted(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.cars.traffic(30, 0)
		pass(time.Hour - 3*time.Second)
		w.store.breakDown(errors.New("disk full"))
		pass(100 * time.Second)
		if h := w.Peek(); h.Look != 0 {
			t.Errorf("look %d", h.Look)
		}
		w.store.breakDown(nil)
	})
}

func TestACleanStopWhileLoadingQuarantinesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cars.hold = make(chan struct{})
		w.start(Start{})
		w.deploying("v2")
		w.store.breakDown(errors.New("disk full"))
		w.halt()
		w.store.breakDown(nil)
		w.start(Start{})
		state := w.Peek().State
		if past := state.Recall("v2"); past != nil {
			t.Errorf("remembered: %+v", past)
		}
		w.want("v1", "install deploy refused")
		w.halt()
	})
}

func TestAStoppingServerWaitsForNoDeploy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cars.hold = make(chan struct{})
		w.start(Start{})
		deployed := w.deploying("v2")
		w.EndDeploys(t.Context())
		if err := <-deployed; code(err) != "shutting_down" {
			t.Errorf("told: %v", err)
		}
		if _, err := w.do(rollout.Deploy, "v3"); code(err) != "shutting_down" {
			t.Errorf("a new one: %v", err)
		}
		w.want("v1", "install deploy rollback")
		w.halt()
	})
}

// TestWhatWasCommittedIsNotToldAsStopping sends a command into the end of the
// loop, over and over: whoever is told that serin stops must find nothing done.
func TestWhatWasCommittedIsNotToldAsStopping(t *testing.T) {
	t.Parallel()
	for range 500 {
		store := &memory{}
		p := New(Config{Model: "churn", Store: store, Engines: &garage{}, Log: slog.New(slog.DiscardHandler), Drills: true})
		if err := p.Boot(t.Context(), Start{Model: "v1"}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); p.Run(ctx) }()
		told := make(chan error, 1)
		go func() { _, err := p.Do(t.Context(), Command{Kind: rollout.Drill}); told <- err }()
		cancel()
		err := <-told
		<-ended
		if err != nil && store.state.Slowdown {
			t.Fatalf("committed, and told: %v", err)
		}
	}
}

func TestActorsAndReasonsArePrintable(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		if _, err := w.Do(w.t.Context(), Command{Kind: rollout.Drill, Actor: "añá\xff\x1b[31m", Reason: "two\nlines"}); err != nil {
			t.Error(err)
		}
		if e := w.store.journal[1]; e.Actor != "añá??[31m" || e.Reason != "two?lines" {
			t.Errorf("journaled %q, %q", e.Actor, e.Reason)
		}
	})
}

func TestSomebodyCalledSerinIsNotTheProcess(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		if _, err := w.Do(w.t.Context(), Command{Kind: rollout.Drill, Actor: "serin"}); err != nil {
			t.Error(err)
		}
		if got := w.store.journal[1].Actor; got != "user serin" {
			t.Errorf("journaled as %q", got)
		}
		if n := w.Decisions()[Decision{rollout.Drill, false}]; n != 1 {
			t.Errorf("counted %v", w.Decisions())
		}
	})
}
