package line

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestAddressesThatAreNone are told without the password.
func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"mysql://u:secret@h/d", "postgres://u:secret@h:port/d", "postgres://u:secret@127.0.0.1/d?sslmode=perhaps", "postgres://u:secret@h/d?search_path=a,b",
		"postgres://u:secret@h/d?search_path=%22A%22", "host=h password=secret", "://",
	} {
		l, err := Open(address)
		if err == nil {
			t.Fatalf("%s was opened: %v", address, l.Pool.Close())
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is told: %v", err)
		}
	}
}

// TestWhatIsTriedAgain on another connection: what broke one that was good.
func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err             error
		cut, unanswered bool
	}{
		{nil, false, false},
		{driver.ErrBadConn, true, true},
		{fmt.Errorf("writing: %w", syscall.ECONNRESET), true, true},
		{&pgconn.PgError{Code: "57P01"}, true, false},
		{&pgconn.PgError{Code: "40P01"}, false, false},
		{context.DeadlineExceeded, false, true},
		{errors.New("something else"), false, false},
	} {
		if cut, unanswered := Cut(c.err), c.err != nil && Unanswered(c.err); cut != c.cut || unanswered != c.unanswered {
			t.Errorf("%v: cut %v, unanswered %v", c.err, cut, unanswered)
		}
	}
}
