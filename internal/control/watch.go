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

// standing is the look as it stands in a state: nothing without a live canary,
// and with a latched alarm a fail, whatever the numbers say later.
func (w Watch) standing(s *rollout.State) Watch {
	if !s.Phase.Split() {
		return Watch{}
	}
	if alarm := s.Rollout.Alarm; alarm != nil && w.Verdict != rollout.Fail {
		w.Finding = alarm.Finding
	}
	return w
}

// opinion is what both rules say of one evidence.
type opinion struct {
	judge.Opinion
	seen record.Evidence
}

// form brings the evidence up to now and judges it by both rules. An alarm of
// the monitor is kept until it is durable, whatever later looks say: what was
// shown once has been shown.
func (p *Pilot) form() *opinion {
	e := p.observe()
	o := &opinion{p.judge(&e), e}
	p.watch.Judgement = o.Monitor
	if o.Monitor.Verdict == rollout.Fail && p.shown == nil && p.state.Rollout.Alarm == nil {
		p.shown = o
	}
	p.publish()
	return o
}

// judge asks both rules of the rollout in progress.
func (p *Pilot) judge(e *record.Evidence) judge.Opinion {
	if r := p.state.Rollout; p.monitor == nil || p.monitored != r.ID {
		p.monitor, p.monitored, p.shown = judge.NewMonitor(r.Plan), r.ID, nil
	}
	return p.monitor.Opinion(e)
}

// watchOver is one look of the monitor: what it says that is new is decided, and
// the look is stored, whatever it says. The evidence is saved with it.
func (p *Pilot) watchOver() {
	o := p.form()
	_ = p.alarm(o) // apply has logged a failing store; the next tick tries again
	if !p.state.Phase.Split() {
		return // that was its last look, and the journal has it
	}
	detail, err := json.Marshal(o.Monitor)
	if err == nil {
		var number uint64
		look := Look{At: time.Now(), Finding: o.Monitor.Finding, Detail: detail, Evidence: &o.seen}
		ctx, id := context.WithoutCancel(p.ctx), p.state.Rollout.ID
		err = p.outside(func() (err error) { number, err = p.Store.SaveLook(ctx, p.Model, id, look); return err })
		p.watch.Number = max(p.watch.Number, number)
	}
	p.saved(err)
	p.publish()
}

// alarm makes the monitor's alarm durable: the first of a rollout, which may
// have been shown at an earlier look, and one that is confirmed, where the plan
// acts on it.
func (p *Pilot) alarm(o *opinion) error {
	if p.state.Rollout.Alarm != nil {
		p.shown = nil // it is durable, perhaps by a commit that was reported as failed
	}
	if first := p.shown; first != nil {
		err := p.apply(rollout.Event{Kind: rollout.Alarm, Actor: self, Finding: first.Monitor.Finding, Confirmed: first.Monitor.Confirmed}, first)
		if err != nil {
			return err
		}
		p.shown = nil
	}
	if r := p.state.Rollout; r == nil || r.Plan.OnAlarm != rollout.RollbackOnAlarm || o == nil || !o.Monitor.Confirmed || o.Monitor.Verdict != rollout.Fail {
		return nil
	}
	return p.apply(rollout.Event{Kind: rollout.Alarm, Actor: self, Finding: o.Monitor.Finding, Confirmed: true}, o)
}

// saved reports trouble with saving evidence once, and its end once.
func (p *Pilot) saved(err error) {
	if err == nil {
		p.durable = time.Now()
	}
	if (err != nil) == p.unsaved {
		return
	}
	if p.unsaved = err != nil; p.unsaved {
		p.Log.Error("evidence cannot be saved; a restart would lose what is observed from now on", "model", p.Model, "err", err)
	} else {
		p.Log.Info("evidence is saved again", "model", p.Model)
	}
}
