package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Caller is one connection to a server.
type Caller interface {
	// Call sends one request and waits for its answer until the deadline. After
	// an error, or an answer that Closes, the connection is closed and a new one
	// is dialled.
	Call(deadline time.Time) (Answer, error)
	Close() error
}

// Answer is what is noted of an answer.
type Answer struct {
	// Arm is "stable", "canary", or "" if the server does not say.
	Arm string
	// Refused is empty for a prediction, else what came in its place: "503
	// Service Unavailable", or a gRPC status.
	Refused string
	// Detail is what the server says about that.
	Detail string
	// Closes tells that the server ends the connection with this answer.
	Closes bool
}

// Dial opens one connection. When ctx ends, so does a call under way on it.
type Dial func(ctx context.Context) (Caller, error)

// Run puts the load on and reports when it is over. Progress is called about
// once a second, from one goroutine, with what was counted so far; it may be
// nil. When ctx ends, Run ends with what was measured and ctx's error. A server
// that refuses or breaks is in the Report, not in the error.
func Run(ctx context.Context, p Plan, dial Dial, progress func(Progress)) (*Report, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	if p.WarmUp > 0 {
		warm := Plan{Rate: p.Rate, Duration: p.WarmUp, Connections: p.Connections, Timeout: p.Timeout}
		if _, err := run(ctx, warm, dial, nil); err != nil {
			return nil, fmt.Errorf("warming up: %w", err)
		}
	}
	return run(ctx, p, dial, progress)
}

// Progress is how far a run is.
type Progress struct {
	Elapsed  time.Duration
	Answered uint64
	Failed   uint64
}

// flight is a run under way.
type flight struct {
	Plan

	dial   Dial
	start  time.Time
	next   atomic.Uint64 // the number of the next request
	done   atomic.Uint64
	failed atomic.Uint64
}

func run(ctx context.Context, p Plan, dial Dial, progress func(Progress)) (*Report, error) {
	f := &flight{Plan: p, dial: dial, start: time.Now()}
	parts := make([]*sheet, min(p.Connections, maxSheets))
	for i := range parts {
		parts[i] = newSheet()
	}
	var connections sync.WaitGroup
	for i := range p.Connections {
		connections.Go(func() { f.connection(ctx, parts[i%len(parts)]) })
	}
	stopped := make(chan struct{})
	var watcher sync.WaitGroup
	if progress != nil {
		watcher.Go(func() { f.watch(progress, stopped) })
	}
	connections.Wait()
	elapsed := time.Since(f.start)
	close(stopped)
	watcher.Wait()
	return newReport(p, elapsed, parts), ctx.Err()
}

// watch tells of the progress until stopped.
func (f *flight) watch(progress func(Progress), stopped <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			progress(Progress{Elapsed: time.Since(f.start), Answered: f.done.Load(), Failed: f.failed.Load()})
		case <-stopped:
			return
		}
	}
}

// connection sends the requests that fall to it until the plan is over.
func (f *flight) connection(ctx context.Context, s *sheet) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	var caller Caller
	defer func() {
		if caller != nil {
			_ = caller.Close()
		}
	}()
	for {
		n := f.next.Add(1) - 1
		due, ok := f.wait(ctx, timer, n)
		if !ok {
			return
		}
		if caller == nil {
			var err error
			if caller, err = f.dial(ctx); err != nil {
				f.fail(ctx, s, err)
				if !f.pause(ctx, timer) {
					return
				}
				continue
			}
		}
		closes, err := f.call(caller, due, s)
		if err != nil {
			f.fail(ctx, s, err)
		}
		if closes || err != nil {
			_ = caller.Close()
			caller = nil
		}
	}
}

// wait returns when the nth request is due, and when that was; ok is false if
// the plan is over before.
func (f *flight) wait(ctx context.Context, timer *time.Timer, n uint64) (due time.Time, ok bool) {
	if f.Requests > 0 && n >= f.Requests || ctx.Err() != nil {
		return time.Time{}, false
	}
	now := time.Now()
	if f.Rate == 0 {
		return now, now.Sub(f.start) < f.Duration
	}
	at := f.due(n)
	if at >= f.Duration {
		return time.Time{}, false
	}
	due = f.start.Add(at)
	if ahead := due.Sub(now); ahead > 0 {
		timer.Reset(ahead)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return time.Time{}, false
		}
	}
	return due, true
}

// pause keeps a closed loop from dialling a dead server as fast as it can.
func (f *flight) pause(ctx context.Context, timer *time.Timer) bool {
	timer.Reset(100 * time.Millisecond)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *flight) call(caller Caller, due time.Time, s *sheet) (closes bool, err error) {
	sent := time.Now()
	answer, err := caller.Call(sent.Add(f.Timeout))
	if err != nil {
		return false, err
	}
	now := time.Now()
	f.done.Add(1)
	if answer.Refused != "" {
		f.failed.Add(1)
		s.note(answer.Refused, answer.Detail)
		return answer.Closes, nil
	}
	s.observe(answer.Arm, now.Sub(due), sent.Sub(due))
	return answer.Closes, nil
}

func (f *flight) fail(ctx context.Context, s *sheet, err error) {
	if ctx.Err() != nil { // called off, and nobody's fault
		return
	}
	f.failed.Add(1)
	s.note(err.Error(), "")
}
