package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"slices"

	"serin/internal/rollout"
)

// Inventory is what is in a store, all of it read and checked.
type Inventory struct {
	// Identity and Head are those of the journal: see Pulse.
	Identity string
	Head     Head
	// Last is the last event, nil if there was none.
	Last *Entry
	// States are the committed ones, by the names of their models.
	States []rollout.State
	// Looks is how many there are, LostLooks how many there are beside that cannot be
	// read any more, and which nothing depends on.
	Looks, LostLooks int
	// Artifacts is how many files of the states are here, ArtifactBytes their size together.
	Artifacts     int
	ArtifactBytes int64
}

// Verify reads all that a store holds, and compares it with what it was written with:
// the journal from end to end, the state and evidence of each model, the looks, and
// the artifacts that states name. What is not as it was written is a *Damage, but for
// looks, which are counted. It may run while others write; it is about what was there
// when it began.
func (s *Store) Verify(ctx context.Context) (Inventory, error) {
	v := newView()
	err := s.snapshot(ctx, func(t tables) error { return v.read(ctx, t, nothing{}) })
	if err != nil {
		return Inventory{}, fmt.Errorf("verifying %s: %w", s.place(), s.explain(err))
	}
	return s.inventory(ctx, v)
}

// inventory describes a view, and reads the artifacts that it needs.
func (s *Store) inventory(ctx context.Context, v *copied) (i Inventory, err error) {
	i = Inventory{Identity: headOf(head{1, v.first}).Hash, Head: headOf(v.head), Looks: v.looks, LostLooks: v.lost}
	if v.last != nil {
		last, err := v.last.entry()
		if err != nil {
			return i, fmt.Errorf("row %d of the journal is not understood, perhaps because another version of serin wrote it: %w", v.last.seq, err)
		}
		i.Last = &last
	}
	for _, name := range slices.Sorted(maps.Keys(v.models)) {
		state, err := decodeState(v.models[name].state)
		if err != nil {
			return i, err
		}
		i.States = append(i.States, state)
	}
	err = s.artifacts(ctx, v, func(r io.Reader, _ bool) error {
		size, err := io.Copy(io.Discard, r)
		i.Artifacts++
		i.ArtifactBytes += size
		return err
	})
	return i, err
}

// CopyTo fills an empty store with all that is in this one: the same rows with the
// same chain, byte for byte, evidence, looks, and the artifacts that states name. What
// is damaged is not copied, and then nothing is; looks are left out. Gauges are not
// copied: a rollout goes on from its evidence. If it fails half-way in a directory,
// that is no state directory, and is refused as one.
func (s *Store) CopyTo(ctx context.Context, to *Store) (Inventory, error) {
	v := newView()
	err := s.snapshot(ctx, func(from tables) error {
		return to.fill(ctx, v, func(into tables) error {
			if err := v.read(ctx, from, into); err != nil {
				return err
			}
			return s.copyArtifacts(ctx, v, to)
		})
	})
	if err != nil {
		return Inventory{}, fmt.Errorf("copying %s to %s: %w", s.place(), to.place(), to.explain(s.explain(err)))
	}
	return to.inventory(ctx, v)
}

// copyArtifacts copies those that the states of a view name.
func (s *Store) copyArtifacts(ctx context.Context, v *copied, to *Store) error {
	return s.artifacts(ctx, v, func(r io.Reader, elsewhere bool) error {
		limit := to.Shareable()
		if elsewhere {
			limit = math.MaxInt64 - 1
		}
		_, _, err := to.Ingest(ctx, r, limit)
		return err
	})
}

// snapshot lets do read the tables as they are at one moment.
func (s *Store) snapshot(ctx context.Context, do func(tables) error) error {
	t, end, err := s.reading(ctx)
	if err != nil {
		return err
	}
	defer end()
	if s.shared == nil {
		return do(t)
	}
	return s.shared.transaction(ctx, func(t tables) error {
		if err := t.exec(ctx, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
			return err
		}
		if err := t.exec(ctx, unhurried); err != nil {
			return err
		}
		return do(t)
	})
}

// unhurried is for a transaction that waits for another store, and in whose way
// nobody is.
const unhurried = "SET LOCAL idle_in_transaction_session_timeout = '10min'"

// errFilled refuses to write over what is there.
var errFilled = errors.New("there is something in it already: give an empty directory or database")

// fill lets do write into an empty store, and makes v what is known of it.
func (s *Store) fill(ctx context.Context, v *copied, do func(tables) error) error {
	if s.shared != nil {
		return s.shared.fill(ctx, v, do)
	}
	end, err := s.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	if s.known.head.seq > 0 {
		return errFilled
	}
	if err := s.db.transaction(context.WithoutCancel(ctx), func() error { return do(s.db.tables()) }); err != nil {
		return err
	}
	s.known = v.view
	return s.writeHead(s.known)
}

func (p *shared) fill(ctx context.Context, v *copied, do func(tables) error) error {
	if _, err := p.begin(ctx); err != nil {
		return err
	}
	return p.transaction(ctx, func(t tables) error {
		last, err := t.lockHead(ctx)
		if err == nil && last.seq > 0 {
			return errFilled
		}
		if err == nil {
			err = t.exec(ctx, unhurried)
		}
		if err == nil {
			err = do(t)
		}
		for name, m := range v.models {
			if err == nil {
				err = t.move(ctx, &row{seq: m.seq, model: name, hash: v.head.hash}, m)
			}
		}
		if err != nil {
			return err
		}
		return t.exec(ctx, "UPDATE head SET seq = $1, hash = $2", int64(v.head.seq), v.head.hash)
	})
}

// copied is what was read of a store, and what more is told of it than a view has.
type copied struct {
	view

	first       []byte // hash of the first row
	last        *row
	looks, lost int
}

func newView() *copied { return &copied{view: view{head{hash: genesis}, make(map[string]model)}} }

// sink takes what is read.
type sink interface {
	insertRow(ctx context.Context, r *row) error
	insertLook(ctx context.Context, l *look) error
	putEvidence(ctx context.Context, name, rolloutID string, data []byte) error
	putMemo(ctx context.Context, name string, data []byte) error
}

// nothing is a sink for those who only look.
type nothing struct{}

func (nothing) insertRow(context.Context, *row) error                     { return nil }
func (nothing) insertLook(context.Context, *look) error                   { return nil }
func (nothing) putEvidence(context.Context, string, string, []byte) error { return nil }
func (nothing) putMemo(context.Context, string, []byte) error             { return nil }

// pageCopied is how many rows or looks are in memory at a time.
const pageCopied = 100

// read reads all tables within a snapshot, checks them, and hands on what is right.
func (v *copied) read(ctx context.Context, from tables, to sink) error {
	for {
		var page []*row
		err := from.journal(ctx, "", "", v.head.seq, pageCopied, func(r *row) (bool, error) { page = append(page, r); return true, nil })
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			if err := v.follow(r); err != nil {
				return flaw("%w", err)
			}
			if v.first == nil {
				v.first = r.hash
			}
			v.last = r
			if err := to.insertRow(ctx, r); err != nil {
				return err
			}
		}
	}
	if err := v.readEvidence(ctx, from); err != nil {
		return err
	}
	for name, m := range v.models {
		if m.rollout == "" {
			continue
		}
		if err := to.putEvidence(ctx, name, m.rollout, m.evidence); err != nil {
			return err
		}
	}
	if err := readMemos(ctx, from, to); err != nil {
		return err
	}
	return v.readLooks(ctx, from, to)
}

// readMemos leaves out those that are not what was written, as Memo would.
func readMemos(ctx context.Context, from tables, to sink) error {
	memos := map[string][]byte{}
	err := from.each(ctx, "SELECT name, data, checksum FROM memos", nil, func(rows *sql.Rows) (bool, error) {
		var name string
		var data, sum []byte
		err := rows.Scan(&name, &data, &sum)
		if bytes.Equal(sum, checksum([]byte(name), data)) {
			memos[name] = data
		}
		return true, err
	})
	for name, data := range memos {
		if err == nil {
			err = to.putMemo(ctx, name, data)
		}
	}
	return err
}

func (v *copied) readLooks(ctx context.Context, from tables, to sink) error {
	for id := int64(0); ; {
		var page []*look
		var sums [][]byte
		query := "SELECT id, model, rollout, number, at, finding, detail, evidence, checksum FROM looks WHERE id > $1 ORDER BY id LIMIT $2"
		err := from.each(ctx, query, []any{id, pageCopied}, func(rows *sql.Rows) (bool, error) {
			var l look
			var sum []byte
			err := rows.Scan(&id, &l.model, &l.rollout, &l.number, &l.at, &l.finding, &l.detail, &l.evidence, &sum)
			page, sums = append(page, &l), append(sums, sum)
			return true, err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for i, l := range page {
			if !bytes.Equal(sums[i], l.checksum()) {
				v.lost++
				continue
			}
			if err := to.insertLook(ctx, l); err != nil {
				return err
			}
			v.looks++
		}
	}
}

// artifacts hands on those that the states of a view name, each once, and whether it can
// be fetched where it came from. Of these, some may not be here.
func (s *Store) artifacts(ctx context.Context, v *copied, take func(r io.Reader, elsewhere bool) error) error {
	done := map[string]bool{"": true} // no golden predictions
	for _, name := range slices.Sorted(maps.Keys(v.models)) {
		state, err := decodeState(v.models[name].state)
		if err != nil {
			return err
		}
		for _, digest := range digests(&state) {
			if done[digest] {
				continue
			}
			done[digest] = true
			r, err := s.Artifact(ctx, digest)
			if elsewhere := state.Elsewhere(digest); err == nil {
				err = errors.Join(take(r, elsewhere), r.Close())
			} else if elsewhere && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
