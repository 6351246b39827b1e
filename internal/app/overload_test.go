package app

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"serin/internal/api"
	"serin/internal/infer"
)

// TestAdminCallsPassAFullGate: while predictions are turned away, a canary can be
// deployed, looked at and rolled back. Admin calls do not queue with predictions.
func TestAdminCallsPassAFullGate(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.Limits = infer.Limits{Concurrency: 1, Queue: 1, Patience: time.Millisecond}
	r := launch(t, c)
	defer r.stop()
	body := `{"instances":[` + strings.Repeat("[1,2,3,4,5],", 20_000) + `[1,2,3,4,5]]}`
	stop := make(chan struct{})
	var answered, busy atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := http.Post(r.url+"/predict", "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				switch res.StatusCode {
				case http.StatusOK:
					answered.Add(1)
				case http.StatusServiceUnavailable:
					busy.Add(1)
				default:
					t.Errorf("a prediction: %s", res.Status)
				}
			}
		})
	}
	ctx := t.Context()
	for before := int64(0); before < 100; before = busy.Load() {
		must := func(what string, err error) {
			if err != nil {
				t.Errorf("%s while the gate is full: %v", what, err)
			}
		}
		must("deploy", r.deploy("models/model_v2.joblib"))
		_, err := r.client.State(ctx)
		must("state", err)
		_, err = r.client.Check(ctx)
		must("check", err)
		_, err = r.client.Rollback(ctx, api.RollbackRequest{})
		must("rollback", err)
		if t.Failed() {
			break
		}
	}
	close(stop)
	clients.Wait()
	if answered.Load() == 0 {
		t.Error("nothing was answered meanwhile")
	}
}

// TestStreamIsNotBuffered: of a stream that its client does not read, less than a
// megabyte is kept, so that who never reads is soon found out.
func TestStreamIsNotBuffered(t *testing.T) {
	t.Parallel()
	kept := make(chan int, 1)
	server := newServer(narrow(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control, sum := http.NewResponseController(w), 0
		for {
			_ = control.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := w.Write(make([]byte, 16<<10))
			if sum += n; err != nil || sum > 8<<20 {
				kept <- sum
				return
			}
		}
	})), slog.New(slog.DiscardHandler))
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n := <-kept; n > 1<<20 {
		t.Errorf("%d bytes are on their way to a client that reads none", n)
	}
}
