package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"serin/test/postgres"
	"serin/test/program"
)

// leastThroughput is what a replica must keep of it on PostgreSQL.
const leastThroughput = 0.98

// throughput has a replica on each store, both with a canary that the monitor looks
// at, asked as fast as they answer, in turns: SQLite and PostgreSQL, then the other way
// round, so that a machine that steadily gets slower or faster favours none.
func (s *settings) throughput(ctx context.Context, b *block) (err error) {
	store, err := postgres.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Stop()) }()
	var both [2]*program.Server
	for i, flags := range [][]string{{}, {"--store", store.URL}} {
		server, startErr := s.start(ctx, fmt.Sprintf("throughput-%d", i), flags...)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
		if err := server.Admin(ctx, "deploy-canary", map[string]any{"model_path": v2}, nil); err != nil {
			return err
		}
		if _, err := s.saturate(ctx, server, time.Second); err != nil { // to warm up
			return err
		}
		both[i] = server
	}
	var ratios []float64
	var rates [2][]float64
	for range s.pairs {
		var pair [2]float64
		for _, i := range []int{0, 1, 1, 0} {
			rate, err := s.saturate(ctx, both[i], s.slice)
			if err != nil {
				return err
			}
			pair[i] += rate / 2
		}
		ratios = append(ratios, pair[1]/pair[0])
		for i := range pair {
			rates[i] = append(rates[i], pair[i])
		}
	}
	ratio := median(ratios)
	low, high := interval(ratios)
	b.must("predictions/s on PostgreSQL / on SQLite", fmt.Sprintf(">= %v", leastThroughput), ratio >= leastThroughput, "%.3f (%.3f to %.3f)", ratio, low, high)
	b.table("", "predictions/s, median", "lowest", "highest")
	for i, name := range []string{"SQLite", "PostgreSQL"} {
		b.row(name, number(median(rates[i])), number(quantile(rates[i], 0)), number(quantile(rates[i], 1)))
	}
	b.say("%d rounds of four slices of %v, 16 connections. The ratio is the median of those of the rounds; in brackets is its 95 %% interval (bootstrap over rounds).", s.pairs, s.slice)
	return nil
}

// saturate is how many predictions a second a server answers to `serin bench`.
func (s *settings) saturate(ctx context.Context, server *program.Server, duration time.Duration) (rate float64, err error) {
	c := exec.CommandContext(ctx, s.serin, "bench", "--server", server.URL, "--output", "json", "--warm-up", "0s",
		"--duration", duration.String(), "--connections", "16", "--features", "[0.5, 1.2, 0.8, 0.3, 1.1]")
	c.Cancel, c.WaitDelay = func() error { return c.Process.Signal(os.Interrupt) }, 10*time.Second
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("serin bench: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
	}
	var seen struct {
		Rate   float64 `json:"requests_per_second"`
		Failed uint64  `json:"failed"`
	}
	if err := json.Unmarshal(out.Bytes(), &seen); err != nil {
		return 0, fmt.Errorf("reading what serin bench says: %w", err)
	}
	if seen.Failed > 0 || seen.Rate == 0 {
		return 0, fmt.Errorf("%d predictions failed: %s", seen.Failed, &out)
	}
	return seen.Rate, nil
}
