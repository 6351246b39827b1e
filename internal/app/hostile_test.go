package app

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// doors are the ways to ask for a prediction over HTTP, and how each begins an error.
var doors = []struct{ path, shape string }{
	{"/predict", `{"type":`},
	{"/models/churn/predict", `{"type":`},
	{"/v2/models/churn/infer", `{"error":`},
	{"/v1/models/churn:predict", `{"error":`},
	{"/invocations", `{"error_code":`},
}

// hostile is what a client does to a connection. It must be answered with the
// status, in the shape of the door, or closed (0).
type hostile struct {
	name   string
	send   func(w io.Writer, path string)
	status int
}

func head(path, more string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + more + "\r\n"
}

// whole is a request with its length.
func whole(path, more, body string) string {
	return head(path, more+"Content-Length: "+strconv.Itoa(len(body))+"\r\n") + body
}

func says(text func(path string) string) func(io.Writer, string) {
	return func(w io.Writer, path string) { _, _ = io.WriteString(w, text(path)) }
}

// everywhere are the same for all doors.
var everywhere = []hostile{
	{"a length that overflows", says(func(p string) string { return head(p, "Content-Length: 9223372036854775807\r\n") }), 413},
	{"a length that is none", says(func(p string) string { return head(p, "Content-Length: 99999999999999999999\r\n") }), 400},
	{"a negative length", says(func(p string) string { return head(p, "Content-Length: -1\r\n") }), 400},
	{"two lengths", says(func(p string) string { return head(p, "Content-Length: 5\r\nContent-Length: 6\r\n") }), 400},
	{"gzip", says(func(p string) string { return whole(p, "Content-Encoding: gzip\r\n", "\x1f\x8b\x08\x00bomb") }), 415},
	{"not JSON", says(func(p string) string { return whole(p, "", "\x16\x03\x01\x02\x00") }), 400},
	{"deep", says(func(p string) string {
		return whole(p, "", `{"instances":`+strings.Repeat("[", 1_000_000))
	}), 400},
	{"a body without an end", func(w io.Writer, path string) {
		_, _ = io.WriteString(w, head(path, "Transfer-Encoding: chunked\r\n"))
		chunk := "10000\r\n" + strings.Repeat(" ", 1<<16) + "\r\n"
		for range 200 { // 12.5 MiB, if anybody takes them
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}, 413},
	{"a million chunks", func(w io.Writer, path string) {
		_, _ = io.WriteString(w, head(path, "Transfer-Encoding: chunked\r\n"))
		_, _ = io.WriteString(w, strings.Repeat("1\r\n \r\n", 1_000_000)+"0\r\n\r\n")
	}, 400},
	{"a chunk that lies", says(func(p string) string {
		return head(p, "Transfer-Encoding: chunked\r\n") + "ffffffffffffffff1\r\n{}\r\n0\r\n\r\n"
	}), 400},
	{"one huge header", says(func(p string) string { return head(p, "X: "+strings.Repeat("x", 1<<20)+"\r\n") }), 431},
	{"a flood of headers", says(func(p string) string { return head(p, strings.Repeat("X: x\r\n", 100_000)) }), 431},
	{"half a head", says(func(p string) string { return "POST " + p + " HTTP/1.1\r\nHost: local" }), 0},
	{"half a body", says(func(p string) string { return head(p, "Content-Length: 100\r\n") + `{"instances":` }), 408},
	{"half a large body", says(func(p string) string { return head(p, "Content-Length: 1000000\r\n") + `{"instances":` }), 408},
	{"half a chunk", says(func(p string) string { return head(p, "Transfer-Encoding: chunked\r\n") + "ff\r\n{" }), 408},
	{"another protocol", says(func(string) string { return "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" }), 400},
}

// here are those of one door.
var here = map[string][]hostile{
	"/predict": {
		{"a row of a hundred thousand", says(func(p string) string {
			return whole(p, "", `{"features":[`+strings.Repeat("1,", 99_999)+`1]}`)
		}), 422},
		{"a name of a million letters", says(func(p string) string {
			return whole(p, "", `{"features":{"`+strings.Repeat("x", 1<<20)+`":1}}`)
		}), 422},
		{"a name twice", says(func(p string) string { return whole(p, "", `{"features":[1,2,3,4,5],"features":[1,2,3,4,5]}`) }), 400},
		{"a stream with a name of a million letters", says(func(p string) string {
			return strings.Replace(whole(p, "", `{"`+strings.Repeat("x", 1<<20)+`":1}`), "/json", "/x-ndjson", 1)
		}), 422},
		{"a table with a name of a million letters, twice", says(func(p string) string {
			name := strings.Repeat("x", 1<<20)
			return strings.Replace(whole(p, "", name+","+name+"\n1,2\n"), "application/json", "text/csv", 1)
		}), 422},
		{"half a stream", says(func(p string) string {
			return strings.Replace(head(p, "Transfer-Encoding: chunked\r\n"), "/json", "/x-ndjson", 1) + "4\r\n[1,2\r\n"
		}), 408},
		{"a line without an end", func(w io.Writer, path string) {
			_, _ = io.WriteString(w, strings.Replace(head(path, "Transfer-Encoding: chunked\r\n"), "/json", "/x-ndjson", 1))
			chunk := "10000\r\n" + strings.Repeat("1", 1<<16) + "\r\n"
			for range 260 {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}, 422},
	},
	"/v2/models/churn/infer": {
		{"a shape that lies", says(func(p string) string {
			return whole(p, "", `{"inputs":[{"name":"features","shape":[1000000000,5],"datatype":"FP64","data":[1,2,3,4,5]}]}`)
		}), 400},
		{"a shape that overflows", says(func(p string) string {
			return whole(p, "", `{"inputs":[{"name":"features","shape":[4294967296,4294967296,5],"datatype":"FP64","data":[1]}]}`)
		}), 400},
		{"a datatype that lies", says(func(p string) string {
			return whole(p, "", `{"inputs":[{"name":"features","shape":[1,5],"datatype":"BYTES","data":[1,2,3,4,5]}]}`)
		}), 400},
		{"binary data that are not there", says(func(p string) string {
			body := `{"inputs":[{"name":"features","shape":[1,5],"datatype":"FP64","parameters":{"binary_data_size":4611686018427387904}}]}`
			return whole(p, "Inference-Header-Content-Length: "+strconv.Itoa(len(body))+"\r\n", body)
		}), 400},
		{"a header's length that lies", says(func(p string) string {
			return whole(p, "Inference-Header-Content-Length: 9223372036854775807\r\n", "{}")
		}), 400},
		{"a header's length that overflows", says(func(p string) string {
			return whole(p, "Inference-Header-Content-Length: 99999999999999999999\r\n", "{}")
		}), 400},
		{"a million inputs", says(func(p string) string {
			return whole(p, "", `{"inputs":[`+strings.Repeat("{},", 999_999)+`{}]}`)
		}), 400},
	},
	"/invocations": {
		{"a million columns", says(func(p string) string {
			return whole(p, "", `{"dataframe_split":{"columns":[`+strings.Repeat("1,", 999_999)+`1],"data":[[1]]}}`)
		}), 400},
		{"an open quote", says(func(p string) string {
			return strings.Replace(whole(p, "", "a,b,c,d,e\n\""+strings.Repeat("1,", 1<<20)), "application/json", "text/csv", 1)
		}), 400},
	},
}

// hurried is a server whose patience a test can wait for; writing is how long it
// takes to answer.
func hurried(t *testing.T, writing time.Duration) *running {
	t.Helper()
	c := configFor(t)
	c.Limits.Standstill = 300 * time.Millisecond
	c.hurry = func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = 200*time.Millisecond, 300*time.Millisecond, writing, time.Second
	}
	return launch(t, c)
}

// TestHostileClients: what is no request is refused in the words of the door that
// it came to, or its connection is closed, at a price that does not depend on what
// was claimed. It is not parallel, so that what is allocated is its own doing.
func TestHostileClients(t *testing.T) {
	r := hurried(t, time.Minute)
	defer r.stop()
	for _, door := range doors {
		for _, h := range append(everywhere, here[door.path]...) {
			before := allocated()
			if err := r.suffer(h, door.path, door.shape); err != nil {
				t.Errorf("%s to %s: %v", h.name, door.path, err)
			}
			if cost := (allocated() - before) >> 20; cost > 192 {
				t.Errorf("%s to %s: %d MiB were allocated", h.name, door.path, cost)
			}
		}
	}
	if _, _, err := r.predict(http.DefaultClient); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// suffer sends it, and says what is wrong with the answer.
func (r *running) suffer(h hostile, path, shape string) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // far beyond the server's patience
		return err
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		h.send(conn, path)
	}()
	defer func() {
		_ = conn.Close()
		<-sent
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.New("it is neither answered nor closed")
		}
		if h.status != 0 {
			return fmt.Errorf("%w, want %d", err, h.status)
		}
		return nil
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	switch {
	case res.StatusCode != h.status && res.StatusCode != http.StatusRequestTimeout: // which a busy machine may give to anything large
		return fmt.Errorf("%s %.300s, want %d", res.Status, body, h.status)
	case len(body) > 2000:
		return fmt.Errorf("%s and %d bytes of words", res.Status, len(body))
	case strings.HasPrefix(res.Header.Get("Content-Type"), "application/") && !bytes.HasPrefix(body, []byte(shape)):
		return fmt.Errorf("%s in another shape: %s", res.Status, body)
	case bytes.Contains(body, []byte("127.0.0.1:")):
		return fmt.Errorf("it tells an address: %s", body)
	}
	return nil
}

// TestAClientThatNeverReads is let go, and takes nobody's place meanwhile. It asks
// for more than the buffers between here and there take.
func TestAClientThatNeverReads(t *testing.T) {
	t.Parallel()
	r := hurried(t, 2*time.Second)
	defer r.stop()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	ask := whole("/predict", "", `{"instances":[`+strings.Repeat("[1,2,3,4,5],", 9_999)+`[1,2,3,4,5]]}`)
	const times, answer = 40, 400_000
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute)) // a busy machine answers the first few slowly
	if _, err := io.WriteString(conn, strings.Repeat(ask, times)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v: it was not let go while it sent", err)
	}
	if _, _, err := r.predict(http.DefaultClient); err != nil {
		t.Errorf("beside it: %v", err)
	}
	if n, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) || n > times*answer/2 {
		t.Errorf("%d bytes and %v: it was not let go", n, err)
	}
}
