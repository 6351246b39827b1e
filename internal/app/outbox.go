package app

import (
	"context"

	"serin/internal/notify"
	"serin/internal/store"
)

// outbox is the store as the herald knows it.
type outbox struct{ *store.Store }

// Events are those of the journal after a number. The store tells of one that cannot
// be read by an error, and goes on after it.
func (o outbox) Events(ctx context.Context, after uint64, limit int) ([]notify.Event, error) {
	page, err := o.Journal(ctx, "", "", after, limit)
	if len(page) == 0 {
		return nil, err
	}
	events := make([]notify.Event, len(page))
	for i, e := range page {
		events[i] = notify.Event{
			Seq: e.Seq, At: e.At, Kind: e.Event, Actor: e.Actor, Reason: e.Reason, Rollout: e.Rollout, Finding: e.Finding, Detail: e.Detail, State: e.State,
		}
	}
	if err != nil {
		events[len(events)-1].Lost = err.Error()
	}
	return events, nil
}

// turn says whether this process is the one of a fleet that tells; alone it is.
func turn(f *fleet) func() bool {
	if f == nil {
		return nil
	}
	return f.Foremost
}

// tell lets the herald work until the function that it returns is called.
func tell(ctx context.Context, herald *notify.Herald) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		herald.Run(ctx)
	}()
	return func() { cancel(); <-done }
}
