package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"serin/internal/record"
)

// SaveEvidence replaces the evidence of the rollout in progress. Evidence is
// cumulative, so a save that is lost costs only what was observed since the
// one before. If the rollout is not in progress any more it returns ErrStale.
func (s *Store) SaveEvidence(ctx context.Context, name, rolloutID string, e *record.Evidence) error {
	data, err := encodeEvidence(e)
	if err != nil {
		return fmt.Errorf("saving evidence of rollout %s: %w", rolloutID, err)
	}
	end, err := s.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	m := s.known.models[name]
	if rolloutID == "" || m.rollout != rolloutID {
		return fmt.Errorf("%w: rollout %q of model %q is not in progress", ErrStale, rolloutID, name)
	}
	ctx = context.WithoutCancel(ctx)
	s.step("evidence: begin")
	err = s.db.transaction(ctx, func() error { return s.db.putEvidence(ctx, name, rolloutID, data) })
	if err != nil {
		return fmt.Errorf("saving evidence of rollout %s: %w", rolloutID, explain(s.path(databaseName), err))
	}
	s.step("evidence: durable")
	m.evidence = data
	s.known.models[name] = m
	return nil
}

// encodeEvidence refuses what could not be read back.
func encodeEvidence(e *record.Evidence) ([]byte, error) {
	data, err := e.MarshalBinary()
	if err != nil {
		return nil, err
	}
	return data, new(record.Evidence).UnmarshalBinary(data)
}

// putEvidence replaces a model's evidence within a transaction.
func (db *database) putEvidence(ctx context.Context, name, rolloutID string, data []byte) error {
	_, err := db.conn.ExecContext(ctx, "INSERT OR REPLACE INTO evidence (model, rollout, data, checksum) VALUES (?, ?, ?, ?)",
		name, rolloutID, data, evidenceChecksum(name, rolloutID, data))
	return err
}

func evidenceChecksum(name, rolloutID string, data []byte) []byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(name), []byte(rolloutID), data} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return h.Sum(nil)
}

// readEvidence checks the evidence table against the models: there is a row
// for each rollout in progress and no other.
func (v *view) readEvidence(ctx context.Context, db *database) error {
	rows, err := db.conn.QueryContext(ctx, "SELECT model, rollout, data, checksum FROM evidence")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, rolloutID string
		var data, checksum []byte
		if err := rows.Scan(&name, &rolloutID, &data, &checksum); err != nil {
			return err
		}
		if !bytes.Equal(checksum, evidenceChecksum(name, rolloutID, data)) {
			return fmt.Errorf("the evidence of model %q does not have the checksum that it was written with", name)
		}
		if err := new(record.Evidence).UnmarshalBinary(data); err != nil {
			return fmt.Errorf("the evidence of model %q is not understood: %w", name, err)
		}
		m := v.models[name]
		if m.rollout != rolloutID || rolloutID == "" {
			return fmt.Errorf("there is evidence of rollout %q of model %q, which is not in progress", rolloutID, name)
		}
		m.evidence = data
		v.models[name] = m
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for name, m := range v.models {
		if m.rollout != "" && m.evidence == nil {
			return fmt.Errorf("the evidence of rollout %q of model %q is missing", m.rollout, name)
		}
	}
	return nil
}
