package infer

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"serin/internal/model"
	"serin/internal/route"
)

func streamServer(t *testing.T, p model.Predictor, limits Limits) (*httptest.Server, *route.Arm) {
	t.Helper()
	arm := armFor(p, route.Stable)
	var sw route.Switch
	sw.Swap(&route.Table{Stable: arm})
	server := httptest.NewServer(NewHandler(&sw, limits, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	return server, arm
}

func stream(t *testing.T, url, contentType string, body io.Reader) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestStreams(t *testing.T) {
	t.Parallel()
	server, arm := streamServer(t, scales(), DefaultLimits())
	const good = "{\"probabilities\":[0.4,0.6],\"prediction\":\"goes\"}\n{\"probabilities\":[0.8,0.2],\"prediction\":\"stays\"}\n"
	for _, tt := range []struct {
		contentType, body string
		status            int
		want              string
	}{
		{"application/x-ndjson", "[60,\"gold\"]\n\n{\"plan\":\"basic\",\"age\":20}\n", 200, good},
		{"application/jsonl; charset=utf-8", "[60,\"gold\"]\n[20,\"basic\"]", 200, good},
		{"text/csv", "plan,age\ngold,60\nbasic,20\n", 200, good},
		{"application/x-ndjson", "[60,\"gold\"]\n[20,\"unknown\"]\n[1,\"gold\"]\n", 200, strings.Split(good, "\n")[0] + "\n{\"error\":\"body.jsonl, line 2: plan: the value \\\"unknown\\\" was not among those that the model was fitted on"},
		{"application/x-ndjson", "[60]\n", 422, "body.jsonl, line 1: expected 2 values, got 1"},
		{"application/x-ndjson", "", 422, "there are no rows"},
		{"application/x-ndjson", "\n \n", 422, "no rows"},
		{"text/csv", "age,plan\n", 422, "no rows"},
		{"text/csv", "age\n60\n", 422, "missing: plan"},
		{"text/plain", "60", 415, "send JSON with the header"},
	} {
		res := stream(t, server.URL, tt.contentType, strings.NewReader(tt.body))
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
			t.Errorf("%q: %d %s %v\nwant %d %s", tt.body, res.StatusCode, body, err, tt.status, tt.want)
		}
		if tt.status == 200 && (res.Header.Get("Content-Type") != "application/x-ndjson" || res.Header.Get("Serin-Model-Used") != "stable" || res.Header.Get("Serin-Model-Version") != "model_stable") {
			t.Errorf("%v", res.Header)
		}
	}
	// The unknown plan is the arm's failure; the others were dealt to nobody.
	if s := arm.Evidence.Snapshot(); s.Started != 4 || s.Count != 3 || s.Failures != 1 {
		t.Errorf("%d started, %d answered, %d failed", s.Started, s.Count, s.Failures)
	}
}

// TestAStreamIsAConversation: an answer comes before the next row is sent.
func TestAStreamIsAConversation(t *testing.T) {
	t.Parallel()
	server, _ := streamServer(t, scales(), DefaultLimits())
	body, rows := io.Pipe()
	first := make(chan struct{})
	go func() {
		defer rows.Close()
		fmt.Fprintln(rows, `[60,"gold"]`)
		<-first
		fmt.Fprintln(rows, `[20,"basic"]`)
	}()
	res := stream(t, server.URL, "application/x-ndjson", body)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for _, want := range []string{"goes", "stays"} {
		if !lines.Scan() || !strings.Contains(lines.Text(), want) {
			t.Fatalf("%q, want %s", lines.Text(), want)
		}
		if want == "goes" {
			close(first)
		}
	}
	if lines.Scan() {
		t.Errorf("one more line: %s", lines.Text())
	}
}

// TestALongStreamTakesLittleMemory sends rows of 60 MB, and none is kept.
func TestALongStreamTakesLittleMemory(t *testing.T) {
	server, _ := streamServer(t, scales(), DefaultLimits())
	const n = 15_000
	row := "[60,\"" + strings.Repeat("g", 4000) + "\"]\n"
	res := stream(t, server.URL, "application/x-ndjson", io.LimitReader(&endless{row: row}, int64(n*len(row))))
	defer res.Body.Close()
	lines, most := 0, uint64(0)
	for scanner := bufio.NewScanner(res.Body); scanner.Scan(); lines++ {
		if lines%500 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if lines != n || most > 40<<20 {
		t.Errorf("%d lines, %d MiB", lines, most>>20)
	}
}

type endless struct {
	row string
	at  int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		k := copy(b[n:], e.row[e.at:])
		n, e.at = n+k, (e.at+k)%len(e.row)
	}
	return n, nil
}

// TestAStreamThatPanics ends with an error, and the server goes on.
func TestAStreamThatPanics(t *testing.T) {
	t.Parallel()
	server, arm := streamServer(t, twoClasses(), DefaultLimits())
	for range 2 {
		res := stream(t, server.URL, "application/x-ndjson", strings.NewReader("[666,0,0,0,0]\n"))
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusInternalServerError || !strings.Contains(string(body), "The model failed on this row") {
			t.Errorf("%d %s %v", res.StatusCode, body, err)
		}
	}
	if s := arm.Evidence.Snapshot(); s.Failures != 2 {
		t.Errorf("%d failures", s.Failures)
	}
}

// TestAStreamEndsWithItsVersion: when the version that answers is taken out, or
// the server stops, a stream ends with a line that says so.
func TestAStreamEndsWithItsVersion(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end        func(h *Handler, sw *route.Switch)
		want, code string
	}{
		"taken out": {func(_ *Handler, sw *route.Switch) {
			other := armFor(scales(), route.Stable)
			other.Version.SHA256 = "another"
			sw.Swap(&route.Table{Stable: other})
		}, "was taken out", "version_gone"},
		"stopped": {func(h *Handler, _ *route.Switch) { h.EndStreams() }, "The server stops", "shutting_down"},
	} {
		var sw route.Switch
		sw.Swap(&route.Table{Stable: armFor(scales(), route.Stable)})
		h := NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler))
		server := httptest.NewServer(h)
		body, rows := io.Pipe()
		go fmt.Fprintln(rows, `[60,"gold"]`)
		res := stream(t, server.URL, "application/x-ndjson", body)
		lines := bufio.NewScanner(res.Body)
		if !lines.Scan() || !strings.Contains(lines.Text(), "goes") {
			t.Fatalf("%s: %q", name, lines.Text())
		}
		tt.end(h, &sw)
		go fmt.Fprintln(rows, `[20,"basic"]`) // which nobody may read
		if !lines.Scan() || !strings.Contains(lines.Text(), `"error":`) || !strings.Contains(lines.Text(), tt.want) || !strings.Contains(lines.Text(), `"code":"`+tt.code+`"`) {
			t.Errorf("%s: %q, want %s", name, lines.Text(), tt.want)
		}
		if lines.Scan() {
			t.Errorf("%s: one more line: %s", name, lines.Text())
		}
		_ = rows.Close()
		_ = res.Body.Close()
		server.Close()
	}
}

func TestAStreamFindsTheServerBusy(t *testing.T) {
	t.Parallel()
	server, _ := streamServer(t, scales(), Limits{Concurrency: 0})
	res := stream(t, server.URL, "application/x-ndjson", strings.NewReader("[60,\"gold\"]\n"))
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// TestAStreamWhoseModelWasReplaced: rows that were read for one model go to no
// other, whose rows may be wider.
func TestAStreamWhoseModelWasReplaced(t *testing.T) {
	t.Parallel()
	var sw route.Switch
	sw.Swap(&route.Table{Stable: armFor(scales(), route.Stable)})
	h := NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler))
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &announced{r.Body, arrived}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	body, rows := io.Pipe()
	go func() {
		<-arrived
		wide := armFor(twoClasses(), route.Stable)
		sw.Swap(&route.Table{Stable: wide})
		fmt.Fprintln(rows, `[60,"gold"]`)
	}()
	res := stream(t, server.URL, "application/x-ndjson", body)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), `"code":"version_gone"`) || !strings.Contains(string(text), "was replaced") {
		t.Errorf("%d %s %v", res.StatusCode, text, err)
	}
	_ = rows.Close()
}

// announced tells when its body is first read.
type announced struct {
	io.ReadCloser
	arrived chan struct{}
}

func (a *announced) Read(b []byte) (int, error) {
	if a.arrived != nil {
		close(a.arrived)
		a.arrived = nil
	}
	return a.ReadCloser.Read(b)
}
