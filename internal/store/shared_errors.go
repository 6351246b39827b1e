package store

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnreachable means that PostgreSQL did not answer, or is not the server that can
// be written. Nothing is known to be wrong with what is in it; the next call tries
// again, on a new connection.
var ErrUnreachable = errors.New("the store cannot be reached")

// unfit is a server that must not be used as it is.
type unfit struct{ why string }

func (u *unfit) Error() string { return u.why }

// restoreShared is the way out of damage to the shared state.
const restoreShared = "Restore the database from a backup, or serin's part of it with serin restore into an empty one."

// explain turns an error of PostgreSQL, or of the wire to it, into one for people.
func (p *shared) explain(err error) error {
	if err == nil || errors.Is(err, errClosed) || errors.Is(err, ErrUnreachable) {
		return err
	}
	if u, ok := errors.AsType[*unfit](err); ok {
		return fmt.Errorf("the store %s cannot be used: %w", p.address, u)
	}
	if damage, ok := errors.AsType[*Damage](err); ok {
		damage.Path, damage.Next = cmp.Or(damage.Path, p.address), cmp.Or(damage.Next, restoreShared)
		return err
	}
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return p.explainCode(failure, err)
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err) // a timeout of ours is one
	if connecting || network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err) {
		return fmt.Errorf("%w: %s: %w. Look whether the server runs, is the primary, and lets this machine in", ErrUnreachable, p.address, err)
	}
	return err
}

// cut is true for an error of a connection that was good once and is gone.
func cut(err error) bool {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failure.Code == "57P01" || failure.Code == "57P02" // the server stops, or has crashed
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || err == nil {
		return false
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || pgconn.SafeToRetry(err)
}

// explainCode goes by the code of SQL's standard: its first two letters are a class.
func (p *shared) explainCode(failure *pgconn.PgError, err error) error {
	switch failure.Code[:min(2, len(failure.Code))] {
	case "08", "57": // a connection's end, a shutdown, a start, a timeout
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, p.address, err)
	case "25": // read-only, or a transaction that was idle for too long
		p.renew()
		return fmt.Errorf("%w: %s is not the primary any more, or ended the transaction: %w", ErrUnreachable, p.address, err)
	case "28":
		return fmt.Errorf("the store %s does not let this user in: %w. Check the user, the password and pg_hba.conf", p.address, err)
	case "53":
		return fmt.Errorf("the store %s has no more room (disk, memory or connections): %w. Make some and try again", p.address, err)
	case "55":
		return fmt.Errorf("%w: %s: another replica holds the lock for too long: %w", ErrUnreachable, p.address, err)
	case "42", "3F":
		return fmt.Errorf("the store %s lacks what serin made there, or a right to it: %w. Was the schema %s dropped, or the user changed? serin does not start anew by itself: restore a backup, or start serin again to begin with nothing", p.address, err, p.schema)
	case "XX":
		return &Damage{p.address, "PostgreSQL says: " + failure.Message, restoreShared}
	}
	return fmt.Errorf("the store %s: %w", p.address, err)
}

// renew lets go of the connections to a server that is not the primary any more.
func (p *shared) renew() {
	p.pool.SetMaxIdleConns(0)
	p.pool.SetMaxIdleConns(2)
}
