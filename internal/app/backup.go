package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"serin/internal/store"
)

// Place is where a state is, of a server that runs or not.
type Place struct {
	// Data is a state directory.
	Data string
	// Store is the address of a PostgreSQL, and goes before Data where it is not empty.
	Store string
}

// Contents is what is in a state.
type Contents = store.Inventory

// Backup copies a state to a directory, which must be empty or not exist, and
// verifies the copy. It is a state directory as any other: a server may start on it.
func Backup(ctx context.Context, from Place, to string) (i Contents, err error) {
	if from.Store == "" {
		return store.Backup(ctx, from.Data, to)
	}
	source, end, err := shared(from.Store)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, end()) }()
	if entries, _ := os.ReadDir(to); len(entries) > 0 { // Open would go on with a state
		return i, fmt.Errorf("%s is not empty: name a directory that does not exist", to)
	}
	target, err := store.Open(to, store.Options{})
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	return source.CopyTo(ctx, target)
}

// Restore verifies a state directory and copies it to a place that must be empty.
// The directory stays as it is. Where replicas share the place, rollouts in progress go
// on there: what was counted of them becomes the row of a replica that has gone.
func Restore(ctx context.Context, from string, to Place) (i Contents, err error) {
	if to.Store == "" {
		return store.Backup(ctx, from, to.Data)
	}
	err = aside(func(dir string) error {
		if _, err := store.Backup(ctx, from, dir); err != nil {
			return err
		}
		source, err := store.Open(dir, store.Options{})
		if err != nil {
			return err
		}
		target, end, err := shared(to.Store)
		if err != nil {
			return errors.Join(err, source.Close())
		}
		rows, err := counted(ctx, source)
		if err == nil {
			i, err = source.CopyTo(ctx, target)
		}
		if err == nil {
			_, err = target.Beat(ctx, store.Beat{Replica: "import", Gauges: rows})
		}
		return errors.Join(err, end(), source.Close())
	})
	return i, err
}

// counted is what was counted of the rollouts in progress, as one replica would tell it.
func counted(ctx context.Context, from *store.Store) (rows []store.Gauge, err error) {
	found, err := from.Verify(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range found.States {
		r := s.Rollout
		if r == nil {
			continue
		}
		_, seen, err := from.State(ctx, s.Model)
		if err != nil {
			return nil, err
		}
		var shares []uint32
		for _, share := range append(slices.Clone(r.Shares), r.Weight) {
			shares = append(shares, uint32(share))
		}
		sums, err := seen.Sums(shares)
		if err != nil {
			return nil, fmt.Errorf("what was counted of rollout %s of model %s cannot be added up by replicas: %w. Start a server on the directory, promote or roll back %s, stop the server, and import again",
				r.ID, s.Model, err, r.Canary.Name)
		}
		for k := range sums {
			data, err := sums[k].MarshalBinary()
			if err != nil {
				return nil, err
			}
			rows = append(rows, store.Gauge{Model: s.Model, Rollout: r.ID, Epoch: uint64(k + 1), Data: data})
		}
	}
	return rows, nil
}

// Examine verifies a state directory as Restore would, and writes nothing.
func Examine(ctx context.Context, from string) (i Contents, err error) {
	err = aside(func(dir string) error {
		i, err = store.Backup(ctx, from, dir)
		return err
	})
	return i, err
}

// aside lends a directory of its own.
func aside(do func(dir string) error) error {
	dir, err := os.MkdirTemp("", "serin-")
	if err != nil {
		return err
	}
	return errors.Join(do(dir), os.RemoveAll(dir))
}

// shared opens a store on PostgreSQL, with nothing that stays of its directory.
func shared(address string) (s *store.Store, end func() error, err error) {
	dir, err := os.MkdirTemp("", "serin-")
	if err != nil {
		return nil, nil, err
	}
	if s, err = store.Open(dir, store.Options{URL: address}); err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, func() error { return errors.Join(s.Close(), os.RemoveAll(dir)) }, nil
}
