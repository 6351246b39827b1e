package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/store"
)

// History reads the cases of a rollout from the state directory of a server
// that does not run, and gives them to yield in the order of decisions first,
// then looks. See judge.Case.
func History(ctx context.Context, dir, model, rolloutID string, yield func(judge.Case) error) (err error) {
	if _, err := os.Stat(filepath.Join(dir, "head.json")); err != nil { // Open would make one
		return fmt.Errorf("there is no state directory at %s: %w", dir, err)
	}
	memory, err := store.Open(dir, store.Options{})
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w: ask the server, with --server", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	return history{memory, model}.Cases(ctx, rolloutID, yield)
}

// history tells how the rollouts of one model were judged.
type history struct {
	store *store.Store
	model string
}

// pageSize is how many rows are read in one turn of the store, so that a long
// history keeps nobody from committing.
const pageSize = 100

// Cases gives the events of the journal, then the looks.
func (h history) Cases(ctx context.Context, rolloutID string, yield func(judge.Case) error) error {
	plan, err := h.decisions(ctx, rolloutID, yield)
	if err != nil {
		return err
	}
	after := uint64(0)
	for {
		page, err := h.store.Looks(ctx, h.model, rolloutID, after, pageSize)
		if len(page) == 0 {
			return err
		}
		for _, l := range page {
			c := judge.Case{Name: fmt.Sprintf("look %d", l.Number), At: l.At, Look: l.Number, Plan: plan, Finding: l.Finding, Detail: l.Detail}
			if l.Evidence == nil { // it cannot be read, and those after it can
				c.Lost = err.Error()
			}
			if err := send(c, l.Evidence, yield); err != nil {
				return err
			}
			after = l.Number
		}
	}
}

// Looks are those of the monitor at a rollout that come after a number, oldest
// first; only an empty answer means that there are no more.
func (h history) Looks(ctx context.Context, rolloutID string, after uint64, limit int) ([]control.Look, error) {
	page, err := h.store.Looks(ctx, h.model, rolloutID, after, limit)
	looks := make([]control.Look, len(page))
	for i := range page {
		looks[i] = control.Look(page[i])
	}
	return looks, err
}

// Recent are the events of the model below a number, or the latest, newest first.
func (h history) Recent(ctx context.Context, before uint64, limit int) ([]control.Entry, error) {
	page, err := h.store.Recent(ctx, h.model, before, limit)
	entries := make([]control.Entry, len(page))
	for i := range page {
		entries[i] = control.Entry(page[i])
	}
	return entries, err
}

// decisions gives the journal's part, and returns the rollout's plan. An event
// that nothing was judged for is a case without evidence.
func (h history) decisions(ctx context.Context, rolloutID string, yield func(judge.Case) error) (rollout.Plan, error) {
	var plan rollout.Plan
	known, after := false, uint64(0)
	for {
		page, err := h.store.Journal(ctx, h.model, rolloutID, after, pageSize)
		if err != nil && len(page) == 0 {
			return plan, err
		}
		for i, e := range page {
			after = e.Seq
			if err != nil && i == len(page)-1 { // it cannot be read, and those after it can
				if err := send(judge.Case{Name: fmt.Sprintf("journal row %d", e.Seq), Lost: err.Error()}, nil, yield); err != nil {
					return plan, err
				}
				continue
			}
			if e.State.Rollout != nil && e.State.Rollout.ID == rolloutID {
				plan, known = e.State.Rollout.Plan, true
			}
			c := judge.Case{Name: fmt.Sprintf("%s by %s", e.Event, e.Actor), Event: e.Event, At: e.At, Plan: plan}
			evidence := e.Evidence
			switch {
			case e.Finding != nil && evidence != nil:
				c.Finding, c.Detail = *e.Finding, e.Detail
			case e.Event == rollout.Reweigh:
				c.Name += " to " + e.State.Rollout.Weight.String()
				evidence = nil
			case e.Event == rollout.Drill && !e.State.Slowdown:
				c.Name = "end of the " + c.Name
				evidence = nil
			default:
				evidence = nil
			}
			if err := send(c, evidence, yield); err != nil {
				return plan, err
			}
		}
		switch {
		case len(page) > 0:
		case !known || rolloutID == "":
			return plan, &control.Fault{
				Code: control.RolloutUnknown, Detail: fmt.Sprintf("there is no rollout %q of model %s", rolloutID, h.model),
				Next: "serin status names the one in progress, or the last one.",
			}
		default:
			return plan, nil
		}
	}
}

func send(c judge.Case, e *record.Evidence, yield func(judge.Case) error) error {
	if e != nil {
		var err error
		if c.Evidence, err = e.MarshalBinary(); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return yield(c)
}
