package sim

import (
	"serin/internal/judge"
	"serin/internal/rollout"
)

// look asks both rules, and gives what they find to the law.
func (f *flight) look() error {
	evidence := f.trail.Evidence()
	f.run.End = Moment{Look: f.run.End.Look + 1, Canary: f.canary.Count, At: f.now}
	evidence.Looks = f.run.End.Look
	var o judge.Opinion
	if f.run.Reached(SeedAlarm) && f.run.Reached(SeedPass) { // it has said all that it can say
		o.Monitor = f.monitor.Judge(&evidence)
	} else {
		o = f.monitor.Opinion(&evidence)
	}
	f.mark(SeedPass, o.Welch.Verdict == rollout.Pass)
	f.mark(SeedAlarm, o.Welch.Verdict == rollout.Fail)
	if o.Welch.Verdict == rollout.Fail && f.state.Rollout.Alert == nil {
		if err := f.happens(rollout.Event{Kind: rollout.Alert, Actor: "sim", Finding: o.Welch.Finding}); err != nil {
			return err
		}
	}
	j := &o.Monitor
	for i := range j.Signals {
		signal := &j.Signals[i]
		f.mark(LatencyShape+Mark(i), signal.Alarm)
		f.mark(LatencyShapeAlone+Mark(i), signal.LogE >= j.LogThreshold && signal.Effect >= signal.Floor)
	}
	f.mark(Alarm, len(j.Alarms) > 0)
	f.mark(Overall, j.LogE >= j.LogThreshold)
	f.mark(Slow, j.Slow.Alarm)
	f.mark(Confirmed, j.Confirmed)
	f.mark(NotSlower, j.Promote.Shown)
	f.mark(Pass, j.Verdict == rollout.Pass)
	f.mark(Invalid, j.Verdict == rollout.Invalid)
	r := f.state.Rollout
	if j.Verdict == rollout.Fail && (r.Alarm == nil || j.Confirmed && r.Plan.OnAlarm == rollout.RollbackOnAlarm) {
		return f.happens(rollout.Event{Kind: rollout.Alarm, Actor: "sim", Finding: j.Finding, Confirmed: j.Confirmed})
	}
	return nil
}

// mark notes that something is reached, if it was not before.
func (f *flight) mark(m Mark, reached bool) {
	if reached && !f.run.Reached(m) {
		f.run.First[m] = f.run.End
	}
}
