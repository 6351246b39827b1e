package control

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// ErrStale is the error of a Commit that was made from a state which is not the
// committed one any more: another replica was first.
var ErrStale = errors.New("another replica has decided meanwhile")

// Shared is what a Store can do beside when several replicas share it.
type Shared interface {
	// Beat says that a replica lives, keeps what it has counted, and returns how the
	// models stand: one statement, on the store's own clock. A beat that comes twice,
	// or late, changes nothing that a later one has said.
	Beat(ctx context.Context, b Beat) (Pulse, error)
	// Rows are what all replicas have counted of a rollout, also those that are gone.
	Rows(ctx context.Context, model, rolloutID string) ([]Row, error)
	// Replicas are those whose lease has not ended, by ID.
	Replicas(ctx context.Context) ([]Replica, error)
	// Listen calls heard whenever something may have been committed, until ctx ends.
	// It may miss commits: it makes replicas faster, and nothing depends on it.
	Listen(ctx context.Context, heard func())
}

// Replica is one process of a fleet.
type Replica struct {
	// ID is its own alone, and no later process's.
	ID string
	// Address is where it answers, Version its serin's.
	Address, Version string
	// Status is what it says of itself.
	Status json.RawMessage
	// Heard is when it beat last, by the store's clock. Beat does not read it.
	Heard time.Time
}

// Beat is what a replica says each second.
type Beat struct {
	Replica Replica
	// Lease is how long it counts as living from now on; 0 if it is about to end.
	Lease time.Duration
	// Models are those that it serves, each of which it may lead.
	Models []string
	// Rows are what it has counted: those that changed since the last Beat that was
	// answered. Each replaces what was kept of that model, rollout, replica and epoch.
	Rows []Row
}

// Row is what one replica has counted of one rollout under one planned share and,
// running through, under those before.
type Row struct {
	Model, Rollout, Replica string
	// Epoch numbers the shares of a rollout from 1; 0 is what was seen of stable
	// before.
	Epoch int
	// Data is what was counted, for control to read.
	Data []byte
}

// Pulse is what a Beat is answered.
type Pulse struct {
	// Store names the store: it was given at random when the store was made.
	Store string
	// Models are all that have a state, by name.
	Models map[string]Standing
}

// Standing is how a model stands for its replicas.
type Standing struct {
	// Generation is that of the committed state.
	Generation uint64
	// Leader is the ID of the replica, of those that serve it, that adds up what all
	// have counted; "" if nobody does. There may be two for a moment, and nothing is
	// decided twice: each decision names the generation that it was made from.
	Leader string
}
