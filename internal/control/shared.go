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

// Shared is what a Store can do beside where several replicas share it.
type Shared interface {
	// Beat says that a replica lives, keeps what it has counted, and returns how the
	// models stand. A beat that comes twice changes nothing.
	Beat(ctx context.Context, b Beat) (Pulse, error)
	// Rows are what all replicas have counted of a rollout, also those that are gone.
	Rows(ctx context.Context, model, rolloutID string) ([]Row, error)
	// Replicas are those that live, and those that did lately.
	Replicas(ctx context.Context) ([]Replica, error)
	// Listen calls heard whenever something may have been committed, until ctx ends.
	// It may miss commits: it makes replicas faster, and nothing depends on it.
	Listen(ctx context.Context, heard func())
}

// Replica is one process of a fleet, as it said of itself.
type Replica struct {
	// Name is its own alone, and no later process's.
	Name string
	// Address is where it answers, Version its serin's.
	Address, Version string
	// Status is how it serves its models, in JSON.
	Status json.RawMessage
	// Heard is when it beat last, and Live whether it counts as living, by the store's
	// clock.
	Heard time.Time
	Live  bool
}

// Beat is what a replica says each second.
type Beat struct {
	// Replica says it; Heard and Live are the store's business.
	Replica Replica
	// Models are those that it serves, each of which it may lead.
	Models []string
	// Rows are what it has counted: those that changed. Each replaces what was kept of
	// that model, rollout, replica and epoch.
	Rows []Row
	// Seen is the Head of an earlier pulse; "" before the first.
	Seen string
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
	// Head names the end of the journal. Kept is true if the journal still has what
	// Seen named: one without it was emptied, restored to an older moment, or is
	// another one.
	Head string
	Kept bool
	// Generations are those of the committed states, by model.
	Generations map[string]uint64
	// Leaders are, by model, the names of the replicas that add up what all have
	// counted. There may be two for a moment, and nothing is decided twice: each
	// decision names the generation that it was made from.
	Leaders map[string]string
}
