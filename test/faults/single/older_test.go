//go:build linux && amd64

package single

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"serin/test/program"
)

// What older releases left in the middle of a rollout, and what they said of it last,
// is in testdata/older: a directory with layout 3 (0f304ed^), and a dump of PostgreSQL with
// layout 2 (33ba9e3), as text. Each has four events, one look, 200 requests and, of a
// replica that is gone, its counts. A release that changes a layout adds its own.

// said is what an older release said of its rollout.
type said struct {
	Phase    string `json:"phase"`
	Rollout  string `json:"rollout"`
	Stable   string `json:"stable_version"`
	Canary   string `json:"canary_version"`
	Verdict  string `json:"verdict"`
	Finding  string `json:"finding"`
	Drilled  bool   `json:"drilled"`
	Started  string `json:"canary_start_time"`
	Observed struct {
		Stable int `json:"stable"`
		Canary int `json:"canary"`
	} `json:"samples"`
	P          float64 `json:"p_value"`
	T          float64 `json:"t_statistic"`
	DF         float64 `json:"degrees_of_freedom"`
	StableMS   float64 `json:"stable_avg_latency_ms"`
	CanaryMS   float64 `json:"canary_avg_latency_ms"`
	Difference float64 `json:"difference_ms"`
	Elapsed    float64 `json:"elapsed_seconds"`
}

// numbers are those that only requests change.
func (s *said) numbers() [6]float64 {
	return [6]float64{s.P, s.T, s.DF, s.StableMS, s.CanaryMS, s.Difference}
}

// TestAnOlderState is opened, brought up to date, and gone on from: the same verdict of
// the same counts, to 1e-12; the looks and events of before; the rollout is promoted; and
// after a restart all is there.
func TestAnOlderState(t *testing.T) {
	t.Parallel()
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		h := newHome(t, "--model", "churn=models/model_v1.joblib")
		if err := os.CopyFS(h.data(), os.DirFS("testdata/older/directory")); err != nil {
			t.Fatal(err)
		}
		h.goesOn("directory")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		address := postgresql(t).URL
		restore(t, address, "testdata/older/postgres.sql")
		h := newHome(t, "--model", "churn=models/model_v1.joblib", "--store", address, "--replica-id", "newer")
		h.goesOn("postgres", "--store", address)
	})
}

// restore runs a dump.
func restore(t *testing.T, address, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.PgConn().Exec(t.Context(), string(text)).ReadAll()
	if err = errors.Join(err, conn.Close(context.WithoutCancel(t.Context()))); err != nil {
		t.Fatal(err)
	}
}

// goesOn holds what a server says against what the older one said last.
func (h *home) goesOn(name string, store ...string) {
	t := h.t
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/older", name+".json"))
	var want said
	if err = errors.Join(err, json.Unmarshal(text, &want)); err != nil {
		t.Fatal(err)
	}
	s := h.start(binary(t))
	until(t, "the rollout goes on", func() bool { return h.stands(s).String() == trial && h.said(s).Observed == want.Observed })
	got := h.said(s)
	for i, n := range got.numbers() {
		if !(math.Abs(n-want.numbers()[i]) <= 1e-12*math.Abs(n)) {
			t.Errorf("its numbers are %v, and were %v", got.numbers(), want.numbers())
			break
		}
	}
	if got.Elapsed < want.Elapsed {
		t.Errorf("%v s were observed, and now it is %v s", want.Elapsed, got.Elapsed)
	}
	words := func(s said) string {
		return fmt.Sprint(s.Phase, s.Rollout, s.Stable, s.Canary, s.Verdict, s.Finding, s.Drilled, s.Started)
	}
	if words(got) != words(want) {
		t.Errorf("it says\n%s\nand said\n%s", words(got), words(want))
	}
	h.remembers(s)
	bothArms(h, s)
	h.must(s, promote.path, promote.body)
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if text, err := h.doctor(store...); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	s = h.start(binary(t))
	if now := h.stands(s); now.String() != "idle with model_v2 and no canary" {
		t.Errorf("after a restart it is %s", now)
	}
	h.remembers(s)
}

func (h *home) said(s *program.Server) (now said) {
	h.t.Helper()
	var raw json.RawMessage
	if err := s.Admin(h.t.Context(), "check-canary-health", nil, &raw); err != nil {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &now); err != nil {
		h.t.Fatal(err)
	}
	return now
}

// remembers wants what the older release stored of the rollout: each event, and its look
// with numbers and evidence.
func (h *home) remembers(s *program.Server) {
	h.t.Helper()
	r, err := http.Get(s.URL + "/admin/rollouts/r1/cases")
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var row struct {
			Case struct {
				Name     string          `json:"name"`
				Lost     string          `json:"lost"`
				Look     int             `json:"look"`
				Detail   json.RawMessage `json:"detail"`
				Evidence []byte          `json:"evidence"`
			} `json:"case"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			h.t.Fatalf("%s: %v", line, err)
		}
		c := row.Case
		found[c.Name] = c.Lost == "" && (c.Look == 0 || len(c.Evidence) > 0 && len(c.Detail) > len("null"))
	}
	for _, name := range []string{"deploy by operator", "loaded by serin", "drill by operator", "end of the drill by operator", "look 1"} {
		if !found[name] {
			h.t.Errorf("%s is not there, or not whole:\n%s", name, text)
		}
	}
}
