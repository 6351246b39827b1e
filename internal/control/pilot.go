package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// Config is what a Pilot needs. All fields but Fleet are required.
type Config struct {
	// Model is the name of the prediction service.
	Model   string
	Store   Store
	Engines Engines
	Log     *slog.Logger
	// Drills allows the simulated slowdown.
	Drills bool
	// Fleet is this process as one of several; nil where it has the store for itself.
	Fleet *Fleet
}

// tickEvery is how often evidence is saved and the period is looked at: what a
// crash may cost.
const tickEvery = time.Second

// Pilot runs the rollouts of one model. Make one with New, bring it up with
// Boot, then let Run work until its context ends.
type Pilot struct {
	Config
	inbox chan func()
	done  chan struct{}
	view  atomic.Pointer[view]
	aside sync.WaitGroup
	nudge chan struct{} // there was a beat
	tally *tally        // nil without a fleet

	// What follows belongs to the goroutine of Boot and Run.

	member member // of a fleet

	ctx      context.Context // ends slow work when Run ends
	asker    context.Context // of who is being served; nil where nobody has asked
	recalled bool            // see Recall
	state    rollout.State
	seen     record.Evidence // replaced, never changed: views share it
	observed time.Duration   // of the period
	looks    uint64
	ticked   time.Time

	monitor   *judge.Monitor
	monitored string // the rollout that it is for
	watch     Watch
	shown     *opinion      // an alarm that is not durable yet
	nextWatch time.Duration // of observed time

	deploy   *deployment
	stopping bool                // no deploy is taken any more
	decided  map[Decision]uint64 // replaced, never changed: views share it
	late     func()              // an event whose commit failed and must be tried again
	unsaved  bool                // evidence could not be saved; said once
	durable  time.Time           // when something was made durable last
	unsure   error               // how a commit failed that may turn out to be there all the same
	deaf     bool                // what replicas have counted could not be added up; said once
}

// view is what readers may see without waiting for the loop.
type view struct {
	state    rollout.State
	seen     record.Evidence
	observed time.Duration
	looks    uint64
	watch    Watch
	decided  map[Decision]uint64
	here     string
	lost     bool // the store is not believed
	durable  time.Time
}

// Decision is a kind of event and who caused it.
type Decision struct {
	Event rollout.Kind
	// BySelf is true for what the process decided by plan.
	BySelf bool
}

// Decisions counts what was decided since the process started.
func (p *Pilot) Decisions() map[Decision]uint64 { return maps.Clone(p.view.Load().decided) }

// New returns a Pilot that does nothing yet.
func New(c Config) *Pilot {
	p := &Pilot{Config: c, inbox: make(chan func()), done: make(chan struct{}), state: rollout.State{Model: c.Model}, decided: map[Decision]uint64{}}
	if c.Fleet != nil {
		p.nudge, p.member.have = make(chan struct{}, 1), map[string]bool{}
		p.tally = &tally{model: c.Model, replica: c.Fleet.Self.Name, engines: c.Engines}
	}
	p.publish()
	return p
}

// Run works until ctx ends, then cancels a canary that is still loading, saves
// the evidence, and waits for everything that it started.
func (p *Pilot) Run(ctx context.Context) {
	defer p.aside.Wait()
	defer close(p.done)
	aside, cancel := context.WithCancel(ctx)
	defer cancel()
	p.ctx, p.ticked = aside, time.Now()
	if p.Fleet != nil {
		p.Fleet.join(p)
		defer p.Fleet.leave(p)
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.stop()
			return
		case event := <-p.inbox:
			p.settle()
			event()
		case <-p.nudge:
			p.hear()
		case <-tick.C:
			p.settle()
			p.tick()
		}
	}
}

// Do carries out a command and returns when it is durable and in force, or
// with the reason why it is not: a *rollout.Refusal, a *Fault, or ctx's error;
// after the last one the command may still be carried out.
func (p *Pilot) Do(ctx context.Context, c Command) (Health, error) {
	c.Actor, c.Reason = Printable(c.Actor), Printable(c.Reason)
	if c.Actor == self { // somebody is called like us
		c.Actor = "user " + self
	}
	return p.ask(ctx, func(reply chan<- answer) {
		if err := p.abreast(); err != nil {
			reply <- answered(Health{}, err)
			return
		}
		if c.Kind == rollout.Deploy {
			p.startDeploy(c, reply)
			return
		}
		reply <- answered(p.insist(func() (Health, error) { return p.carryOut(c) }))
	})
}

func (p *Pilot) carryOut(c Command) (Health, error) {
	switch c.Kind {
	case rollout.Rollback:
		return p.rollBack(c)
	case rollout.Promote:
		return p.decide(rollout.Event{Kind: c.Kind, Actor: c.Actor, Reason: c.Reason, Force: c.Force})
	case rollout.Drill:
		return p.drill(c)
	case rollout.Reweigh:
		return p.reweigh(c)
	}
	return Health{}, &rollout.Refusal{Code: rollout.Impossible, Detail: string(c.Kind) + " is not a command", Next: "Commands are deploy, rollback, promote, drill and reweigh."}
}

// Check judges the rollout and counts as a look.
func (p *Pilot) Check(ctx context.Context) (Health, error) {
	return p.ask(ctx, func(reply chan<- answer) {
		_ = p.abreast() // a look must not fail with the store
		reply <- answered(p.check(), nil)
	})
}

// Peek judges the rollout without counting, and without waiting for the loop.
func (p *Pilot) Peek() Health {
	v := p.view.Load()
	h := Health{State: v.state, Rollout: v.state.Rollout, Elapsed: v.observed, Look: v.looks, Watch: v.watch.standing(&v.state), Here: v.here, Saved: v.durable}
	if v.state.Phase.Split() {
		e := p.evidence(v)
		h.Result = judge.Look(v.state.Rollout.Plan, &e)
	}
	return h
}

// Gauges returns what was observed of the rollout being served, as of now.
func (p *Pilot) Gauges() Gauges { return p.Engines.Gauges() }

// onBehalf is f, done for somebody: log lines and the store get that context's
// values. It ends nothing.
func (p *Pilot) onBehalf(asker context.Context, f func()) func() {
	return func() {
		p.asker = asker
		defer func() { p.asker = nil }()
		f()
	}
}

// by is the context of what is done now. A decision is not abandoned half way
// because a client went away.
func (p *Pilot) by() context.Context {
	if p.asker != nil {
		return context.WithoutCancel(p.asker)
	}
	return context.WithoutCancel(p.ctx)
}

type answer struct {
	health Health
	err    error
}

// answered takes the two results of a call in one.
func answered(h Health, err error) answer { return answer{h, err} }

// ask runs f in the loop and waits for what it replies. The reply has room, so
// the loop never waits for somebody who has gone.
func (p *Pilot) ask(ctx context.Context, f func(chan<- answer)) (Health, error) {
	reply := make(chan answer, 1)
	select {
	case p.inbox <- p.onBehalf(ctx, func() { f(reply) }):
	case <-ctx.Done():
		return Health{}, ctx.Err()
	case <-p.done:
		return Health{}, errStopping
	}
	select {
	case a := <-reply:
		return a.health, a.err
	case <-ctx.Done():
		return Health{}, ctx.Err()
	case <-p.done:
		select {
		case a := <-reply: // answered just before the end
			return a.health, a.err
		default:
			return Health{}, errStopping
		}
	}
}

var errStopping = &Fault{Code: Stopping, Detail: "serin is shutting down", Next: "Ask again when it has started."}

// apply is the one way in which anything changes while the loop runs: commit,
// then act.
func (p *Pilot) apply(e rollout.Event, o *opinion) error {
	var seen *record.Evidence
	if o != nil {
		seen = &o.seen
	}
	effects, err := p.commit(e, o, seen)
	if err != nil {
		return err
	}
	for _, effect := range effects {
		switch effect {
		case rollout.LoadCanary:
			p.load(p.deploy.ctx)
		case rollout.Reroute:
			p.reroute(new(record.Evidence))
		}
	}
	return nil
}

// reroute puts the committed state in force. A rollout that was not served before
// goes on from the given evidence.
func (p *Pilot) reroute(before *record.Evidence) {
	if p.Fleet != nil { // what replicas have counted is added up, and none goes on from it
		p.route()
		return
	}
	p.Engines.Serve(p.state, before)
}

// commit asks the law and makes the answer durable. Where the event was judged,
// what was found, its numbers and its evidence go into the journal.
func (p *Pilot) commit(e rollout.Event, o *opinion, seen *record.Evidence) ([]rollout.Effect, error) {
	if p.unsure != nil {
		return nil, storeDown(p.unsure)
	}
	now, before := time.Now(), p.state
	next, effects, err := rollout.Next(before, e, now)
	if err != nil {
		return nil, err
	}
	entry := Entry{At: now, Event: e.Kind, Actor: e.Actor, Reason: e.Reason, Evidence: seen, State: next}
	if attempt := attemptOf(p.state, next); attempt != nil {
		entry.Rollout = attempt.ID
	}
	if o != nil {
		if entry.Detail, err = json.Marshal(o.Opinion); err != nil {
			return nil, fmt.Errorf("encoding the numbers of a verdict: %w", err)
		}
		entry.Finding = &e.Finding
	}
	by := p.by()
	if err = p.outside(func() error { return p.Store.Commit(by, entry) }); err != nil {
		if errors.Is(err, ErrUnsettled) {
			p.unsure = err
		}
		if errors.Is(err, ErrStale) {
			p.Log.InfoContext(p.by(), "another replica was faster", "model", p.Model, "event", string(e.Kind))
		} else {
			p.Log.ErrorContext(p.by(), "commit failed", "model", p.Model, "event", string(e.Kind), "err", err)
		}
		return nil, storeDown(err)
	}
	p.durable = now
	p.adopt(next)
	p.decided = maps.Clone(p.decided)
	p.decided[Decision{e.Kind, e.Actor == self}]++
	p.publish()
	p.logDecision(before, e, o)
	return effects, nil
}

// adopt makes a committed state the one in force. What was dealt until now was
// dealt by the state of before, its share above all.
func (p *Pilot) adopt(next rollout.State) {
	if p.state.Phase.Split() && p.Fleet == nil { // replicas count by share themselves
		p.observe()
	}
	p.state = next
}

func storeDown(err error) *Fault {
	f := &Fault{
		Code: StoreDown, Err: err,
		Detail: "the decision could not be made durable, so nothing was changed",
		Next:   "Predictions go on as before. Look into the server's log (disk full? state directory gone?) and try again.",
	}
	if errors.Is(err, ErrStale) {
		f.Detail = "other replicas decided faster, again and again"
		f.Next = "Look at what they have decided, and ask again."
	}
	if errors.Is(err, ErrUnsettled) {
		f.Detail = "it is not known yet whether the decision was made durable"
		f.Next = "Predictions go on as before. Read GET /admin/state before you repeat it: it may turn out to have happened."
	}
	for _, d := range diseases {
		if errors.Is(err, d.errno) {
			f.Detail += ": " + d.what
			f.Next = d.cure + " Nothing has to be restarted. " + f.Next
			break
		}
	}
	return f
}

// diseases are what a store may say of its disk, and what to do, for those who
// cannot read the server's log. The first that fits is told.
var diseases = []struct {
	errno      error
	what, cure string
}{
	{syscall.ENOSPC, "the store's disk is full", "Free some space."},
	{syscall.EDQUOT, "the store's disk quota is used up", "Free some space."},
	{syscall.EROFS, "the store's disk is read-only", "Mount it for writing; a file system that found itself damaged has to be checked first."},
	{syscall.EIO, "the store's disk fails with input/output errors", "Look at the disk and at the system's log."},
}

// settle finds out, after a failed commit, what the store holds. An event that
// is there after all has happened: its state is adopted and its effects are
// carried out, as a restart would do.
func (p *Pilot) settle() {
	if p.unsure == nil {
		return
	}
	if p.Fleet != nil {
		_ = p.sync() // nothing is committed until it is known
		return
	}
	state, _, err := p.Store.State(context.WithoutCancel(p.ctx), p.Model)
	if err != nil {
		return // no commit is tried until it is known
	}
	p.unsure = nil
	if state.Generation == p.state.Generation {
		return
	}
	p.Log.Warn("a commit that was reported as failed is in the journal after all", "model", p.Model, "generation", state.Generation, "phase", string(state.Phase))
	p.adopt(state)
	p.publish()
	if state.Phase == rollout.Loading {
		p.load(p.ctx)
	} else {
		p.Engines.Serve(state, new(record.Evidence))
	}
}

// attemptOf is the rollout that an event was about: the one that it ended, or
// the one that it left in progress.
func attemptOf(before, after rollout.State) *rollout.Rollout {
	if after.Rollout != nil {
		return after.Rollout
	}
	return before.Rollout
}

func (p *Pilot) logDecision(before rollout.State, e rollout.Event, o *opinion) {
	args := []any{
		"model", p.Model, "event", string(e.Kind), "actor", e.Actor, "phase", string(p.state.Phase),
		"stable", p.state.Stable.Name, "generation", p.state.Generation,
	}
	if e.Reason != "" {
		args = append(args, "reason", e.Reason)
	}
	if attempt := attemptOf(before, p.state); attempt != nil {
		args = append(args, "rollout", attempt.ID, "canary", attempt.Canary.Name, "sha256", attempt.Canary.SHA256)
	}
	if o != nil {
		r := o.Welch
		args = append(args, "verdict", e.Finding.Verdict.String(), "finding", e.Finding.Sentence, "p_value", r.PValue, "t", r.TStatistic,
			"log_e", o.Monitor.LogE, "difference_ms", r.DifferenceMS, "n_stable", r.Stable.Count, "n_canary", r.Canary.Count)
	}
	switch {
	case e.Kind == rollout.Deploy:
		args = append(args, "weight", e.Plan.Weight.String(), "duration", e.Plan.Period.String(), "at_end", string(e.Plan.AtEnd))
	case e.Kind == rollout.Reweigh:
		args = append(args, "weight", e.Weight.String())
	case e.Kind == rollout.Drill:
		args = append(args, "simulate_slowdown", p.state.Slowdown)
	}
	level := slog.LevelInfo
	if e.Kind == rollout.Alert || e.Kind == rollout.Alarm || e.Kind == rollout.Crash || e.Kind == rollout.Rollback && e.Actor == self {
		level = slog.LevelWarn
	}
	p.Log.Log(p.by(), level, "decision", args...)
}

func (p *Pilot) publish() {
	p.view.Store(p.current())
}

func (p *Pilot) current() *view {
	return &view{p.state, p.seen, p.observed, p.looks, p.watch, p.decided, p.here(), p.member.lost, p.durable}
}

// evidence is everything seen of the rollout in the view: what it had seen, and
// where the gauges have got to since. The first stage is compared with stable
// as it was before the canary, if the engines have seen enough of it; another
// share of the requests is another stage.
func (p *Pilot) evidence(v *view) record.Evidence {
	e := v.seen
	if p.Fleet != nil {
		return e // as it was added up last
	}
	if now := p.Engines.Gauges(); v.state.Rollout != nil && now.Rollout == v.state.Rollout.ID {
		share := uint32(v.state.Rollout.Weight)
		trail := record.NewTrail(e, share, &now.Baseline, v.state.Rollout.Plan.InitialDelay)
		_ = trail.Reweigh(share) // the law ends changes of the share before stages do
		trail.Update(&now.Stable, &now.Canary, v.observed)
		e = trail.Evidence()
	}
	e.Elapsed, e.Looks = v.observed, v.looks
	return e
}

// observe brings the evidence up to now. The loop goes on from there; readers
// who look in between do so for themselves.
func (p *Pilot) observe() record.Evidence {
	if p.Fleet != nil {
		p.seen = p.merge()
	} else {
		p.seen = p.evidence(p.current())
	}
	p.publish()
	return p.seen
}

// judged is one look that somebody asked for.
func (p *Pilot) judged() *opinion {
	p.look(1)
	return p.form()
}

// look counts looks.
func (p *Pilot) look(n int) {
	p.looks += uint64(n)
	if p.Fleet != nil {
		p.tally.look(n)
	}
}

func (p *Pilot) health(attempt *rollout.Rollout, o *opinion) Health {
	h := Health{State: p.state, Rollout: attempt, Elapsed: p.observed, Look: p.looks, Watch: p.watch.standing(&p.state), Here: p.here(), Saved: p.durable}
	if o != nil {
		h.Result = o.Welch
	}
	return h
}
