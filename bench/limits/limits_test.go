package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"serin/test/program"
)

// TestMain builds the binary for all tests here.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		folder, err := os.MkdirTemp("", "serin-limits-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(folder)
		if binary, err = program.Build(context.Background(), folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

var binary string

// TestAnOverloadIsNobodysEvidence: with one slot and no queue most requests are
// turned away, and the evidence of both arms has exactly the others.
func TestAnOverloadIsNobodysEvidence(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := program.Workplace(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	server, err := program.Start(t.Context(), binary, folder, "--concurrency", "1", "--queue", "0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Admin(t.Context(), "deploy-canary", map[string]any{"model_path": "models/model_v2.joblib", "weight": 0.5}, nil); err != nil {
		t.Fatal(err)
	}
	s, pool, request := &settings{}, &wires{address: addressOf(server)}, manyRows(4000, "prediction")
	defer pool.close()
	var answered, refused atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 50 {
				switch status, err := pool.ask(t.Context(), request); {
				case err == nil && status == 200:
					answered.Add(1)
				case err == nil && status == 503:
					refused.Add(1)
				default:
					t.Errorf("status %d, %v", status, err)
				}
			}
		})
	}
	clients.Wait()
	evidence := s.evidence(t.Context(), server)
	if evidence == nil {
		t.Fatal("the server's state has no evidence")
	}
	if evidence.count() != answered.Load() || evidence.others() != 0 || answered.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d observed and %d others, while %d were answered and %d refused", evidence.count(), evidence.others(), answered.Load(), refused.Load())
	}
	if difference := evidence.Stable.Latencies.Count - evidence.Canary.Latencies.Count; difference < -10 || difference > 10 {
		t.Errorf("of %d answered requests the arms have %+v: the refused ones were dealt, too", answered.Load(), *evidence)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// TestACrowdLosesNobody is a short run of the program's part.
func TestACrowdLosesNobody(t *testing.T) {
	t.Parallel()
	r, err := measure(t.Context(), settings{serin: binary, parts: []string{"crowd"}, idle: 500, crowd: time.Second, patience: 30 * time.Second, progress: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	r.print(t.Output())
	if err := r.holds(); err != nil || len(r.lines) < 4 {
		t.Error(err)
	}
}

func TestWhatDoesNotHoldIsSaid(t *testing.T) {
	t.Parallel()
	r := &report{}
	r.tell("a", "told", "%d", 1)
	r.must("a", "good", "yes", true, "yes")
	if err := r.holds(); err != nil {
		t.Error(err)
	}
	r.must("a", "bad", "yes", false, "no")
	var out strings.Builder
	r.print(&out)
	if r.holds() == nil || strings.Count(out.String(), "DOES NOT HOLD") != 1 || strings.Count(out.String(), "  holds\n") != 1 {
		t.Errorf("%v\n%s", r.holds(), out.String())
	}
}

// TestAnOpenLoopSendsWhatIsDue to a server that refuses every third request and
// breaks every tenth.
func TestAnOpenLoopSendsWhatIsDue(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch n := n.Add(1); {
		case n%10 == 0:
			panic(http.ErrAbortHandler)
		case n%3 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	got := openLoop(t.Context(), server.Listener.Addr().String(), 1000, oneRow, 300*time.Millisecond)
	failed, list := got.failures(503)
	if got.ok() != 180 || got.refused[503] != 90 || failed != 30 || !strings.Contains(list, "EOF") {
		t.Errorf("%d answered, %d refused, %d failed: %s", got.ok(), got.refused[503], failed, list)
	}
	if failed, _ := got.failures(); failed != 120 {
		t.Errorf("%d failed if 503 is none of the answers allowed", failed)
	}
	if err := run(t.Context(), []string{"-only", "nothing"}, io.Discard, io.Discard); err == nil {
		t.Error("a part that is not there was run")
	}
}
