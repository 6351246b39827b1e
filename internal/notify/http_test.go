package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"serin/internal/rollout"
)

// TestASignedMessageOverHTTP: what a receiver computes, by Standard Webhooks, is what
// it gets, for each secret.
func TestASignedMessageOverHTTP(t *testing.T) {
	t.Parallel()
	type arrival struct {
		header http.Header
		body   []byte
	}
	arrived := make(chan arrival, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- arrival{r.Header, body}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	hooks, err := Equip([]Hook{hookAt(t, "ops="+server.URL+"/hook")}, secretOf(24)+"\n"+secretOf(32))
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{}
	h := New(Config{Hooks: hooks, Outbox: d, Log: slog.New(slog.DiscardHandler), Version: "1.2"})
	h.Prepare(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	defer func() { cancel(); <-done }()
	d.commit(rollout.Promote)
	h.News()
	got := <-arrived
	var want []string
	for _, n := range []int{24, 32} {
		mac := hmac.New(sha256.New, []byte(strings.Repeat("s", n)))
		mac.Write([]byte(got.header.Get("Webhook-Id") + "." + got.header.Get("Webhook-Timestamp") + "." + string(got.body)))
		want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if signature := got.header.Get("Webhook-Signature"); signature != strings.Join(want, " ") {
		t.Errorf("signature %q, want %q", signature, want)
	}
	if got.header.Get("User-Agent") != "serin/1.2" || got.header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
		t.Errorf("%v", got.header)
	}
	var c cloudEvent
	if err := json.Unmarshal(got.body, &c); err != nil || c.SpecVersion != "1.0" || c.ID != got.header.Get("Webhook-Id") || c.Type != "io.serin.canary.promoted" || c.Source != "/models/churn" {
		t.Errorf("%v %+v", err, c)
	}
}

// TestAReceiverMayBeHostile: it is not followed elsewhere, and not read without end.
func TestAReceiverMayBeHostile(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		for { // until nobody reads any more
			if _, err := fmt.Fprint(w, strings.Repeat("\x1b[31m", 1000)); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	m, err := compose(eventOf(rollout.Alarm), Structured)
	if err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{"/redirect": "it answers 307, which leads elsewhere", "/endless": "it answers 500:  [31m [31m"} {
		hook := hookAt(t, server.URL+path)
		way := newTransport()
		failed := post(t.Context(), way, &hook, m, "serin/test")
		way.CloseIdleConnections()
		if failed == nil || !strings.HasPrefix(failed.what, says) || len(failed.what) > 1000 || failed.refused != (path == "/redirect") {
			t.Errorf("%s: %v", path, failed)
		}
	}
}

// TestCalls asks what operators ask.
func TestCalls(t *testing.T) {
	t.Parallel()
	d := &desk{}
	h := New(Config{Hooks: []Hook{hookAt(t, "ops=https://example.com/x")}, Outbox: d, Log: slog.New(slog.DiscardHandler)})
	h.Prepare(t.Context())
	if err := h.tellers[0].change(t.Context(), func(m memo) memo { return m.bury(Letter{Seq: 1, ID: "msg_1"}).bury(Letter{Seq: 2, ID: "msg_2"}) }); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/webhooks", h.List)
	mux.HandleFunc("POST /admin/webhooks/{name}/replay", h.Replay)
	for _, tt := range []struct {
		call string
		code int
		says string
	}{
		{"GET /admin/webhooks", 200, `"name":"ops","address":"https://example.com","kind":"structured"`},
		{"POST /admin/webhooks/ops/replay?id=msg_2", 200, `{"letters":1}`},
		{"POST /admin/webhooks/ops/replay?id=msg_3", 404, `"code":"letter_unknown"`},
		{"POST /admin/webhooks/ops/replay", 200, `{"letters":2}`},
		{"POST /admin/webhooks/none/replay", 404, `"code":"webhook_unknown"`},
	} {
		method, path, _ := strings.Cut(tt.call, " ")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s: %d %s", tt.call, w.Code, w.Body)
		}
	}
	if m, err := readMemo(d.memos["ops"]); err != nil || m.due() == nil {
		t.Errorf("%v %+v", err, m)
	}
	w := httptest.NewRecorder()
	New(Config{}).List(w, httptest.NewRequest(http.MethodGet, "/admin/webhooks", http.NoBody))
	if w.Body.String() != "{\"webhooks\":[]}\n" {
		t.Errorf("%s", w.Body)
	}
}
