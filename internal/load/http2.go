package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// overHTTP2 sends the requests in turns over HTTP/2, by Go's own client, one at a
// time on each connection.
func overHTTP2(server *url.URL, secured *tls.Config, requests []Request) Dial {
	turn := new(atomic.Uint64)
	return func(ctx context.Context) (Caller, error) {
		conn, err := dialTo(ctx, server, secured)
		if err != nil {
			return nil, err
		}
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(server.Scheme == "http")
		protocols.SetHTTP2(server.Scheme == "https")
		once := onlyOnce(conn)
		return &http2Caller{ctx: ctx, server: server, requests: requests, turn: turn, conn: conn, transport: &http.Transport{
			Protocols: protocols, DisableCompression: true, DialContext: once, DialTLSContext: once,
		}}, nil
	}
}

var errLost = errors.New("the connection is lost")

// onlyOnce dials a connection that is open already, so that a client which would
// open another by itself does not: that is a fault, and Run's to count.
func onlyOnce(conn net.Conn) func(context.Context, string, string) (net.Conn, error) {
	var used atomic.Bool
	return func(context.Context, string, string) (net.Conn, error) {
		if used.Swap(true) {
			return nil, errLost
		}
		return conn, nil
	}
}

type http2Caller struct {
	ctx       context.Context
	server    *url.URL
	requests  []Request
	turn      *atomic.Uint64
	conn      net.Conn
	transport *http.Transport
	buffer    [32 << 10]byte
}

func (c *http2Caller) Close() error {
	err := c.conn.Close()
	c.transport.CloseIdleConnections()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (c *http2Caller) Call(deadline time.Time) (Answer, error) {
	var b body
	ctx, cancel := context.WithDeadline(c.ctx, deadline)
	defer cancel()
	r := &c.requests[c.turn.Add(1)%uint64(len(c.requests))]
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url(c.server), bytes.NewReader(r.Body))
	if err != nil {
		return b.Answer, err
	}
	maps.Copy(request.Header, r.Headers)
	request.Header.Set("Content-Type", r.ContentType)
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return b.Answer, unwrapped("sending", err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 {
		return b.Answer, errors.New("the server does not speak HTTP/2")
	}
	if response.StatusCode/100 != 2 {
		b.Refused = strings.TrimSpace(strconv.Itoa(response.StatusCode) + " " + http.StatusText(response.StatusCode))
	}
	b.Arm = armOf([]byte(response.Header.Get(armHeader)))
	for total := 0; ; {
		n, err := response.Body.Read(c.buffer[:])
		b.look(c.buffer[:n])
		switch total += n; {
		case errors.Is(err, io.EOF):
			b.end()
			return b.Answer, nil
		case err != nil:
			return b.Answer, unwrapped("reading", err)
		case total > maxAnswer:
			return b.Answer, errAnswer
		}
	}
}
