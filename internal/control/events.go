package control

import (
	"context"
	"time"

	"serin/internal/rollout"
)

// self is the actor of what the process decides by plan.
const self = "serin"

// decide applies an event that is judged where there is something to judge.
func (p *Pilot) decide(e rollout.Event) (Health, error) {
	var o *opinion
	attempt := p.state.Rollout
	if p.state.Phase.Split() {
		o = p.judged()
		e.Finding = o.Finding(e.Kind)
	}
	var err error
	if o != nil && e.Kind != rollout.Rollback { // that one waits for nothing
		err = p.alarm(o)
	}
	if err == nil {
		err = p.apply(e, o)
	}
	if err != nil && e.Actor == self && o != nil {
		p.look(-1) // nobody asked, and nothing came of it
		p.publish()
	}
	return p.health(attempt, o), err
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

// reweigh changes the canary's share.
func (p *Pilot) reweigh(c Command) (Health, error) {
	err := p.apply(rollout.Event{Kind: rollout.Reweigh, Actor: c.Actor, Reason: c.Reason, Weight: c.Weight}, nil)
	return p.health(p.state.Rollout, nil), err
}

func (p *Pilot) drill(c Command) (Health, error) {
	if !p.Drills && !p.state.Slowdown {
		return Health{}, &Fault{Code: DrillsOff, Detail: "drills are switched off", Next: "Start serin serve without --drills=false."}
	}
	err := p.apply(rollout.Event{Kind: rollout.Drill, Actor: c.Actor, Reason: c.Reason}, nil)
	return p.health(p.state.Rollout, nil), err
}

// check looks, and writes what is new into the journal: the first alert of the
// seed's rule, and the monitor's alarm. The look itself must not fail with the
// store.
func (p *Pilot) check() Health {
	if !p.state.Phase.Split() {
		return p.health(p.state.Rollout, nil)
	}
	o, attempt := p.judged(), p.state.Rollout
	if o.Welch.Verdict == rollout.Fail && attempt.Alert == nil {
		// apply has logged a failing store; the next alert tries again.
		_ = p.apply(rollout.Event{Kind: rollout.Alert, Actor: self, Finding: o.Welch.Finding}, o)
	}
	before := p.health(p.state.Rollout, o)
	_ = p.alarm(o)
	if p.state.Rollout == nil { // the plan took the canary out: this look tells of it for the last time
		ended := *attempt
		ended.Alarm = &rollout.Latched{Finding: o.Monitor.Finding, At: p.state.Last.At}
		before.State.Rollout, before.Rollout = &ended, &ended
		return before
	}
	return p.health(p.state.Rollout, o)
}

// tick observes that time has passed. A process that was stopped for a while
// has not served meanwhile, so one tick counts for a few at most.
func (p *Pilot) tick() {
	if p.Fleet != nil {
		p.hear()
	}
	now := time.Now()
	passed := min(now.Sub(p.ticked), 5*tickEvery)
	p.ticked = now
	if again := p.late; again != nil {
		p.late = nil
		again()
	}
	if p.Fleet != nil {
		if !p.member.leads {
			p.attend()
			return
		}
		p.orphan()
	}
	if !p.state.Phase.Split() {
		return
	}
	if !p.deaf { // nothing is observed while what was counted cannot be added up
		p.observed += passed
	}
	p.publish()
	if p.shown != nil && !p.unsaved && p.alarm(nil) == nil && !p.state.Phase.Split() {
		return
	}
	switch {
	case p.observed >= p.nextWatch:
		p.nextWatch = p.observed.Truncate(watchEvery) + watchEvery
		p.watchOver()
	case p.Fleet == nil:
		p.save()
	case p.deaf && now.Sub(p.member.attended) >= attendEvery: // no look comes while time stands still
		p.member.attended = now
		p.observe()
	}
	if p.state.Phase == rollout.Live && p.observed >= p.state.Rollout.Plan.Period && !p.deaf {
		// One look that was planned beforehand. If the commit fails, the phase is
		// still Live and the next tick tries again.
		_, _ = p.decide(rollout.Event{Kind: rollout.PeriodOver, Actor: self})
	}
}

// save makes the evidence durable. A fleet does so with each look and when its leader
// stops: what was counted is in the rows of its replicas.
func (p *Pilot) save() {
	e := p.observe()
	ctx, id := context.WithoutCancel(p.ctx), p.state.Rollout.ID
	p.saved(p.outside(func() error { return p.Store.SaveEvidence(ctx, p.Model, id, &e) }))
}

// stop leaves a state that the next start can go on from.
func (p *Pilot) stop() {
	p.callOff()
	if p.Fleet != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), patience)
		defer cancel()
		if p.Fleet.beat(ctx) == nil && p.member.leads && p.state.Phase.Split() { // what was counted last
			p.save()
		}
	} else if p.state.Phase.Split() {
		p.save()
	}
}
