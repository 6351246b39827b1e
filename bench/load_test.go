package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers each request with answer(n), n counting from 1, and returns
// the address and the counter.
func serve(t *testing.T, answer func(n int64, w http.ResponseWriter)) (addr string, count *atomic.Int64) {
	t.Helper()
	count = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/predict" || string(body) != `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}` {
			t.Errorf("got %s %s %q, %v", r.Method, r.URL.Path, body, err)
		}
		answer(count.Add(1), w)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), count
}

func stableOrCanary(n int64, w http.ResponseWriter) {
	arm := "stable"
	if n%10 == 0 {
		arm = "canary"
	}
	_, _ = io.WriteString(w, `{"model_used":"`+arm+`"}`)
}

func TestLoadStopsAtItsCount(t *testing.T) {
	t.Parallel()
	addr, count := serve(t, stableOrCanary)
	l := load{addr: addr, request: predictRequest(addr), connections: 4, duration: time.Minute, maxRequests: 200}
	r, err := l.run(t.Context())
	if err != nil || r.errors != 0 {
		t.Fatalf("got %d errors, %v, %v", r.errors, r.firstError, err)
	}
	if len(r.latencies) != 200 || count.Load() != 200 || r.canary != 20 || r.canaryShare() != 0.1 {
		t.Errorf("saw %d answers, %d from the canary; the service counted %d", len(r.latencies), r.canary, count.Load())
	}
	if r.latencies[0] <= 0 || r.quantile(0) != r.latencies[0] || r.quantile(1) != r.latencies[199] || r.rate() <= 0 {
		t.Errorf("latencies from %v to %v, rate %v", r.latencies[0], r.latencies[199], r.rate())
	}
}

func TestLoadStopsInTime(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, stableOrCanary)
	l := load{addr: addr, request: predictRequest(addr), connections: 2, duration: 50 * time.Millisecond, maxRequests: maxRequests}
	r, err := l.run(t.Context())
	if err != nil || r.errors != 0 || r.elapsed < l.duration || len(r.latencies) == 0 {
		t.Errorf("got %d answers and %d errors in %v, %v", len(r.latencies), r.errors, r.elapsed, err)
	}
}

func TestLoadStopsWhenTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	addr, _ := serve(t, func(n int64, w http.ResponseWriter) {
		if n == 100 {
			cancel()
		}
		stableOrCanary(n, w)
	})
	l := load{addr: addr, request: predictRequest(addr), connections: 2, duration: time.Minute, maxRequests: maxRequests}
	if _, err := l.run(ctx); err == nil {
		t.Error("a run that was told to stop must not look finished")
	}
}

func TestLoadCountsErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   string
	}{
		{"another status", func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, "503 Service Unavailable"},
		{"no length", func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }, "without a usable Content-Length"},
		{"a lost connection", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, "reading the status line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := serve(t, func(n int64, w http.ResponseWriter) {
				if n > 10 {
					tt.answer(w)
					return
				}
				stableOrCanary(n, w)
			})
			l := load{addr: addr, request: predictRequest(addr), connections: 1, duration: time.Minute, maxRequests: maxRequests}
			r, err := l.run(t.Context())
			if err != nil || r.errors != 1 || len(r.latencies) != 10 || !strings.Contains(r.firstError.Error(), tt.want) {
				t.Errorf("got %d errors after %d answers, first %v, run %v", r.errors, len(r.latencies), r.firstError, err)
			}
		})
	}
}

func TestLoadGoesToLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"192.0.2.1:80", "example.com:80", "0.0.0.0:80", "127.0.0.1", ""} {
		l := load{addr: addr, connections: 1, duration: time.Second, maxRequests: 1}
		if _, err := l.run(t.Context()); err == nil || !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%q: got %v", addr, err)
		}
	}
}

func TestSettingsHaveBounds(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-rounds", "0"}, {"-connections", "1001"}, {"-duration", "2m"}, {"-warm-up", "-1s"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "out of its range") {
			t.Errorf("%q: got %v", args, err)
		}
	}
}

// TestReport holds the table's arithmetic: medians over rounds, and the ratio
// taken within each round before its median.
func TestReport(t *testing.T) {
	t.Parallel()
	rounds := func(rates ...int) []result {
		results := make([]result, len(rates))
		for i, rate := range rates {
			results[i] = result{elapsed: time.Second, latencies: make([]time.Duration, rate)}
			for j := range results[i].latencies {
				results[i].latencies[j] = time.Duration(j+1) * time.Millisecond
			}
		}
		return results
	}
	services := []*service{{plan: plan{name: "floor"}}, {plan: plan{name: "serin"}}, {plan: plan{name: "python"}}}
	measured := [][]result{rounds(300, 100, 200), rounds(200, 100, 150), rounds(20, 25, 10)}
	var out bytes.Buffer
	printReport(&out, settings{rounds: 3, duration: time.Second, connections: 16}, "1 core of paper", services, measured)
	const want = `| POST /predict | requests/s | p50 ms | p99 ms | serin's rate over this one |
|---|--:|--:|--:|--:|
| floor | 200 | 100.00 | 198.00 | 0.75 (0.667 to 1) |
| serin | 150 | 75.00 | 149.00 |  |
| python | 20 | 10.00 | 20.00 | 10 (4 to 15) |

Medians over 3 rounds of 1s each, in turns; 16 keep-alive connections in a closed loop, on the same cores as the
service; a canary with 10 % live in serin and in Python; Python in one process, where its state is. 1105 requests, none failed. 1 core of paper.
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("the median of 1 to 4 is %v", got)
	}
}
