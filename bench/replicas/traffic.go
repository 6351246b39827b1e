package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// What a replica may send to the store a second, for each model.
const (
	mostBytes      = 1000.0
	mostStatements = 2.0
)

// perReplica is how often a replica is asked for a prediction while it is busy.
const perReplica = 5 * time.Millisecond

// traffic counts what three replicas send and get, with 1 and with 10 models: without
// rollouts, with a canary for each model that nobody asks, and with predictions.
func (s *settings) traffic(ctx context.Context, b *block) error {
	b.table("models", "rollouts", "predictions/s a replica", "replica", "statements/s", "bytes/s up", "bytes/s down", "statements/s a model", "bytes/s a model")
	sent, both, statements := 0.0, 0.0, 0.0
	for _, n := range []int{1, 10} {
		busy, err := s.trafficOf(ctx, b, n)
		if err != nil {
			return err
		}
		for _, r := range busy {
			sent, both, statements = max(sent, r.up/float64(n)), max(both, r.bytes()/float64(n)), max(statements, r.statements/float64(n))
		}
	}
	b.must("a busy replica sends of each model", "< 1 kB/s", sent < mostBytes, "at most %.0f B/s, and %.0f with what it gets", sent, both)
	b.must("statements of a busy replica for each model", "< 2/s", statements < mostStatements, "at most %.2f/s", statements)
	b.say("Counted on the wire over %v, protocol and all, by a proxy before each of three replicas. The leader is the one with the most statements; the two others take the mean.", s.window)
	return nil
}

// trafficOf has n models; it returns what each replica sent and got while busy.
func (s *settings) trafficOf(ctx context.Context, b *block, n int) (busy []reading, err error) {
	var models, flags []string
	for i := range n {
		models = append(models, fmt.Sprintf("m%d", i))
		flags = append(flags, "--model", models[i]+"="+v1)
	}
	f, err := s.newFleet(ctx, 3, flags...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	tell := func(rollouts, rate string, seen []reading) {
		for i, r := range [...]reading{seen[0], {(seen[1].up + seen[2].up) / 2, (seen[1].down + seen[2].down) / 2, (seen[1].statements + seen[2].statements) / 2}} {
			b.row(fmt.Sprint(n), rollouts, rate, [...]string{"leader", "follower"}[i], number(r.statements), number(r.up), number(r.down), number(r.statements/float64(n)), number(r.bytes()/float64(n)))
		}
	}
	pause(ctx, s.window/3) // what a start takes is no traffic
	tell("none", "0", f.counted(ctx, s.window))
	if err := f.canaries(ctx, models); err != nil {
		return nil, err
	}
	pause(ctx, s.window/3)
	tell("one each", "0", f.counted(ctx, s.window))
	watching, end := context.WithCancel(ctx)
	var waits sync.WaitGroup
	defer waits.Wait()
	defer end()
	var all []*watcher
	for _, r := range f.replicas {
		all = append(all, watch(watching, &waits, r, perReplica, models...))
	}
	pause(ctx, s.window/3) // the first rows are small
	busy = f.counted(ctx, s.window)
	end()
	waits.Wait()
	if _, failed, first := total(all); failed > 0 {
		return nil, fmt.Errorf("%d predictions failed: %w", failed, first)
	}
	tell("one each", fmt.Sprintf("%.0f", 1/perReplica.Seconds()), busy)
	return busy, nil
}

// counted is what each replica sends and gets a second, the one with the most
// statements first.
func (f *fleet) counted(ctx context.Context, window time.Duration) []reading {
	began := time.Now()
	before := make([]reading, len(f.replicas))
	for i, r := range f.replicas {
		before[i] = r.tap.read()
	}
	pause(ctx, window)
	took := time.Since(began).Seconds()
	all := make([]reading, len(f.replicas))
	for i, r := range f.replicas {
		all[i] = r.tap.read().since(before[i], took)
	}
	slices.SortFunc(all, func(a, b reading) int { return cmp.Compare(b.statements, a.statements) })
	return all
}
