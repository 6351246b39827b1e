package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"fmt"

	"serin/internal/record"
)

// SaveEvidence replaces the evidence of the rollout in progress. Evidence is
// cumulative, so a save that is lost costs only what was observed since the
// one before. If the rollout is not in progress any more it returns ErrStale.
func (s *Store) SaveEvidence(ctx context.Context, name, rolloutID string, e *record.Evidence) error {
	data, err := encodeEvidence(e)
	if err == nil {
		err = s.save(ctx, "evidence", name, rolloutID, data, nil)
	}
	if err != nil {
		return fmt.Errorf("saving evidence of rollout %s: %w", rolloutID, err)
	}
	return nil
}

// save replaces the evidence of the rollout in progress, and does more in the
// same transaction.
func (s *Store) save(ctx context.Context, what, name, rolloutID string, data []byte, more func(context.Context, tables) error) error {
	if s.shared != nil {
		return s.shared.save(ctx, what, name, rolloutID, data, more)
	}
	end, err := s.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	m := s.known.models[name]
	if rolloutID == "" || m.rollout != rolloutID {
		return notInProgress(name, rolloutID)
	}
	ctx = context.WithoutCancel(ctx)
	s.step(what + ": begin")
	err = s.db.transaction(ctx, func() error {
		t := s.db.tables()
		if err := t.putEvidence(ctx, name, rolloutID, data); err != nil || more == nil {
			return err
		}
		return more(ctx, t)
	})
	if err != nil {
		return s.explain(err)
	}
	s.step(what + ": durable")
	m.evidence = data
	s.known.models[name] = m
	return nil
}

func notInProgress(name, rolloutID string) error {
	return fmt.Errorf("%w: rollout %q of model %q is not in progress", ErrStale, rolloutID, name)
}

// encodeEvidence refuses what could not be read back.
func encodeEvidence(e *record.Evidence) ([]byte, error) {
	data, err := e.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return data, new(record.Evidence).UnmarshalBinary(data)
}

// checksum is the SHA-256 over each part's length and bytes.
func checksum(parts ...[]byte) []byte {
	h := sha256.New()
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return h.Sum(nil)
}

// readEvidence checks the evidence table against the models: there is a row
// for each rollout in progress and no other.
func (v *view) readEvidence(ctx context.Context, t tables) error {
	err := t.each(ctx, "SELECT model, rollout, data, checksum FROM evidence", nil, func(rows *sql.Rows) (bool, error) {
		var name, rolloutID string
		var data, sum []byte
		if err := rows.Scan(&name, &rolloutID, &data, &sum); err != nil {
			return false, err
		}
		if !bytes.Equal(sum, checksum([]byte(name), []byte(rolloutID), data)) {
			return false, flaw("the evidence of model %q does not have the checksum that it was written with", name)
		}
		if err := new(record.Evidence).UnmarshalBinary(data); err != nil {
			return false, flaw("the evidence of model %q is not understood: %w", name, err)
		}
		m := v.models[name]
		if m.rollout != rolloutID || rolloutID == "" {
			return false, flaw("there is evidence of rollout %q of model %q, which is not in progress", rolloutID, name)
		}
		m.evidence = data
		v.models[name] = m
		return true, nil
	})
	if err != nil {
		return err
	}
	for name, m := range v.models {
		if m.rollout != "" && m.evidence == nil {
			return flaw("the evidence of rollout %q of model %q is missing", m.rollout, name)
		}
	}
	return nil
}
