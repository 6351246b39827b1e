package load

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOverHTTP(t *testing.T) {
	t.Parallel()
	var served atomic.Uint64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := served.Add(1)
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/base/predict" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Test") != "yes" || !strings.HasPrefix(string(body), "row "):
			http.Error(w, "wrong", http.StatusTeapot)
		case n%4 == 0:
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case n%4 == 1:
			w.(http.Flusher).Flush() // chunked
			_, _ = io.WriteString(w, `{"model_used":"canary"}`)
		default:
			_, _ = io.WriteString(w, `{"model_used":"stable"}`)
		}
	}))
	defer server.Close()
	address, _ := url.Parse(server.URL + "/base/")
	request := func(body string) Request {
		return Request{Path: "/predict", ContentType: "application/json", Body: []byte(body), Headers: http.Header{"X-Test": {"yes"}}}
	}
	dial := overHTTP(address, nil, []Request{request("row 1"), request("row 22")})
	r, err := Run(t.Context(), Plan{Duration: time.Minute, Requests: 400, Connections: 4, Timeout: 10 * time.Second}, dial, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Requests != 400 || r.Faults["503 Service Unavailable"] != 100 || r.Arms["canary"].Count != 100 || r.Arms["stable"].Count != 200 {
		t.Errorf("%d requests, faults %v, arms %v", r.Requests, r.Faults, r.Arms)
	}
}

// TestAServerThatCloses: a connection that ends with its answer takes nothing
// from the answer, and a refusal on it is one failure.
func TestAServerThatCloses(t *testing.T) {
	t.Parallel()
	var served atomic.Uint64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		if served.Add(1)%4 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"model_used":"stable"}`)
	}))
	defer server.Close()
	address, _ := url.Parse(server.URL)
	dial := overHTTP(address, nil, []Request{{Path: "/predict"}})
	r, err := Run(t.Context(), Plan{Duration: time.Minute, Requests: 40, Connections: 2, Timeout: 10 * time.Second}, dial, nil)
	if err != nil || r.Requests != 40 || r.Failed != 10 || r.Faults["503 Service Unavailable"] != 10 || r.Arms["stable"].Count != 30 || served.Load() != 40 {
		t.Errorf("%d requests of %d, faults %v, arms %v, %v", r.Requests, served.Load(), r.Faults, r.Arms, err)
	}
}

// TestCancelEndsACallUnderWay: a server that never answers does not keep a run
// that was called off.
func TestCancelEndsACallUnderWay(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, _ = conn.Read(make([]byte, 1))
			cancel()
			defer conn.Close()
			_, _ = io.Copy(io.Discard, conn)
		}
	}()
	dial := overHTTP(&url.URL{Scheme: "http", Host: listener.Addr().String()}, nil, []Request{{Path: "/predict"}})
	r, err := Run(ctx, Plan{Duration: time.Hour, Connections: 1, Timeout: time.Hour}, dial, nil)
	if err == nil || r.Failed != 0 {
		t.Errorf("%v, %d failed", err, r.Failed)
	}
}

// FuzzReadAnswer: whatever a server sends, reading it ends without a panic and
// never takes more than was sent.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{\"model_used\":\"canary\"}",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1 2\r\n\r\n", "HTTP/1.1 \n", "\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := bufio.NewReader(strings.NewReader(string(sent)))
		for {
			answer, err := readAnswer(r)
			if err != nil {
				return
			}
			if answer.Refused == "" && !strings.Contains(string(sent), "HTTP/1.") {
				t.Fatalf("an answer in %q", sent)
			}
		}
	})
}

func BenchmarkCall(b *testing.B) {
	const sent = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 23 Nov 2026 11:00:00 GMT\r\nContent-Length: 23\r\n\r\n{\"model_used\":\"canary\"}"
	text := strings.NewReader(sent)
	r := bufio.NewReader(text)
	b.ReportAllocs()
	for b.Loop() {
		text.Reset(sent)
		r.Reset(text)
		if _, err := readAnswer(r); err != nil {
			b.Fatal(err)
		}
	}
}
