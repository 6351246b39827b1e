package control

import (
	"context"
	"time"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// self is the actor of what the process decides by plan.
const self = "serin"

// decide applies an event that is judged where there is something to judge.
func (p *Pilot) decide(e rollout.Event) (Health, error) {
	var r *judge.Result
	var seen *record.Evidence
	attempt := p.state.Rollout
	if p.state.Phase.Split() {
		r, seen = p.judged()
		e.Finding = r.Finding
	}
	err := p.apply(e, r, seen)
	if err != nil && e.Actor == self && r != nil {
		p.looks-- // nobody asked, and nothing came of it
		p.publish()
	}
	return p.health(attempt, r), err
}

// rollBack also stops a deploy that is still on its way.
func (p *Pilot) rollBack(c Command) (Health, error) {
	if p.deploy != nil && p.state.Phase == rollout.Idle {
		p.finish(Health{}, errRolledBack)
		return p.health(nil, nil), nil
	}
	h, err := p.decide(rollout.Event{Kind: rollout.Rollback, Actor: c.Actor, Reason: c.Reason})
	if err == nil && p.deploy != nil {
		p.finish(Health{}, errRolledBack)
	}
	return h, err
}

var errRolledBack = &Fault{Code: RolledBack, Detail: "the canary was rolled back before it was live", Next: "Deploy it again if that was not meant."}

func (p *Pilot) drill(c Command) (Health, error) {
	if !p.Drills && !p.state.Slowdown {
		return Health{}, &Fault{Code: DrillsOff, Detail: "drills are switched off", Next: "Start serin serve without --drills=false."}
	}
	err := p.apply(rollout.Event{Kind: rollout.Drill, Actor: c.Actor, Reason: c.Reason}, nil, nil)
	return p.health(p.state.Rollout, nil), err
}

// check looks, and writes the first alert of a rollout into the journal. The
// look itself must not fail with the store.
func (p *Pilot) check() Health {
	if !p.state.Phase.Split() {
		return p.health(p.state.Rollout, nil)
	}
	r, seen := p.judged()
	if r.Verdict == rollout.Fail && p.state.Rollout.Alert == nil {
		// apply has logged a failing store; the next alert tries again.
		_ = p.apply(rollout.Event{Kind: rollout.Alert, Actor: self, Finding: r.Finding}, r, seen)
	}
	return p.health(p.state.Rollout, r)
}

// tick observes that time has passed. A process that was stopped for a while
// has not served meanwhile, so one tick counts for a few at most.
func (p *Pilot) tick() {
	now := time.Now()
	passed := min(now.Sub(p.ticked), 5*tickEvery)
	p.ticked = now
	if again := p.late; again != nil {
		p.late = nil
		again()
	}
	if !p.state.Phase.Split() {
		return
	}
	p.observed += passed
	p.publish()
	p.save()
	if p.state.Phase == rollout.Live && p.observed >= p.state.Rollout.Plan.Period {
		// One look that was planned beforehand. If the commit fails, the phase is
		// still Live and the next tick tries again.
		_, _ = p.decide(rollout.Event{Kind: rollout.PeriodOver, Actor: self})
	}
}

func (p *Pilot) save() {
	e := p.observe()
	err := p.Store.SaveEvidence(context.WithoutCancel(p.ctx), p.Model, p.state.Rollout.ID, &e)
	if (err != nil) != p.unsaved {
		p.unsaved = err != nil
		if err != nil {
			p.Log.Error("evidence cannot be saved; a restart would lose what is observed from now on", "model", p.Model, "err", err)
		} else {
			p.Log.Info("evidence is saved again", "model", p.Model)
		}
	}
}

// stop leaves a state that the next start can go on from.
func (p *Pilot) stop() {
	p.callOff()
	if p.state.Phase.Split() {
		p.save()
	}
}
