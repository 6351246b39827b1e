package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"serin/cmd/serin/term"
	"serin/internal/api"
)

// script is a server that gives one answer after the other, to whatever is asked;
// an empty one is an end of the connection.
func script(t *testing.T, answers ...string) string {
	t.Helper()
	var mu sync.Mutex // each connection has a goroutine of its own
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) == 0 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"status":404,"code":"not_found","detail":"The script is over."}`)
			return
		}
		answer := answers[0]
		answers = answers[1:]
		if answer == "" {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, answer)
	}))
	server.Config.SetKeepAlivesEnabled(false) // on a connection that was used before, a client asks once more by itself
	t.Cleanup(server.Close)
	return server.URL
}

// onTerminal runs a command line in a terminal of 100 columns, and returns what
// it has written there, with its escapes in words.
func onTerminal(t *testing.T, args ...string) (api.ExitCode, string) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(slave, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	written := make(chan string)
	go func() {
		var all bytes.Buffer
		_, _ = io.Copy(&all, master) // ends with an error when the slave is closed
		written <- all.String()
	}()
	code := run(args, term.Console{Out: slave, Err: slave, Every: time.Millisecond})
	slave.Close()
	return code, strings.NewReplacer("\r\n", "\n", "\r", "<CR>", "\x1b[K", "<CLEAR>", "\x1b[J", "<CLEAR BELOW>", "\x1b[", "<ESC>").Replace(<-written)
}

// unwatched runs it without a terminal.
func unwatched(args ...string) (api.ExitCode, string) {
	var both bytes.Buffer
	code := run(args, term.Console{Out: &both, Err: &both, Every: time.Millisecond})
	return code, both.String()
}

// both is what a command writes with a terminal and without, for a golden file.
func both(t *testing.T, answers []string, args ...string) string {
	t.Helper()
	var all strings.Builder
	for _, where := range []string{"text", "terminal", "json"} {
		url := script(t, answers...)
		full := slices.Concat(args, []string{"--server", url})
		var code api.ExitCode
		var out string
		switch where {
		case "terminal":
			code, out = onTerminal(t, full...)
		case "json":
			code, out = unwatched(append(full, "--output", "json")...)
		default:
			code, out = unwatched(full...)
		}
		fmt.Fprintf(&all, "--- serin %s, %s\n%s--- exit %d\n\n", strings.Join(args, " "), where, strings.ReplaceAll(out, url, "SERVER"), code)
	}
	return all.String()
}

func ruled(verdict, reason, more string) string {
	return fmt.Sprintf(`{"model":"churn","verdict":%q,"reason":%q,"rollout":"r7","n_stable":1800,"n_canary":200,"elapsed_seconds":95%s}`, verdict, reason, cmp.Or(more, `,"canary_version":"model_v2"`))
}

func TestWait(t *testing.T) {
	t.Parallel()
	loading := ruled("loading", "the canary is still loading", "")
	waiting := ruled("insufficient", "nothing is shown", "")
	estimate := ruled("insufficient", "nothing is shown", `,"slowdown":0.012,"lower":-0.03,"upper":0.06,"canary_version":"model_of_the_second_week"`)
	var all strings.Builder
	for _, tt := range []struct {
		name    string
		answers []string
	}{
		{"a pass", []string{loading, waiting, estimate, ruled("pass", "the canary is not slower than tolerated", "")}},
		{"a server that restarts", []string{waiting, "", "", "", ruled("fail", "the canary is 2 ms slower", "")}},
		{"somebody decides", []string{waiting, ruled("rolled_back", "it was late", "")}},
		{"a broken split", []string{waiting, ruled("invalid", "the split is off", "")}},
		{"no canary", []string{`{"model":"churn","verdict":"none","reason":"no canary is active"}`}},
		{"no server", []string{"", ""}},
		{"a model that is gone", []string{waiting}},
	} {
		fmt.Fprintf(&all, "===== %s\n\n%s", tt.name, both(t, tt.answers, "wait"))
	}
	golden(t, "wait.golden", all.String())
}

func TestWaitIsOverWhenTheTimeIs(t *testing.T) {
	t.Parallel()
	forever := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, ruled("insufficient", "nothing is shown", ""))
	}))
	defer forever.Close()
	code, out := unwatched("wait", "model_v2", "--timeout", "50ms", "--server", forever.URL)
	if code != api.ExitInconclusive || !strings.HasSuffix(out, "the time is up and neither a pass nor a fail is shown\n") {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, out := unwatched("wait", "--timeout", "0s", "--server", forever.URL); code != api.ExitUsage {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	const idle = `{"model":"churn","phase":"idle","stable":{"name":"model_v1"}}`
	const loading = `{"model":"churn","phase":"loading","stable":{"name":"model_v1"},"rollout":{"id":"r7","canary":{"name":"model_v2"},"weight":0.1},"alert_status":{"model":"churn"}}`
	live := func(verdict, finding, monitor, more string) string {
		return fmt.Sprintf(`{"model":"churn","phase":"canary","stable":{"name":"model_v1"},"rollout":{"id":"r7","canary":{"name":"model_v2"},"weight":0.1},
			"canary_metrics":{"stable":{"latencies_ms":{"count":1800,"p50_ms":1.5,"p95_ms":4,"p99_ms":5.6}},"canary":{"latencies_ms":{"count":200,"failures":1,"p50_ms":1.7,"p95_ms":4.4,"p99_ms":6}}},
			"alert_status":{"canary_start_time":"2026-03-01T12:00:00Z","stable_version":"model_v1","canary_version":"model_v2","weight":0.1,"samples":{"stable":1800,"canary":200},
			"remaining_seconds":2400,"phase":"canary","monitor_verdict":%q,"monitor_finding":%q,"monitor":{%s}%s}}`, verdict, finding, monitor, more)
	}
	waiting := live("insufficient", "nothing is shown", `"ratio":1,"ratio_lower":1,"ratio_upper":1`, "")
	estimate := live("insufficient", "nothing is shown", `"ratio":1.12,"ratio_lower":0.97,"ratio_upper":1.29,"expected_seconds":600`, "")
	alarm := live("fail", "the canary is typically 0.2 ms slower (0.1 ms to 0.4 ms with 95 % confidence), shown after 200 canary and 1800 stable requests", `"ratio":1.12,"ratio_lower":1.02,"ratio_upper":1.29`, `,"alarm_time":"2026-03-01T12:20:00Z"`)
	const over = `{"model":"churn","phase":"idle","stable":{"name":"model_v1"},"last":{"rollout":"r7","version":"model_v2","event":"rollback","actor":"ana","reason":"slow"}}`
	golden(t, "watch.golden", both(t, []string{idle, idle, loading, waiting, estimate, "", alarm, alarm, over}, "watch"))
}

func TestWatchEndsInTime(t *testing.T) {
	t.Parallel()
	forever := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"model":"churn","phase":"idle","stable":{"name":"model_v1"}}`)
	}))
	defer forever.Close()
	if code, out := unwatched("watch", "--for", "1s", "--server", forever.URL); code != api.ExitOK || out != "churn idle: model_v1 answers every request\n" {
		t.Errorf("exit %d: %s", code, out)
	}
}

// TestInterrupted: Ctrl-C is how a watch ends, and is no verdict for who waits.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	forever := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"model":"churn","phase":"idle","stable":{"name":"model_v1"},"verdict":"insufficient"}`)
	}))
	defer forever.Close()
	for name, want := range map[string]struct {
		code api.ExitCode
		says string
	}{
		"watch": {api.ExitOK, ""},
		"wait":  {api.ExitInterrupted, "serin: wait: interrupted: context canceled\n"},
	} {
		cmd := exec.Command(selfProgram(t), name, "--server", forever.URL)
		cmd.Env = append(os.Environ(), "SERIN_TEST_AS_PROGRAM=1")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		first, err := lines.ReadString('\n') // it is at it
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_ = cmd.Process.Signal(os.Interrupt)
		rest, _ := io.ReadAll(lines)
		_ = cmd.Wait()
		if code := api.ExitCode(cmd.ProcessState.ExitCode()); code != want.code || errs.String() != want.says || len(rest) > 0 {
			t.Errorf("%s: exit %d, %q, %q after %q", name, code, errs.String(), rest, first)
		}
	}
}

const twoRollouts = `{"rollouts":[
	{"rollout":"r8","version":"model_v3","sha256":"ab","stable":"model_v2","outcome":"in progress","began":"2026-03-02T12:00:00Z","ended":null,"actor":"bo","reason":"","verdict":"","sentence":""},
	{"rollout":"r7","version":"model_v2","sha256":"cd","stable":"model_v1","outcome":"promoted","began":"2026-03-01T12:00:00Z","ended":"2026-03-01T13:00:01Z","actor":"ana","reason":"all well","verdict":"pass","sentence":"not slower"}]}`

func TestHistory(t *testing.T) {
	t.Parallel()
	golden(t, "history.golden", both(t, []string{twoRollouts}, "history")+both(t, []string{`{"rollouts":[]}`}, "history")+both(t, nil, "history", "--limit", "0"))
}

// TestReport writes down a rollout of a real server: in three ways, and from its
// files after it has gone.
func TestReport(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	s := child(t, dir).mustBeReady()
	if _, err := s.client.Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v2.joblib", Reason: "<img src=x onerror=alert(1)>"}); err != nil {
		t.Fatal(err)
	}
	s.traffic(40)
	if _, err := s.client.Rollback(t.Context(), api.RollbackRequest{Reason: "<img src=x onerror=alert(1)>"}); err != nil {
		t.Fatal(err)
	}
	for output, want := range map[string]string{
		"html":     "Rollout r1: model_v2 after model_v1",
		"markdown": "model\\_v2 after model\\_v1",
		"json":     `"canary_version": "model_v2"`,
	} {
		code, out, errs := command("report", "r1", "--server", s.url, "--output", output)
		if code != api.ExitOK || !strings.Contains(out, want) || !strings.Contains(out, "rolled back") || output != "json" && strings.Contains(out, "<img") {
			t.Errorf("%s: exit %d %s\n%s", output, code, errs, out)
		}
	}
	if code, _, errs := command("report", "r1", "--server", s.url, "--output", "pdf"); code != api.ExitUsage || !strings.Contains(errs, "html, markdown, json or yaml") {
		t.Errorf("exit %d %s", code, errs)
	}
	if code, _, errs := command("report", "r9", "--server", s.url); code != api.ExitUsage || !strings.Contains(errs, `no rollout "r9"`) {
		t.Errorf("exit %d %s", code, errs)
	}
	code, out, errs := command("history", "--server", s.url)
	if code != api.ExitOK || !strings.Contains(out, "rolled back") || !strings.Contains(out, "model_v1") {
		t.Errorf("exit %d %s%s", code, out, errs)
	}
	s.kill()
	if code, out, errs := command("report", "r1", "--data", dir+"/serin-data"); code != api.ExitOK || !strings.Contains(out, "rollback by test") {
		t.Errorf("from the files: exit %d %s\n%s", code, errs, out)
	}
	if _, err := os.Stat(dir + "/serin-data"); errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
