package app

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"serin/internal/infer"
	"serin/internal/model/format"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
)

// BenchmarkWire is what a prediction costs in the server, from the bytes of the
// request to those of the answer, beside a handler that answers a constant: all
// but the kernel's part, which is the same for both and hides the difference.
// Deadlines are counted, since each is a system's timer moved.
func BenchmarkWire(b *testing.B) {
	floor := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"probability":0.8000000000000000,"prediction":1,"model_used":"stable","model_version":"model_v1","latency_ms":0.000312}`))
	})
	b.Run("constant", func(b *testing.B) {
		overWire(b, &http.Server{Handler: floor, ReadHeaderTimeout: 5 * time.Second})
	})
	b.Run("constant with our timeouts", func(b *testing.B) { overWire(b, newServer(floor, slog.New(slog.DiscardHandler))) })
	b.Run("predict", func(b *testing.B) {
		file, err := os.Open("../../models/model_v1.joblib")
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		p, err := format.Open(file, format.Options{})
		if err != nil {
			b.Fatal(err)
		}
		arm := func(role route.Role) *route.Arm {
			return &route.Arm{Role: role, Version: rollout.Version{Name: "model_v1"}, Predictor: p, Evidence: record.NewGauge(record.Arm{}), Served: new(route.Meter)}
		}
		table := &route.Switch{}
		table.Swap(&route.Table{Stable: arm(route.Stable), Canary: arm(route.Canary), Split: route.NewSplit(1000, 1)})
		c := Default()
		front := infer.NewHandler(table, c.Limits, c.Log)
		overWire(b, newServer(front, c.Log))
	})
}

// overWire sends b.N requests through one connection, each after the answer to
// the one before.
func overWire(b *testing.B, server *http.Server) {
	const body = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`
	request := []byte("POST /predict HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 39\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n" + body)
	listener := newPlayed()
	conn := &played{request: request, left: b.N, answered: make(chan struct{}, 1), done: make(chan struct{})}
	conn.answered <- struct{}{}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	b.ReportAllocs()
	b.ResetTimer()
	listener.conns <- conn
	<-conn.done
	b.StopTimer()
	if !strings.HasPrefix(conn.first, "HTTP/1.1 200 OK") {
		b.Fatal(conn.first)
	}
	b.ReportMetric(float64(conn.deadlines)/float64(b.N), "deadlines/op")
	_ = server.Close()
	<-ended
}

// playedListener accepts what it is given.
type playedListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPlayed() *playedListener {
	return &playedListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *playedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *playedListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *playedListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000} }

// played is a connection whose client is a loop: each Write is an answer, and
// lets the next request be read.
type played struct {
	request  []byte
	rest     []byte // of a request that was read in part, as the first is for its protocol
	left     int
	answered chan struct{}
	done     chan struct{}

	mu        sync.Mutex
	deadlines int
	first     string        // answer
	past      bool          // the read deadline is: net/http ends its read in the background with it
	waiting   chan struct{} // closed to wake the reader; nil if none waits
	closed    bool
}

func (c *played) Read(p []byte) (int, error) {
	c.mu.Lock()
	for {
		if c.closed {
			c.mu.Unlock()
			return 0, net.ErrClosed
		}
		if len(c.rest) > 0 {
			n := copy(p, c.rest)
			c.rest = c.rest[n:]
			c.mu.Unlock()
			return n, nil
		}
		if c.past {
			c.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		}
		select {
		case <-c.answered:
			c.mu.Unlock()
			if c.left == 0 {
				close(c.done)
				return 0, io.EOF
			}
			c.left--
			n := copy(p, c.request)
			c.rest = c.request[n:]
			return n, nil
		default:
		}
		wake := make(chan struct{})
		c.waiting = wake
		c.mu.Unlock()
		<-wake
		c.mu.Lock()
	}
}

func (c *played) wake() {
	if c.waiting != nil {
		close(c.waiting)
		c.waiting = nil
	}
}

func (c *played) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if bytes.HasPrefix(p, []byte("HTTP/1.1")) && c.first == "" {
		c.first = string(p)
	}
	return len(p), nil
}

func (c *played) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.wake()
	return nil
}

func (c *played) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000} }
func (c *played) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000} }

func (c *played) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *played) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadlines++
	c.past = !t.IsZero() && t.Before(time.Now())
	if c.past { // the answer has been sent: the client's turn
		select {
		case c.answered <- struct{}{}:
		default:
		}
		c.wake()
	}
	return nil
}

func (c *played) SetWriteDeadline(time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadlines++
	return nil
}
