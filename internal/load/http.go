package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// overHTTP sends the requests in turns, HTTP/1.1 with keep-alive. Requests are
// written out once and answers are read without allocation, since a generator
// that shares a machine with its server would otherwise measure itself.
func overHTTP(server *url.URL, secured *tls.Config, requests []Request) Dial {
	wire := make([][]byte, len(requests))
	for i, r := range requests {
		wire[i] = r.wire(server)
	}
	turn := new(atomic.Uint64)
	return func(ctx context.Context) (Caller, error) {
		conn, err := dialTo(ctx, server, secured)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		return &httpCaller{conn: conn, stop: stop, reader: bufio.NewReaderSize(conn, 64<<10), wire: wire, turn: turn}, nil
	}
}

// dialTo opens a connection, over TLS where the address says so.
func dialTo(ctx context.Context, server *url.URL, secured *tls.Config) (net.Conn, error) {
	if server.Scheme == "https" {
		return (&tls.Dialer{Config: secured}).DialContext(ctx, "tcp", address(server))
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address(server))
}

// wire writes the request out.
func (r Request) wire(server *url.URL) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n",
		r.at(server), server.Host, r.ContentType, len(r.Body))
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
	var b body
	if code := status[len("HTTP/1.1 "):]; code[0] != '2' {
		b.Refused = string(bytes.TrimSpace(code))
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
			b.Closes = bytes.EqualFold(value, []byte("close"))
		case bytes.EqualFold(name, []byte(armHeader)):
			b.Arm = armOf(value)
		}
	}
	if chunked {
		err = readChunks(r, &b)
	} else {
		err = readBody(r, length, &b)
	}
	b.end()
	return b.Answer, err
}

func readBody(r *bufio.Reader, length int, b *body) error {
	if length < 0 {
		return errAnswer
	}
	for length > 0 {
		part, err := r.Peek(min(length, r.Size()))
		if err != nil {
			return unwrapped("reading", err)
		}
		b.look(part)
		if _, err := r.Discard(len(part)); err != nil {
			return unwrapped("reading", err)
		}
		length -= len(part)
	}
	return nil
}

func readChunks(r *bufio.Reader, b *body) error {
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
		if err := readBody(r, int(n), b); err != nil {
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

// armHeader is where serin says which arm answered, if not in the body.
const armHeader = "Serin-Model-Used"

// armOf is the arm of that name, without allocation.
func armOf(name []byte) string {
	switch string(name) {
	case "canary":
		return "canary"
	case "stable":
		return "stable"
	}
	return ""
}

// body is what is looked for in a body that comes in parts: the arm of a
// prediction, the sentence of a refusal.
type body struct {
	Answer

	last [word]byte // the end of the part before, where the word may have begun
	n    int        // of last
	said []byte
}

const word = len(`"model_used":"canary"`)

// maxSaid bounds what is kept of the body of a refusal, in bytes.
const maxSaid = 4 << 10

var used = []byte(`"model_used":"`)

// look takes one part of the body, which it does not keep.
func (b *body) look(part []byte) {
	if b.Refused != "" {
		b.said = append(b.said, part[:min(len(part), maxSaid-len(b.said))]...)
		return
	}
	if b.Arm != "" {
		return
	}
	if b.n > 0 {
		joined := append(b.last[:b.n:b.n], part[:min(len(part), word)]...)
		b.find(joined)
		b.n = copy(b.last[:], joined[max(0, len(joined)-word):])
	}
	b.find(part)
	if len(part) >= word || b.n == 0 {
		b.n = copy(b.last[:], part[max(0, len(part)-word):])
	}
}

func (b *body) find(text []byte) {
	if b.Arm != "" {
		return
	}
	if at := bytes.LastIndex(text, used); at >= 0 {
		name, _, _ := bytes.Cut(text[at+len(used):], []byte(`"`))
		b.Arm = armOf(name)
	}
}

// end is called when the body is over.
func (b *body) end() {
	if b.Refused != "" {
		b.Detail = detailOf(b.said)
	}
}
