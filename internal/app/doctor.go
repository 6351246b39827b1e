package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"serin/internal/rollout"
	"serin/internal/store"
)

// Diagnosis is what Diagnose has found.
type Diagnosis struct {
	// Contents is what is in the state, all of it verified.
	Contents Contents
	// Lost is what a replica knows to have been committed to a shared store, and what
	// is not in it: while there is any, the replica does not believe the store.
	Lost []Lost
	// Gone is the event that the replica has seen last, if the store does not have it:
	// its journal went another way since, or is another one; zero if it has it.
	Gone store.Head
}

// Lost is a model of which a shared store has less than a replica knows.
type Lost struct {
	Model string
	// Known is the generation that the replica knows of, Found that of the store, 0 for none.
	Known, Found uint64
	// Stable is what answers requests by what the replica knows.
	Stable string
}

// Diagnose reads and verifies a state from end to end, of a server that runs or
// not. Of a shared one Data is a replica's directory, whose last known state is held
// against it. An error is what is damaged, or why nothing can be said.
func Diagnose(ctx context.Context, p Place) (d Diagnosis, err error) {
	if p.Store == "" {
		d.Contents, err = Examine(ctx, p.Data)
		return d, err
	}
	last, err := readKnown(p.Data)
	if err != nil {
		return d, err
	}
	memory, end, err := shared(p.Store)
	if err != nil {
		return d, err
	}
	defer func() { err = errors.Join(err, end()) }()
	if d.Contents, err = memory.Verify(ctx); err != nil {
		return d, err
	}
	d.Lost = missing(last, d.Contents.States)
	seen := parseHead(last.Head)
	if kept, err := memory.Has(ctx, seen); err != nil {
		return d, err
	} else if !kept {
		d.Gone = seen
	}
	return d, nil
}

// missing is what states lack of what is known.
func missing(last lastKnown, states []rollout.State) (all []Lost) {
	for name, known := range last.Models {
		found := uint64(0)
		if i := slices.IndexFunc(states, func(s rollout.State) bool { return s.Model == name }); i >= 0 {
			found = states[i].Generation
		}
		if found < known.Generation {
			all = append(all, Lost{name, known.Generation, found, known.Stable.Name})
		}
	}
	slices.SortFunc(all, func(a, b Lost) int { return cmp.Compare(a.Model, b.Model) })
	return all
}

// Accept lets a replica that is stopped believe its store from the next start on,
// whatever it knew of it: that is moved aside, and its file's new name returned.
func Accept(p Place) (aside string, err error) {
	memory, err := store.Open(p.Data, store.Options{URL: p.Store}) // nobody else has the directory
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	path := filepath.Join(p.Data, knownName)
	aside = path + ".refused"
	if err := os.Rename(path, aside); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s does not exist: this replica knows nothing that the store could lack", path)
	} else if err != nil {
		return "", err
	}
	return aside, nil
}
