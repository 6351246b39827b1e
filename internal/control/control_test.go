package control

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"serin/internal/judge"
	"serin/internal/rollout"
)

func TestTheSeedsFirstScenario(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.want("v1 and v2", "install deploy loaded")
		w.cars.traffic(20, 0)
		if h := w.look(); h.Result.Verdict != rollout.Pass || h.Look != 1 {
			t.Errorf("first look: %+v", h.Result.Finding)
		}
		w.must(rollout.Drill, "")
		w.cars.traffic(20, 20*time.Millisecond)
		h := w.look()
		if h.Result.Verdict != rollout.Fail || h.Look != 2 || h.State.Rollout.Alert == nil {
			t.Errorf("second look: %+v", h)
		}
		w.look()
		if _, err := w.do(rollout.Promote, ""); code(err) != "canary_unhealthy" {
			t.Errorf("promote in spite of an alert: %v", err)
		}
		if h := w.must(rollout.Rollback, ""); h.Rollout.ID != "r1" || h.State.Slowdown || h.Result.Verdict != rollout.Fail {
			t.Errorf("rollback: %+v", h)
		}
		w.want("v1", "install deploy loaded drill alert rollback")
		if _, err := w.do(rollout.Rollback, ""); code(err) != "no_canary" {
			t.Errorf("second rollback: %v", err)
		}
		if again := w.must(rollout.Deploy, "v2"); again.Rollout.Before == nil || !strings.Contains(again.Rollout.Before.Reason, "slower") {
			t.Errorf("deployed again without a word: %+v", again.Rollout)
		}
	})
}

func TestTheSeedsSecondScenario(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		if _, err := w.do(rollout.Promote, ""); code(err) != "evidence_insufficient" {
			t.Errorf("promote without evidence: %v", err)
		}
		w.cars.traffic(20, 0)
		w.must(rollout.Promote, "")
		w.want("v2", "install deploy loaded promote")
	})
}

// TestEveryDecisionCanBeJudgedAgain takes each judged entry of the journal and
// judges its evidence once more.
func TestEveryDecisionCanBeJudgedAgain(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.cars.traffic(50, 30*time.Millisecond)
		w.look()
		w.must(rollout.Rollback, "")
		w.must(rollout.Deploy, "v3")
		w.cars.traffic(50, 0)
		w.must(rollout.Promote, "")
		judged := 0
		for _, e := range w.store.journal {
			if e.Finding == nil {
				continue
			}
			judged++
			again := judge.NewMonitor(plan).Opinion(e.Evidence)
			var then judge.Opinion
			if err := json.Unmarshal(e.Detail, &then); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(then, again); diff != "" || *e.Finding != again.Welch.Finding {
				t.Errorf("%s is judged otherwise now:\n%s", e.Event, diff)
			}
		}
		if judged != 3 {
			t.Errorf("%d judged entries, want the alert, the rollback and the promotion", judged)
		}
	})
}

func TestTheHour(t *testing.T) {
	t.Parallel()
	tests := []struct {
		atEnd  rollout.AtEnd
		slower time.Duration
		routes string
		events string
	}{
		{rollout.Hold, 0, "v1 and v2", "install deploy loaded period-over"},
		{rollout.PromoteAtEnd, 0, "v2", "install deploy loaded period-over"},
		{rollout.PromoteAtEnd, 30 * time.Millisecond, "v1 and v2", "install deploy loaded alarm period-over"},
		{rollout.RollbackAtEnd, 0, "v1", "install deploy loaded period-over"},
	}
	for _, tt := range tests {
		t.Run(string(tt.atEnd)+tt.slower.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(w *world) {
				p := plan
				p.AtEnd = tt.atEnd
				w.cars.baseline = usual()
				if _, err := w.Do(w.t.Context(), Command{Kind: rollout.Deploy, Source: Source{Path: "v2"}, Plan: p}); err != nil {
					t.Fatal(err)
				}
				w.cars.traffic(600, tt.slower)
				pass(time.Hour - 2*time.Second)
				w.want("v1 and v2", strings.TrimSuffix(tt.events, " period-over"))
				pass(3 * time.Second)
				w.want(tt.routes, tt.events)
				pass(time.Hour)
				w.want(tt.routes, tt.events)
			})
		})
	}
}

func TestRestartGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.must(rollout.Drill, "")
		w.cars.traffic(30, 0)
		pass(20 * time.Minute)
		w.look()
		before := w.Peek()
		w.halt()
		pass(5 * time.Hour) // downtime is not observed time
		w.start(Start{Killed: true})
		after := w.Peek()
		if diff := cmp.Diff(before.Result, after.Result); diff != "" || before.Elapsed != after.Elapsed || before.Look != after.Look {
			t.Errorf("elapsed %v, look %d; was %v, %d\n%s", after.Elapsed, after.Look, before.Elapsed, before.Look, diff)
		}
		if !after.State.Slowdown {
			t.Error("the drill was forgotten")
		}
		w.want("v1 and v2", "install deploy loaded drill resume")
		w.cars.traffic(1, 0)
		if h := w.look(); h.Result.Canary.Count != 31 {
			t.Errorf("%d canary observations, want 31", h.Result.Canary.Count)
		}
		pass(41 * time.Minute)
		if h := w.Peek(); h.State.Phase != rollout.Due {
			t.Errorf("after an hour of observed time the rollout is %s", h.State.Phase)
		}
	})
}

// TestTheStagesOfARollout: the first is compared with stable as it was before
// the canary; each second brings the evidence up to date; a restart goes on
// with the same stages and windows; the journal has what was judged.
func TestTheStagesOfARollout(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		for range 100 {
			w.cars.baseline.Started++
			w.cars.baseline.Observe(time.Millisecond, 0.5)
		}
		reference := w.cars.baseline
		w.must(rollout.Deploy, "v2")
		w.cars.traffic(30, 0)
		pass(15 * time.Second)
		w.cars.traffic(5, 0)
		w.halt()
		w.start(Start{Killed: true})
		w.cars.traffic(5, 0)
		pass(10 * time.Second)
		w.look()
		w.must(rollout.Rollback, "")
		e := w.store.journal[len(w.store.journal)-1].Evidence
		if len(e.Stages) != 1 {
			t.Fatalf("%d stages", len(e.Stages))
		}
		s := &e.Stages[0]
		// 30 of each in the first window of 10 s; 5 before and 5 after the restart in the second.
		n, weight, _, _ := s.Fast.Sums()
		if s.Share != uint32(plan.Weight) || s.Reference != reference || s.Canary.Count != 40 || s.Canary.Started != 40 || n != 2 || weight != 20 {
			t.Errorf("share %d, %d observations in the reference, %d of %d of the canary, %v windows of weight %v",
				s.Share, s.Reference.Count, s.Canary.Count, s.Canary.Started, n, weight)
		}
		w.must(rollout.Deploy, "v3")
		pass(2 * time.Second)
		if e := w.store.evidence; len(e.Stages) != 1 || e.Stages[0].Canary.Count != 0 || e.Stages[0].Reference.Count != 0 {
			t.Error("a rollout began with what another one has seen")
		}
	})
}

// TestAnotherShareIsAnotherStage sets the share in the state, as a committed
// event does.
func TestAnotherShareIsAnotherStage(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.cars.traffic(10, 0)
		pass(5 * time.Second)
		v := *w.view.Load()
		changed := *v.state.Rollout
		changed.Weight = 2500
		v.state.Rollout = &changed
		w.cars.traffic(7, 0)
		e := w.evidence(&v)
		if len(e.Stages) != 2 || e.Stages[0].Canary.Count != 10 || e.Stages[1].Share != 2500 || e.Stages[1].Canary.Count != 7 {
			t.Errorf("%d stages", len(e.Stages))
		}
		if now := w.Peek(); now.Result.Canary.Count != 17 {
			t.Errorf("%d observations", now.Result.Canary.Count)
		}
	})
}

func TestACanaryThatTakesTheProcessDown(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.halt()
		w.start(Start{Killed: true, Crash: "fatal error: stack overflow"})
		w.want("v1", "install deploy loaded crash")
		if got := w.cars.loads; len(got) != 1 || got[0] != "v1" {
			t.Errorf("loaded %v after the crash; the canary must not be touched", got)
		}
		_, err := w.do(rollout.Deploy, "v2")
		if code(err) != "version_quarantined" || !strings.Contains(err.Error(), "stack overflow") {
			t.Errorf("deployed again: %v", err)
		}
		if _, err := w.Do(w.t.Context(), Command{Kind: rollout.Deploy, Source: Source{Path: "v2"}, Plan: plan, Force: true}); err != nil {
			t.Errorf("by force: %v", err)
		}
	})
}

func TestKilledWhileLoading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cars.hold = make(chan struct{})
		w.start(Start{})
		w.deploying("v2")
		w.want("v1", "install deploy")
		crashed := w.store.state // what a kill at this moment leaves behind
		w.halt()
		w.want("v1", "install deploy rollback")
		w.store.state = crashed
		w.start(Start{Killed: true})
		w.want("v1", "install deploy rollback crash")
		w.halt()
	})
}

func TestRollbackNeverWaitsForALoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cars.hold = make(chan struct{})
		w.start(Start{})
		deployed := w.deploying("v2")
		if _, err := w.do(rollout.Deploy, "v3"); code(err) != "canary_active" {
			t.Errorf("second deploy: %v", err)
		}
		w.must(rollout.Rollback, "")
		if err := <-deployed; code(err) != "rolled_back_while_loading" {
			t.Errorf("the first deploy was told: %v", err)
		}
		close(w.cars.hold)
		synctest.Wait()
		w.want("v1", "install deploy rollback")
		w.must(rollout.Deploy, "v2")
		w.want("v1 and v2", "install deploy rollback deploy loaded")
		w.halt()
	})
}

func TestRollbackOfADeployThatStillReadsItsFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).start(Start{})
		w.cars.fetching = make(chan struct{})
		deployed := w.deploying("v2")
		if _, err := w.do(rollout.Deploy, "v3"); code(err) != "canary_active" {
			t.Errorf("second deploy: %v", err)
		}
		w.must(rollout.Rollback, "")
		if err := <-deployed; code(err) != "rolled_back_while_loading" {
			t.Errorf("the deploy was told: %v", err)
		}
		w.want("v1", "install")
		w.halt()
	})
}

func TestRefusedFilesLeaveEverythingAsItWas(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		if _, err := w.do(rollout.Deploy, "missing"); code(err) != "file_not_found" {
			t.Error(err)
		}
		w.want("v1", "install")
		w.cars.refuse["bad"] = &Fault{Code: ModelRefused, Detail: "it names os.system", Next: "Save it properly."}
		if _, err := w.do(rollout.Deploy, "bad"); code(err) != "model_refused" {
			t.Error(err)
		}
		w.want("v1", "install deploy refused")
		w.must(rollout.Deploy, "v2")
		w.want("v1 and v2", "install deploy refused deploy loaded")
	})
}

func TestStoreDown(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		broken := w.must(rollout.Deploy, "v2").Saved
		w.cars.traffic(30, 30*time.Millisecond)
		w.store.breakDown(errors.New("disk full"))
		for _, k := range []rollout.Kind{rollout.Rollback, rollout.Drill} {
			if _, err := w.do(k, ""); code(err) != "store_unavailable" {
				t.Errorf("%s: %v", k, err)
			}
		}
		if h := w.look(); h.Result.Verdict != rollout.Fail {
			t.Errorf("a look without the store: %+v", h.Result.Finding)
		}
		w.want("v1 and v2", "install deploy loaded")
		pass(10 * time.Second)
		if n := strings.Count(w.log.String(), "evidence cannot be saved"); n != 1 {
			t.Errorf("said %d times that evidence cannot be saved", n)
		}
		if h := w.Peek(); !h.Saved.Equal(broken) || time.Since(broken) != 10*time.Second {
			t.Errorf("saved at %v, want before the store broke down, at %v", h.Saved, broken)
		}
		w.store.breakDown(nil)
		pass(2 * time.Second)
		if !strings.Contains(w.log.String(), "evidence is saved again") {
			t.Error("did not say that it is over")
		}
		if h := w.Peek(); time.Since(h.Saved) > time.Second {
			t.Errorf("saved %v ago", time.Since(h.Saved))
		}
		w.must(rollout.Rollback, "")
		w.want("v1", "install deploy loaded rollback")
	})
}

func TestALoadedCanaryWaitsForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cars.hold = make(chan struct{})
		w.start(Start{})
		deployed := w.deploying("v2")
		w.store.breakDown(errors.New("disk full"))
		close(w.cars.hold)
		if err := <-deployed; code(err) != "store_unavailable" || !strings.Contains(err.Error(), "goes live as soon as") {
			t.Errorf("told: %v", err)
		}
		pass(3 * time.Second)
		w.want("v1", "install deploy")
		w.store.breakDown(nil)
		pass(2 * time.Second)
		w.want("v1 and v2", "install deploy loaded")
		w.halt()
	})
}

// TestACommitOfUnknownOutcome: what was reported as failed, and is in the
// journal after all, has happened.
func TestACommitOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	tests := []struct {
		command rollout.Kind
		routes  string
		events  string
	}{
		{rollout.Rollback, "v1", "install deploy loaded rollback"},
		{rollout.Promote, "v2", "install deploy loaded promote"},
		{rollout.Drill, "v1 and v2", "install deploy loaded drill"},
	}
	for _, tt := range tests {
		t.Run(string(tt.command), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(w *world) {
				w.must(rollout.Deploy, "v2")
				w.cars.traffic(30, 0)
				w.store.tear()
				if _, err := w.do(tt.command, ""); code(err) != "store_unavailable" {
					t.Errorf("told: %v", err)
				}
				w.want("v1 and v2", tt.events)
				pass(2 * time.Second)
				w.want(tt.routes, tt.events)
			})
		})
	}
	t.Run("deploy", func(t *testing.T) {
		t.Parallel()
		bubble(t, func(w *world) {
			w.store.tear()
			if _, err := w.do(rollout.Deploy, "v2"); code(err) != "store_unavailable" {
				t.Errorf("told: %v", err)
			}
			pass(2 * time.Second)
			w.want("v1 and v2", "install deploy loaded")
		})
	})
}

func TestDrillsCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.Drills = false
		if _, err := w.do(rollout.Drill, ""); code(err) != "drills_off" {
			t.Error(err)
		}
	})
}

func TestOneLineForEachDecisionWithItsNumbers(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.cars.traffic(30, 30*time.Millisecond)
		w.must(rollout.Rollback, "")
		for line := range strings.Lines(w.log.String()) {
			if strings.Contains(line, "event=rollback") {
				for _, part := range []string{"verdict=fail", "p_value=", "n_canary=30", "actor=ana", "rollout=r1"} {
					if !strings.Contains(line, part) {
						t.Errorf("%s is missing in %s", part, line)
					}
				}
				return
			}
		}
		t.Error("no line")
	})
}

func TestCommandsAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t).start(Start{})
		w.halt()
		if _, err := w.do(rollout.Rollback, ""); code(err) != "shutting_down" {
			t.Error(err)
		}
	})
}
