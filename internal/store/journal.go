package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"serin/internal/record"
)

// Commit appends one row to the journal and so replaces the model's state,
// durably before it returns. e.State.Generation must be one more than the
// committed one, else it returns ErrStale and nothing is written. Evidence of
// the rollout in progress counts as saved.
//
// An error means that nothing was committed, unless it is ErrUnsettled. A
// context that ends before the commit begins gives it up; later it is ignored.
func (s *Store) Commit(ctx context.Context, e Entry) error {
	failed := func(err error) error {
		return fmt.Errorf("committing %s of model %s: %w", e.Event, e.State.Model, err)
	}
	r, err := encode(e)
	if err != nil {
		return failed(err)
	}
	next := newModel(e.State, r.state)
	if s.shared != nil {
		err = s.shared.commit(ctx, r, next)
	} else {
		err = s.commit(ctx, r, next)
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

// commit is Commit in the directory.
func (s *Store) commit(ctx context.Context, r *row, next model) error {
	end, err := s.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := r.place(s.known.head, s.known.models[r.model], &next); err != nil {
		return err
	}
	return s.append(context.WithoutCancel(ctx), r, next)
}

// place gives a row its place after the last one, if it follows what is committed
// of its model, and next the evidence that the model has from then on.
func (r *row) place(last head, current model, next *model) (err error) {
	if next.generation != current.generation+1 {
		return fmt.Errorf("%w: the committed generation is %d, so %d cannot follow", ErrStale, current.generation, next.generation)
	}
	if next.evidence, err = evidenceAfter(current, next.rollout, r.rollout, r.evidence); err != nil {
		return err
	}
	r.seq, r.prev = last.seq+1, last.hash
	r.hash = r.digest()
	return nil
}

// evidenceAfter is the evidence of the rollout in progress after a commit: that
// of the entry if it belongs to it, else what it was, else none observed yet.
func evidenceAfter(current model, inProgress, ofEntry string, evidence []byte) ([]byte, error) {
	switch {
	case inProgress == "":
		return nil, nil
	case ofEntry == inProgress && len(evidence) > 0:
		return evidence, nil
	case current.rollout == inProgress:
		return current.evidence, nil
	}
	return encodeEvidence(&record.Evidence{})
}

// append carries a commit out: the row and the evidence in one transaction,
// then the head. See the package comment for what happens when a step fails.
func (s *Store) append(ctx context.Context, r *row, next model) error {
	s.step("commit: begin")
	err := s.db.transaction(ctx, func() error { return s.db.tables().append(ctx, r, next) })
	if errors.Is(err, errInDoubt) {
		if unsettled := s.settle(ctx); unsettled != nil {
			return errors.Join(unsettled, s.explain(err))
		}
		if string(s.known.head.hash) == string(r.hash) {
			return nil // it is there, and settling has made it durable
		}
	}
	if err != nil {
		return s.explain(err)
	}
	s.step("commit: durable")
	s.known.head = head{r.seq, r.hash}
	s.known.models[r.model] = next
	s.headDue = true
	// The row is durable, so the commit stands whatever happens to the head. The
	// next writer writes it first, and reports if it still cannot.
	_ = s.writeHead(s.known)
	return nil
}

// A page of the journal or of looks ends when it has this many, or bytes.
const (
	pageRows  = 1000
	pageBytes = 8 << 20
)

// Journal returns entries that come after the row numbered after, oldest first:
// at most limit of them, and fewer if they are large. Only an empty answer
// means that there are no more. They are those of one model and one rollout; an
// empty name stands for every model, an empty id for everything in its life. A
// rollout's first entry is its deploy, whose state has the plan.
//
// An entry that cannot be read is the last of an answer that comes with an
// error, and holds nothing but its number; those after it can be asked for as
// always. The error is *Damage if the entry is not what was written.
func (s *Store) Journal(ctx context.Context, name, rolloutID string, after uint64, limit int) ([]Entry, error) {
	t, end, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var page []Entry
	var unreadable error
	size := 0
	err = t.journal(ctx, name, rolloutID, after, min(limit, pageRows), func(r *row) (bool, error) {
		var e Entry
		e, unreadable = s.readRow(r)
		page = append(page, e)
		size += len(r.state) + len(r.evidence) + len(r.detail)
		return size < pageBytes && unreadable == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", s.explain(err))
	}
	return page, unreadable
}

// Recent returns entries of one model, newest first, from the latest or from the
// last one below a number: at most limit of them, and fewer if they are large. One that cannot be read holds nothing but its
// number, and keeps nobody from those before it.
func (s *Store) Recent(ctx context.Context, name string, before uint64, limit int) ([]Entry, error) {
	t, end, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var page []Entry
	size := 0
	if before == 0 {
		before = math.MaxInt64
	}
	query := "SELECT " + columns + " FROM journal WHERE model = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3"
	err = t.each(ctx, query, []any{name, int64(min(before, math.MaxInt64)), min(max(limit, 0), pageRows)}, func(rows *sql.Rows) (bool, error) {
		var r row
		if err := r.scan(rows.Scan); err != nil {
			return false, err
		}
		e, _ := s.readRow(&r) // the entry says by its emptiness that it cannot be read
		page = append(page, e)
		size += len(r.state) + len(r.evidence) + len(r.detail)
		return size < pageBytes, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", s.explain(err))
	}
	return page, nil
}

// readRow checks and decodes a row; of one that cannot be read it keeps the number.
func (s *Store) readRow(r *row) (Entry, error) {
	if err := r.check(r.seq, r.prev); err != nil {
		return Entry{Seq: r.seq}, &Damage{s.place(), err.Error(), s.restore()}
	}
	e, err := r.entry()
	if err != nil {
		return Entry{Seq: r.seq}, fmt.Errorf("row %d of the journal is not understood, perhaps because another version of serin wrote it: %w", r.seq, err)
	}
	return e, nil
}

// Has says whether the journal has a row of before; it has the zero Head.
func (s *Store) Has(ctx context.Context, h Head) (bool, error) {
	t, end, err := s.reading(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	var hash []byte
	err = t.one(ctx, "SELECT hash FROM journal WHERE seq = $1", []any{int64(min(h.Seq, math.MaxInt64))}, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("reading the journal: %w", s.explain(err))
	}
	return h == Head{} || hex.EncodeToString(hash) == h.Hash && h.Hash != "", nil
}

// Last is the number of the journal's last row, 0 without any.
func (s *Store) Last(ctx context.Context) (seq uint64, err error) {
	t, end, err := s.reading(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	if s.shared == nil {
		return s.known.head.seq, nil
	}
	if err := t.one(ctx, "SELECT seq FROM head", nil, &seq); err != nil {
		return 0, fmt.Errorf("reading the journal's head: %w", s.explain(err))
	}
	return seq, nil
}
