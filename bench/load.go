package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// load is a closed loop: each connection sends its next request when the last
// one is answered. It writes and reads HTTP/1.1 itself, with no allocation per
// request, because on two cores a full client would cost more than the fastest
// of the services that it is to measure.
type load struct {
	addr        string // ip:port, loopback
	request     []byte // sent as it is, again and again
	connections int
	duration    time.Duration
	maxRequests int // of all connections together
}

// result is what one run of a load saw.
type result struct {
	elapsed    time.Duration
	latencies  []time.Duration // of the answered requests, ascending
	canary     int             // answered by the canary
	errors     int
	firstError error
}

func (r *result) rate() float64        { return float64(len(r.latencies)) / r.elapsed.Seconds() }
func (r *result) canaryShare() float64 { return float64(r.canary) / float64(len(r.latencies)) }

// quantile is the nearest-rank quantile, 0 <= q <= 1. There must be a latency.
func (r *result) quantile(q float64) time.Duration {
	rank := int(math.Ceil(q * float64(len(r.latencies))))
	return r.latencies[max(rank, 1)-1]
}

// An answer that takes longer than patience is an error. It bounds the run.
const patience = 10 * time.Second

// Services answer in less than this, headers and body.
const maxAnswer = 64 << 10

// run puts the load on and waits for its end, which is at most patience after
// its duration. Requests that fail are counted in the result; run itself fails
// if the address may not be loaded or ctx ends.
func (l load) run(ctx context.Context) (result, error) {
	addr, err := netip.ParseAddrPort(l.addr)
	if err != nil || !addr.Addr().IsLoopback() {
		return result{}, fmt.Errorf("the load may only go to a loopback ip:port, not to %q", l.addr)
	}
	parts := make([]result, l.connections)
	var wait sync.WaitGroup
	start := time.Now()
	for i := range parts {
		wait.Go(func() { l.loop(ctx, start.Add(l.duration), &parts[i]) })
	}
	wait.Wait()
	total := result{elapsed: time.Since(start)}
	for i := range parts {
		total.latencies = append(total.latencies, parts[i].latencies...)
		total.canary += parts[i].canary
		total.errors += parts[i].errors
		if total.firstError == nil {
			total.firstError = parts[i].firstError
		}
	}
	slices.Sort(total.latencies)
	return total, ctx.Err()
}

// loop is one connection's life. The first error ends it: what is measured is
// a service that works.
func (l load) loop(ctx context.Context, end time.Time, r *result) {
	fail := func(err error) {
		r.errors++
		r.firstError = err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", l.addr)
	if err != nil {
		fail(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(end.Add(patience)); err != nil {
		fail(err)
		return
	}
	reader := bufio.NewReaderSize(conn, maxAnswer)
	for sent := time.Now(); sent.Before(end) && len(r.latencies) < l.maxRequests/l.connections && ctx.Err() == nil; {
		if _, err := conn.Write(l.request); err != nil {
			fail(err)
			return
		}
		body, err := readAnswer(reader)
		if err != nil {
			fail(err)
			return
		}
		if bytes.Contains(body, []byte(`"canary"`)) {
			r.canary++
		}
		now := time.Now()
		r.latencies = append(r.latencies, now.Sub(sent))
		sent = now
	}
}

// readAnswer reads one HTTP/1.1 answer and returns its body, which is valid
// until the next read. Anything but 200 with a Content-Length is an error.
func readAnswer(r *bufio.Reader) ([]byte, error) {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return nil, fmt.Errorf("reading the status line: %w", err)
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return nil, fmt.Errorf("answered %q", bytes.TrimSpace(status))
	}
	length := -1
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, fmt.Errorf("reading the headers: %w", err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return nil, fmt.Errorf("reading Content-Length: %w", err)
			}
		}
	}
	if length < 0 || length > maxAnswer {
		return nil, errors.New("an answer without a usable Content-Length")
	}
	body, err := r.Peek(length)
	if err != nil {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	if _, err := r.Discard(length); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the body: %w", err)
	}
	return body, nil
}

// predictRequest is the seed's example request, byte by byte.
func predictRequest(addr string) []byte {
	const body = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`
	return fmt.Appendf(nil, "POST /predict HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", addr, len(body), body)
}
