package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"serin/test/program"
)

// What is promised.
const (
	idleMemory      = 40 << 20
	saturatedMemory = 80 << 20
	besideTheCrowd  = 1000 // requests/s
	leastGoodput    = 0.8  // of the peak
)

func addressOf(server *program.Server) string { return strings.TrimPrefix(server.URL, "http://") }

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// memory looks at the resident memory of a server that nobody asks, and of one
// that is asked as fast as it can answer.
func (s *settings) memory(ctx context.Context, server *program.Server, r *report) error {
	pause(ctx, 2*time.Second)
	idle, err := server.Resident()
	if err != nil {
		return err
	}
	r.must("memory", "idle", "< 40 MiB", idle < idleMemory, "%s", mb(idle))
	end := watching(ctx, server)
	t := closedLoop(ctx, addressOf(server), 64, oneRow, s.saturate)
	w := end()
	r.must("memory", "64 connections as fast as they can", "< 80 MiB", w.largest < saturatedMemory, "%s at %.0f requests/s", mb(w.largest), t.rate())
	n, list := t.failures()
	r.must("memory", "failures", "none", n == 0, "%d of %d %s", n, t.ok()+int64(n), list)
	return ctx.Err()
}

// withCrowd holds idle connections and sends requests beside them. Go has raised
// this process's limit of open files to the hard one, and the server does so for
// itself.
func (s *settings) withCrowd(ctx context.Context, server *program.Server, r *report) error {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("asking for the limit of open files: %w", err)
	}
	if files.Cur < uint64(s.idle)+1000 {
		return fmt.Errorf("%d connections need more open files than the %d that are allowed: raise the hard limit (ulimit -Hn)", s.idle, files.Cur)
	}
	crowd := make([]*wire, s.idle)
	// each asks for a prediction on every connection, from 64 goroutines.
	each := func() (broken int64) {
		var next, failed atomic.Int64
		var callers sync.WaitGroup
		for range 64 {
			callers.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(crowd)) && ctx.Err() == nil; i = next.Add(1) - 1 {
					var err error
					if crowd[i] == nil {
						crowd[i], err = dial(ctx, addressOf(server))
					}
					status := 0
					if err == nil {
						status, err = crowd[i].ask(oneRow)
					}
					if err != nil || status != 200 {
						failed.Add(1)
					}
				}
			})
		}
		callers.Wait()
		return failed.Load()
	}
	defer func() {
		for _, w := range crowd {
			if w != nil {
				_ = w.conn.Close() // nobody waits for it any more
			}
		}
	}()
	refused := each()
	r.must("crowd", "connections opened", "all", refused == 0, "%d of %d", int64(s.idle)-refused, s.idle)
	pause(ctx, time.Second)
	resident, err := server.Resident()
	if err != nil {
		return err
	}
	r.tell("crowd", "memory with them idle", "%s", mb(resident))
	end := watching(ctx, server)
	t := openLoop(ctx, addressOf(server), besideTheCrowd, oneRow, s.crowd)
	w := end()
	n, list := t.failures()
	r.must("crowd", fmt.Sprintf("%d requests/s beside them", besideTheCrowd), "no failure", n == 0 && t.ok() > 0, "%d of %d failed %s, p99 %v, sent late p99 %v", n, t.ok()+int64(n), list,
		t.quantile(99), time.Duration(t.late.ValueAtQuantile(99)))
	r.tell("crowd", "memory meanwhile", "%s", mb(w.largest))
	w.reachable(r, "crowd")
	lost := each()
	r.must("crowd", "answers on every connection afterwards", "all", lost == 0, "%d of %d", int64(s.idle)-lost, s.idle)
	return ctx.Err()
}

// counts are what the server says of an arm's evidence.
type counts struct {
	Latencies struct {
		Count, Failures, Abandoned, Unfinished int64
	} `json:"latencies_ms"`
}

// withOverload measures the peak, and then sends twice as much, with a canary
// live. In the evidence of both arms must be the requests that were answered, and
// no others: who was turned away at the gate is nobody's fault.
func (s *settings) withOverload(ctx context.Context, server *program.Server, r *report) error {
	if err := server.Admin(ctx, "deploy-canary", map[string]any{"model_path": forests[1]}, nil); err != nil {
		return err
	}
	request := manyRows(500, "prediction")
	closedLoop(ctx, addressOf(server), 1, request, min(time.Second, s.peak)) // to warm up
	before := s.evidence(ctx, server)
	peak := closedLoop(ctx, addressOf(server), 32, request, s.peak)
	if n, list := peak.failures(); n > 0 || peak.ok() == 0 {
		return fmt.Errorf("measuring the peak: %d answered, %d failed: %s", peak.ok(), n, list)
	}
	r.tell("overload", "peak, closed loop of 32 connections", "%.0f requests/s of 500 rows, p99 %v", peak.rate(), peak.quantile(99))
	end := watching(ctx, server)
	rate := cmp.Or(s.rate, 2*peak.rate())
	t := openLoop(ctx, addressOf(server), rate, request, s.overload)
	w := end()
	goodput := t.rate() / peak.rate()
	r.must("overload", "goodput", "80 % of the peak", goodput >= leastGoodput, "%.0f %%: %.0f of %.0f requests/s answered", 100*goodput, t.rate(), rate)
	n, list := t.failures(503)
	r.must("overload", "failures other than 503", "none", n == 0, "%d %s, %d x 503", n, list, t.refused[503])
	// The gate's patience, and a tenth for what is done before and after it.
	bound := s.patience + s.patience/10
	r.must("overload", "p99 of what was accepted", fmt.Sprintf("<= %v (--queue-timeout %v)", bound, s.patience), t.quantile(99) <= bound, "%v, p50 %v, sent late p99 %v",
		t.quantile(99), t.quantile(50), time.Duration(t.late.ValueAtQuantile(99)))
	r.tell("overload", "memory", "%s", mb(w.largest))
	w.reachable(r, "overload")
	after := s.evidence(ctx, server)
	if before == nil || after == nil {
		return errors.New("the server's state has no evidence")
	}
	seen, want := after.count()-before.count(), peak.ok()+t.ok()
	clean := after.others() == before.others()
	r.must("overload", "evidence of both arms", "the answered requests and no failure", seen == want && clean, "%d observed, %d answered, %d others", seen, want, after.others()-before.others())
	s.hurriedOverload(ctx, server, r, rate, peak.rate(), request)
	return ctx.Err()
}

// hurriedOverload is another one, whose clients say how long they wait.
func (s *settings) hurriedOverload(ctx context.Context, server *program.Server, r *report, rate, peak float64, request []byte) {
	waits := s.patience / 2
	hurried := bytes.Replace(request, []byte("\r\n"), fmt.Appendf(nil, "\r\nSerin-Timeout-Ms: %d\r\n", waits.Milliseconds()), 1)
	t := openLoop(ctx, addressOf(server), rate, hurried, s.overload/6)
	n, list := t.failures(503, 504)
	r.must("overload", "failures other than 503 and 504, with deadlines", "none", n == 0, "%d %s, %d x 503, %d x 504", n, list, t.refused[503], t.refused[504])
	bound := waits + s.patience/10
	r.must("overload", "p99 of what was accepted, with deadlines", fmt.Sprintf("<= %v (Serin-Timeout-Ms: %d)", bound, waits.Milliseconds()), t.quantile(99) <= bound, "%v, p50 %v",
		t.quantile(99), t.quantile(50))
	r.tell("overload", "goodput, with deadlines", "%.0f %% of the peak", 100*t.rate()/peak)
}

// evidence is what both arms have; nil if it cannot be had.
func (s *settings) evidence(ctx context.Context, server *program.Server) *arms {
	var state struct {
		Metrics arms `json:"canary_metrics"`
	}
	if err := server.Admin(ctx, "state", nil, &state); err != nil {
		return nil
	}
	return &state.Metrics
}

// arms are the counts of both.
type arms struct{ Stable, Canary counts }

func (a *arms) count() int64 { return a.Stable.Latencies.Count + a.Canary.Latencies.Count }

// others are requests of the arms that were not observed.
func (a *arms) others() int64 {
	var n int64
	for _, c := range []counts{a.Stable, a.Canary} {
		n += c.Latencies.Failures + c.Latencies.Abandoned + c.Latencies.Unfinished
	}
	return n
}
