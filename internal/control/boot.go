package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// Start says how the process came up.
type Start struct {
	// Model is the file to install if the store is empty.
	Model string
	// Killed is true if the previous process ended without stopping.
	Killed bool
	// Crash is the first line of what the previous process wrote when the Go
	// runtime ended it, "" if it did not.
	Crash string
	// Last is the state that the previous process on this machine knew last, Was its
	// replica's name, and Kills how many processes in a row, the previous one last, were
	// killed here within a minute of their start: where replicas share a store.
	Last  *rollout.State
	Was   string
	Kills int
	// Suspects are the names of all models with a rollout in progress when it ended.
	Suspects []string
}

// Recall reads where the store says that the model was, and settles what becomes
// of a rollout that was in progress: it goes on, or ends where it took the process
// down. That is committed before any file is touched, so a canary that kills the
// process again is met by the breaker; and it is there, once, also where the start
// goes no further. Boot does it where it has not been done.
func (p *Pilot) Recall(ctx context.Context, start Start) error {
	p.ctx, start.Crash = ctx, Printable(start.Crash) // not every store keeps what is no text
	if p.Fleet != nil {
		p.recalled = true
		return p.settleShared(ctx, start)
	}
	state, seen, err := p.Store.State(ctx, p.Model)
	if err != nil {
		return fmt.Errorf("reading the state of %s: %w", p.Model, err)
	}
	p.state, p.seen, p.observed, p.looks = state, seen, seen.Elapsed, seen.Looks
	p.nextWatch = p.observed.Truncate(watchEvery) + watchEvery
	if p.state.Rollout != nil {
		canary := p.state.Rollout.Canary
		if _, err := p.commit(becomes(&p.state, start, seen.Elapsed), nil, &seen); err != nil {
			return err
		}
		if past := p.state.Recall(canary.SHA256); p.state.Rollout == nil && past != nil && past.Quarantined {
			p.Log.Warn("canary quarantined; serving stable", "model", p.Model, "canary", canary.Name, "sha256", canary.SHA256, "reason", past.Reason)
		}
	}
	p.recalled = true
	return nil
}

// Boot brings the model to where the store says it was: stable loaded and
// routed, a live canary with its weight, its remaining time and its evidence.
// An empty store gets its first version. On an error nothing is served.
func (p *Pilot) Boot(ctx context.Context, start Start) error {
	if !p.recalled {
		if err := p.Recall(ctx, start); err != nil {
			return err
		}
	}
	p.ctx = ctx
	if p.Fleet != nil {
		return p.bootShared(ctx, start)
	}
	if p.state.Phase == rollout.Empty {
		return p.install(ctx, start.Model)
	}
	if err := p.Engines.Load(ctx, p.state.Stable, nil); err != nil {
		return fmt.Errorf("loading stable %s: %w", p.state.Stable.Name, err)
	}
	seen := p.seen
	if err := p.bringBack(ctx, &seen); err != nil {
		return err
	}
	p.Engines.Serve(p.state, &seen)
	if p.state.Phase.Split() {
		p.form()
	}
	p.publish()
	return nil
}

func (p *Pilot) install(ctx context.Context, path string) error {
	version, err := p.Engines.Fetch(ctx, Source{Path: path})
	if err != nil {
		return err
	}
	if err := p.Engines.Load(ctx, version, nil); err != nil {
		return err
	}
	if p.Fleet != nil {
		p.member.have[version.SHA256], p.member.stable = true, version
	}
	return p.apply(rollout.Event{Kind: rollout.Install, Actor: self, Version: version}, nil)
}

// becomes is the event that a start means for a rollout that was in progress.
func becomes(s *rollout.State, start Start, elapsed time.Duration) rollout.Event {
	switch {
	case start.Crash != "" && len(start.Suspects) > 1:
		// The report does not say whose canary it was. To go on with all of them might end
		// the process again, for everybody; to quarantine all would blame the innocent.
		return rollout.Event{Kind: rollout.Rollback, Actor: self, Reason: fmt.Sprintf(
			"the process crashed with canaries of %s in progress, and its report does not say whose fault it was; deploy one after the other: %s", strings.Join(start.Suspects, " and "), start.Crash,
		)}
	case start.Crash != "":
		return rollout.Event{Kind: rollout.Crash, Actor: self, Reason: "the process crashed with this version as canary: " + start.Crash}
	case s.Phase == rollout.Loading && !start.Killed:
		return rollout.Event{Kind: rollout.LoadRefused, Actor: self, Reason: stoppedWhileLoading}
	case s.Phase == rollout.Loading:
		return rollout.Event{Kind: rollout.Crash, Actor: self, Reason: "the process ended while this version was loading"}
	default:
		return rollout.Event{Kind: rollout.Resume, Actor: self, Killed: start.Killed, Elapsed: elapsed}
	}
}

// bringBack loads the canary of a rollout that goes on; the effects are Boot's,
// when all that the routes name is loaded.
func (p *Pilot) bringBack(ctx context.Context, seen *record.Evidence) error {
	if p.state.Rollout == nil {
		return nil
	}
	canary := p.state.Rollout.Canary
	err := p.Engines.Load(ctx, canary, &p.state.Stable)
	if fault, ok := errors.AsType[*Fault](err); ok && slices.Contains([]FaultCode{ModelRefused, ModelIncompatible, FileRefused, FileUnreachable}, fault.Code) {
		_, err = p.commit(rollout.Event{Kind: rollout.Rollback, Actor: self, Reason: "the canary could not be loaded again: " + fault.Error()}, nil, seen)
	}
	if err != nil { // the start was called off, or the disk failed: nothing against the canary
		return fmt.Errorf("loading canary %s: %w", canary.Name, err)
	}
	return nil
}
