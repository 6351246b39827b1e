package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

const defaultShare = 64 << 20

// partSize is how much of an artifact is on the wire at a time.
const partSize = 1 << 20

// upload keeps an artifact that is in a local file already. What was there under the
// same digest is replaced: this one is known to be whole.
func (p *shared) upload(ctx context.Context, f *os.File, digest string, size int64) error {
	if _, err := p.begin(ctx); err != nil {
		return err
	}
	var id int64
	buffer := make([]byte, partSize)
	return p.transaction(ctx, func(t tables) error {
		if err := t.one(ctx, "SELECT nextval('uploads')", nil, &id); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		for part := 0; ; part++ {
			n, err := io.ReadFull(f, buffer)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			if err := t.exec(ctx, "INSERT INTO parts (upload, part, data) VALUES ($1, $2, $3)", id, part, buffer[:n]); err != nil {
				return err
			}
		}
		err := t.exec(ctx, `INSERT INTO artifacts (digest, size, upload, at) VALUES ($1, $2, $3, now())
			ON CONFLICT (digest) DO UPDATE SET size = excluded.size, upload = excluded.upload, at = excluded.at`, digest, size, id)
		return err
	})
}

// download writes an artifact, whose digest nobody has checked yet. An unknown one
// is fs.ErrNotExist.
func (p *shared) download(ctx context.Context, digest string, to io.Writer) error {
	t, err := p.begin(ctx)
	if err != nil {
		return err
	}
	var size, upload int64
	err = t.one(ctx, "SELECT size, upload FROM artifacts WHERE digest = $1", []any{digest}, &size, &upload)
	if errors.Is(err, sql.ErrNoRows) {
		return fs.ErrNotExist
	}
	for part := 0; err == nil && size > 0; part++ {
		var data []byte
		if err = t.one(ctx, "SELECT data FROM parts WHERE upload = $1 AND part = $2", []any{upload, part}, &data); err == nil {
			size -= int64(len(data))
			_, err = to.Write(data)
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		return errReplaced
	}
	return err
}

var errReplaced = errors.New("it was stored anew while it was read")

// spare is for how long an artifact stays that no state names: another replica may have
// stored it to commit it soon.
const spare = time.Hour

// prune removes the artifacts that no committed state names, nor keep, and that this
// process has seen so for long enough. It returns all digests that are named.
func (p *shared) prune(ctx context.Context, keep []string) ([]string, error) {
	if _, err := p.begin(ctx); err != nil {
		return nil, err
	}
	keep = append([]string{}, keep...) // nil would be NULL, which nothing differs from
	err := p.transaction(ctx, func(t tables) error {
		if _, err := t.lockHead(ctx); err != nil { // nobody commits meanwhile
			return err
		}
		err := t.each(ctx, "SELECT j.state FROM models m JOIN journal j ON j.seq = m.seq", nil, func(rows *sql.Rows) (bool, error) {
			var state string
			if err := rows.Scan(&state); err != nil {
				return false, err
			}
			digests, err := named(state)
			keep = append(keep, digests...)
			return true, err
		})
		if err != nil {
			return err
		}
		var over []int64
		var before map[int64]time.Time
		p.mark(func() { before = p.spared })
		now, unneeded := p.now(), map[int64]time.Time{}
		err = t.each(ctx, "SELECT upload FROM artifacts WHERE NOT digest = ANY ($1::text[])", []any{keep}, func(rows *sql.Rows) (bool, error) {
			var upload int64
			err := rows.Scan(&upload)
			since, seen := before[upload]
			if !seen {
				since = now
			}
			if unneeded[upload] = since; now.Sub(since) >= spare {
				over = append(over, upload)
			}
			return true, err
		})
		if err != nil {
			return err
		}
		p.mark(func() { p.spared = unneeded })
		// One that was stored anew meanwhile is another upload.
		if err := t.exec(ctx, "DELETE FROM artifacts WHERE upload = ANY ($1::bigint[])", over); err != nil {
			return err
		}
		err = t.exec(ctx, "DELETE FROM parts WHERE upload NOT IN (SELECT upload FROM artifacts)")
		return err
	})
	return keep, err
}
