package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"serin/internal/store/line"
)

// migration brings the tables from one layout to the next. Old replicas work on
// beside new ones while a fleet is brought up to date, so it may only add: what an
// old replica needs stays, and what it does not write has a default. What is
// then in nobody's way is taken away by a later release.
type migration struct {
	statements string
	// least is the oldest layout whose replicas may go on after it.
	least int
}

//go:embed layout/*.sql
var layouts embed.FS

var sharedMigrations = []migration{{layoutOf("postgres", 1), 1}, {layoutOf("postgres", 2), 1}, {layoutOf("postgres", 3), 1}}

// layoutOf are the statements that bring a database to a layout.
func layoutOf(database string, version int) string {
	text, err := layouts.ReadFile(fmt.Sprintf("layout/%s%d.sql", database, version))
	if err != nil {
		panic(err) // it is in the binary
	}
	return string(text)
}

// prepare looks at the tables, and makes them where there are none. One replica
// does that, while the others wait.
func (p *shared) prepare(ctx context.Context) error {
	err := p.transaction(ctx, func(t tables) error { return t.migrate(ctx, p.Schema, sharedMigrations) })
	if errors.Is(err, errInDoubt) { // the next call looks at what is there
		return fmt.Errorf("making the tables of the store: %w", err)
	}
	if err != nil {
		return err
	}
	p.mark(func() { p.ready = true })
	return nil
}

// migrate brings a schema up to date within a transaction.
func (t tables) migrate(ctx context.Context, schema string, steps []migration) error {
	if err := t.exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('serin ' || $1, 0))", schema); err != nil {
		return err
	}
	var exists bool
	quoted := pgx.Identifier{schema}.Sanitize()
	if err := t.one(ctx, "SELECT to_regnamespace($1) IS NOT NULL", []any{quoted}, &exists); err != nil {
		return err
	}
	if !exists { // IF NOT EXISTS asks for the right to make one even where it exists
		if err := t.exec(ctx, "CREATE SCHEMA "+quoted); err != nil {
			return err
		}
	}
	if err := t.exec(ctx, "CREATE TABLE IF NOT EXISTS layout (version INTEGER NOT NULL, least INTEGER NOT NULL)"); err != nil {
		return err
	}
	var version, least int
	err := t.one(ctx, "SELECT version, least FROM layout", nil, &version, &least)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.exec(ctx, "INSERT INTO layout VALUES (0, 0)")
	}
	if err != nil {
		return err
	}
	if least > len(steps) {
		return &line.Unfit{Why: fmt.Sprintf("its tables have layout %d, and this serin knows layouts up to %d: start the newer serin that wrote them, or choose another database", version, len(steps))}
	}
	for ; version < len(steps); version++ {
		if err := t.exec(ctx, steps[version].statements); err != nil {
			return fmt.Errorf("migrating to layout %d: %w", version+1, err)
		}
		if err := t.exec(ctx, "UPDATE layout SET version = $1, least = $2", version+1, max(least, steps[version].least)); err != nil {
			return err
		}
	}
	err = t.exec(ctx, "DELETE FROM replicas WHERE at < now() - interval '1 day'") // also finds out whether it can be written
	return err
}
