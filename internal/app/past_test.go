package app

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/store"
)

// past is what a state directory is filled with: models, of which four in five
// have a live canary with an hour of looks and 1e6 requests behind it, and a
// journal of so many events.
type past struct {
	models, events, looks int
}

// pastName is the i-th model's.
func pastName(i int) string { return fmt.Sprintf("m%02d", i) }

// TestLongPast fills a state directory and serves from it: a page is told the
// latest of what happened and not all of it. With SERIN_LONG_PAST=FOLDER it leaves a
// directory there that bench/pages measures with, SERIN_LONG_PAST_EVENTS long.
func TestLongPast(t *testing.T) {
	t.Parallel()
	c, much := configFor(t), past{models: 3, events: 450, looks: 120}
	kept := os.Getenv("SERIN_LONG_PAST")
	if kept != "" {
		events, err := strconv.Atoi(os.Getenv("SERIN_LONG_PAST_EVENTS"))
		if err != nil {
			t.Fatal(err)
		}
		c.Data, much = kept, past{models: 50, events: events, looks: 360}
	}
	much.write(t, c.Data, filepath.Join(c.Root, "models"), c.Plan)
	if kept != "" {
		return
	}
	c.Models = nil
	for i := range much.models {
		c.Models = append(c.Models, Model{Name: pastName(i)})
	}
	r := launch(t, c)
	defer r.stop()
	told := r.told("m01", "now", "models", "journal", "past")
	var journal []struct{ Event string }
	var looks struct{ Points []struct{ N int } }
	var models []struct{ Requests struct{ Canary uint64 } }
	for name, into := range map[string]any{"journal": &journal, "past": &looks, "models": &models} {
		if err := json.Unmarshal(told[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if len(journal) != 100 || len(looks.Points) != much.looks || len(models) != much.models || models[1].Requests.Canary < 30_000 {
		t.Errorf("%d events, %d looks, %d models, %+v", len(journal), len(looks.Points), len(models), models)
	}
	if all := len(told["now"]) + len(told["models"]) + len(told["journal"]) + len(told["past"]); all > 300<<10 {
		t.Errorf("a page is told %d bytes before it can be drawn", all)
	}
}

// told are the first messages of a stream, by their names.
func (r *running) told(model string, names ...string) map[string][]byte {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/admin/models/"+model+"/live", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	told, lines := map[string][]byte{}, bufio.NewReader(res.Body)
	for name := ""; len(told) < len(names); { // the others are not asked for
		line, err := lines.ReadString('\n')
		if err != nil {
			r.t.Fatalf("%s: the stream ended after %d messages: %v", res.Status, len(told), err)
		}
		if event, ok := strings.CutPrefix(line, "event: "); ok {
			name = strings.TrimSpace(event)
		} else if data, ok := strings.CutPrefix(line, "data: "); ok && slices.Contains(names, name) {
			told[name] = []byte(data)
		}
	}
	return told
}

// write makes the directory by the store and the law.
func (p past) write(t *testing.T, dir, files string, plan rollout.Plan) {
	t.Helper()
	memory, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := memory.Close(); err != nil {
			t.Error(err)
		}
	}()
	plan.Period = 2 * time.Hour // the hour of looks does not end it
	w := &pastWriter{t: t, memory: memory, plan: plan, at: time.Now().Add(-2 * time.Hour)}
	w.looks, w.opinion = watched(t, plan, p.looks)
	w.stable, w.canary = w.ingest(files, "model_v1"), w.ingest(files, "model_v2")
	states := make([]rollout.State, p.models)
	for i := range states {
		states[i].Model = pastName(i)
		w.begin(&states[i], i%5 == 4)
	}
	for row := w.rows; row < p.events; row++ { // idle ones have nothing to drill
		i := row % p.models
		w.commit(&states[i-i%5+min(i%5, 3)], rollout.Event{Kind: rollout.Drill, Actor: "ana", Reason: "the weekly drill"}, nil)
	}
}

// pastWriter writes what happened into a store.
type pastWriter struct {
	t              *testing.T
	memory         *store.Store
	plan           rollout.Plan
	at             time.Time
	rows           int
	stable, canary rollout.Version
	looks          []store.Look
	opinion        json.RawMessage // on the last of them
}

func (w *pastWriter) ingest(files, name string) rollout.Version {
	w.t.Helper()
	file, err := os.Open(filepath.Join(files, name+".joblib"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer file.Close()
	digest, size, err := w.memory.Ingest(w.t.Context(), file, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return rollout.Version{Name: name, Path: "models/" + name + ".joblib", SHA256: digest, Size: size}
}

// begin gives a model a rollout that was rolled back, with the evidence of its
// last look, and if it is not to be idle another that is live, with all looks.
func (w *pastWriter) begin(s *rollout.State, idle bool) {
	w.commit(s, rollout.Event{Kind: rollout.Install, Actor: "serin", Version: w.stable}, nil)
	deploy := rollout.Event{Kind: rollout.Deploy, Actor: "ana", Version: w.canary, Plan: w.plan}
	w.commit(s, deploy, nil)
	w.commit(s, rollout.Event{Kind: rollout.Loaded, Actor: "serin"}, nil)
	last := w.looks[len(w.looks)-1]
	last.Detail = w.opinion
	w.commit(s, rollout.Event{Kind: rollout.Rollback, Actor: "bo", Reason: "features were missing"}, &last)
	if idle {
		return
	}
	w.commit(s, deploy, nil)
	w.commit(s, rollout.Event{Kind: rollout.Loaded, Actor: "serin"}, nil)
	for _, l := range w.looks {
		if _, err := w.memory.SaveLook(w.t.Context(), s.Model, s.Rollout.ID, l); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *pastWriter) commit(s *rollout.State, e rollout.Event, judged *store.Look) {
	w.t.Helper()
	w.at = w.at.Add(30 * time.Millisecond)
	entry := store.Entry{At: w.at, Event: e.Kind, Actor: e.Actor, Reason: e.Reason}
	if judged != nil {
		entry.Finding, entry.Detail, entry.Evidence = &judged.Finding, judged.Detail, judged.Evidence
	}
	if s.Rollout != nil {
		entry.Rollout = s.Rollout.ID
	}
	var err error
	if *s, _, err = rollout.Next(*s, e, w.at); err != nil {
		w.t.Fatal(err)
	}
	if s.Rollout != nil {
		entry.Rollout = s.Rollout.ID
	}
	entry.State = *s
	if err := w.memory.Commit(context.WithoutCancel(w.t.Context()), entry); err != nil {
		w.t.Fatal(err)
	}
	w.rows++
}

// watched are looks each ten seconds at a rollout with 1e6 requests in an hour, a
// tenth of them the canary's, which is as fast as stable.
func watched(t *testing.T, plan rollout.Plan, n int) (looks []store.Look, last json.RawMessage) {
	t.Helper()
	var more record.Stage
	for i := range 2778 {
		arm := &more.Stable
		if i%10 == 9 {
			arm = &more.Canary
		}
		arm.Started++
		arm.Observe(time.Duration(2e5*(1+float64(i*7919%1000)/1000)), float64(i*104729%1000)/1000)
	}
	seen, monitor := record.Stage{Share: uint32(plan.Weight)}, judge.NewMonitor(plan)
	for k := 1; k <= n; k++ {
		seen.Stable.Add(&more.Stable)
		seen.Canary.Add(&more.Canary)
		e := &record.Evidence{Stages: []record.Stage{seen}, Elapsed: time.Duration(k) * 10 * time.Second}
		o := monitor.Opinion(e)
		detail, err := json.Marshal(o.Monitor)
		if err == nil {
			last, err = json.Marshal(o)
		}
		if err != nil {
			t.Fatal(err)
		}
		looks = append(looks, store.Look{At: time.Now().Add(time.Duration(k-n) * 10 * time.Second), Finding: o.Monitor.Finding, Detail: detail, Evidence: e})
	}
	return looks, last
}
