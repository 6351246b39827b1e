package app

import (
	"io"
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
