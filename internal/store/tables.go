package store

import (
	"context"
	"database/sql"
	"math"
	"strings"
	"time"

	"serin/internal/store/line"
)

// runner runs statements: a connection, a pool, or a transaction.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tables are the tables that both databases have, with the statements on them.
// These are written as PostgreSQL has them, with $1, $2, ... for arguments.
type tables struct {
	run runner
	// patience is how long a statement may take; 0 is SQLite, which has nobody on
	// the other side of a wire.
	patience time.Duration
	// renew, if it is not nil, lets go of connections that the server has ended
	// while nobody used them: what meets one asks again on another. It is nil within a
	// transaction, which cannot.
	renew func()
}

// lost is true for an error of a connection that was cut, and which another one
// would not have.
func (t tables) lost(err error) bool {
	if err == nil || t.renew == nil || !line.Cut(err) {
		return false
	}
	t.renew()
	return true
}

// phrase makes a statement, its arguments and a context what the database takes. SQLite
// is not interrupted: that would look like a failure.
func (t tables) phrase(ctx context.Context, query string, args []any) (context.Context, context.CancelFunc, string, []any) {
	if t.patience == 0 {
		return context.WithoutCancel(ctx), func() {}, strings.ReplaceAll(query, "$", "?"), args
	}
	ctx, cancel := context.WithTimeout(ctx, t.patience)
	return ctx, cancel, query, line.Short(args)
}

// exec runs a statement.
func (t tables) exec(ctx context.Context, query string, args ...any) error {
	ctx, cancel, query, args := t.phrase(ctx, query, args)
	defer cancel()
	_, err := t.run.ExecContext(ctx, query, args...)
	return err
}

// one reads the only row that a query finds; sql.ErrNoRows if there is none.
func (t tables) one(ctx context.Context, query string, args []any, into ...any) error {
	ctx, cancel, query, args := t.phrase(ctx, query, args)
	defer cancel()
	err := t.run.QueryRowContext(ctx, query, args...).Scan(into...)
	if t.lost(err) {
		err = t.run.QueryRowContext(ctx, query, args...).Scan(into...)
	}
	return err
}

// each hands the rows that a query finds to visit, until that returns false or
// the context ends.
func (t tables) each(ctx context.Context, query string, args []any, visit func(*sql.Rows) (bool, error)) error {
	bounded, cancel, query, args := t.phrase(ctx, query, args)
	defer cancel()
	rows, err := t.run.QueryContext(bounded, query, args...)
	if t.lost(err) {
		rows, err = t.run.QueryContext(bounded, query, args...)
	}
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if more, err := visit(rows); err != nil || !more {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return rows.Err()
}

// columns lists the columns of the journal in the order of columns() and scan().
const columns = "seq, model, at, event, actor, reason, rollout, finding, detail, state, evidence, prev, hash"

// everything is a limit that limits nothing.
const everything = math.MaxInt

// journal hands rows after a number to visit, in order, until it returns false.
// See Journal for which.
func (t tables) journal(ctx context.Context, name, rolloutID string, after uint64, limit int, visit func(*row) (bool, error)) error {
	query := "SELECT " + columns + " FROM journal WHERE seq > $1 AND ($2 = '' OR model = $2) AND ($3 = '' OR rollout = $3) ORDER BY seq LIMIT $4"
	return t.each(ctx, query, []any{int64(min(after, math.MaxInt64)), name, rolloutID, max(limit, 0)}, func(rows *sql.Rows) (bool, error) {
		var r row
		if err := r.scan(rows.Scan); err != nil {
			return false, err
		}
		return visit(&r)
	})
}

// append adds a row, and leaves of the model's evidence what next says, within a
// transaction.
func (t tables) append(ctx context.Context, r *row, next model) error {
	if err := t.insertRow(ctx, r); err != nil {
		return err
	}
	if next.rollout != "" {
		return t.putEvidence(ctx, r.model, next.rollout, next.evidence)
	}
	err := t.exec(ctx, "DELETE FROM evidence WHERE model = $1", r.model)
	return err
}

func (t tables) insertRow(ctx context.Context, r *row) error {
	const marks = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13"
	return t.exec(ctx, "INSERT INTO journal ("+columns+") VALUES ("+marks+")", r.columns()...)
}

// putEvidence replaces a model's evidence within a transaction.
func (t tables) putEvidence(ctx context.Context, name, rolloutID string, data []byte) error {
	err := t.exec(ctx, `INSERT INTO evidence (model, rollout, data, checksum) VALUES ($1, $2, $3, $4)
		ON CONFLICT (model) DO UPDATE SET rollout = excluded.rollout, data = excluded.data, checksum = excluded.checksum`,
		name, rolloutID, data, checksum([]byte(name), []byte(rolloutID), data))
	return err
}

// nextLook is the number of the look that comes next.
func (t tables) nextLook(ctx context.Context, name, rolloutID string) (number uint64, err error) {
	err = t.one(ctx, "SELECT coalesce(max(number), 0) + 1 FROM looks WHERE model = $1 AND rollout = $2", []any{name, rolloutID}, &number)
	return number, err
}

// putLook numbers and adds a look within the transaction that saved its evidence, which
// is not sent again, and lets go of what is too old by then.
func (t tables) putLook(ctx context.Context, l *look) (err error) {
	if l.number, err = t.nextLook(ctx, l.model, l.rollout); err != nil {
		return err
	}
	err = t.exec(ctx, `INSERT INTO looks (model, rollout, number, at, finding, detail, evidence, checksum)
		SELECT model, rollout, $3, $4, $5, $6, data, $7 FROM evidence WHERE model = $1 AND rollout = $2`, append(l.key(), l.at, l.finding, l.detail, l.checksum())...)
	if err != nil {
		return err
	}
	switch {
	case l.number == 1: // a rollout more
		err = t.exec(ctx, `DELETE FROM looks WHERE model = $1 AND rollout NOT IN
			(SELECT rollout FROM looks WHERE model = $1 GROUP BY rollout ORDER BY max(id) DESC LIMIT $2)`, l.model, keepRollouts)
	case l.number > keepLooks:
		err = t.exec(ctx, "DELETE FROM looks WHERE model = $1 AND rollout = $2 AND number <= $3", l.model, l.rollout, int64(l.number-keepLooks))
	}
	return err
}

func (t tables) insertLook(ctx context.Context, l *look) error {
	err := t.exec(ctx, "INSERT INTO looks (model, rollout, number, at, finding, detail, evidence, checksum) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		append(l.key(), l.at, l.finding, l.detail, l.evidence, l.checksum())...)
	return err
}
