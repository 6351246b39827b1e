package store

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"serin/test/postgres"
)

// wire is a proxy in front of a PostgreSQL, which fails as networks do. It knows
// PostgreSQL's messages: a type, a length, a body.
type wire struct {
	url     string
	to      string
	door    net.Listener
	serving sync.WaitGroup

	mu    sync.Mutex
	fault func(fromServer bool, kind byte, body []byte) fate
	open  map[net.Conn]bool
}

// fate is what becomes of a message.
type fate int

const (
	pass fate = iota
	cutBefore
	cutAfter
	swallow // this message and all later ones of the connection, which stays open
)

// through is a store's address by way of a wire.
func through(t testing.TB, address string) *wire {
	t.Helper()
	rest := strings.TrimPrefix(address, "postgres://postgres@")
	host, query, _ := strings.Cut(rest, "/")
	door, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "postgres://postgres@" + door.Addr().String() + "/" + query, to: host, door: door, open: map[net.Conn]bool{}}
	w.serving.Go(w.accept)
	t.Cleanup(func() {
		_ = door.Close()
		w.cut()
		w.serving.Wait()
	})
	return w
}

func (w *wire) accept() {
	for {
		client, err := w.door.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.open[client], w.open[server] = true, true
		w.mu.Unlock()
		w.serving.Go(func() { w.carry(client, server, false) })
		w.serving.Go(func() { w.carry(server, client, true) })
	}
}

// set decides what becomes of each message from now on; nil lets all pass.
func (w *wire) set(fault func(fromServer bool, kind byte, body []byte) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
}

// cut closes every connection.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		_ = c.Close()
	}
	clear(w.open)
}

// carry takes messages from one side to the other. The client's first has no type.
func (w *wire) carry(from, to net.Conn, fromServer bool) {
	defer from.Close()
	defer to.Close()
	silent := false
	for first := !fromServer; ; first = false {
		head := make([]byte, 5)
		if first {
			head = head[:4]
		}
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		length := head[len(head)-4:]
		body := make([]byte, int(length[0])<<24|int(length[1])<<16|int(length[2])<<8|int(length[3])-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		what := pass
		w.mu.Lock()
		if w.fault != nil && !first {
			what = w.fault(fromServer, head[0], body)
		}
		w.mu.Unlock()
		silent = silent || what == swallow
		switch {
		case what == cutBefore:
			return
		case silent:
			continue
		}
		if _, err := to.Write(slices.Concat(head, body)); err != nil || what == cutAfter {
			return
		}
	}
}

// TestACutAtEachMessage cuts the wire at every message of a commit, before and after
// it is sent, in both directions. What Commit says is what has happened.
func TestACutAtEachMessage(t *testing.T) {
	t.Parallel()
	w := through(t, shares(t))
	h := home{quickDir(t), w.url}
	s := h.open(t)
	generation := uint64(0)
	committed, undone := 0, 0
	for _, kind := range []fate{cutBefore, cutAfter} {
		for at := 1; ; at++ {
			// A commit that nothing happens to, so that each trial begins with a good wire.
			generation++
			commit(t, s, life("churn", generation))
			seen, fired := 0, false
			w.set(func(bool, byte, []byte) fate {
				if fired {
					return pass // the connections after it are good
				}
				if seen++; seen < at {
					return pass
				}
				fired = true
				return kind
			})
			err := s.Commit(t.Context(), life("churn", generation+1))
			w.set(nil)
			state, _, readErr := s.State(t.Context(), "churn")
			if readErr != nil {
				t.Fatalf("message %d: %v", at, readErr)
			}
			there := state.Generation == generation+1
			if (err == nil) != there {
				t.Errorf("message %d: the commit says %v, and its row is there: %v", at, err, there)
			}
			if err != nil && !errors.Is(err, ErrUnreachable) {
				t.Errorf("message %d: %v", at, err)
			}
			if there {
				generation++
				committed++
			} else {
				undone++
			}
			if !fired {
				break // beyond the last message
			}
		}
	}
	t.Logf("%d commits were there, %d were not", committed, undone)
	if committed < 5 || undone < 5 {
		t.Errorf("the cuts were at no place that matters: %d, %d", committed, undone)
	}
}

// isCommit is the message that asks for the commit.
func isCommit(fromServer bool, kind byte, body []byte) bool {
	return !fromServer && kind == 'Q' && strings.HasPrefix(strings.ToLower(string(body)), "commit")
}

// TestACommitThatNobodyHearsOf: the request is lost and the connection stays open, as
// when a cable is pulled. The server gives the transaction up, and the store says
// that nothing was committed; it does not wait for ever.
func TestACommitThatNobodyHearsOf(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault     func(fromServer bool, kind byte, body []byte) fate
		committed bool
	}{
		"request": {func(fromServer bool, kind byte, body []byte) fate {
			if isCommit(fromServer, kind, body) {
				return swallow
			}
			return pass
		}, false},
		"answer": {func(fromServer bool, kind byte, body []byte) fate {
			if fromServer && kind == 'C' && strings.HasPrefix(string(body), "COMMIT") {
				return swallow
			}
			return pass
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := shares(t)
			w := through(t, address)
			s := home{quickDir(t), w.url}.open(t)
			other := home{quickDir(t), address}.open(t)
			commit(t, s, life("churn", 1))
			fired := false
			w.set(func(fromServer bool, kind byte, body []byte) fate {
				if fired {
					return pass
				}
				what := tt.fault(fromServer, kind, body)
				fired = what != pass
				return what
			})
			err := s.Commit(t.Context(), life("churn", 2))
			state, _, readErr := other.State(t.Context(), "churn")
			if readErr != nil || (err == nil) != tt.committed || (state.Generation == 2) != tt.committed {
				t.Errorf("the commit says %v, and generation %d is committed, %v", err, state.Generation, readErr)
			}
			commit(t, other, life("churn", state.Generation+1))
		})
	}
}

// TestAnUnsettledCommit: no wire at all after the request. Nobody knows, and the
// store says so at each call, until it can look.
func TestAnUnsettledCommit(t *testing.T) {
	t.Parallel()
	w := through(t, shares(t))
	s := home{quickDir(t), w.url}.open(t)
	commit(t, s, life("churn", 1))
	dark := false
	w.set(func(fromServer bool, kind byte, body []byte) fate {
		if dark = dark || isCommit(fromServer, kind, body); !dark {
			return pass
		}
		if isCommit(fromServer, kind, body) {
			return cutAfter // it arrives
		}
		return cutBefore
	})
	err := s.Commit(t.Context(), life("churn", 2))
	if !errors.Is(err, ErrUnsettled) {
		t.Fatalf("got %v", err)
	}
	_, _, stateErr := s.State(t.Context(), "churn")
	for _, err := range []error{stateErr, s.Commit(t.Context(), life("churn", 2))} {
		if !errors.Is(err, ErrUnsettled) {
			t.Errorf("got %v", err)
		}
	}
	w.set(nil)
	if p, err := s.Beat(t.Context(), Beat{Replica: "a"}); err != nil || p.Models["churn"].Generation != 2 { // it lives all the same
		t.Errorf("%+v, %v", p, err)
	}
	if state, _, err := s.State(t.Context(), "churn"); err != nil || state.Generation != 2 {
		t.Errorf("it is there, and generation %d is told, %v", state.Generation, err)
	}
	commit(t, s, life("churn", 3))
}

// TestFailover: the primary is gone, its synchronous standby takes over, and the
// replicas find it by themselves. Nothing that was acknowledged is lost.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t, func(ctx context.Context) (*postgres.Server, error) { return postgres.Start(ctx) })
	standby := startPostgres(t, func(ctx context.Context) (*postgres.Server, error) { return primary.Standby(ctx) })
	defer func() {
		if err := errors.Join(primary.Stop(), standby.Stop()); err != nil {
			t.Error(err)
		}
	}()
	both := "postgres://postgres@" + standby.Address + "," + primary.Address + "/postgres?sslmode=disable"
	h := home{quickDir(t), both}
	s := h.open(t)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = 'standby'", "SELECT pg_reload_conf()"} {
		h.sql(t, statement)
	}
	for generation := range uint64(20) {
		commit(t, s, life("churn", generation+1))
	}
	alone := home{quickDir(t), "postgres://postgres@" + standby.Address + "/postgres?sslmode=disable"}.open(t)
	if err := alone.Commit(t.Context(), life("churn", 21)); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a standby alone: %v", err)
	}
	if err := primary.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), life("churn", 21)); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without a primary: %v", err)
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	state, _, err := s.State(t.Context(), "churn")
	if err != nil || state.Generation != 20 {
		t.Errorf("generation %d of 20, %v", state.Generation, err)
	}
	for _, statement := range []string{"ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"} {
		h.sql(t, statement)
	}
	commit(t, s, life("churn", 21))
	commit(t, alone, life("churn", 22))
}

// TestEvidenceIsNeverAhead: beats are not synced, evidence is. What a server that
// crashed brings back of the beats is at least what saved evidence was made from.
func TestEvidenceIsNeverAhead(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, func(ctx context.Context) (*postgres.Server, error) {
		return postgres.Start(ctx, "wal_writer_delay=10s")
	})
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	s := home{quickDir(t), server.URL}.open(t)
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	for n := range 3 {
		beat(t, s, Beat{Replica: "a", Gauges: []Gauge{{"churn", "r1", 1, []byte{byte(n)}}}})
		if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(n)); err != nil {
			t.Fatal(err)
		}
		beat(t, s, Beat{Replica: "a", Gauges: []Gauge{{"churn", "r1", 1, []byte{100}}}}) // this one may be lost
		if err := errors.Join(server.Crash(t.Context()), server.Restart(t.Context())); err != nil {
			t.Fatal(err)
		}
		rows, err := s.Gauges(t.Context(), "churn", "r1")
		if err != nil || len(rows) != 1 || rows[0].Data[0] != byte(n) && rows[0].Data[0] != 100 {
			t.Errorf("crash %d: %+v, %v", n, rows, err)
		}
	}
}

// TestNoRoom: a disk that is full, as far as PostgreSQL tells of it. The commit
// fails, what was there stays, and the next one works once there is room.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	s := h.open(t)
	commit(t, s, life("churn", 1))
	h.sql(t, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`)
	h.sql(t, "CREATE TRIGGER full_disk BEFORE UPDATE ON head FOR EACH ROW EXECUTE FUNCTION full_disk()")
	if err := s.Commit(t.Context(), life("churn", 2)); err == nil || !strings.Contains(err.Error(), "no more room") || errors.Is(err, ErrUnsettled) {
		t.Errorf("got %v", err)
	}
	h.sql(t, "DROP TRIGGER full_disk ON head")
	commit(t, s, life("churn", 2))
}

// TestAReplicaThatStops in the middle of a commit loses the lock, and keeps the
// others waiting for a few seconds at most.
func TestAReplicaThatStops(t *testing.T) {
	t.Parallel()
	h := home{quickDir(t), shares(t)}
	stopped, goOn := make(chan bool), make(chan bool)
	slow, err := Open(h.dir, Options{URL: h.url, Step: func(step string) {
		if step == "commit: written" {
			close(stopped)
			<-goOn
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	other := h.replica(t).open(t)
	done := make(chan error)
	go func() { done <- slow.Commit(context.Background(), life("churn", 1)) }()
	<-stopped
	begun := time.Now()
	commit(t, other, life("churn", 1))
	t.Logf("waited for %v", time.Since(begun))
	close(goOn)
	if err := <-done; err == nil {
		t.Error("the one that stopped has committed, too")
	}
	if state, _, err := slow.State(t.Context(), "churn"); err != nil || state.Generation != 1 {
		t.Errorf("generation %d, %v", state.Generation, err)
	}
	if err := slow.Close(); err != nil {
		t.Error(err)
	}
}
