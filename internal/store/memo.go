package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxMemo bounds a memo, in bytes.
const maxMemo = 1 << 20

// Memo returns what was saved under a name, nil if nothing was. It returns *Damage
// if that is not what was written.
func (s *Store) Memo(ctx context.Context, name string) ([]byte, error) {
	t, end, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var data, sum []byte
	err = t.one(ctx, "SELECT data, checksum FROM memos WHERE name = $1", []any{name}, &data, &sum)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading memo %s: %w", name, s.explain(err))
	case !bytes.Equal(sum, checksum([]byte(name), data)):
		return nil, &Damage{s.place(), "memo " + name + " does not have the checksum that it was written with", "Nothing but this memo is lost: what it is about begins anew under another name."}
	}
	return data, nil
}

// SaveMemo replaces what is saved under a name, durably before it returns: a small
// thing that somebody who is not the pilot must know after a restart, such as how
// far a web hook was told.
func (s *Store) SaveMemo(ctx context.Context, name string, data []byte) error {
	if len(data) > maxMemo {
		return fmt.Errorf("memo %s has %d bytes, and may have %d", name, len(data), maxMemo)
	}
	if err := s.saveMemo(ctx, name, data); err != nil {
		return fmt.Errorf("saving memo %s: %w", name, err)
	}
	return nil
}

func (s *Store) saveMemo(ctx context.Context, name string, data []byte) error {
	if s.shared != nil {
		t, err := s.shared.begin(ctx)
		if err != nil {
			return err
		}
		return s.explain(t.putMemo(ctx, name, data))
	}
	end, err := s.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	s.step("memo: begin")
	if err := s.db.transaction(context.WithoutCancel(ctx), func() error { return s.db.tables().putMemo(ctx, name, data) }); err != nil {
		return s.explain(err)
	}
	s.step("memo: durable")
	return nil
}

func (t tables) putMemo(ctx context.Context, name string, data []byte) error {
	return t.exec(ctx, "INSERT INTO memos (name, data, checksum) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET data = excluded.data, checksum = excluded.checksum",
		name, data, checksum([]byte(name), data))
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
