package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// arrivesWithin bounds how long after its acknowledgement a rollback is in force at
// every replica, in seconds.
const arrivesWithin = 1.0

// settled are so many answers of stable in a row that no canary is live: with a share
// of a half every second answer would be its.
const settled = 20

// arrival rolls back again and again, each time at another replica, and looks when
// each of three replicas answered by the canary last.
func (s *settings) arrival(ctx context.Context, b *block) (err error) {
	const every = 2 * time.Millisecond
	f, err := s.newFleet(ctx, 3, "--weight", "50%")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	took, _, answered, err := f.rollbacks(ctx, s.rollbacks, every)
	if err != nil {
		return err
	}
	b.must("a rollback is in force on three replicas, N = "+fmt.Sprint(len(took)), "<= 1 s", quantile(took, 1) <= arrivesWithin, "at most %s", milliseconds(quantile(took, 1)))
	b.table("after its acknowledgement", "p50", "p99", "max", "N")
	b.row("the last answer of the canary, at the slowest replica", milliseconds(median(took)), milliseconds(quantile(took, 0.99)), milliseconds(quantile(took, 1)), fmt.Sprint(len(took)))
	b.say("Each replica was asked every %v (%d predictions, none failed), and rolled back at each in turn.", every, answered)
	return nil
}

// rollbacks deploys and rolls back n times. For each it returns how many seconds after
// the acknowledgement the last answer of the canary came, of whichever replica, 0 if
// all came before; and how long the acknowledgement took.
func (f *fleet) rollbacks(ctx context.Context, n int, every time.Duration) (took, calls []float64, answered int, err error) {
	watching, end := context.WithCancel(ctx)
	var waits sync.WaitGroup
	defer waits.Wait()
	defer end()
	var all []*watcher
	for _, r := range f.replicas {
		all = append(all, watch(watching, &waits, r, every, "churn"))
	}
	for i := range n {
		one, call, err := f.rollback(ctx, i, all)
		if err != nil {
			return nil, nil, 0, err
		}
		took, calls = append(took, one.Seconds()), append(calls, call.Seconds())
	}
	end()
	waits.Wait()
	answered, failed, first := total(all)
	if failed > 0 {
		return nil, nil, 0, fmt.Errorf("%d of %d predictions failed: %w", failed, answered+failed, first)
	}
	return took, calls, answered, nil
}

func (f *fleet) rollback(ctx context.Context, i int, all []*watcher) (took, call time.Duration, err error) {
	at := func(i int) string { return f.replicas[i%len(f.replicas)].URL }
	before := time.Now()
	if status, text := post(ctx, at(i)+"/admin/deploy-canary", map[string]any{"model_path": v2}); status != http.StatusOK {
		return 0, 0, fmt.Errorf("deploying: %d %s", status, text)
	}
	for _, w := range all {
		err := until(ctx, "the canary answers everywhere", func() bool { last, _ := w.seen(); return last.After(before) })
		if err != nil {
			return 0, 0, err
		}
	}
	asked := time.Now()
	if status, text := post(ctx, at(i+1)+"/admin/rollback-canary", map[string]any{"reason": fmt.Sprintf("rollback %d", i)}); status != http.StatusOK {
		return 0, 0, fmt.Errorf("rolling back: %d %s", status, text)
	}
	acknowledged := time.Now()
	call = acknowledged.Sub(asked)
	for _, w := range all {
		err := until(ctx, "stable answers everywhere", func() bool { _, stable := w.seen(); return stable >= settled })
		if err != nil {
			return 0, 0, err
		}
	}
	for _, w := range all {
		last, _ := w.seen()
		took = max(took, last.Sub(acknowledged))
	}
	return took, call, nil
}
