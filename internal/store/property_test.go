package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"serin/internal/record"
	"serin/internal/rollout"
)

// machine runs random operations on a store and on a plain map beside it.
type machine struct {
	home
	s         *Store
	want      contents
	artifacts map[string]string // content by digest
}

// TestRandomOperations compares the store with a map over random histories of
// commits, saves, artifacts, restarts and kills, or changes to another replica.
func TestRandomOperations(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		times := 3
		if h.url != "" { // a check takes ten times as long
			times = 1
		}
		for range times {
			randomOperations(t, h)
		}
	})
}

func randomOperations(t *testing.T, h home) {
	rapid.Check(t, func(r *rapid.T) {
		dir := quickDir(t)
		m := &machine{home: home{dir: dir}, artifacts: make(map[string]string)}
		if h.url != "" {
			m.url = shares(t)
		}
		m.want = contents{State: make(map[string]rollout.State), Evidence: make(map[string]record.Evidence), Looks: make(map[string][]Look)}
		for _, name := range []string{"churn", "other"} {
			m.want.State[name], m.want.Evidence[name] = rollout.State{Model: name}, record.Evidence{}
		}
		m.reopen(r)
		r.Cleanup(func() { // also when rapid gives the draw up
			if err := errors.Join(m.s.Close(), os.RemoveAll(dir)); err != nil {
				t.Error(err)
			}
		})
		r.Repeat(map[string]func(*rapid.T){
			"commit": func(r *rapid.T) { m.commit(t, r) },
			"stale":  func(r *rapid.T) { m.stale(t, r) },
			"save":   func(r *rapid.T) { m.save(t, r) },
			"look":   func(r *rapid.T) { m.look(t, r) },
			"ingest": func(r *rapid.T) {
				content := rapid.StringN(0, 20, -1).Draw(r, "content")
				m.artifacts[ingest(t, m.s, content)] = content
			},
			"prune": func(r *rapid.T) {
				if err := m.s.Prune(slices.Collect(maps.Keys(m.artifacts))...); err != nil {
					r.Fatal(err)
				}
			},
			"restart": func(r *rapid.T) {
				if err := m.s.Close(); err != nil {
					r.Fatal(err)
				}
				m.reopen(r)
			},
			"kill": func(r *rapid.T) { m.kill(t, r) },
			"":     func(r *rapid.T) { m.check(t, r) },
		})
	})
}

func (m *machine) reopen(r *rapid.T) {
	s, err := Open(m.dir, Options{URL: m.url})
	if err != nil {
		r.Fatal(err)
	}
	m.s = s
}

// kill goes on with a copy of the files as they are while the store is open; where
// it is shared, with another replica, whose directory is empty.
func (m *machine) kill(t *testing.T, r *rapid.T) {
	if m.url != "" {
		m.dir = quickDir(t)
		before := m.s
		m.reopen(r)
		if err := before.Close(); err != nil {
			r.Fatal(err)
		}
		return
	}
	im := takeImage(t, m.dir)
	if err := m.s.Close(); err != nil {
		r.Fatal(err)
	}
	for _, name := range []string{databaseName, walName, headName} {
		_ = os.Remove(filepath.Join(m.dir, name)) // the image has those that there were
	}
	im.restore(t, m.dir)
	m.reopen(r)
}

func (m *machine) commit(t *testing.T, r *rapid.T) {
	name := rapid.SampledFrom([]string{"churn", "other"}).Draw(r, "model")
	e := life(name, m.want.State[name].Generation+1)
	e.Actor, e.Reason = rapid.String().Draw(r, "actor"), rapid.String().Draw(r, "reason")
	if m.url == "" {
		e.Actor += string(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(r, "bytes that are no text"))
	} else {
		e.Actor, e.Reason = strings.ReplaceAll(e.Actor, "\x00", ""), strings.ReplaceAll(e.Reason, "\x00", "")
	}
	before := m.want.State[name].Rollout
	if err := m.s.Commit(t.Context(), e); err != nil {
		r.Fatal(err)
	}
	e.Seq = uint64(len(m.want.Journal)) + 1
	m.want.Journal = append(m.want.Journal, e)
	m.want.State[name] = e.State
	if e.Event == rollout.Deploy {
		m.want.Looks[name+" "+e.Rollout] = nil
	}
	switch {
	case e.Evidence != nil:
		m.want.Evidence[name] = *e.Evidence
	case e.State.Rollout == nil || before == nil || before.ID != e.State.Rollout.ID:
		m.want.Evidence[name] = record.Evidence{}
	}
}

func (m *machine) stale(t *testing.T, r *rapid.T) {
	e := life("churn", 1)
	e.State.Generation = rapid.Uint64().Draw(r, "generation")
	if e.State.Generation == m.want.State["churn"].Generation+1 {
		return
	}
	if err := m.s.Commit(t.Context(), e); !errors.Is(err, ErrStale) {
		r.Fatalf("got %v", err)
	}
}

func (m *machine) save(t *testing.T, r *rapid.T) {
	id := fmt.Sprintf("r%d", rapid.IntRange(0, 4).Draw(r, "rollout"))
	e := evidence(rapid.IntRange(0, 50).Draw(r, "observations"))
	current := m.want.State["churn"].Rollout
	err := m.s.SaveEvidence(t.Context(), "churn", id, e)
	if current == nil || current.ID != id {
		if !errors.Is(err, ErrStale) {
			r.Fatalf("got %v", err)
		}
		return
	}
	if err != nil {
		r.Fatal(err)
	}
	m.want.Evidence["churn"] = *e
}

func (m *machine) look(t *testing.T, r *rapid.T) {
	id := fmt.Sprintf("r%d", rapid.IntRange(0, 4).Draw(r, "rollout"))
	l := lookAt(rapid.IntRange(0, 5).Draw(r, "observations"))
	l.Finding.Sentence = rapid.String().Draw(r, "sentence")
	current := m.want.State["churn"].Rollout
	number, err := m.s.SaveLook(t.Context(), "churn", id, l)
	if current == nil || current.ID != id {
		if !errors.Is(err, ErrStale) {
			r.Fatalf("got %v", err)
		}
		return
	}
	looks := m.want.Looks["churn "+id]
	if err != nil || number != uint64(len(looks))+1 {
		r.Fatalf("look %d has the number %d, %v", len(looks)+1, number, err)
	}
	l.Number = number
	m.want.Looks["churn "+id] = append(looks, l)
	m.want.Evidence["churn"] = *l.Evidence
}

func (m *machine) check(t *testing.T, r *rapid.T) {
	if diff := cmp.Diff(m.want, read(t, m.s), equal); diff != "" {
		r.Fatal(diff)
	}
	for digest, content := range m.artifacts {
		f, err := m.s.Artifact(t.Context(), digest)
		if err != nil {
			r.Fatal(err)
		}
		if got := readAll(t, f); got != content {
			r.Fatalf("artifact %q is %q", content, got)
		}
	}
}
