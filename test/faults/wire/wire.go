// Package wire is a proxy for TCP that fails as networks do.
//
//	client ──> Proxy ──> server        pass, late, cut, held, half open, reset
//
// What may not happen here: a connection or a goroutine that outlives Close, bytes
// that are changed or overtake others, an address that is not loopback.
//
// Terms: a connection is held if its bytes wait and arrive later, as after lost
// packets, and half open if they never arrive and nobody is told.
package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// Fault is what a Proxy does to its connections.
type Fault int

const (
	// Pass lets everything through; what was held arrives.
	Pass Fault = iota
	// Late lets everything through, each piece later.
	Late
	// Cut ends all connections and refuses new ones.
	Cut
	// Held holds what is sent in either direction.
	Held
	// HalfOpen swallows what is sent on the connections that there are, for ever; new
	// ones pass.
	HalfOpen
	// Reset resets the connections that there are; new ones pass.
	Reset
)

// Proxy stands in front of one server. It is safe for concurrent use.
type Proxy struct {
	to      string
	door    net.Listener
	serving sync.WaitGroup

	mu      sync.Mutex
	fault   Fault
	delay   time.Duration
	turned  chan struct{} // closed at the next Set
	open    map[*link]bool
	closing bool
}

// link is a connection through the proxy. A link that is dead swallows.
type link struct {
	ends [2]net.Conn
	dead bool
}

// New stands in front of the server at an address, on a free loopback port.
func New(to string) (*Proxy, error) {
	door, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{to: to, door: door, turned: make(chan struct{}), open: map[*link]bool{}}
	p.serving.Go(p.accept)
	return p, nil
}

// Address is where the proxy listens: host and port.
func (p *Proxy) Address() string { return p.door.Addr().String() }

// Set lets a fault begin, and the one before it end. The delay is Late's.
func (p *Proxy) Set(f Fault, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.delay = f, delay
	close(p.turned)
	p.turned = make(chan struct{})
	for l := range p.open {
		switch f {
		case HalfOpen:
			l.dead = true
		case Cut:
			l.end(false)
		case Reset:
			l.end(true)
		case Pass, Late, Held:
		}
	}
}

// Close ends all connections, and returns when nothing of the proxy is left.
func (p *Proxy) Close() {
	_ = p.door.Close()
	p.mu.Lock()
	p.closing = true
	close(p.turned)
	p.turned = make(chan struct{})
	for l := range p.open {
		l.end(false)
	}
	p.mu.Unlock()
	p.serving.Wait()
}

// end closes both ends; a hard end is a reset.
func (l *link) end(hard bool) {
	for _, c := range l.ends {
		if t, ok := c.(*net.TCPConn); ok && hard {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.door.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.serving.Go(func() { p.connect(client) })
		}
	}
}

// connect joins a client to the server.
func (p *Proxy) connect(client net.Conn) {
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.to)
	if err != nil { // as a refusal that comes late
		_ = client.Close()
		return
	}
	l := &link{ends: [2]net.Conn{client, server}}
	p.mu.Lock()
	if p.closing || p.fault == Cut {
		p.mu.Unlock()
		l.end(false)
		return
	}
	p.open[l] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.carry(l, client, server) })
	both.Go(func() { p.carry(l, server, client) })
	both.Wait()
	p.mu.Lock()
	delete(p.open, l)
	p.mu.Unlock()
}

// carry brings bytes from one end to the other until either ends.
func (p *Proxy) carry(l *link, from io.Reader, to io.Writer) {
	piece := make([]byte, 16<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 && p.passes(l) {
			if _, failed := to.Write(piece[:n]); failed != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if p.passes(l) { // the end of a connection is held as its bytes are
		l.end(false)
	}
}

// passes waits for as long as a piece must, and says whether it may go on.
func (p *Proxy) passes(l *link) bool {
	var late <-chan time.Time
	for {
		p.mu.Lock()
		fault, delay, turned, dead, closing := p.fault, p.delay, p.turned, l.dead, p.closing
		p.mu.Unlock()
		switch {
		case closing:
			return true // what is written fails
		case dead:
			return false
		case fault == Held:
			<-turned
			continue
		case fault == Late && late == nil:
			late = time.After(delay)
		case fault != Late:
			return true
		}
		select {
		case <-late:
			return true
		case <-turned:
		}
	}
}
