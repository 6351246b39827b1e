package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// newHTTP2 is a client that begins with HTTP/2, all of it on one connection.
func newHTTP2(t *testing.T) (client *http.Client, dialled *atomic.Int64) {
	t.Helper()
	dialled = new(atomic.Int64)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols: &protocols,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled.Add(1)
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, dialled
}

// TestManyRequestsShareAConnectionOfHTTP2: predictions, refusals and admin calls
// of many clients at once, and the server stops while the connection is open.
func TestManyRequestsShareAConnectionOfHTTP2(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	client, dialled := newHTTP2(t)
	if _, _, err := r.predict(client); err != nil { // opens the connection that the others share
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for range 40 {
		clients.Go(func() {
			for range 10 {
				if _, _, err := r.predict(client); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	for path, want := range map[string]int{"/admin/state": 200, "/metrics": 200, "/nowhere": 404} {
		if got := r.overHTTP2(client, path, ""); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	for body, want := range map[string]int{`{"features": [1]}`: 422, "{": 400, strings.Repeat(" ", 8<<20+1): 413} {
		if got := r.overHTTP2(client, "/predict", body); got != want {
			t.Errorf("a body of %d bytes: %d, want %d", len(body), got, want)
		}
	}
	if n := dialled.Load(); n != 1 {
		t.Errorf("%d connections, want one", n)
	}
	r.stop()
}

// overHTTP2 asks over HTTP/2, with POST where there is a body.
func (r *running) overHTTP2(client *http.Client, path, body string) int {
	r.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		r.t.Errorf("%s: %v", path, err)
		return 0
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.ProtoMajor != 2 {
		r.t.Errorf("%s over %s: %v", path, answer.Proto, err)
	}
	return answer.StatusCode
}

// TestRowsStreamBothWaysOverHTTP2: each row is answered before the next is sent,
// on several streams of one connection.
func TestRowsStreamBothWaysOverHTTP2(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	client, _ := newHTTP2(t)
	var streams sync.WaitGroup
	for range 4 {
		streams.Go(func() {
			body, rows := io.Pipe()
			defer rows.Close()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/predict", body)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("Content-Type", "application/x-ndjson")
			go func() { _, _ = io.WriteString(rows, "[0.5, 1.2, 0.8, 0.3, 1.1]\n") }() // the answer begins with its own
			answer, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			lines := bufio.NewScanner(answer.Body)
			for i := range 100 {
				if !lines.Scan() || !strings.Contains(lines.Text(), `"probabilities"`) {
					t.Errorf("answer %d: %q %v", i, lines.Text(), lines.Err())
					return
				}
				if _, err := fmt.Fprintf(rows, "[%d, 1.2, 0.8, 0.3, 1.1]\n", i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	streams.Wait()
}

// TestSlowClientsOfHTTP2 are let go like those of HTTP/1.1: a stream whose body
// does not come is answered, and a connection on which no request comes is closed.
func TestSlowClientsOfHTTP2(t *testing.T) {
	t.Parallel()
	r := hurried(t, time.Minute)
	defer r.stop()
	client, _ := newHTTP2(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // far beyond the server's patience
	defer cancel()
	body, sender := io.Pipe()
	defer sender.Close()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url+"/predict", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if answer, err := client.Do(request); err != nil {
		t.Errorf("a body that does not come: %v", err)
	} else if _ = answer.Body.Close(); answer.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a body that does not come: %s", answer.Status)
	}
	const hello, settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	for name, sent := range map[string]string{
		"half a hello":        hello[:20],
		"nothing after hello": hello,
		"no request":          hello + settings,
		"half a frame":        hello + settings + "\x00\x00\x08",
		"half a head":         hello + settings + "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x83", // without END_HEADERS
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: it was not let go", name)
		}
		_ = conn.Close()
	}
}
