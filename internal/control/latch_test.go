package control

import (
	"errors"
	"testing"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// recover is a canary that was slow for a moment and is faster than stable
// from then on, until the evidence of the slow moment is outweighed.
func (w *world) recover(seconds int) {
	for range seconds {
		w.cars.traffic(700, -9*time.Millisecond)
		pass(time.Second)
	}
}

// TestAnAlarmOfAPromotionStays: who asks for a promotion and is refused because
// of the monitor has raised its alarm for good.
func TestAnAlarmOfAPromotionStays(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.must(rollout.Deploy, "v2")
		pass(11 * time.Second)
		w.cars.traffic(40, 8*time.Millisecond)
		if _, err := w.do(rollout.Promote, ""); !unhealthy(err) {
			t.Errorf("a slow canary: %v", err)
		}
		w.recover(7)
		if _, err := w.do(rollout.Promote, ""); !unhealthy(err) {
			t.Errorf("after an alarm: %v", err)
		}
		w.want("v1 and v2", "install deploy loaded alarm")
	})
}

func unhealthy(err error) bool {
	refusal, ok := errors.AsType[*rollout.Refusal](err)
	return ok && refusal.Code == rollout.CanaryUnhealthy
}

// TestAnAlarmDuringAnOutageStays: it is shown while nothing can be written, and
// durable when something can, although the canary looks fine by then.
func TestAnAlarmDuringAnOutageStays(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.deployWith(func(p *rollout.Plan) { p.Period, p.AtEnd = 3*time.Minute, rollout.PromoteAtEnd })
		pass(5 * time.Second)
		w.store.breakDown(errors.New("disk full"))
		w.cars.traffic(40, 8*time.Millisecond)
		pass(6 * time.Second)
		if h := w.Peek(); h.Watch.Verdict != rollout.Fail || h.State.Rollout.Alarm != nil {
			t.Fatalf("during the outage: %s, alarm %v", h.Watch.Verdict, h.State.Rollout.Alarm)
		}
		w.recover(10)
		w.store.breakDown(nil)
		pass(2 * time.Second)
		w.want("v1 and v2", "install deploy loaded alarm")
		w.recover(5)
		pass(3 * time.Minute)
		w.want("v1 and v2", "install deploy loaded alarm period-over")
	})
}

// TestThePeriodEndsWithItsAlarm: what the last look finds is latched before the
// period is over.
func TestThePeriodEndsWithItsAlarm(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.deployWith(func(p *rollout.Plan) { p.Period, p.AtEnd = 15*time.Second, rollout.PromoteAtEnd })
		pass(12 * time.Second)
		w.cars.traffic(40, 8*time.Millisecond)
		pass(4 * time.Second)
		w.want("v1 and v2", "install deploy loaded alarm period-over")
	})
}

// TestACheckThatEndsTheRollout tells what it found, not that there is no canary.
func TestACheckThatEndsTheRollout(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.deployWith(func(p *rollout.Plan) { p.OnAlarm = rollout.RollbackOnAlarm })
		pass(2 * time.Second)
		w.cars.traffic(40, 0)
		for range 60 {
			w.cars.canary.Begin()
			w.cars.canary.Fail(record.Panicked)
		}
		h := w.look()
		w.want("v1", "install deploy loaded alarm")
		if h.State.Rollout == nil || h.State.Rollout.Alarm == nil || h.Watch.Verdict != rollout.Fail {
			t.Errorf("the look that ended the rollout: %+v", h.State.Rollout)
		}
		if h := w.look(); h.State.Rollout != nil || h.Watch.Number != 0 || h.Watch.Verdict != rollout.Insufficient {
			t.Errorf("the next look: %+v", h.Watch.Finding)
		}
	})
}

// TestReweighTornApart: the share of before holds until the engines route by the
// new one, also where the commit is found out about a second later.
func TestReweighTornApart(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.must(rollout.Deploy, "v2")
		w.cars.traffic(30, 0)
		pass(time.Second)
		w.store.tear()
		if _, err := w.Do(w.t.Context(), Command{Kind: rollout.Reweigh, Actor: "ana", Weight: 2500}); err == nil {
			t.Fatal("a torn commit was reported as done")
		}
		w.cars.traffic(20, 0) // at the old share: nothing was rerouted
		pass(time.Second)
		w.cars.traffic(5, 0)
		pass(time.Second)
		stages := w.store.evidence.Stages
		if len(stages) != 2 || stages[0].Canary.Started != 50 || stages[1].Share != 2500 || stages[1].Canary.Started != 5 {
			t.Errorf("%d stages, %d canary requests in the first", len(stages), stages[0].Canary.Started)
		}
	})
}

// TestAnAlarmTornApart: an alarm whose commit is found out about later is
// latched once, and nothing else waits for it.
func TestAnAlarmTornApart(t *testing.T) {
	t.Parallel()
	bubble(t, func(w *world) {
		w.cars.baseline = usual()
		w.must(rollout.Deploy, "v2")
		pass(9 * time.Second)
		w.cars.traffic(40, 8*time.Millisecond)
		w.store.tear()
		pass(4 * time.Second)
		w.want("v1 and v2", "install deploy loaded alarm")
		if _, err := w.do(rollout.Promote, ""); !unhealthy(err) {
			t.Errorf("after the alarm was found: %v", err)
		}
		if _, err := w.Do(w.t.Context(), Command{Kind: rollout.Promote, Actor: "ana", Reason: "it is meant", Force: true}); err != nil {
			t.Errorf("by force: %v", err)
		}
		w.want("v2", "install deploy loaded alarm promote")
	})
}
