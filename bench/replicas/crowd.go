package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// crowd rolls back with three replicas alone, and again beside many connections that
// listen as a replica does: PostgreSQL has a process for each, and wakes all of them
// at every commit.
func (s *settings) crowd(ctx context.Context, b *block) (err error) {
	f, err := s.newFleet(ctx, 3, "--weight", "50%")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	conn, err := pgx.Connect(ctx, f.store.URL)
	if err != nil {
		return fmt.Errorf("asking PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // nobody waits for it any more
	b.table("further connections that listen", "to open one", "a rollback is acknowledged: p50", "max", "and arrives: p50", "max", "notifications heard", "memory of a connection")
	for _, n := range []int{0, s.listeners} {
		began := time.Now()
		heard, leave, err := f.listen(ctx, n)
		if err != nil {
			return err
		}
		opened := time.Since(began).Seconds() / float64(max(n, 1))
		took, calls, _, err := f.rollbacks(ctx, s.fewer(), 5*time.Millisecond)
		seen, err2 := f.look(ctx, conn)
		leave()
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if n > 0 && heard.Load() == 0 {
			return errors.New("nobody of the crowd has heard anything")
		}
		b.row(fmt.Sprint(n), milliseconds(opened), milliseconds(median(calls)), milliseconds(quantile(calls, 1)), milliseconds(median(took)), milliseconds(quantile(took, 1)),
			fmt.Sprint(heard.Load()), megabytes(seen.memory))
	}
	b.say("%d rollbacks each, with three replicas. The crowd is of connections alone, which beat no second.", s.fewer())
	return nil
}

// listen opens connections that listen for what replicas tell each other, and counts
// what they hear. What it returns besides closes them.
func (f *fleet) listen(ctx context.Context, n int) (heard *atomic.Int64, leave func(), err error) {
	heard = new(atomic.Int64)
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	leave = func() { cancel(); listening.Wait() }
	for range n {
		conn, err := pgx.Connect(ctx, f.store.URL)
		if err == nil {
			_, err = conn.Exec(ctx, "LISTEN serin")
		}
		if err != nil {
			leave()
			return nil, nil, fmt.Errorf("joining the crowd: %w", err)
		}
		listening.Go(func() {
			for {
				if _, err := conn.WaitForNotification(ctx); err != nil {
					_ = conn.Close(context.WithoutCancel(ctx)) // nobody waits for it any more
					return
				}
				heard.Add(1)
			}
		})
	}
	return heard, leave, nil
}
