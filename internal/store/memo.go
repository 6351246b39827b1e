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

// SwapMemo replaces what is saved under a name, durably before it returns, if it still
// is what the caller has read, nil for nothing; done is false if it is not. It is for a
// small thing that somebody who is not the pilot must know after a restart, such as how
// far a web hook was told.
func (s *Store) SwapMemo(ctx context.Context, name string, old, data []byte) (done bool, err error) {
	if len(data) > maxMemo {
		return false, fmt.Errorf("memo %s has %d bytes, and may have %d", name, len(data), maxMemo)
	}
	if done, err = s.swapMemo(ctx, name, old, data); err != nil {
		return false, fmt.Errorf("saving memo %s: %w", name, err)
	}
	return done, nil
}

func (s *Store) swapMemo(ctx context.Context, name string, old, data []byte) (done bool, err error) {
	if s.shared != nil {
		t, err := s.shared.begin(ctx)
		if err != nil {
			return false, err
		}
		done, err = t.swapMemo(ctx, name, old, data)
		return done, s.explain(err)
	}
	end, err := s.beginWrite(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	s.step("memo: begin")
	err = s.db.transaction(context.WithoutCancel(ctx), func() (err error) {
		done, err = s.db.tables().swapMemo(ctx, name, old, data)
		return err
	})
	if err != nil {
		return false, s.explain(err)
	}
	s.step("memo: durable")
	return done, nil
}

func (t tables) swapMemo(ctx context.Context, name string, old, data []byte) (done bool, err error) {
	sum := checksum([]byte(name), data)
	if old == nil {
		err = t.one(ctx, "INSERT INTO memos (name, data, checksum) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING true", []any{name, data, sum}, &done)
	} else {
		err = t.one(ctx, "UPDATE memos SET data = $2, checksum = $3 WHERE name = $1 AND data = $4 RETURNING true", []any{name, data, sum, old}, &done)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return done, err
}

func (t tables) putMemo(ctx context.Context, name string, data []byte) error {
	return t.exec(ctx, "INSERT INTO memos (name, data, checksum) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET data = excluded.data, checksum = excluded.checksum",
		name, data, checksum([]byte(name), data))
}
