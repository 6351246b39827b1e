// Package line is the wire to a PostgreSQL that a store can be on: connections that
// keep their word, or say that they do not.
//
//	store --> Pool --> connection --> checked once: fsync, synchronous_commit, encoding
//	      --> Listen -> a connection of its own, tried every fifteen seconds
//
// # Model
//
// A server that acknowledges what it may forget is not used (Unfit). Of several hosts
// the one that can be written is taken. A connection that breaks is nobody's business
// but this room's and that of whoever asks again: Cut tells it from what another
// connection would not mend, and Renew lets go of the others that go the same way.
//
// Statements have short names on the wire (Short), since some of them are sent each
// second by each replica for as long as it lives, and a name of sixty bytes was a
// fifth of what they are.
//
// # What may not happen
//
// A statement, or an open wire, that nobody gives up on. A warning that comes with a
// COMMIT and is not seen: it is how a server says that it has committed without waiting
// for its standby. A password in an error.
package line

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Patience is how long a statement may take, the connection included.
const Patience = 5 * time.Second

// How long PostgreSQL may take, or a wire to it. A commit holds the lock on the
// journal's head, so a replica that stops in the middle of one, or that nobody
// reaches any more, must lose it before others give up waiting.
const (
	lockPatience  = 4 * time.Second
	idlePatience  = 2 * time.Second // between two statements of a transaction
	fewConnection = 4
	spare         = 2 // connections that are kept while nobody uses them
)

// Line is a server, or several of which one can be written.
type Line struct {
	// Address is for messages, without the password.
	Address string
	// Schema is where the tables are.
	Schema string
	// Pool has the connections.
	Pool *sql.DB
	// Config is what connections are made from.
	Config *pgx.ConnConfig
}

// Unfit is the error of a server that must not be used as it is.
type Unfit struct {
	// Why, and what to do about it.
	Why string
}

func (u *Unfit) Error() string { return u.Why }

// Open prepares for a server. It connects to none yet.
func Open(address string) (*Line, error) {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "postgres" && parsed.Scheme != "postgresql" {
		return nil, errors.New("the address of the store is not of the form postgres://user@host:5432/database")
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("the address of the store, %s, is not understood: %w. Write it like postgres://user@host:5432/database", parsed.Redacted(), err)
	}
	if parsed.Query().Get("target_session_attrs") == "" { // of several hosts, the one that can be written
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = Patience
	}
	config.DialFunc = (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: Patience, Interval: Patience, Count: 3}}).DialContext
	if schema := config.RuntimeParams["search_path"]; strings.Trim(schema, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return nil, fmt.Errorf("search_path=%s in the address of the store is not the name of one schema: write lower-case letters, digits and _", schema)
	}
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	for name, value := range map[string]string{
		"application_name": "serin", "search_path": "serin", "statement_timeout": milliseconds(Patience), "lock_timeout": milliseconds(lockPatience),
		"idle_in_transaction_session_timeout": milliseconds(idlePatience),
	} {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
	config.RuntimeParams["synchronous_commit"] = "on"
	config.RuntimeParams["default_transaction_isolation"] = "read committed" // the locks do the rest, and wait where others abort
	config.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			conn.CustomData()[warning] = n.Message
		}
	}
	l := &Line{Address: parsed.Redacted(), Schema: config.RuntimeParams["search_path"], Config: config}
	// A ping before each beat would be half of all statements; one on a dead wire is
	// tried again on another (Cut).
	never := func(context.Context, stdlib.ShouldPingParams) bool { return false }
	l.Pool = stdlib.OpenDB(*config, stdlib.OptionAfterConnect(check), stdlib.OptionShouldPing(never))
	l.Pool.SetMaxOpenConns(fewConnection)
	l.Pool.SetMaxIdleConns(spare)
	l.Pool.SetConnMaxIdleTime(5 * time.Minute)
	return l, nil
}

// check reads back, of each new connection, what makes a commit durable. After a
// failover another server may be there.
func check(ctx context.Context, conn *pgx.Conn) error {
	var fsync, synchronous, encoding string
	err := conn.QueryRow(ctx, "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')").Scan(&fsync, &synchronous, &encoding)
	switch {
	case err != nil:
		return err
	case fsync != "on" || synchronous != "on":
		return &Unfit{fmt.Sprintf("it runs with fsync = %s and synchronous_commit = %s, so nothing that it acknowledges would be durable: set both to on", fsync, synchronous)}
	case encoding != "UTF8":
		return &Unfit{"its encoding is " + encoding + ": make the database with ENCODING 'UTF8'"}
	}
	return nil
}

// Renew lets go of the connections that nobody uses: their server is not the primary
// any more, or has ended them.
func (l *Line) Renew() {
	l.Pool.SetMaxIdleConns(0)
	l.Pool.SetMaxIdleConns(spare)
}

// warning is where a connection keeps the last thing that the server warned of.
const warning = "warning"

// Warned takes a connection's warning; nil if there was none.
func Warned(conn *sql.Conn) error {
	return conn.Raw(func(driven any) error {
		c, ok := driven.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("a connection is a %T, which does not tell what the server warned of", driven)
		}
		kept := c.Conn().PgConn().CustomData()
		text := kept[warning]
		delete(kept, warning)
		if text == nil {
			return nil
		}
		return fmt.Errorf("the server warns: %v", text)
	})
}

// Cut is true for an error of a connection that was good once and is gone.
func Cut(err error) bool {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failure.Code == "57P01" || failure.Code == "57P02" // the server stops, or has crashed
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || err == nil {
		return false
	}
	return broken(err) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Unanswered is true for an error of a server that was not reached, or did not answer.
func Unanswered(err error) bool {
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err) // a timeout of ours is one
	return connecting || network || errors.Is(err, context.DeadlineExceeded) || broken(err)
}

func broken(err error) bool {
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// Short are the arguments of a statement that goes over the wire by a short name. They
// are for Pool and its connections alone.
func Short(args []any) []any {
	if len(args) == 0 {
		return nil // it has no name at all
	}
	return append([]any{short{}}, args...)
}

// short prepares a statement under a name of eight letters; what comes after it goes by
// that. A connection knows what it has prepared.
type short struct{}

// RewriteQuery is for pgx.
func (short) RewriteQuery(ctx context.Context, conn *pgx.Conn, query string, args []any) (string, []any, error) {
	digest := sha256.Sum256([]byte(query))
	name := base64.RawURLEncoding.EncodeToString(digest[:6])
	_, err := conn.Prepare(ctx, name, query)
	return name, args, err
}
