package control

import (
	"context"
	"errors"
	"fmt"

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
}

// Boot brings the model to where the store says it was: stable loaded and
// routed, a live canary with its weight, its remaining time and its evidence.
// An empty store gets its first version. On an error nothing is served.
func (p *Pilot) Boot(ctx context.Context, start Start) error {
	p.ctx = ctx
	state, seen, err := p.Store.State(ctx, p.Model)
	if err != nil {
		return fmt.Errorf("reading the state of %s: %w", p.Model, err)
	}
	p.state, p.seen, p.observed, p.looks = state, seen, seen.Elapsed, seen.Looks
	p.nextWatch = p.observed.Truncate(watchEvery) + watchEvery
	if state.Phase == rollout.Empty {
		return p.install(ctx, start.Model)
	}
	if err := p.Engines.Load(ctx, state.Stable, nil); err != nil {
		return fmt.Errorf("loading stable %s: %w", state.Stable.Name, err)
	}
	if err := p.bringBack(ctx, start, &seen); err != nil {
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
	return p.apply(rollout.Event{Kind: rollout.Install, Actor: self, Version: version}, nil)
}

// bringBack goes on with a rollout that was in progress, or ends it where it
// took the process down. Each outcome is committed before the canary's file is
// touched, so a canary that kills the process again is met by the breaker; the
// effects are Boot's, when all that the routes name is loaded.
func (p *Pilot) bringBack(ctx context.Context, start Start, seen *record.Evidence) error {
	e := rollout.Event{Kind: rollout.Resume, Actor: self, Killed: start.Killed, Elapsed: seen.Elapsed}
	switch {
	case p.state.Rollout == nil:
		return nil
	case start.Crash != "":
		e = rollout.Event{Kind: rollout.Crash, Actor: self, Reason: "the process crashed with this version as canary: " + start.Crash}
	case p.state.Phase == rollout.Loading && !start.Killed:
		e = rollout.Event{Kind: rollout.LoadRefused, Actor: self, Reason: stoppedWhileLoading}
	case p.state.Phase == rollout.Loading:
		e = rollout.Event{Kind: rollout.Crash, Actor: self, Reason: "the process ended while this version was loading"}
	}
	canary := p.state.Rollout.Canary
	if _, err := p.commit(e, nil, seen); err != nil {
		return err
	}
	if p.state.Rollout == nil {
		if past := p.state.Recall(canary.SHA256); past != nil && past.Quarantined {
			p.Log.Warn("canary quarantined; serving stable", "model", p.Model, "canary", canary.Name, "sha256", canary.SHA256, "reason", past.Reason)
		}
		return nil
	}
	err := p.Engines.Load(ctx, canary, &p.state.Stable)
	if fault, ok := errors.AsType[*Fault](err); ok && (fault.Code == ModelRefused || fault.Code == ModelIncompatible) {
		_, err = p.commit(rollout.Event{Kind: rollout.Rollback, Actor: self, Reason: "the canary could not be loaded again: " + fault.Error()}, nil, seen)
	}
	if err != nil { // the start was called off, or the disk failed: nothing against the canary
		return fmt.Errorf("loading canary %s: %w", canary.Name, err)
	}
	return nil
}
