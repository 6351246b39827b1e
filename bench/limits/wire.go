package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// requestLimit bounds each request; a run ends.
const requestLimit = 30 * time.Second

// wire is one keep-alive connection, which sends requests that were written
// beforehand.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, address string) (*wire, error) {
	conn, err := (&net.Dialer{Timeout: requestLimit}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &wire{conn, bufio.NewReaderSize(conn, 1<<12)}, nil
}

// ask sends a request, reads its answer to the end, and returns its status.
func (w *wire) ask(request []byte) (status int, err error) {
	if err := w.conn.SetDeadline(time.Now().Add(requestLimit)); err != nil {
		return 0, fmt.Errorf("setting the deadline: %w", err)
	}
	if _, err := w.conn.Write(request); err != nil {
		return 0, fmt.Errorf("sending: %w", plain(err))
	}
	answer, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return 0, fmt.Errorf("reading the answer: %w", plain(err))
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return 0, fmt.Errorf("reading the body: %w", plain(err))
	}
	if answer.Close {
		return answer.StatusCode, errors.Join(errClosed, w.conn.Close())
	}
	return answer.StatusCode, nil
}

// errClosed says that the answer was the connection's last.
var errClosed = errors.New("the server closes the connection")

// plain leaves out the addresses, so that equal errors are counted together.
func plain(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// wires are connections that are free, the one used last first.
type wires struct {
	address string
	mu      sync.Mutex
	free    []*wire
}

// ask sends a request on a free connection, or on a new one.
func (p *wires) ask(ctx context.Context, request []byte) (status int, err error) {
	p.mu.Lock()
	var w *wire
	if n := len(p.free); n > 0 {
		w, p.free = p.free[n-1], p.free[:n-1]
	}
	p.mu.Unlock()
	if w == nil {
		if w, err = dial(ctx, p.address); err != nil {
			return 0, fmt.Errorf("dialling: %w", plain(err))
		}
	}
	status, err = w.ask(request)
	if errors.Is(err, errClosed) { // which is in order after a refusal
		return status, nil
	}
	if err != nil {
		_ = w.conn.Close() // it is of no use
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, w)
	return status, nil
}

func (p *wires) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.free {
		_ = w.conn.Close() // nobody waits for it any more
	}
	p.free = nil
}

// post writes a request with a JSON body.
func post(path, body string) []byte {
	return []byte("POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// oneRow is the request that a client of the seed sends.
var oneRow = post("/predict", `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`)

// manyRows asks for predictions by the Open Inference Protocol; output names what
// is answered.
func manyRows(rows int, output string) []byte {
	var data strings.Builder
	for i := range 5 * rows {
		if i > 0 {
			data.WriteByte(',')
		}
		fmt.Fprintf(&data, "%.2f", float64(i*37%101)/20-2.5)
	}
	return post("/v2/models/churn/infer", fmt.Sprintf(`{"inputs": [{"name": "features", "shape": [%d, 5], "datatype": "FP64", "data": [%s]}], "outputs": [{"name": %q}]}`, rows, &data, output))
}
