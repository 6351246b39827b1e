package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// tap stands between one replica and PostgreSQL, passes on every byte, and counts.
type tap struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	up, down   atomic.Int64 // bytes to PostgreSQL, and from it
	statements atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool // open ones; nil when it is closed
}

func newTap(ctx context.Context, target string) (*tap, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("making a tap: %w", err)
	}
	t := &tap{target: target, listener: listener, conns: map[net.Conn]bool{}}
	t.running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			t.running.Go(func() { t.pass(ctx, client) })
		}
	})
	return t, nil
}

func (t *tap) address() string { return t.listener.Addr().String() }

// close cuts what is open, and waits for it.
func (t *tap) close() {
	_ = t.listener.Close() // nobody waits for it any more
	t.mu.Lock()
	for conn := range t.conns {
		_ = conn.Close() // as above
	}
	t.conns = nil
	t.mu.Unlock()
	t.running.Wait()
}

// keep notes an open connection; false where there may be none any more.
func (t *tap) keep(conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns != nil {
		t.conns[conn] = true
	}
	return t.conns != nil
}

func (t *tap) drop(conn net.Conn) {
	_ = conn.Close() // one end is as good as the other
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, conn)
}

// pass serves one connection until either end is closed.
func (t *tap) pass(ctx context.Context, client net.Conn) {
	defer t.drop(client)
	if !t.keep(client) {
		return
	}
	server, err := new(net.Dialer).DialContext(ctx, "tcp", t.target)
	if err != nil {
		return // the replica sees that nobody answers
	}
	defer t.drop(server)
	if !t.keep(server) {
		return
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(client, io.TeeReader(server, counter{&t.down})) // ends with either end
		_ = client.Close()
	}()
	_, _ = io.Copy(server, io.TeeReader(client, io.MultiWriter(counter{&t.up}, &scanner{found: &t.statements})))
	_ = server.Close()
	<-back
}

// counter counts the bytes that are written to it.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

// scanner counts the statements in what a client sends to PostgreSQL: each executed
// portal and each simple query. A connection begins with a message without a type,
// and all others are a type, a length that counts itself, and a body.
type scanner struct {
	found   *atomic.Int64
	begun   bool
	head    []byte // of the message that begins
	missing int    // of the body of the one before
}

var errNoMessage = errors.New("a message of PostgreSQL has a length below 4")

func (s *scanner) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if skip := min(s.missing, len(rest)); skip > 0 {
			rest, s.missing = rest[skip:], s.missing-skip
			continue
		}
		s.head, rest = append(s.head, rest[0]), rest[1:]
		size := 4
		if s.begun {
			size = 5
		}
		if len(s.head) < size {
			continue
		}
		length := int(binary.BigEndian.Uint32(s.head[size-4:]))
		if length < 4 {
			return 0, errNoMessage
		}
		if s.begun && (s.head[0] == 'E' || s.head[0] == 'Q') {
			s.found.Add(1)
		}
		s.begun, s.missing, s.head = true, length-4, s.head[:0]
	}
	return len(b), nil
}

// reading is what a tap has counted.
type reading struct{ up, down, statements float64 }

// bytes are those of both directions.
func (r reading) bytes() float64 { return r.up + r.down }

func (t *tap) read() reading {
	return reading{float64(t.up.Load()), float64(t.down.Load()), float64(t.statements.Load())}
}

// since is what was counted after an earlier reading, a second.
func (r reading) since(before reading, seconds float64) reading {
	return reading{(r.up - before.up) / seconds, (r.down - before.down) / seconds, (r.statements - before.statements) / seconds}
}
