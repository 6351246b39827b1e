package control

import (
	"context"
	"encoding/json"
	"time"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// watchEvery is how often the monitor looks, in observed serving time.
const watchEvery = 10 * time.Second

// Watch is the monitor's last look at the rollout in progress.
type Watch struct {
	judge.Judgement
	// Number counts the looks that were stored of this rollout; 0 before the first.
	Number uint64
}

// standing is the look with a latched alarm, which stays whatever the numbers
// say later.
func (w Watch) standing(r *rollout.Rollout) Watch {
	if r != nil && r.Alarm != nil && w.Verdict != rollout.Fail {
		w.Finding = r.Alarm.Finding
	}
	return w
}

// opinion is what both rules say of one evidence.
type opinion struct {
	judge.Opinion
	seen record.Evidence
}

// form brings the evidence up to now and judges it by both rules.
func (p *Pilot) form() *opinion {
	if r := p.state.Rollout; p.monitor == nil || p.monitored != r.ID {
		p.monitor, p.monitored = judge.NewMonitor(r.Plan), r.ID
	}
	e := p.observe()
	o := &opinion{p.monitor.Opinion(&e), e}
	p.watch.Judgement = o.Monitor
	p.publish()
	return o
}

// watchOver is one look of the monitor: it is stored, whatever it says, and
// where it says something new, that is decided. If the store fails nothing is
// decided, and the next look tries again; the evidence is saved with the look.
func (p *Pilot) watchOver() {
	o := p.form()
	detail, err := json.Marshal(o.Monitor)
	if err == nil {
		var number uint64
		number, err = p.Store.SaveLook(context.WithoutCancel(p.ctx), p.Model, p.state.Rollout.ID, Look{
			At: time.Now(), Finding: o.Monitor.Finding, Detail: detail, Evidence: &o.seen,
		})
		p.watch.Number = max(p.watch.Number, number)
	}
	p.saved(err)
	if err == nil {
		p.publish()
		p.alarm(o)
	}
}

// alarm makes the monitor's alarm durable: the first of a rollout, and the
// first that is confirmed where the plan acts on it.
func (p *Pilot) alarm(o *opinion) {
	r := p.state.Rollout
	acts := o.Monitor.Confirmed && r.Plan.OnAlarm == rollout.RollbackOnAlarm
	if o.Monitor.Verdict != rollout.Fail || r.Alarm != nil && !acts {
		return
	}
	// apply has logged a failing store; the next look tries again.
	_ = p.apply(rollout.Event{Kind: rollout.Alarm, Actor: self, Finding: o.Monitor.Finding, Confirmed: o.Monitor.Confirmed}, o)
}

// finding is what a decision of this kind goes by: what ends the period goes by
// the monitor alone; for what somebody asks for, the seed's rule speaks at this
// look, unless the monitor knows something against the canary.
func (o *opinion) finding(kind rollout.Kind) rollout.Finding {
	m := o.Monitor.Finding
	if kind == rollout.PeriodOver || m.Verdict == rollout.Fail || m.Verdict == rollout.Invalid {
		return m
	}
	return o.Welch.Finding
}

// saved reports trouble with saving evidence once, and its end once.
func (p *Pilot) saved(err error) {
	if (err != nil) == p.unsaved {
		return
	}
	if p.unsaved = err != nil; p.unsaved {
		p.Log.Error("evidence cannot be saved; a restart would lose what is observed from now on", "model", p.Model, "err", err)
	} else {
		p.Log.Info("evidence is saved again", "model", p.Model)
	}
}
