package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"serin/test/program"
)

// allClosedWithin is how long the server may hold a client that is too slow: its
// longest timeout is 30 s, and it takes a second or two until the client notices.
const allClosedWithin = 45 * time.Second

// slowly are the ways to be slow. Each says how a connection begins; after that
// it sends a byte a second, which is never a whole request.
var slowly = []struct{ name, begin string }{
	{"headers, a byte a second", "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "},
	{"a body, a byte a second", "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"},
	// Some 4 MB, which no socket holds for a client with a small buffer.
	{"never read", string(manyRows(100_000, "probabilities"))},
}

// wayOf is the way of the ith client. Those that never read are few: the server
// works for each, and holds its answer.
func wayOf(i int) int {
	if i%50 == 2 {
		return 2
	}
	return i % 2
}

// ramp is how long it takes until all are there: the work for those that never
// read is no overload.
const ramp = 10 * time.Second

// withSlow has slow clients of all ways at once, and healthy ones beside them.
func (s *settings) withSlow(ctx context.Context, server *program.Server, r *report) error {
	end := watching(ctx, server)
	held := make([]time.Duration, s.slow) // how long each was held; 0 is too long
	var clients sync.WaitGroup
	for i := range s.slow {
		clients.Go(func() {
			pause(ctx, ramp*time.Duration(i)/time.Duration(s.slow))
			held[i] = hold(ctx, addressOf(server), slowly[wayOf(i)].begin)
		})
	}
	healthy, stop := context.WithCancel(ctx)
	defer stop()
	var t *tally
	var beside sync.WaitGroup
	beside.Go(func() { t = openLoop(healthy, addressOf(server), 100, oneRow, ramp+allClosedWithin) })
	clients.Wait()
	beside.Wait()
	w := end()
	for way, slow := range slowly {
		open, longest, n := 0, time.Duration(0), 0
		for i, took := range held {
			if wayOf(i) != way {
				continue
			}
			n++
			longest = max(longest, took)
			if took == 0 {
				open++
			}
		}
		r.must("slow", fmt.Sprintf("%d clients: %s", n, slow.name), fmt.Sprintf("closed within %v", allClosedWithin), open == 0, "%d open, the longest held %v", open, longest.Round(100*time.Millisecond))
	}
	n, list := t.failures()
	r.must("slow", "100 requests/s of healthy clients", "no failure", n == 0 && t.ok() > 0, "%d of %d failed %s, p99 %v", n, t.ok()+int64(n), list, t.quantile(99))
	r.tell("slow", "memory", "%s", mb(w.largest))
	w.reachable(r, "slow")
	return ctx.Err()
}

// hold begins a connection, sends a byte each second and reads nothing, until the
// server closes it. It returns how long that took, and 0 if it took too long.
func hold(ctx context.Context, address, begin string) time.Duration {
	conn, err := (&net.Dialer{Timeout: requestLimit}).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0
	}
	defer conn.Close()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4 << 10) // else the kernel would read for it
	}
	began := time.Now()
	_ = conn.SetWriteDeadline(began.Add(allClosedWithin)) // an error comes with the first write, too
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for next := begin; ; next = "x" {
		if _, err := conn.Write([]byte(next)); err != nil {
			if took := time.Since(began); took < allClosedWithin {
				return took
			}
			return 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0
		}
	}
}
