package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Request is one HTTP request, to be sent again and again.
type Request struct {
	Path        string
	ContentType string
	Body        []byte
	Headers     http.Header
}

// HTTP dials connections to a server that is addressed by scheme and host, and
// sends the requests in turns, HTTP/1.1 with keep-alive. Requests are written
// out once and answers are read without allocation, since a generator that
// shares a machine with its server would otherwise measure itself.
func HTTP(server *url.URL, requests []Request) (Dial, error) {
	if server.Scheme != "http" && server.Scheme != "https" || server.Host == "" {
		return nil, fmt.Errorf("%q is no address of an HTTP server: write http://HOST:PORT", server)
	}
	if len(requests) == 0 {
		return nil, errors.New("there is no request to send")
	}
	wire := make([][]byte, len(requests))
	for i, r := range requests {
		wire[i] = r.wire(server)
	}
	address := server.Host
	if server.Port() == "" {
		address = net.JoinHostPort(server.Hostname(), map[string]string{"http": "80", "https": "443"}[server.Scheme])
	}
	turn := new(atomic.Uint64)
	return func(ctx context.Context) (Caller, error) {
		conn, err := dialTo(ctx, server, address)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		return &httpCaller{conn: conn, stop: stop, reader: bufio.NewReaderSize(conn, 64<<10), wire: wire, turn: turn}, nil
	}, nil
}

func dialTo(ctx context.Context, server *url.URL, address string) (net.Conn, error) {
	if server.Scheme == "https" {
		return (&tls.Dialer{Config: &tls.Config{ServerName: server.Hostname()}}).DialContext(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// wire writes the request out.
func (r Request) wire(server *url.URL) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n",
		strings.TrimSuffix(server.EscapedPath(), "/")+r.Path, server.Host, r.ContentType, len(r.Body))
	_ = r.Headers.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.Bytes()
}

type httpCaller struct {
	conn   net.Conn
	stop   func() bool // lets go of the context
	reader *bufio.Reader
	wire   [][]byte
	turn   *atomic.Uint64
}

func (c *httpCaller) Close() error {
	c.stop()
	return c.conn.Close()
}

func (c *httpCaller) Call(deadline time.Time) (Answer, error) {
	if err := c.conn.SetDeadline(deadline); err != nil {
		return Answer{}, unwrapped("sending", err)
	}
	if _, err := c.conn.Write(c.wire[c.turn.Add(1)%uint64(len(c.wire))]); err != nil {
		return Answer{}, unwrapped("sending", err)
	}
	return readAnswer(c.reader)
}

// unwrapped leaves the addresses out of an error of the network, so that equal
// ones are counted together.
func unwrapped(doing string, err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// maxAnswer bounds what is read of an answer, headers and body, in bytes.
const maxAnswer = 64 << 20

var errAnswer = errors.New("the answer is no HTTP/1.1 answer with a length")

// readAnswer reads one answer to its end.
func readAnswer(r *bufio.Reader) (Answer, error) {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return Answer{}, unwrapped("reading", err)
	}
	if len(status) < len("HTTP/1.1 200") || !bytes.HasPrefix(status, []byte("HTTP/1.")) {
		return Answer{}, errAnswer
	}
	var answer Answer
	if code := status[len("HTTP/1.1 "):]; code[0] != '2' {
		answer.Refused = string(bytes.TrimSpace(code))
	}
	length, chunked := -1, false
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return Answer{}, unwrapped("reading", err)
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length > maxAnswer {
				return Answer{}, errAnswer
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("Connection")):
			answer.Closes = bytes.EqualFold(value, []byte("close"))
		}
	}
	if chunked {
		err = readChunks(r, &answer)
	} else {
		err = readBody(r, length, &answer)
	}
	return answer, err
}

func readBody(r *bufio.Reader, length int, answer *Answer) error {
	if length < 0 {
		return errAnswer
	}
	for length > 0 {
		part, err := r.Peek(min(length, r.Size()))
		if err != nil {
			return unwrapped("reading", err)
		}
		answer.look(part)
		if _, err := r.Discard(len(part)); err != nil {
			return unwrapped("reading", err)
		}
		length -= len(part)
	}
	return nil
}

func readChunks(r *bufio.Reader, answer *Answer) error {
	for total := 0; ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return unwrapped("reading", err)
		}
		size, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(";"))
		n, err := strconv.ParseUint(string(size), 16, 32)
		if total += int(n); err != nil || total > maxAnswer {
			return errAnswer
		}
		if err := readBody(r, int(n), answer); err != nil {
			return err
		}
		if end, err := r.ReadSlice('\n'); err != nil || len(bytes.TrimSpace(end)) > 0 {
			return errors.Join(errAnswer, err)
		}
		if n == 0 {
			return nil
		}
	}
}

// look finds the arm in a part of a body.
func (a *Answer) look(part []byte) {
	switch {
	case a.Arm != "":
	case bytes.Contains(part, []byte(`"canary"`)):
		a.Arm = "canary"
	case bytes.Contains(part, []byte(`"stable"`)):
		a.Arm = "stable"
	}
}
