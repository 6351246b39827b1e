package control

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"serin/internal/judge"
	"serin/internal/rollout"
)

// deployWith releases v2 by a plan that differs from the usual one.
func (w *world) deployWith(change func(*rollout.Plan)) {
	w.t.Helper()
	p := plan
	change(&p)
	if _, err := w.Do(w.t.Context(), Command{Kind: rollout.Deploy, Actor: "ana", Source: Source{Path: "v2"}, Plan: p}); err != nil {
		w.t.Fatal(err)
	}
}

// minutes of traffic, seven requests per arm and second, no minute quite like
// the other.
func (w *world) minutes(n int, slower time.Duration) {
	for second := range 60 * n {
		w.cars.traffic(7, slower+time.Duration(second*second%11-5)*100*time.Microsecond)
		pass(time.Second)
	}
}

// TestEveryLookIsStored: a look each ten seconds, each of which is judged the
// same again from what was stored.
func TestEveryLookIsStored(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.must(rollout.Deploy, "v2")
		w.minutes(3, 0)
		looks := w.store.looked
		if len(looks) != 18 {
			t.Fatalf("%d looks in three minutes, want 18", len(looks))
		}
		for i, l := range looks {
			var then judge.Judgement
			if err := json.Unmarshal(l.Detail, &then); err != nil {
				t.Fatal(err)
			}
			again := judge.NewMonitor(plan).Judge(l.Evidence)
			if diff := cmp.Diff(then, again); diff != "" || l.Finding != again.Finding {
				t.Fatalf("look %d is judged otherwise now: %s", i+1, diff)
			}
			if want := time.Duration(i+1) * 10 * time.Second; l.Evidence.Elapsed != want {
				t.Errorf("look %d after %v, want %v", i+1, l.Evidence.Elapsed, want)
			}
		}
		if h := w.Peek(); h.Watch.Number != 18 || h.Watch.Verdict != rollout.Pass || h.Look != 0 {
			t.Errorf("watch %d: %s, look %d", h.Watch.Number, h.Watch.Sentence, h.Look)
		}
	})
}

func TestAlarmsLatch(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.must(rollout.Deploy, "v2")
		w.minutes(1, 30*time.Millisecond)
		w.want("v1 and v2", "install deploy loaded alarm")
		alarm := w.Peek().State.Rollout.Alarm
		if alarm == nil || !strings.Contains(alarm.Sentence, "slower") {
			t.Fatalf("latched: %+v", alarm)
		}
		w.minutes(5, 0) // it recovers, and the numbers with it
		h := w.Peek()
		if h.Watch.Verdict != rollout.Fail || *h.State.Rollout.Alarm != *alarm {
			t.Errorf("the alarm did not stay: %+v", h.Watch.Finding)
		}
		w.want("v1 and v2", "install deploy loaded alarm")
		_, err := w.do(rollout.Promote, "")
		if refusal, ok := errors.AsType[*rollout.Refusal](err); !ok || refusal.Code != rollout.CanaryUnhealthy {
			t.Errorf("promoting with a latched alarm: %v", err)
		}
		w.halt()
		w.start(Start{Killed: true})
		if h := w.Peek(); h.State.Rollout.Alarm == nil {
			t.Error("a restart forgot the alarm")
		}
		w.must(rollout.Rollback, "")
		if last := w.Peek().State.Last; !strings.Contains(last.Reason, "slower") {
			t.Errorf("rolled back because %q", last.Reason)
		}
	})
}

// TestOnlyConfirmedAlarmsRollBack: the windows of a minute must agree first.
func TestOnlyConfirmedAlarmsRollBack(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.deployWith(func(p *rollout.Plan) { p.OnAlarm = rollout.RollbackOnAlarm })
		w.minutes(4, 30*time.Millisecond)
		w.want("v1 and v2", "install deploy loaded alarm")
		w.minutes(10, 30*time.Millisecond)
		w.want("v1", "install deploy loaded alarm"+" alarm") // latched, then confirmed
		if last := w.Peek().State.Last; last == nil || last.Event != rollout.Alarm || last.Actor != self || !strings.Contains(last.Reason, "slower") {
			t.Errorf("last: %+v", last)
		}
	})
}

// TestASettlingCanaryMayBeSlow: what is slow only at first raises no alarm.
func TestASettlingCanaryMayBeSlow(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.deployWith(func(p *rollout.Plan) { p.InitialDelay = 2 * time.Minute })
		w.minutes(2, 200*time.Millisecond)
		w.minutes(3, 0)
		w.want("v1 and v2", "install deploy loaded")
		if v := w.Peek().Watch; v.Verdict != rollout.Pass || v.Stages != 2 {
			t.Errorf("%d stages, %s: %s", v.Stages, v.Verdict, v.Sentence)
		}
	})
}

// TestReweighBeginsAStage: requests of before the change stay with their share.
func TestReweighBeginsAStage(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		pass(500 * time.Millisecond)
		w.cars.traffic(30, 0)
		h, err := w.Do(w.t.Context(), Command{Kind: rollout.Reweigh, Actor: "ana", Weight: 2500})
		if err != nil || h.State.Rollout.Weight != 2500 {
			t.Fatal(h.State.Rollout, err)
		}
		w.cars.traffic(5, 0)
		pass(10 * time.Second)
		stages := w.store.looked[0].Evidence.Stages
		if len(stages) != 2 || stages[0].Share != 5000 || stages[0].Canary.Count != 30 || stages[1].Share != 2500 || stages[1].Canary.Count != 5 {
			t.Errorf("%d stages", len(stages))
		}
		w.want("v1 and v2", "install deploy loaded reweigh")
	})
}

// TestWithoutTheStoreTheVerdictIsFrozen: an alarm that cannot be made durable
// is none yet, and comes when the store does.
func TestWithoutTheStoreTheVerdictIsFrozen(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.must(rollout.Deploy, "v2")
		w.store.breakDown(errors.New("disk full"))
		w.minutes(1, 30*time.Millisecond)
		w.want("v1 and v2", "install deploy loaded")
		if h := w.Peek(); h.State.Rollout.Alarm != nil {
			t.Error("an alarm is latched that is not durable")
		}
		if !strings.Contains(w.log.String(), "evidence cannot be saved") {
			t.Error("the log does not say that looks are lost")
		}
		w.store.breakDown(nil)
		w.minutes(1, 0)
		w.want("v1 and v2", "install deploy loaded alarm")
	})
}
