package store

import (
	"cmp"
	"errors"
	"fmt"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"serin/internal/store/line"
)

// ErrUnreachable means that PostgreSQL did not answer, or is not the server that can
// be written. Nothing is known to be wrong with what is in it; the next call tries
// again, on a new connection.
var ErrUnreachable = errors.New("the store cannot be reached")

// restoreShared is the way out of damage to the shared state.
const restoreShared = "Restore the database from a backup, or serin's part of it with serin restore into an empty one."

// explain turns an error of PostgreSQL, or of the wire to it, into one for people.
func (p *shared) explain(err error) error {
	if err == nil || errors.Is(err, errClosed) || errors.Is(err, ErrUnreachable) {
		return err
	}
	if u, ok := errors.AsType[*line.Unfit](err); ok {
		return fmt.Errorf("the store %s cannot be used: %w", p.Address, u)
	}
	if damage, ok := errors.AsType[*Damage](err); ok {
		damage.Path, damage.Next = cmp.Or(damage.Path, p.Address), cmp.Or(damage.Next, restoreShared)
		return err
	}
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return p.explainCode(failure, err)
	}
	if line.Unanswered(err) {
		return fmt.Errorf("%w: %s: %w. Look whether the server runs, is the primary, and lets this machine in", ErrUnreachable, p.Address, err)
	}
	return err
}

// explainCode goes by the code of SQL's standard: its first two letters are a class.
func (p *shared) explainCode(failure *pgconn.PgError, err error) error {
	switch failure.Code[:min(2, len(failure.Code))] {
	case "08", "57": // a connection's end, a shutdown, a start, a timeout
		return fmt.Errorf("%w: %s: %w", ErrUnreachable, p.Address, err)
	case "25": // read-only, or a transaction that was idle for too long
		p.Renew()
		return fmt.Errorf("%w: %s is not the primary any more, or ended the transaction: %w", ErrUnreachable, p.Address, err)
	case "28":
		return fmt.Errorf("the store %s does not let this user in: %w. Check the user, the password and pg_hba.conf", p.Address, err)
	case "40": // a deadlock, or a transaction that could not be put in a row with others
		return fmt.Errorf("%w: %s ended the transaction, because others were in its way, and nothing of it is there: %w. Try again; if it happens often, look into the server's log for who else works in schema %s",
			ErrUnreachable, p.Address, err, p.Schema)
	case "53":
		if failure.Code == "53100" {
			err = fmt.Errorf("%w: %w", syscall.ENOSPC, err)
		}
		return fmt.Errorf("the store %s has no more room (disk, memory or connections): %w. Make some and try again", p.Address, err)
	case "55":
		return fmt.Errorf("%w: %s: another replica holds the lock for too long: %w", ErrUnreachable, p.Address, err)
	case "42", "3F":
		return fmt.Errorf("the store %s lacks what serin made there, or a right to it: %w. Was the schema %s dropped, or the user changed? serin does not start anew by itself: restore a backup, or start serin again to begin with nothing", p.Address, err, p.Schema)
	case "XX":
		return &Damage{p.Address, "PostgreSQL says: " + failure.Message, restoreShared}
	}
	return fmt.Errorf("the store %s: %w", p.Address, err)
}
