package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// migrations bring a database from one layout to the next: the first one makes
// layout 1 from an empty file. PRAGMA user_version says which was done last.
var migrations = []string{layoutOf("sqlite", 1), layoutOf("sqlite", 2), layoutOf("sqlite", 3), layoutOf("sqlite", 4)}

// oldestSQLite is the first version without a bug that could lose a
// transaction when a WAL is reset.
var oldestSQLite = [3]int{3, 51, 3}

const pageSize = 4096

// database is the one connection to serin.db. It is held for life, so that
// what was set on it stays set.
type database struct {
	pool   *sql.DB
	conn   *sql.Conn
	finish string // ends a transaction; tests make it fail before or after it took effect
}

// openDatabase opens a file, or ":memory:", and makes every commit durable. It
// reads back what it set: SQLite ignores a setting that it does not like.
func openDatabase(ctx context.Context, path string) (*database, error) {
	name := path
	if path != memory {
		// A path may contain ? and #. Locked from the first statement on, the
		// index of the WAL needs no file of its own, which a full disk could refuse.
		name = (&url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=locking_mode(EXCLUSIVE)"}).String()
	}
	pool, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	db := &database{pool, conn, "COMMIT"}
	if err := db.configure(ctx, path); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

const memory = ":memory:"

func (db *database) configure(ctx context.Context, path string) error {
	var version string
	if err := db.conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	if path == memory {
		return nil
	}
	settings := []struct{ name, value, want string }{
		{"locking_mode", "EXCLUSIVE", "exclusive"},
		{"page_size", fmt.Sprint(pageSize), fmt.Sprint(pageSize)},
		{"journal_mode", "WAL", "wal"},
		{"synchronous", "FULL", "2"},
		{"mmap_size", "0", "0"},
		{"cell_size_check", "1", "1"},
		{"trusted_schema", "0", "0"},
	}
	for _, s := range settings {
		if _, err := db.conn.ExecContext(ctx, "PRAGMA "+s.name+" = "+s.value); err != nil {
			return err
		}
		var got string
		if err := db.conn.QueryRowContext(ctx, "PRAGMA "+s.name).Scan(&got); err != nil {
			return err
		}
		if got != s.want {
			return fmt.Errorf("SQLite keeps %s at %q instead of %q, so nothing would be durable: put the directory on a local disk", s.name, got, s.want)
		}
	}
	return nil
}

func checkVersion(version string) error {
	var have [3]int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &have[0], &have[1], &have[2]); err != nil {
		return fmt.Errorf("reading SQLite's version %q: %w", version, err)
	}
	for i, least := range oldestSQLite {
		if have[i] != least {
			if have[i] < least {
				return fmt.Errorf("SQLite %s can lose commits: build serin with 3.51.3 or newer", version)
			}
			return nil
		}
	}
	return nil
}

func (db *database) close() error {
	return errors.Join(db.conn.Close(), db.pool.Close())
}

// errInDoubt wraps the error of a COMMIT. SQLite has gone back to the state
// before, but the transaction may already be complete in the WAL, where the
// next start would find it.
var errInDoubt = errors.New("committing")

// transaction runs do between BEGIN and COMMIT.
func (db *database) transaction(ctx context.Context, do func() error) error {
	if _, err := db.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		if _, err = db.conn.ExecContext(ctx, db.finish); err == nil {
			return nil
		}
		err = fmt.Errorf("%w: %w", errInDoubt, err)
	}
	_, _ = db.conn.ExecContext(ctx, "ROLLBACK") // fails if SQLite has done it by itself
	return err
}

// tables runs statements on the one connection.
func (db *database) tables() tables { return tables{run: db.conn} }

// migrate brings the layout up to date.
func (db *database) migrate(ctx context.Context, path string) error {
	var version, tables int
	if err := db.conn.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if err := db.conn.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	switch {
	case version > len(migrations):
		return fmt.Errorf("%s has layout %d, and this serin knows layouts up to %d: start the newer serin that wrote it, or choose another state directory",
			path, version, len(migrations))
	case version < 0 || version == 0 && tables > 0:
		return &Damage{path, "it has tables but no number of its layout", restore}
	}
	if version == 1 { // the first layout whose evidence holds what the monitor judges by is the second
		var inProgress int // there is a row for each, if only with evidence of nothing
		if err := db.conn.QueryRowContext(ctx, "SELECT count(*) FROM evidence").Scan(&inProgress); err != nil {
			return err
		}
		if inProgress > 0 {
			return fmt.Errorf("%s has a rollout in progress that an older serin began, and this serin cannot judge it to its end: "+
				"start the older serin, promote or roll back, stop it, and start this one again", path)
		}
	}
	for ; version < len(migrations); version++ {
		err := db.transaction(ctx, func() error {
			_, err := db.conn.ExecContext(ctx, migrations[version]+fmt.Sprintf("PRAGMA user_version = %d", version+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("migrating to layout %d: %w", version+1, err)
		}
	}
	return nil
}

// checkPages lets SQLite look for a page that is not what it must be. What is in
// the rows is not its business.
func (db *database) checkPages(ctx context.Context, path string) error {
	var report string
	if err := db.conn.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&report); err != nil {
		return err
	}
	if report != "ok" {
		return &Damage{path, "SQLite's check says: " + strings.ReplaceAll(report, "\n", " "), restore}
	}
	return nil
}

// checkTables compares the layout with what the migrations make.
func (db *database) checkTables(ctx context.Context, path string) error {
	have, err := db.schema(ctx)
	if err != nil {
		return err
	}
	fresh, err := openDatabase(ctx, memory)
	if err != nil {
		return err
	}
	want := ""
	if err = fresh.migrate(ctx, memory); err == nil {
		want, err = fresh.schema(ctx)
	}
	if err := errors.Join(err, fresh.close()); err != nil {
		return err
	}
	if have != want {
		return &Damage{path, "its tables are not those that serin makes", restore}
	}
	// A database that cannot be written is found now and not at the first commit.
	_, err = db.conn.ExecContext(ctx, "DELETE FROM evidence WHERE false")
	return err
}

// schema is the text of all tables.
func (db *database) schema(ctx context.Context) (string, error) {
	var text string
	err := db.conn.QueryRowContext(ctx, "SELECT group_concat(type||' '||name||' '||tbl_name||' '||coalesce(sql, ''), ';' ORDER BY name) FROM sqlite_schema").Scan(&text)
	return text, err
}

// checkpoint moves the WAL into the database and makes both durable.
func (db *database) checkpoint(ctx context.Context) error {
	var busy, inLog, moved int
	if err := db.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &inLog, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("the WAL could not be moved into the database")
	}
	return nil
}

// explain turns an error of SQLite into one for people. What the system
// refused is told with its path; everything else, met while reading a file
// that nobody else may write, is damage.
func explain(path string, err error) error {
	var damage *Damage
	var failure *sqlite.Error
	if errors.As(err, &damage) {
		damage.Path, damage.Next = cmp.Or(damage.Path, path), cmp.Or(damage.Next, restore)
	}
	if err == nil || damage != nil || !errors.As(err, &failure) {
		return err
	}
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%s: %w: free some and try again: %w", path, syscall.ENOSPC, err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%s is open in another program: close it there and try again: %w", path, err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY:
		return fmt.Errorf("%s cannot be opened for writing: make it writable for this user, or choose another state directory: %w", path, err)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM:
		return fmt.Errorf("%s: the system failed: check the disk and its free space, and try again: %w", path, err)
	}
	return &Damage{path, "SQLite says: " + failure.Error(), restore}
}
