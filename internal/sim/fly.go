package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Fly carries out runs of a scenario, numbered from 0, and returns them in
// their order. They depend on the scenario and the seed, not on the number of
// workers. When ctx ends, no run begins any more: Fly returns those that were
// carried out, together with ctx's error. A run that has begun is always ended,
// or those that end early would be counted more often than others.
//
// progress, if it is not nil, is called after each run with the number of runs
// that are done, never twice at a time.
func Fly(ctx context.Context, s Scenario, runs int, seed uint64, workers int, progress func(done int)) ([]Run, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if runs < 1 || workers < 1 {
		return nil, fmt.Errorf("%d runs on %d workers are none", runs, workers)
	}
	var (
		all    = make([]Run, runs)
		failed = make([]error, workers)
		number atomic.Int64 // of the next run
		mu     sync.Mutex
		done   int // under mu
		wait   sync.WaitGroup
	)
	for w := range workers {
		wait.Go(func() {
			f := newFlight(&s)
			for ctx.Err() == nil && failed[w] == nil {
				i := number.Add(1) - 1
				if i >= int64(runs) {
					return
				}
				all[i], failed[w] = f.fly(seed, uint64(i))
				mu.Lock()
				if done++; progress != nil {
					progress(done)
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	if done < runs { // numbers are given out in order, and each that was is done
		return all[:done], ctx.Err()
	}
	return all, nil
}
