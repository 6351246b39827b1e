package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"serin/internal/api"
)

// told is one try, as a receiver sees it.
type told struct{ id, kind string }

// ear is a receiver that can be made deaf.
type ear struct {
	*httptest.Server

	deaf atomic.Bool
	mu   sync.Mutex
	all  []told // tries that were refused, too
}

func newEar(t *testing.T) *ear {
	t.Helper()
	e := &ear{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var event struct{ ID, Type string }
		if body, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(body, &event) != nil || event.ID != r.Header.Get("Webhook-Id") {
			t.Errorf("%v: %s", err, body)
		}
		e.mu.Lock()
		e.all = append(e.all, told{event.ID, strings.TrimPrefix(event.Type, "io.serin.")})
		e.mu.Unlock()
		if e.deaf.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(e.Close)
	return e
}

// heard are the ids of a kind, one for each try.
func (e *ear) heard(kind string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []string
	for _, x := range e.all {
		if x.kind == kind {
			ids = append(ids, x.id)
		}
	}
	return ids
}

func telling(t *testing.T, dir string, e *ear, env ...string) *server {
	t.Helper()
	return start(t, selfProgram(t), dir, append(env, "SERIN_TEST_AS_PROGRAM=1"), "--listen", "127.0.0.1:0", "--drain", "0s", "--webhook", "ops="+e.URL+"/hook")
}

// TestAKillDoesNotSilenceAnEvent: one that was tried in vain is told by the next
// process, under the same id, and none is left out.
func TestAKillDoesNotSilenceAnEvent(t *testing.T) {
	t.Parallel()
	dir, e := workplace(t), newEar(t)
	s := telling(t, dir, e).mustBeReady()
	eventually(t, "telling of the model", func() bool { return len(e.heard("model.installed")) == 1 })
	e.deaf.Store(true)
	if err := deployV2(s); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a try in vain", func() bool { return len(e.heard("canary.requested")) > 0 })
	s.kill()
	e.deaf.Store(false)
	s = telling(t, dir, e).mustBeReady()
	eventually(t, "telling of the canary, and of the new start", func() bool { return len(e.heard("canary.resumed")) == 1 })
	requested := e.heard("canary.requested")
	if len(requested) < 2 || len(slices.Compact(slices.Clone(requested))) != 1 {
		t.Errorf("the deploy was told as %q", requested)
	}
	if n := len(e.heard("canary.started")); n != 1 {
		t.Errorf("the start was told %d times", n)
	}
	if n := len(e.heard("model.installed")); n != 1 {
		t.Errorf("the model was told %d times", n)
	}
	code, out, _ := command("webhooks", "--server", s.url)
	if code != api.ExitOK || !regexp.MustCompile(`(?m)^ops +http://127\.0\.0\.1:\d+ +structured +no +0 +0 +\d`).MatchString(out) {
		t.Errorf("%d %s", code, out)
	}
	for _, tt := range []struct {
		args []string
		code api.ExitCode
		says string
	}{
		{[]string{"webhooks", "replay", "ops"}, api.ExitOK, "0 dead letters of ops are told again"},
		{[]string{"webhooks", "replay", "ops", "--id", "msg_1"}, api.ExitUsage, "no dead letter with the id msg_1"},
		{[]string{"webhooks", "replay", "opps"}, api.ExitUsage, "There is no web hook opps."},
		{[]string{"webhooks", "replay"}, api.ExitUsage, "name one web hook"},
		{[]string{"__complete", "webhooks", "replay", "--server", s.url, ""}, api.ExitOK, "ops\n"},
	} {
		if tt.args[0] != "__complete" {
			tt.args = append(tt.args, "--server", s.url)
		}
		if code, out, errs := command(tt.args...); code != tt.code || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%v: %d %s%s", tt.args, code, out, errs)
		}
	}
}

// TestAKillBetweenCommitAndTelling: the process ends with the commit, before anybody
// can hear of it.
func TestAKillBetweenCommitAndTelling(t *testing.T) {
	t.Parallel()
	steps := filepath.Join(t.TempDir(), "steps")
	s := child(t, workplace(t), "SERIN_TEST_STEPS="+steps).mustBeReady()
	if err := deployV2(s); err != nil {
		t.Fatal(err)
	}
	s.kill()
	text, err := os.ReadFile(steps)
	if err != nil {
		t.Fatal(err)
	}
	at, commits := 0, 0
	for name := range strings.SplitSeq(string(text), "\n") {
		if byTheClock(name) {
			continue
		}
		at++
		if name == "commit: durable" {
			commits++
		}
		if commits == 2 { // the model's, and the deploy's
			break
		}
	}
	dir, e := workplace(t), newEar(t)
	victim := telling(t, dir, e, fmt.Sprintf("SERIN_TEST_KILL_AT=%d", at)).mustBeReady()
	if err := deployV2(victim); err == nil {
		t.Fatal("the deploy was acknowledged")
	}
	<-victim.gone
	if n := len(e.heard("canary.requested")); n != 0 {
		t.Fatalf("the deploy was told %d times before it was durable", n)
	}
	telling(t, dir, e).mustBeReady()
	eventually(t, "telling of the deploy", func() bool { return len(e.heard("canary.requested")) == 1 })
}

// TestTheReceiverOfTheDocument runs the receiver that docs/webhooks.md shows, and
// somebody else's message, which it must not take.
func TestTheReceiverOfTheDocument(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	text, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```python\n(.*?)```").FindSubmatch(text)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	const secret = "SERIN_WEBHOOK_SECRET=whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
	python := exec.Command("python3", "-u", "-c", strings.Replace(string(program[1]), "9000", port, 1))
	python.Env = append(os.Environ(), secret)
	out := &transcript{}
	python.Stdout, python.Stderr = out, out
	if err := python.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = python.Process.Kill(); _ = python.Wait() })
	address := "http://127.0.0.1:" + port + "/"
	s := start(t, selfProgram(t), workplace(t), []string{"SERIN_TEST_AS_PROGRAM=1", secret}, "--listen", "127.0.0.1:0", "--drain", "0s", "--webhook", "ops="+address).mustBeReady()
	eventually(t, "the receiver's line", func() bool { return strings.Contains(out.String(), "io.serin.model.installed churn") })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(`{"id":"msg_1","type":"forged","data":{"model":"churn"}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Webhook-Id", "msg_1")
	req.Header.Set("Webhook-Timestamp", "1770000000")
	req.Header.Set("Webhook-Signature", "v1,c2VjcmV0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusBadRequest || strings.Contains(out.String(), "forged") {
		t.Errorf("%s\n%s", res.Status, out)
	}
	if err := deployV2(s); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the canary's lines", func() bool { return strings.Contains(out.String(), "io.serin.canary.started churn") })
}
