package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"serin/test/program"
)

// model is the one that is asked, and first its version at the start.
const (
	model = "churn"
	first = "model_v1"
)

// clientCount is how many clients predict, each one request at a time.
const clientCount = 8

// prediction is one request as its client saw it.
type prediction struct {
	sent, got time.Duration
	replica   int
	life      int
	canary    bool // the arm, as the answer names it
	version   string
	answer    float64
	latency   int64  // ns, as the answer names it
	failed    string // "" for an answer
	// first says that nothing was asked on its connection before, and silent for how long
	// that was open by then.
	first  bool
	silent time.Duration
}

// predictAll lets clients predict until what it returns is called.
func (w *world) predictAll(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	for range clientCount {
		clients.Go(func() {
			tick := time.NewTicker(time.Second * clientCount / time.Duration(w.rate))
			defer tick.Stop()
			for ctx.Err() == nil {
				w.predict(context.WithoutCancel(ctx)) // what has begun is waited for
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	for i, r := range w.replicas {
		clients.Go(func() { w.watch(ctx, i, r) })
	}
	return func() {
		cancel()
		clients.Wait()
	}
}

// predict asks the replica whose turn it is. As a balancer does, it goes on to the
// next one where nothing listens any more.
func (w *world) predict(ctx context.Context) {
	w.gate.RLock()
	defer w.gate.RUnlock()
	for range 10 * fleetSize {
		i := int(w.turn.Add(1) % fleetSize)
		r := w.replicas[i]
		r.mu.Lock()
		server, client, life, ready := r.server, r.client, r.life, r.ready
		r.mu.Unlock()
		if server == nil || !ready {
			continue
		}
		p := prediction{sent: w.now(), replica: i, life: life}
		err := ask(ctx, client, server, &p)
		p.got = w.now()
		if errors.Is(err, syscall.ECONNREFUSED) { // nobody has read it
			w.mu.Lock()
			w.unsent++
			w.mu.Unlock()
			continue
		}
		if err != nil {
			p.failed = err.Error()
		}
		w.mu.Lock()
		w.predictions = append(w.predictions, p)
		w.mu.Unlock()
		return
	}
	p := prediction{sent: w.now(), got: w.now(), replica: -1, failed: "no replica is ready"}
	w.mu.Lock()
	w.predictions = append(w.predictions, p)
	w.mu.Unlock()
}

// line is a connection that knows whether anything was asked on it. The transport does
// not say: it calls one used that was opened for a request, and idle because another
// connection served that.
type line struct {
	net.Conn
	since time.Time
	asked atomic.Bool
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &line{Conn: c, since: time.Now()}, nil
}

// ask sends one prediction.
func ask(ctx context.Context, client *http.Client, server *program.Server, p *prediction) error {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		l, ours := c.Conn.(*line)
		if p.first = ours && !l.asked.Swap(true); p.first {
			p.silent = time.Since(l.since)
		}
	}})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/predict", strings.NewReader(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.GetBody = nil // or the transport would send it again by itself
	got, err := client.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(got.Body, 1<<16))
	if err = errors.Join(err, got.Body.Close()); err != nil {
		return err
	}
	if got.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", got.Status, bytes.TrimSpace(text))
	}
	var a struct {
		Probability  float64 `json:"probability"`
		ModelUsed    string  `json:"model_used"`
		ModelVersion string  `json:"model_version"`
		LatencyMS    float64 `json:"latency_ms"` // to the nanosecond
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("reading %s: %w", text, err)
	}
	p.canary, p.version, p.answer, p.latency = a.ModelUsed == "canary", a.ModelVersion, a.Probability, int64(math.Round(a.LatencyMS*1e6))
	return nil
}

// reading is the generation that a replica showed, without being asked to decide.
type reading struct {
	asked, got time.Duration
	replica    int
	life       int
	generation uint64
}

// watch is a balancer's health check, which also reads the state that is shown.
func (w *world) watch(ctx context.Context, i int, r *replica) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if server, life := r.at(); server != nil {
			r.check(ctx, server, life)
			w.read(ctx, server, i, life)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// check takes a replica out of the balancer, or back in. A check that fails before
// the process is known to be gone is no different from one after.
func (r *replica) check(ctx context.Context, server *program.Server, life int) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	ready := false
	if request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/readyz", http.NoBody); err == nil {
		if got, err := http.DefaultClient.Do(request); err == nil {
			ready = got.StatusCode == http.StatusOK
			_ = got.Body.Close()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil && r.life == life {
		r.ready = ready
	}
}

func (w *world) read(ctx context.Context, server *program.Server, i, life int) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	got := reading{asked: w.now(), replica: i, life: life}
	var state struct {
		Generation uint64 `json:"generation"`
	}
	if server.Admin(ctx, "state", nil, &state) != nil {
		return
	}
	got.got, got.generation = w.now(), state.Generation
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads = append(w.reads, got)
}
