package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// member is what a pilot knows as one of a fleet. It belongs to the pilot's
// goroutine.
type member struct {
	heard    time.Time // when the store was last heard to hold what is known here
	leads    bool      // adds up what all replicas have counted
	isolated bool      // serves stable only: the store was not heard for too long
	lost     bool      // the store showed an older state than the one in force
	attended time.Time // when a follower read the evidence last
	driver   driver

	booted   bool            // something is served
	served   routes          // what is in force here
	stable   rollout.Version // that serves here
	swaps    int
	have     map[string]bool // versions that are loaded, by SHA-256
	bringing bool            // a version is being loaded that another replica brought
	failed   failed          // the one that could not be loaded last, if it is missing
}

// failed is a version that could not be loaded here.
type failed struct {
	sha256, why string
	times       int       // in a row
	again       time.Time // when it is tried again
}

// driver is the replica that loads a canary first, as this one sees it: its last beat,
// and since when there was no other, by our clock. The store's may be stepped.
type driver struct {
	rollout      string
	heard, since time.Time
}

// routes are what of a state decides who answers.
type routes struct {
	stable, canary, rollout string
	weight                  rollout.Weight
	slowdown                bool
}

// readEvery is how often a replica that does not lead reads the evidence, for those who
// look without asking for a verdict; attendEvery is how often one that leads looks after
// what is wrong, and goneAfter for how long the one that loads a canary may be silent.
// attempts bounds how often a decision is made anew because another replica was faster;
// patience is how long the store may take to be read.
const (
	readEvery   = 20 * time.Second
	attendEvery = 5 * time.Second
	goneAfter   = 10 * time.Second
	attempts    = 10
	patience    = 3 * time.Second
	bringAgain  = 5 * time.Second // after the first time that a version could not be loaded, then twice as long each time
	bringLast   = 5 * time.Minute
)

// hear takes notice of the last beat: another state, who leads, and whether this
// replica is cut off.
func (p *Pilot) hear() {
	now, m := time.Now(), &p.member
	leads := false
	if h := p.Fleet.last.Load(); h != nil {
		if !h.at.Before(m.heard) {
			if p.knows(h) {
				m.heard, m.lost = h.at, false
			} else {
				_ = p.sync() // the next beat tries again
			}
		}
		leads = h.Leaders[p.Model] == p.Fleet.Self.Name && now.Sub(h.at) < leadFor && !m.lost
	}
	if leads && !m.leads {
		leads = p.takeOver()
	}
	m.leads = leads
	p.bound()
	if m.failed.times > 0 && now.After(m.failed.again) {
		p.route()
	}
}

// knows says whether what was heard is what is in force here.
func (p *Pilot) knows(h *heard) bool {
	return h.Generations[p.Model] == p.state.Generation && p.unsure == nil
}

// bound keeps the bound on how long a replica that does not hear the store serves a
// canary, and ends it when it is heard.
func (p *Pilot) bound() {
	m := &p.member
	if h := p.Fleet.last.Load(); h != nil && h.at.After(m.heard) && p.knows(h) {
		m.heard = h.at
	}
	isolated := time.Since(m.heard) > p.Fleet.Isolation
	if isolated == m.isolated {
		return
	}
	if m.isolated = isolated; isolated {
		p.Log.Error("the store was not heard for too long; serving stable only", "model", p.Model, "isolation_timeout", p.Fleet.Isolation.String())
	} else {
		p.Log.Info("the store is heard again; serving what was decided", "model", p.Model)
	}
	p.route()
}

// outside does something in the store, which may take long. The bound holds
// meanwhile.
func (p *Pilot) outside(call func() error) (err error) {
	if p.Fleet == nil || p.member.isolated {
		return call()
	}
	done := make(chan struct{})
	p.aside.Go(func() { defer close(done); err = call() })
	for {
		end := time.NewTimer(time.Until(p.member.heard.Add(p.Fleet.Isolation)) + time.Millisecond)
		select {
		case <-done:
			end.Stop()
			return err
		case <-end.C:
			if p.bound(); p.member.isolated {
				<-done
				return err
			}
		}
	}
}

// promptly is outside for what the store is asked, which is answered soon or not at all.
func (p *Pilot) promptly(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), patience)
	defer cancel()
	return p.outside(func() error { return call(ctx) })
}

// takeOver goes on from the evidence that the leader of before has saved. Time
// that nobody led is not observed.
func (p *Pilot) takeOver() bool {
	if p.sync() != nil {
		return false
	}
	p.monitor, p.shown = nil, nil
	p.nextWatch = p.observed.Truncate(watchEvery) + watchEvery
	p.ticked = time.Now()
	return true
}

// sync reads what is committed. Another replica's decision is in force here when
// it returns, as far as it can be.
func (p *Pilot) sync() error {
	var state rollout.State
	var seen record.Evidence
	began := time.Now()
	err := p.promptly(func(ctx context.Context) (err error) { state, seen, err = p.Store.State(ctx, p.Model); return err })
	if err != nil {
		return storeDown(err)
	}
	if state.Generation < p.state.Generation {
		if !p.member.lost {
			p.member.lost = true
			p.Log.Error("the store shows an older state than was committed; the last known one is served", "model", p.Model, "generation", p.state.Generation, "store", state.Generation)
			p.publish()
		}
		return forgotten()
	}
	p.unsure, p.member.lost, p.member.heard = nil, false, began
	switch {
	case state.Generation > p.state.Generation:
		p.follow(state, seen)
	case !p.member.leads:
		p.seen, p.observed, p.looks = seen, seen.Elapsed, seen.Looks
		p.publish()
	}
	return nil
}

// forgotten is what commands are answered while the store is not believed.
func forgotten() *Fault {
	return &Fault{
		Code: StoreDown, Err: errForgot, Detail: "the store shows an older state than was committed, or is another store, so nothing is decided",
		Next: "Predictions go on by the last known state. Run serin doctor: it says what is missing and what can be done.",
	}
}

// follow makes the state that is committed the one in force.
func (p *Pilot) follow(next rollout.State, seen record.Evidence) {
	before := p.state
	was, is := before.Rollout, next.Rollout
	p.state = next
	if same := was != nil && is != nil && was.ID == is.ID; !same {
		p.watch, p.shown = Watch{}, nil
		p.seen, p.observed, p.looks = seen, seen.Elapsed, seen.Looks
		p.nextWatch = p.observed.Truncate(watchEvery) + watchEvery
		p.ticked = time.Now() // what is observed of this rollout begins now
	} else if !p.member.leads {
		p.seen, p.observed, p.looks = seen, seen.Elapsed, seen.Looks
	}
	p.Log.Info("following the fleet", "model", p.Model, "generation", next.Generation, "phase", string(next.Phase), "stable", next.Stable.Name)
	if d := p.deploy; d != nil && d.rollout != "" && (is == nil || is.ID != d.rollout) {
		p.finish(Health{}, errRolledBack)
	}
	p.route()
	if next.Phase == rollout.Loading && is.By == p.Fleet.Self.Name && (was == nil || was.ID != is.ID) {
		p.load(p.ctx) // a deploy of this replica whose commit was not known to have happened
	}
}

// abreast makes sure that a decision is made from what is committed, and from
// what this replica has counted until now.
func (p *Pilot) abreast() error {
	if p.Fleet == nil {
		return nil
	}
	if p.member.isolated {
		unheard := "since it started"
		if heard := p.member.heard; !heard.IsZero() {
			unheard = fmt.Sprintf("for %v", time.Since(heard).Round(time.Second))
		}
		return &Fault{
			Code: StoreDown, Detail: "this replica has not heard the store " + unheard + " and serves stable only",
			Next: "Ask another replica, or look into the server's log; it goes on by itself when it hears the store again.",
		}
	}
	if err := p.promptly(p.Fleet.beat); errors.Is(err, errForgot) {
		return forgotten()
	} else if err != nil {
		return storeDown(err)
	}
	return p.sync()
}

// insist makes a decision again where another replica was faster, from what that
// one has made of the state.
func (p *Pilot) insist(decide func() (Health, error)) (h Health, err error) {
	for range attempts {
		if h, err = decide(); p.Fleet == nil || !errors.Is(err, ErrStale) {
			return h, err
		}
		if err := p.sync(); err != nil {
			return h, err
		}
	}
	return h, err
}

// attend keeps the evidence of a replica that does not lead worth looking at.
func (p *Pilot) attend() {
	if now := time.Now(); p.state.Phase.Split() && now.Sub(p.member.attended) >= readEvery && !p.member.isolated {
		p.member.attended = now
		if p.sync() == nil && p.state.Phase.Split() {
			number := max(p.watch.Number, uint64(p.observed/watchEvery))
			p.watch = Watch{p.judge(&p.seen).Monitor, number}
			p.publish()
		}
	}
}

// orphan ends a rollout whose canary is being loaded by a replica that is gone:
// the file may have ended it, and the next replica must not try.
func (p *Pilot) orphan() {
	r, m, now := p.state.Rollout, &p.member, time.Now()
	if p.state.Phase != rollout.Loading || r.By == p.Fleet.Self.Name || now.Sub(m.attended) < attendEvery {
		return
	}
	m.attended = now
	var all []Replica
	if p.promptly(func(ctx context.Context) (err error) { all, err = p.Fleet.Store.Replicas(ctx); return err }) != nil {
		return
	}
	var heard time.Time
	for _, o := range all {
		if o.Name == r.By {
			heard = o.Heard
		}
	}
	if d := &m.driver; d.rollout != r.ID || !d.heard.Equal(heard) {
		*d = driver{r.ID, heard, now}
		return
	}
	if now.Sub(m.driver.since) < goneAfter {
		return
	}
	e := rollout.Event{Kind: rollout.Crash, Actor: self, Reason: "the replica " + r.By + " ended while it was loading this version"}
	if r.By == "" {
		e.Kind, e.Reason = rollout.LoadRefused, "the state was moved here while this version was loading"
	}
	_ = p.apply(e, nil)
}

// merge is the evidence of all replicas as it stands. Where they cannot be heard
// it is what it was.
func (p *Pilot) merge() record.Evidence {
	e := p.seen
	if !p.state.Phase.Split() {
		return e
	}
	r := p.state.Rollout
	var rows []Row
	err := p.promptly(func(ctx context.Context) (err error) { rows, err = p.Fleet.Store.Rows(ctx, p.Model, r.ID); return err })
	var all *sum
	if err == nil {
		all, err = add(rows, append(slices.Clone(r.Shares), r.Weight))
	}
	if err == nil && len(e.Stages)+len(rows) > 0 { // the first stage begins with what was seen of stable before
		trail := record.NewTrail(e, all.epochs[0].Share, &all.reference, r.Plan.InitialDelay)
		if err = trail.Follow(all.epochs, p.observed); err == nil {
			e = trail.Evidence()
			all.looks[p.Fleet.Self.Name] = p.tally.look(0) // some are not told yet
			p.looks = 0
			for _, n := range all.looks {
				p.looks += n
			}
		}
	}
	p.heardAll(err)
	e.Elapsed, e.Looks = p.observed, p.looks
	return e
}

// heardAll reports once that the evidence stands still, and once that it goes on.
func (p *Pilot) heardAll(err error) {
	if (err != nil) == p.deaf {
		return
	}
	if p.deaf = err != nil; p.deaf {
		p.Log.Error("what the replicas have counted cannot be added up; the evidence stands still", "model", p.Model, "err", err)
	} else {
		p.Log.Info("what the replicas have counted is added up again", "model", p.Model)
	}
}

// route puts in force what is committed, as far as it can be served here, and
// brings what is missing.
func (p *Pilot) route() {
	m := &p.member
	if !m.booted {
		p.publish()
		return
	}
	s, missing := p.possible()
	if to := routesOf(&s); to != m.served {
		p.tally.turn(s.Rollout, func() { p.Engines.Serve(s, new(record.Evidence)) })
		m.served, m.stable = to, s.Stable
		m.swaps++
		p.Fleet.hurry()
		for sha256 := range m.have { // as the engines do
			if sha256 != s.Stable.SHA256 && (s.Rollout == nil || sha256 != s.Rollout.Canary.SHA256) {
				delete(m.have, sha256)
			}
		}
	}
	switch {
	case missing == nil:
		m.failed = failed{}
	case !m.bringing && (missing.SHA256 != m.failed.sha256 || time.Now().After(m.failed.again)):
		p.bring(*missing)
	}
	p.publish() // with what is not served yet
}

// possible is the committed state, or what can be served here in its place: the
// stable version of before, until the new one is loaded; the stable version alone,
// while the canary is not or the store is not heard. Missing is what must be
// loaded for more.
func (p *Pilot) possible() (s rollout.State, missing *rollout.Version) {
	m := &p.member
	s = p.state
	if !m.have[s.Stable.SHA256] {
		missing := s.Stable
		s.Stable, s.Phase, s.Rollout = m.stable, rollout.Idle, nil
		return s, &missing
	}
	if !s.Phase.Split() {
		return s, nil
	}
	if !m.have[s.Rollout.Canary.SHA256] {
		s.Phase = rollout.Loading // which keeps what was counted of it
		return s, &p.state.Rollout.Canary
	}
	if m.isolated {
		s.Phase = rollout.Loading
	}
	return s, nil
}

func routesOf(s *rollout.State) routes {
	r := routes{stable: s.Stable.SHA256, slowdown: s.Slowdown}
	if s.Rollout != nil {
		r.rollout = s.Rollout.ID
	}
	if s.Phase.Split() {
		r.canary, r.weight = s.Rollout.Canary.SHA256, s.Rollout.Weight
	}
	return r
}

// bring loads a version that another replica has deployed.
func (p *Pilot) bring(v rollout.Version) {
	m, ctx := &p.member, p.ctx
	m.bringing = true
	var with *rollout.Version
	if v.SHA256 != p.state.Stable.SHA256 {
		stable := p.state.Stable
		with = &stable
	}
	begun := m.swaps
	p.goAside(func() func() {
		err := p.Engines.Load(ctx, v, with)
		return func() { p.brought(v, begun, err) }
	})
}

func (p *Pilot) brought(v rollout.Version, begun int, err error) {
	m := &p.member
	m.bringing = false
	if err != nil {
		if m.failed.sha256 != v.SHA256 {
			m.failed = failed{sha256: v.SHA256}
			p.Log.Error("a version cannot be loaded here; serving without it", "model", p.Model, "version", v.Name, "err", err)
		}
		pause := min(bringAgain<<min(m.failed.times, 10), bringLast)
		m.failed.times++
		m.failed.why, m.failed.again = fmt.Sprintf("%s cannot be loaded here: %v", v.Name, err), time.Now().Add(pause)
		p.route() // it may not be missing any more
		return
	}
	if v.SHA256 == m.failed.sha256 {
		m.failed = failed{}
	}
	if begun == m.swaps { // else the engines may have put it away meanwhile
		m.have[v.SHA256] = true
	}
	p.route()
}

// settleShared reads where the fleet is, and settles what the previous process on
// this machine did to its canary. Where the store is not heard, or has lost what is
// known to have been in it, the last known state is what there is.
func (p *Pilot) settleShared(ctx context.Context, start Start) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	var state rollout.State
	var seen record.Evidence
	began, err := time.Now(), p.Fleet.beat(ctx)
	if err == nil {
		state, seen, err = p.Store.State(ctx, p.Model)
	}
	switch last := start.Last; {
	case err == nil && (last == nil || state.Generation >= last.Generation):
	case last == nil:
		return fmt.Errorf("reading the state of %s: %w", p.Model, err)
	default:
		p.state, p.member.isolated, p.member.lost = *last, true, err == nil || errors.Is(err, errForgot)
		p.Log.Error("the store is not heard, or is not the one that it was; serving stable as it was known last", "model", p.Model, "generation", last.Generation, "stable", last.Stable.Name, "err", err)
		return nil
	}
	p.state, p.seen, p.observed, p.looks, p.member.heard = state, seen, seen.Elapsed, seen.Looks, began
	_, err = p.insist(func() (Health, error) {
		if e, found := blame(&p.state, start); found {
			_, err := p.commit(e, nil, nil)
			return Health{}, err
		}
		return Health{}, nil
	})
	return err
}

// blame is the event that a start means for a rollout in which the previous
// process on this machine took part. The others go on, so a start that says nothing
// against the canary is no event.
func blame(s *rollout.State, start Start) (e rollout.Event, found bool) {
	e = rollout.Event{Kind: rollout.Crash, Actor: self}
	r, last := s.Rollout, start.Last
	if r == nil || last == nil || last.Rollout == nil || last.Rollout.ID != r.ID {
		return e, false // it knew nothing of this canary
	}
	switch {
	case s.Phase == rollout.Loading:
		return becomes(s, start, 0), r.By == start.Was // others have not opened it
	case start.Crash != "":
		return becomes(s, start, 0), true
	case start.Kills >= killsLimit:
		e.Reason = fmt.Sprintf("the replica %s was killed %d times in a row within a minute of serving this version", start.Was, start.Kills)
		return e, true
	}
	return e, false
}

// killsLimit is how often a replica may be killed in a row, each time within a
// minute of its start, before its canary is blamed.
const killsLimit = 3

// bootShared loads what the fleet serves and routes it, as far as that goes here.
func (p *Pilot) bootShared(ctx context.Context, start Start) error {
	if p.state.Phase == rollout.Empty {
		if err := p.install(ctx, start.Model); !errors.Is(err, ErrStale) && err != nil {
			return err
		} else if err != nil { // another replica has installed it
			if err := p.sync(); err != nil {
				return err
			}
		}
	}
	m, stable := &p.member, p.state.Stable
	if !m.have[stable.SHA256] {
		if err := p.Engines.Load(ctx, stable, nil); err != nil {
			return fmt.Errorf("loading stable %s: %w", stable.Name, err)
		}
		m.have[stable.SHA256] = true
	}
	if p.state.Phase.Split() && !m.isolated {
		if err := p.Engines.Load(ctx, p.state.Rollout.Canary, &stable); ctx.Err() != nil {
			return fmt.Errorf("loading canary %s: %w", p.state.Rollout.Canary.Name, err)
		} else if err != nil {
			p.brought(p.state.Rollout.Canary, m.swaps, err)
		} else {
			m.have[p.state.Rollout.Canary.SHA256] = true
		}
	}
	m.booted = true
	p.route()
	return nil
}

// here says how this replica serves other than it was decided; "" if it does not.
func (p *Pilot) here() string {
	switch m := &p.member; {
	case p.Fleet == nil:
		return ""
	case m.isolated:
		return "serves stable only: the store has not been heard for " + p.Fleet.Isolation.String()
	case m.lost:
		return "serves the last known state: the store shows an older one"
	case m.failed.why != "":
		return m.failed.why
	case m.bringing:
		return "serves without a version that is being loaded"
	}
	return ""
}
