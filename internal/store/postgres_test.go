package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"serin/test/postgres"
)

// cluster is the PostgreSQL that all tests share, each in a schema of its own; the
// first one that needs it starts it.
var cluster struct {
	once   sync.Once
	server *postgres.Server
	err    error
	fresh  atomic.Int64
}

// stopCluster is for the end of all tests.
func stopCluster() error {
	if cluster.server == nil {
		return nil
	}
	return cluster.server.Stop()
}

// startPostgres starts a PostgreSQL, or says why the test cannot run.
func startPostgres(t testing.TB, start func(context.Context) (*postgres.Server, error)) *postgres.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	server, err := start(ctx)
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("SERIN_TEST_FULL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// shares is the address of an empty store on the shared PostgreSQL.
func shares(t testing.TB) string {
	t.Helper()
	server := startPostgres(t, func(ctx context.Context) (*postgres.Server, error) {
		cluster.once.Do(func() { cluster.server, cluster.err = postgres.Start(ctx) })
		return cluster.server, cluster.err
	})
	return fmt.Sprintf("%s&search_path=t%d", server.URL, cluster.fresh.Add(1))
}

// home is where a store lives. Opened twice, one after the other, it is the same.
type home struct{ dir, url string }

func (h home) open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(h.dir, Options{URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// replica is another home on the same database, with a directory of its own.
func (h home) replica(t testing.TB) home { return home{quickDir(t), h.url} }

// onBoth runs a test on each of the databases: what a store promises does not
// depend on which one it is.
func onBoth(t *testing.T, test func(t *testing.T, h home)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, home{dir: t.TempDir()})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, home{quickDir(t), shares(t)})
	})
}
