package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// deployment is a deploy between its request and its answer:
//
//	startDeploy -> Engines.Fetch aside -> fetched: commit "loading"
//	            -> Engines.Load aside  -> loaded: commit "canary", swap, answer
type deployment struct {
	command Command
	rollout string // its ID, once it is committed
	reply   chan<- answer
	ctx     context.Context
	cancel  context.CancelFunc
}

func (p *Pilot) startDeploy(c Command, reply chan<- answer) {
	if p.stopping {
		reply <- answered(Health{}, errStopping)
		return
	}
	if p.unsure != nil { // a deploy of before may turn out to be on its way
		reply <- answered(Health{}, storeDown(p.unsure))
		return
	}
	if p.deploy != nil && p.state.Phase == rollout.Idle {
		reply <- answered(Health{}, &rollout.Refusal{
			Code: rollout.CanaryActive, Detail: "another deploy is reading its file", Next: "Wait for it, or roll it back.",
		})
		return
	}
	if p.state.Phase != rollout.Idle { // refused whatever the file holds
		_, _, err := rollout.Next(p.state, rollout.Event{Kind: rollout.Deploy}, p.ticked)
		reply <- answered(Health{}, err)
		return
	}
	d := &deployment{command: c, reply: reply}
	d.ctx, d.cancel = context.WithCancel(behalf{p.ctx, p.by()})
	p.deploy = d
	p.goAside(func() func() {
		version, err := p.Engines.Fetch(d.ctx, c.Source)
		return func() { p.fetched(d, version, err) }
	})
}

// behalf ends with one context and has the values of another.
type behalf struct {
	context.Context

	asker context.Context
}

func (b behalf) Value(key any) any { return b.asker.Value(key) }

// goAside runs slow work off the loop and brings back what to do with its
// result, for the same asker, unless the loop has ended.
func (p *Pilot) goAside(work func() (then func())) {
	asker := p.asker
	p.aside.Go(func() {
		then := work()
		select {
		case p.inbox <- p.onBehalf(asker, then):
		case <-p.done:
		}
	})
}

func (p *Pilot) fetched(d *deployment, version rollout.Version, err error) {
	if p.deploy != d { // rolled back meanwhile
		return
	}
	if err == nil {
		_, err = p.insist(func() (Health, error) { return Health{}, p.begin(d.command, version) })
	}
	if err != nil {
		p.finish(Health{}, err)
	}
}

// begin makes a deploy durable.
func (p *Pilot) begin(c Command, v rollout.Version) error {
	e := rollout.Event{Kind: rollout.Deploy, Actor: c.Actor, Reason: c.Reason, Version: v, Plan: c.Plan, Force: c.Force}
	if p.Fleet != nil {
		e.Replica = p.Fleet.Self.Name
	}
	return p.apply(e, nil)
}

// load is the effect of an accepted deploy.
func (p *Pilot) load(ctx context.Context) {
	p.seen, p.observed, p.looks = record.Evidence{}, 0, 0
	p.watch, p.shown, p.nextWatch = Watch{}, nil, watchEvery
	p.publish()
	attempt, stable := p.state.Rollout, p.state.Stable
	if p.deploy != nil {
		p.deploy.rollout = attempt.ID
	}
	p.goAside(func() func() {
		err := p.Engines.Load(ctx, attempt.Canary, &stable)
		return func() { p.loaded(attempt.ID, err) }
	})
}

func (p *Pilot) loaded(id string, err error) {
	if p.Fleet != nil && p.state.Rollout != nil && p.state.Rollout.ID == id && err == nil {
		p.member.have[p.state.Rollout.Canary.SHA256] = true
	}
	if p.state.Phase != rollout.Loading || p.state.Rollout.ID != id {
		return // rolled back meanwhile
	}
	if p.ctx.Err() != nil {
		return // stop ends this rollout
	}
	e := rollout.Event{Kind: rollout.Loaded, Actor: self}
	if err != nil {
		e = rollout.Event{Kind: rollout.LoadRefused, Actor: self, Reason: Printable(err.Error())}
	}
	_, failed := p.insist(func() (Health, error) { return Health{}, p.apply(e, nil) })
	p.ticked = time.Now() // the period begins now, not at the last tick
	if fault, ok := errors.AsType[*Fault](failed); ok && fault.Code == StoreDown {
		p.late = func() { p.loaded(id, err) }
		if err == nil {
			fault.Detail = "the canary is loaded, and it could not be made durable that it is live"
			fault.Next = "It goes live as soon as the state directory can be written again; roll back if it should not."
		}
	}
	p.finish(p.health(p.state.Rollout, nil), cmp.Or(err, failed))
}

// finish answers the deploy, if somebody still waits for it.
func (p *Pilot) finish(h Health, err error) {
	if d := p.deploy; d != nil {
		p.deploy = nil
		d.cancel()
		d.reply <- answered(h, err)
	}
}

// EndDeploys calls off a deploy that is on its way and refuses those that come,
// so that whoever waits for the last requests need not wait for a load.
func (p *Pilot) EndDeploys(ctx context.Context) {
	_, _ = p.ask(ctx, func(reply chan<- answer) {
		p.stopping = true
		p.callOff()
		reply <- answer{}
	})
}

// Retire refuses every deploy from now on, so that the pilot can be stopped with
// nothing on its way. It is refused itself while there is a rollout or a deploy.
func (p *Pilot) Retire(ctx context.Context) error {
	_, err := p.ask(ctx, func(reply chan<- answer) {
		switch r := p.state.Rollout; {
		case r != nil:
			reply <- answered(Health{}, &rollout.Refusal{
				Code: rollout.CanaryActive, Detail: fmt.Sprintf("canary %s of %s is in progress in rollout %s", r.Canary.Name, p.Model, r.ID), Next: "Promote it or roll it back first.",
			})
		case p.deploy != nil:
			reply <- answered(Health{}, &rollout.Refusal{Code: rollout.CanaryLoading, Detail: "a deploy of " + p.Model + " is on its way", Next: "Wait for it, or roll it back."})
		case p.unsure != nil: // it may turn out that there is one
			reply <- answered(Health{}, storeDown(p.unsure))
		default:
			p.stopping = true
			reply <- answer{}
		}
	})
	return err
}

// callOff ends a rollout that is still loading, and answers its deploy.
func (p *Pilot) callOff() {
	_, _ = p.insist(func() (Health, error) { // else another replica takes this one's end for the canary's fault
		if p.state.Phase != rollout.Loading || p.Fleet != nil && p.state.Rollout.By != p.Fleet.Self.Name {
			return Health{}, nil
		}
		return p.decide(rollout.Event{Kind: rollout.Rollback, Actor: self, Reason: stoppedWhileLoading})
	})
	p.finish(Health{}, errStopping)
}

const stoppedWhileLoading = "serin was stopped while the canary was loading"
