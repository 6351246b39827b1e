package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// tally is what became of the requests of a loop.
type tally struct {
	elapsed time.Duration
	unsent  int // due, but too many were under way already

	mu       sync.Mutex
	answered *hdrhistogram.Histogram // latencies of those with a 200, counted from when they were due
	late     *hdrhistogram.Histogram // how much too late requests were sent
	refused  map[int]int             // by status
	broken   map[string]int          // by error
}

func newTally() *tally {
	histogram := func() *hdrhistogram.Histogram {
		return hdrhistogram.New(int64(time.Microsecond), int64(10*requestLimit), 3)
	}
	return &tally{answered: histogram(), late: histogram(), refused: map[int]int{}, broken: map[string]int{}}
}

// note counts one request.
func (t *tally) note(due, sent time.Time, status int, err error) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.late.RecordValue(int64(sent.Sub(due))) // within bounds, or the run is spoilt anyway
	switch {
	case err != nil && (t.broken[err.Error()] > 0 || len(t.broken) < 20):
		t.broken[err.Error()]++
	case err != nil:
		t.broken["other"]++
	case status == 200:
		_ = t.answered.RecordValue(int64(now.Sub(due))) // within the bounds of every request
	default:
		t.refused[status]++
	}
}

func (t *tally) ok() int64 { return t.answered.TotalCount() }

// rate is how many were answered a second.
func (t *tally) rate() float64 { return float64(t.ok()) / max(t.elapsed.Seconds(), 1e-9) }

func (t *tally) quantile(q float64) time.Duration {
	return time.Duration(t.answered.ValueAtQuantile(q)).Round(10 * time.Microsecond)
}

// failures are the requests that got neither an answer nor one of the statuses.
func (t *tally) failures(allowed ...int) (n int, list string) {
	var lines []string
	for _, status := range slices.Sorted(maps.Keys(t.refused)) {
		if !slices.Contains(allowed, status) {
			n += t.refused[status]
			lines = append(lines, fmt.Sprintf("%d x status %d", t.refused[status], status))
		}
	}
	for _, what := range slices.Sorted(maps.Keys(t.broken)) {
		n += t.broken[what]
		lines = append(lines, fmt.Sprintf("%d x %s", t.broken[what], what))
	}
	if t.unsent > 0 {
		n += t.unsent
		lines = append(lines, fmt.Sprintf("%d not sent", t.unsent))
	}
	return n, strings.Join(lines, "; ")
}

// closedLoop has so many connections, each of which sends the next request when
// the last is answered.
func closedLoop(ctx context.Context, address string, connections int, request []byte, duration time.Duration) *tally {
	t, pool, began := newTally(), &wires{address: address}, time.Now()
	defer pool.close()
	var clients sync.WaitGroup
	for range connections {
		clients.Go(func() {
			for ctx.Err() == nil && time.Since(began) < duration {
				sent := time.Now()
				status, err := pool.ask(ctx, request)
				t.note(sent, sent, status, err)
				if err != nil {
					return // whoever broke it, it would be the same again
				}
			}
		})
	}
	clients.Wait()
	t.elapsed = time.Since(began)
	return t
}

// underWay bounds the requests of an open loop that wait for their answers.
const underWay = 6000

// openLoop sends requests when they are due.
func openLoop(ctx context.Context, address string, rate float64, request []byte, duration time.Duration) *tally {
	t, pool, began := newTally(), &wires{address: address}, time.Now()
	defer pool.close()
	slots := make(chan struct{}, underWay)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var clients sync.WaitGroup
	for n := 0; ctx.Err() == nil; n++ {
		after := time.Duration(float64(n) / rate * float64(time.Second))
		if after >= duration {
			break
		}
		due := began.Add(after)
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				continue
			}
		}
		select {
		case slots <- struct{}{}:
		default:
			t.unsent++
			continue
		}
		clients.Go(func() {
			sent := time.Now()
			status, err := pool.ask(ctx, request)
			t.note(due, sent, status, err)
			<-slots
		})
	}
	t.elapsed = time.Since(began)
	clients.Wait()
	return t
}
