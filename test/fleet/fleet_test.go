// Package fleet runs several serins on one PostgreSQL, as users do: real
// processes, real kills, asked over their ports.
//
//	PostgreSQL <── serin <── predictions, and what answered each of them
//	           <── serin <── commands
//	           <── serin <── kill -9
//
// What may not happen here: an import of a room of the product, a wait for a time
// instead of an event, an address that is not loopback.
package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"serin/test/postgres"
	"serin/test/program"
)

// patience bounds what must happen soon.
const patience = 20 * time.Second

// replica is one serin, and what it has answered.
type replica struct {
	*program.Server

	folder         string
	stable, canary uint64 // of the rollout in progress
}

// world is a store, and the replicas on it.
type world struct {
	t        *testing.T
	binary   string
	store    *postgres.Server
	replicas []*replica
}

// full says that every test must run.
func full() bool { return os.Getenv("SERIN_TEST_FULL") == "1" }

func newWorld(t *testing.T, n int) *world {
	t.Helper()
	w := &world{t: t}
	var err error
	if w.store, err = postgres.Start(t.Context()); errors.Is(err, postgres.ErrMissing) && !full() {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Stop(); err != nil {
			t.Error(err)
		}
	})
	if w.binary, err = program.Build(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for range n {
		r := &replica{folder: t.TempDir()}
		if err := program.Workplace(t.Context(), r.folder); err != nil {
			t.Fatal(err)
		}
		w.replicas = append(w.replicas, r)
		w.start(r, w.store.URL)
	}
	return w
}

// start starts a replica on what it has on its disk.
func (w *world) start(r *replica, store string) {
	w.t.Helper()
	var err error
	r.Server, err = program.Start(context.WithoutCancel(w.t.Context()), w.binary, r.folder,
		"--store", store, "--replica-id", filepath.Base(r.folder), "--initial-delay", "0s", "--weight", "50%", "--isolation-timeout", "5s")
	if err != nil {
		w.t.Fatal(err)
	}
	server := r.Server
	w.t.Cleanup(func() {
		if server == r.Server {
			if err := server.Stop(); err != nil {
				w.t.Error(err)
			}
		}
		if w.t.Failed() {
			w.t.Logf("%s wrote:\n%s", server.URL, server.Errors)
		}
	})
}

// kill ends a replica at once.
func (w *world) kill(r *replica) {
	w.t.Helper()
	if err := r.Kill(); err != nil {
		w.t.Fatal(err)
	}
	r.Server = nil
}

// predict asks one replica and counts who answered.
func (w *world) predict(r *replica) string {
	w.t.Helper()
	answer, err := http.Post(r.URL+"/predict", "application/json", strings.NewReader(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`))
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct {
		ModelUsed string `json:"model_used"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s, %v", r.URL, answer.Status, err)
	}
	if said.ModelUsed == "canary" {
		r.canary++
	} else {
		r.stable++
	}
	return said.ModelUsed
}

// until waits for something that must come soon.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	end := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(end) {
			w.t.Fatalf("%v have passed, and still not: %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// command posts to an admin call and returns the status and the answer.
func command(t *testing.T, r *replica, call, body string) (int, string) {
	t.Helper()
	answer, err := http.Post(r.URL+"/admin/"+call, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(bytes.TrimSpace(text))
}

func (w *world) must(r *replica, call, body string) {
	w.t.Helper()
	if status, text := command(w.t, r, call, body); status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", call, status, text)
	}
}

// health is what a replica says of the rollout.
type health struct {
	Verdict string `json:"verdict"`
	Samples struct {
		Stable uint64 `json:"stable"`
		Canary uint64 `json:"canary"`
	} `json:"samples"`
}

func (w *world) health(r *replica) (h health) {
	w.t.Helper()
	if err := r.Admin(w.t.Context(), "check-canary-health", nil, &h); err != nil {
		w.t.Fatal(err)
	}
	return h
}

// deployed deploys and waits until every replica serves the canary. What they have
// answered by then is counted from zero on, each from its first canary on.
func (w *world) deployed(at *replica) {
	w.t.Helper()
	w.must(at, "deploy-canary", `{"model_path": "models/model_v2.joblib"}`)
	for _, r := range w.live() {
		w.until("the canary answers at "+r.URL, func() bool { return w.serves(r) })
	}
}

// serves says whether a replica serves as was decided, by its own word.
func (w *world) serves(r *replica) bool {
	var state struct {
		Canary *string `json:"canary_model_path"`
	}
	own, err := r.Standing(w.t.Context(), "churn")
	if err := errors.Join(err, r.Admin(w.t.Context(), "state", nil, &state)); err != nil {
		w.t.Fatal(err)
	}
	return own.Here == "" && own.Generation >= 3 && state.Canary != nil
}

func (w *world) live() (all []*replica) {
	for _, r := range w.replicas {
		if r.Server != nil {
			all = append(all, r)
		}
	}
	return all
}

// counted waits until a replica's verdict is over all that was answered.
func (w *world) counted(at *replica) {
	w.t.Helper()
	var stable, canary uint64
	for _, r := range w.replicas {
		stable, canary = stable+r.stable, canary+r.canary
	}
	var h health
	w.until("the verdict is over all predictions", func() bool {
		h = w.health(at)
		return h.Samples.Stable >= stable && h.Samples.Canary >= canary
	})
	if h.Samples.Stable != stable || h.Samples.Canary != canary {
		w.t.Errorf("the verdict is over %d and %d predictions, and %d and %d were answered", h.Samples.Stable, h.Samples.Canary, stable, canary)
	}
}

// TestThreeReplicas follows one rollout from its deploy to its rollback, with the
// death of a replica and of the database in between.
func TestThreeReplicas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	a, b, c := w.replicas[0], w.replicas[1], w.replicas[2]
	w.deployed(a)
	for range 100 {
		for _, r := range w.replicas {
			w.predict(r)
		}
	}
	w.counted(c)
	w.counted(b)

	w.kill(a) // what it has told stays counted
	for range 50 {
		w.predict(b)
		w.predict(c)
	}
	w.counted(b)

	if err := w.store.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, text := command(t, c, "rollback-canary", "{}"); status != http.StatusServiceUnavailable {
		t.Errorf("a rollback without the store: %d %s", status, text)
	}
	for range 20 {
		w.predict(b)
		w.predict(c)
	}
	w.start(a, w.store.URL) // from what it knows
	if used := w.predict(a); used != "stable" {
		t.Errorf("a replica that starts without the store answers by %s", used)
	}
	if err := w.store.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until("commands are carried out again", func() bool {
		status, _ := command(t, b, "toggle-slowdown", "{}")
		return status == http.StatusOK
	})
	w.must(b, "rollback-canary", "{}")
	began := time.Now()
	for _, r := range w.replicas {
		w.until("the rollback is in force at "+r.URL, func() bool { return !w.serves(r) })
	}
	t.Logf("the rollback was in force on all replicas within %v", time.Since(began))
	for range 50 {
		for _, r := range w.replicas {
			if used := w.predict(r); used != "stable" {
				t.Fatalf("%s answers by the %s after the rollback", r.URL, used)
			}
		}
	}
	for _, r := range w.replicas {
		w.until("a second rollback finds no canary", func() bool {
			status, _ := command(t, r, "rollback-canary", "{}")
			return status == http.StatusConflict
		})
	}
}

// doctor runs serin doctor for a replica's directory.
func (w *world) doctor(r *replica, store string, flags ...string) (string, error) {
	cmd := exec.CommandContext(w.t.Context(), w.binary, append([]string{"doctor", "--store", store, "--data", "serin-data"}, flags...)...)
	cmd.Dir = r.folder
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// TestAnEmptyStoreIsNoFreshInstall: a replica that knew a store does not begin
// anew in an empty one, until somebody says so.
func TestAnEmptyStoreIsNoFreshInstall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	r := w.replicas[0]
	w.must(r, "deploy-canary", `{"model_path": "models/model_v2.joblib"}`)
	w.must(r, "promote-canary", `{"force": true, "reason": "a test"}`)
	if text, err := w.doctor(r, w.store.URL); err != nil || !strings.Contains(text, "all as they were written") {
		t.Errorf("%v\n%s", err, text)
	}
	w.kill(r)
	empty := w.store.URL + "&search_path=other"
	w.start(r, empty)
	var state struct {
		Stable string `json:"stable_model_path"`
	}
	if err := r.Admin(t.Context(), "state", nil, &state); err != nil || !strings.Contains(state.Stable, "model_v2") {
		t.Errorf("it serves %s: %v", state.Stable, err)
	}
	w.predict(r)
	if status, text := command(t, r, "toggle-slowdown", "{}"); status != http.StatusServiceUnavailable {
		t.Errorf("a decision in an empty store: %d %s", status, text)
	}
	text, err := w.doctor(r, empty)
	if err == nil || !strings.Contains(text, "knows of generation 4 with model_v2 as stable, and the store has 0") || !strings.Contains(text, "is not the one that this replica has seen there") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err := w.doctor(r, empty, "--accept"); err == nil {
		t.Errorf("accepted while the replica runs:\n%s", text)
	}
	w.kill(r)
	if text, err := w.doctor(r, empty, "--accept"); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	w.start(r, empty)
	if err := r.Admin(t.Context(), "state", nil, &state); err != nil || !strings.Contains(state.Stable, "model_v1") {
		t.Errorf("it serves %s: %v", state.Stable, err)
	}
	w.must(r, "toggle-slowdown", "{}")
}
