package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// loaded is what `serin bench` saw.
type loaded struct {
	Rate     float64 `json:"requests_per_second"`
	Requests uint64  `json:"requests"`
	Failed   uint64  `json:"failed"`
	All      struct {
		HDR string `json:"hdr"` // every latency, in ns
	} `json:"all"`
	Arms    map[string]arm    `json:"arms"`
	Faults  map[string]uint64 `json:"faults"`
	Details map[string]string `json:"details"`

	// cpu is what the service took meanwhile, in seconds.
	cpu       float64
	latencies *hdrhistogram.Histogram
}

// and is two measurements of the same taken as one.
func (l *loaded) and(other *loaded) *loaded {
	both := *l
	both.Rate, both.Requests, both.cpu = (l.Rate+other.Rate)/2, l.Requests+other.Requests, l.cpu+other.cpu
	both.latencies = merged([]*loaded{l, other})
	return &both
}

// merged are the latencies of all, each counted once.
func merged(runs []*loaded) *hdrhistogram.Histogram {
	all := hdrhistogram.New(int64(time.Microsecond), int64(10*time.Minute), 3)
	for _, r := range runs {
		all.Merge(r.latencies)
	}
	return all
}

type arm struct {
	Count uint64 `json:"count"`
}

// load puts load on a server with `serin bench` and refuses a result with errors:
// what is measured is a service that works.
func (k *kit) load(ctx context.Context, server string, duration time.Duration, connections int, arguments ...string) (*loaded, error) {
	arguments = append([]string{
		"bench", "--server", server, "--output", "json", "--warm-up", "0s",
		"--duration", duration.String(), "--connections", strconv.Itoa(connections),
	}, arguments...)
	c := exec.CommandContext(ctx, k.serin(), arguments...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = patience
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("%w: %s", err, bytes.TrimSpace(errs.Bytes())))
	}
	return parseLoaded(out.Bytes())
}

func parseLoaded(text []byte) (*loaded, error) {
	r := new(loaded)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("reading what serin bench says: %w", err)
	}
	var err error
	if r.latencies, err = hdrhistogram.Decode([]byte(r.All.HDR)); err != nil {
		return nil, fmt.Errorf("reading the latencies that serin bench has seen: %w", err)
	}
	if r.Failed > 0 || r.Requests == 0 {
		return nil, fmt.Errorf("%d of %d requests failed: %v %v", r.Failed, r.Requests, r.Faults, r.Details)
	}
	return r, nil
}

// predictions puts load on a service; a rate of 0 is a closed loop. A measurement
// with an error is made once more, which the page tells; a second error is the end.
func (k *kit) predictions(ctx context.Context, s *service, duration time.Duration, connections int, rate float64) (*loaded, error) {
	r, err := k.predictionsOnce(ctx, s, duration, connections, rate)
	if err == nil || ctx.Err() != nil {
		return r, err
	}
	k.repeated = append(k.repeated, err.Error())
	return k.predictionsOnce(ctx, s, duration, connections, rate)
}

// predictionsOnce refuses what measured something else than predictions split
// between stable and canary.
func (k *kit) predictionsOnce(ctx context.Context, s *service, duration time.Duration, connections int, rate float64) (*loaded, error) {
	body := filepath.Join(s.dir, "request.json")
	if err := os.WriteFile(body, s.body, 0o600); err != nil {
		return nil, err
	}
	if s.metrics {
		reading, enough := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.readMetrics(reading)
		}()
		defer func() { enough(); <-done }()
	}
	arguments := []string{"--path", s.path, "--body", body}
	if rate > 0 {
		arguments = append(arguments, "--rate", strconv.FormatFloat(rate, 'f', 1, 64))
	}
	before := familyOf(s.cmd.Process.Pid).cpu()
	r, err := k.load(ctx, "http://"+s.addr, duration, connections, arguments...)
	if err != nil {
		return nil, fmt.Errorf("measuring %s: %w", s.name, err)
	}
	r.cpu = familyOf(s.cmd.Process.Pid).cpu() - before
	if share := float64(r.Arms["canary"].Count) / float64(r.Requests); s.canary && r.Requests > 1000 && (share < 0.05 || share > 0.15) {
		return nil, fmt.Errorf("measuring %s: the canary answered %.1f %% of the requests instead of about 10 %%", s.name, 100*share)
	}
	return r, nil
}
