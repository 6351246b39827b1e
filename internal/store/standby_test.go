package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"serin/test/postgres"
)

// TestALostStandby: a commit that the primary has and its standby does not is not
// acknowledged, however the wait for the standby ends, and it is once the standby has it.
func TestALostStandby(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, func(ctx context.Context) (*postgres.Server, error) { return postgres.Start(ctx) })
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	h := home{quickDir(t), server.URL}
	s, other := h.open(t), h.replica(t).open(t)
	commit(t, s, life("churn", 1))
	standby := func(name string) {
		for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + name + "'", "SELECT pg_reload_conf()"} {
			if _, err := other.shared.Pool.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		for seen := "?"; seen != name; { // of a connection that is there, as of all
			if err := other.shared.Pool.QueryRowContext(t.Context(), "SHOW synchronous_standby_names").Scan(&seen); err != nil {
				t.Fatal(err)
			}
		}
	}
	waiting := func() (n int) {
		if err := other.shared.Pool.QueryRowContext(t.Context(), "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	standby("gone")
	for waits := 0; waits == 0; { // the server's checkpointer has to hear of it, too, before any commit waits
		done := make(chan error, 1)
		go func() {
			_, err := other.shared.Pool.ExecContext(t.Context(), "UPDATE head SET seq = seq")
			done <- err
		}()
		for under := true; under; {
			select {
			case err := <-done:
				if under = false; err != nil {
					t.Fatal(err)
				}
			case <-time.After(10 * time.Millisecond):
				waits += waiting()
			}
		}
	}
	said := make(chan error, 1)
	go func() { said <- s.Commit(t.Context(), life("churn", 2)) }()
	var told error
	for canceled, answered := 0, false; !answered; { // somebody gives up for the commit, and for the one that settles it
		if canceled < 2 {
			canceled += waiting()
		}
		select {
		case told = <-said:
			answered = true
		case <-time.After(10 * time.Millisecond):
		}
	}
	if !errors.Is(told, ErrUnsettled) {
		t.Errorf("told: %v", told)
	}
	if p := beat(t, s, Beat{Replica: "a"}); p.Models["churn"].Generation != 2 {
		t.Errorf("while it is not known: %+v", p)
	}
	standby("")
	if state, _, err := s.State(t.Context(), "churn"); err != nil || state.Generation != 2 {
		t.Errorf("%+v, %v", state, err)
	}
	commit(t, s, life("churn", 3))
}

// TestInTheWayOfOthers: a deadlock is told with what to do, and sessions do not take
// over an isolation that somebody has set for all.
func TestInTheWayOfOthers(t *testing.T) {
	t.Parallel()
	s := home{quickDir(t), shares(t) + "&default_transaction_isolation=serializable"}.open(t)
	err := s.shared.explain(&pgconn.PgError{Code: "40P01", Message: "deadlock detected"})
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "Try again") {
		t.Error(err)
	}
	var isolation string
	if err := s.shared.Pool.QueryRowContext(t.Context(), "SHOW transaction_isolation").Scan(&isolation); err != nil || isolation != "read committed" {
		t.Errorf("%s, %v", isolation, err)
	}
}
