package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/store/pack"
)

// Look is one look of the monitor at a rollout, with what it takes to judge it
// again. The plan that it was judged by is in the journal: see Journal.
type Look struct {
	// Number counts the looks that were saved of a rollout, from 1, without gaps.
	// SaveLook assigns it and ignores what is here.
	Number uint64
	// At is when it was. It comes back as the same instant in UTC.
	At time.Time
	// Finding is what the judge found.
	Finding rollout.Finding
	// Detail holds the judge's numbers as a JSON value, nil if none.
	Detail json.RawMessage
	// Evidence is what the finding was made from.
	Evidence *record.Evidence
}

// What is kept of the looks, so that they take bounded space: a look each ten
// seconds for eleven hours, of the rollouts that somebody may still ask about. What
// they take is used again; the file does not shrink.
const (
	keepLooks    = 4000 // of one rollout, the latest
	keepRollouts = 10   // of one model, the latest that have looks
	maxLookText  = 16 << 10
)

// look is a Look as it is stored. As in a row of the journal, what is absent is
// empty.
type look struct {
	model, rollout      string
	number              uint64
	at, finding, detail string
	evidence            []byte
}

func (l *look) key() []any { return []any{l.model, l.rollout, int64(l.number)} }

func (l *look) checksum() []byte {
	number := binary.BigEndian.AppendUint64(nil, l.number)
	return checksum([]byte(l.model), []byte(l.rollout), number, []byte(l.at), []byte(l.finding), []byte(l.detail), l.evidence)
}

// encodeLook refuses what could not be read back, and what is larger than the
// numbers of one look can be.
func encodeLook(name, rolloutID string, l Look) (*look, error) {
	if l.Evidence == nil {
		return nil, errors.New("a look without evidence")
	}
	evidence, err := encodeEvidence(l.Evidence)
	if err != nil {
		return nil, err
	}
	finding, err := json.Marshal(l.Finding)
	if err != nil {
		return nil, err
	}
	if len(finding)+len(l.Detail) > maxLookText {
		return nil, &TooLarge{"what was found at a look", maxLookText}
	}
	encoded := &look{
		model: name, rollout: rolloutID, at: l.At.UTC().Format(time.RFC3339Nano),
		finding: string(finding), detail: pack.Close(l.Detail), evidence: evidence,
	}
	_, err = encoded.decode()
	return encoded, err
}

func (l *look) decode() (Look, error) {
	d := Look{Number: l.number, Evidence: new(record.Evidence)}
	var err error
	if d.At, err = time.Parse(time.RFC3339Nano, l.at); err != nil {
		return Look{}, fmt.Errorf("reading the time: %w", err)
	}
	if err := decodeJSON(l.finding, &d.Finding); err != nil {
		return Look{}, fmt.Errorf("reading the finding: %w", err)
	}
	if l.detail != "" {
		if d.Detail, err = pack.Open(l.detail, maxLookText); err != nil {
			return Look{}, fmt.Errorf("reading the detail: %w", err)
		}
		if !json.Valid(d.Detail) {
			return Look{}, errors.New("the detail is not a JSON value")
		}
	}
	if err := d.Evidence.UnmarshalBinary(l.evidence); err != nil {
		return Look{}, err
	}
	return d, nil
}

// SaveLook keeps a look at the rollout in progress and returns its number. Its
// evidence counts as saved, in the same transaction: either both are there or
// neither is. If the rollout is not in progress any more it returns ErrStale.
//
// Of a rollout the latest 4,000 looks are kept, and of a model those of the
// latest 10 rollouts that have any.
func (s *Store) SaveLook(ctx context.Context, name, rolloutID string, l Look) (uint64, error) {
	encoded, err := encodeLook(name, rolloutID, l)
	if err == nil {
		err = s.save(ctx, "look", name, rolloutID, encoded.evidence, func(ctx context.Context, t tables) error { return t.putLook(ctx, encoded) })
	}
	if err != nil {
		return 0, fmt.Errorf("saving a look at rollout %s: %w", rolloutID, err)
	}
	return encoded.number, nil
}

// Looks returns looks at a rollout, in progress or ended, that come after a
// number, oldest first: at most limit of them, and fewer if they are large.
// Only an empty answer means that there are no more.
//
// A look that cannot be read is the last of an answer that comes with an error,
// and holds nothing but its number; those after it can be asked for as always.
// The error is *Damage if the look is not what was written, or is gone.
func (s *Store) Looks(ctx context.Context, name, rolloutID string, after uint64, limit int) ([]Look, error) {
	t, end, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	next, err := t.nextLook(ctx, name, rolloutID)
	if err != nil {
		return nil, fmt.Errorf("reading the looks at rollout %s of model %s: %w", rolloutID, name, s.explain(err))
	}
	dropped := max(next, keepLooks+1) - (keepLooks + 1)
	var page []Look
	size := 0
	for number := max(after, dropped); number < next-1 && len(page) < min(limit, pageRows) && size < pageBytes; {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		number++
		l := &look{model: name, rollout: rolloutID, number: number}
		decoded, err := s.readLook(ctx, t, l)
		if err != nil {
			return append(page, Look{Number: number}), fmt.Errorf("reading look %d at rollout %s of model %s: %w", number, rolloutID, name, err)
		}
		page = append(page, decoded)
		size += len(l.evidence) + len(decoded.Detail)
	}
	return page, nil
}

// readLook reads, checks and decodes the look with the given number. Each is
// asked for by its number, so that one that is gone is missed.
func (s *Store) readLook(ctx context.Context, t tables, l *look) (Look, error) {
	var sum []byte
	err := t.one(ctx, "SELECT at, finding, detail, evidence, checksum FROM looks WHERE model = $1 AND rollout = $2 AND number = $3", l.key(),
		&l.at, &l.finding, &l.detail, &l.evidence, &sum)
	const harmless = "Nothing but this look is lost, and nothing depends on it."
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Look{}, &Damage{s.place(), "the look is gone", harmless}
	case err != nil:
		return Look{}, s.explain(err)
	case !bytes.Equal(sum, l.checksum()):
		return Look{}, &Damage{s.place(), "the look does not have the checksum that it was written with", harmless}
	}
	decoded, err := l.decode()
	if err != nil {
		return Look{}, fmt.Errorf("it is not understood, perhaps because another version of serin wrote it: %w", err)
	}
	return decoded, nil
}
