package line

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// silence is for how long nothing is heard before the wire is tried.
const silence = 15 * time.Second

// Listen calls heard with what anybody tells through the channel that has the schema's
// name, until ctx ends or the wire is cut; it says which. It has a connection of its own.
func (l *Line) Listen(ctx context.Context, heard func(payload string)) error {
	conn, err := pgx.ConnectConfig(ctx, l.Config)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), Patience)
		defer cancel()
		_ = conn.Close(ending)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+l.Quoted()); err != nil {
		return err
	}
	for {
		quiet, cancel := context.WithTimeout(ctx, silence)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, context.DeadlineExceeded):
			if err := still(ctx, conn); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			heard(n.Payload)
		}
	}
}

// Quoted is the schema as it stands in a statement.
func (l *Line) Quoted() string { return pgx.Identifier{l.Schema}.Sanitize() }

// still tries whether somebody is at the other end.
func still(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return conn.Ping(ctx)
}
