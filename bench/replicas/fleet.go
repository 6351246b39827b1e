package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"serin/test/postgres"
	"serin/test/program"
)

// replica is one serin, and the tap on its way to the store.
type replica struct {
	*program.Server

	tap *tap // nil: there is none
}

// fleet is some replicas on one store.
type fleet struct {
	store    *postgres.Server
	replicas []*replica
}

// v1 and v2 are the versions that stable and the canary are of.
const v1, v2 = "models/model_v1.joblib", "models/model_v2.joblib"

// newFleet starts a PostgreSQL and n replicas, each with a tap of its own.
func (s *settings) newFleet(ctx context.Context, n int, flags ...string) (f *fleet, err error) {
	f = &fleet{}
	if f.store, err = postgres.Start(ctx, "max_connections=1500"); err != nil {
		return nil, err
	}
	for i := range n {
		r := &replica{}
		if r.tap, err = newTap(ctx, f.store.Address); err == nil {
			address := strings.Replace(f.store.URL, f.store.Address, r.tap.address(), 1)
			r.Server, err = s.start(ctx, fmt.Sprintf("%s-%d", f.store.Address, i), append([]string{"--store", address}, flags...)...)
		}
		if err != nil {
			if r.tap != nil {
				r.tap.close()
			}
			return nil, errors.Join(err, f.stop())
		}
		f.replicas = append(f.replicas, r)
	}
	return f, nil
}

// start starts a serin, whose directory has its name. Canaries are judged at once.
func (s *settings) start(ctx context.Context, name string, flags ...string) (*program.Server, error) {
	return program.Start(context.WithoutCancel(ctx), s.serin, s.workplace, append([]string{"--data", name, "--replica-id", name, "--initial-delay", "0s"}, flags...)...)
}

// stop ends all of it. The replicas stop side by side.
func (f *fleet) stop() error {
	problems := make([]error, len(f.replicas))
	var stopping sync.WaitGroup
	for i, r := range f.replicas {
		stopping.Go(func() {
			problems[i] = r.Stop()
			if r.tap != nil {
				r.tap.close()
			}
		})
	}
	stopping.Wait()
	return errors.Join(errors.Join(problems...), f.store.Stop())
}

// canaries deploys one for each model, and waits until every replica has all of them.
func (f *fleet) canaries(ctx context.Context, models []string) error {
	for _, model := range models {
		if status, text := post(ctx, f.replicas[0].URL+"/admin/models/"+model+"/deploy-canary", map[string]any{"model_path": v2}); status != http.StatusOK {
			return fmt.Errorf("deploying: %d %s", status, text)
		}
	}
	for _, r := range f.replicas {
		for _, model := range models {
			err := until(ctx, "the canary of "+model+" answers at "+r.URL, func() bool {
				a := predict(ctx, r.URL, model)
				return a.err == nil && a.canary
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// clients are enough connections that nobody waits for one.
var clients = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}}

// post sends a body as JSON, once. A status of 0 is that no answer came.
func post(ctx context.Context, url string, body any) (status int, text string) {
	content, err := json.Marshal(body)
	if err != nil {
		return 0, err.Error()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return 0, err.Error()
	}
	request.Header.Set("Content-Type", "application/json")
	request.GetBody = nil // or the transport would send it again by itself
	answer, err := clients.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	read, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(read)
}

// answer is what a prediction came to.
type answer struct {
	canary bool
	err    error
}

func predict(ctx context.Context, url, model string) answer {
	status, text := post(ctx, url+"/models/"+model+"/predict", map[string]any{"features": []float64{0.5, 1.2, 0.8, 0.3, 1.1}})
	if status != http.StatusOK {
		return answer{err: fmt.Errorf("a prediction was answered %d %s", status, text)}
	}
	var said struct {
		ModelUsed string `json:"model_used"`
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return answer{err: fmt.Errorf("reading %s: %w", text, err)}
	}
	return answer{canary: said.ModelUsed == "canary"}
}

// watcher asks one replica for predictions all the time.
type watcher struct {
	mu         sync.Mutex
	answered   int
	failed     int
	first      error     // of those that failed
	lastCanary time.Time // when the last answer of a canary came
	stable     int       // answers of stable that were asked for after that
}

// watch asks a replica for a prediction of each model in turn, one each so often,
// until ctx ends. The caller's WaitGroup knows when that is.
func watch(ctx context.Context, waits *sync.WaitGroup, r *replica, every time.Duration, models ...string) *watcher {
	w := &watcher{}
	waits.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			a := predict(context.WithoutCancel(ctx), r.URL, models[i%len(models)])
			w.note(a, time.Now())
		}
	})
	return w
}

func (w *watcher) note(a answer, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case a.err != nil:
		w.failed++
		if w.first == nil {
			w.first = a.err
		}
		return
	case a.canary:
		w.lastCanary, w.stable = now, 0
	default:
		w.stable++
	}
	w.answered++
}

// seen is when the last canary answered, and how many answers of stable came since.
func (w *watcher) seen() (lastCanary time.Time, stable int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lastCanary, w.stable
}

// total is what several watchers have seen; first is an error of theirs.
func total(all []*watcher) (answered, failed int, first error) {
	for _, w := range all {
		w.mu.Lock()
		answered, failed = answered+w.answered, failed+w.failed
		if first == nil {
			first = w.first
		}
		w.mu.Unlock()
	}
	return answered, failed, first
}
