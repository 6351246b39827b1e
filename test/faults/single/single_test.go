//go:build linux && amd64

// Package single breaks one thing at a time: real serins, the real disk and the
// real PostgreSQL, and one fault at one place, asked for by its name. What many
// faults at once do is found out next door.
//
//	kill -9 before every system call of every verb   kill_test.go
//	a disk that is full, read-only, or fails         disk_test.go
//	files that were cut or have other bits           harm_test.go
//	a primary that dies with a standby beside it     failover_test.go
//	a clock that is stepped by a day                 clock_test.go
//	model files that change, canaries that hang      models_test.go
//	canaries that ask for gigabytes                  memory_test.go
//	a folder elsewhere that answers no more          mount_test.go
//	replicas of the release before beside new ones   release_test.go
//	what older releases left in the store            older_test.go
//
// A model file that crashes the process is in cmd/serin and internal/app, where such
// a canary can be made; files made to do harm are in internal/model/format; thousands
// of connections and slow clients are in bench/limits.
//
// SERIN_FAULTS=all takes every place instead of some, and the build tag nights has what
// takes minutes besides, for make faults-single.
//
// What may not happen here: an import of a room of the product, a wait for a time
// instead of an event, an address that is not loopback, the end of a process that
// was not started here.
package single

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"serin/test/postgres"
	"serin/test/program"
)

// patience bounds what must happen soon.
const patience = 30 * time.Second

// every says that each place of a fault is wanted.
func every() bool { return os.Getenv("SERIN_FAULTS") == "all" }

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(traceMain(traceSocket, append([]string{os.Getenv(tracedBinary)}, os.Args[1:]...)))
	}
	folder, err := os.MkdirTemp("", "serin-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.folder = folder
	if err := os.Setenv(tracedBinary, filepath.Join(folder, "serin")); err != nil {
		panic(err) // its name is a good one
	}
	code := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// built is the binary that all tests share.
var built struct {
	once         sync.Once
	folder, path string
	err          error
}

func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(func() { built.path, built.err = program.Build(context.Background(), built.folder) })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// postgresql starts one for a test, or skips it where there is none and nobody
// asked for every test.
func postgresql(t *testing.T, settings ...string) *postgres.Server {
	t.Helper()
	store, err := postgres.Start(t.Context(), settings...)
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("SERIN_TEST_FULL") != "1" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Stop(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// home is a folder with the example models, in which a server runs.
type home struct {
	t      *testing.T
	folder string
	flags  []string
}

func newHome(t *testing.T, flags ...string) *home {
	t.Helper()
	h := &home{t, t.TempDir(), flags}
	if err := program.Workplace(t.Context(), h.folder); err != nil {
		t.Fatal(err)
	}
	return h
}

// data is the state directory.
func (h *home) data() string { return filepath.Join(h.folder, "serin-data") }

// start starts a server, which ends with the test if not before.
func (h *home) start(binary string, flags ...string) *program.Server {
	h.t.Helper()
	s, err := program.Start(context.WithoutCancel(h.t.Context()), binary, h.folder, append(h.flags, flags...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = s.Stop() // most have ended by now; what matters was asked before
		if h.t.Failed() {
			h.t.Logf("%s wrote:\n%s", s.URL, s.Errors)
		}
	})
	return s
}

// traced is a server whose system calls are stopped.
type traced struct {
	*program.Server

	socket string
}

// trace starts a server under a tracer, which this binary is if it is called as serin.
func (h *home) trace(flags ...string) *traced {
	h.t.Helper()
	binary(h.t)
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	return &traced{h.start(self, flags...), filepath.Join(h.folder, traceSocket)}
}

// tell gives an order and returns what was seen since the last one. An error is
// that the process has ended.
func (s *traced) tell(o order) (seen trail, err error) {
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		return trail{}, err
	}
	defer c.Close()
	if err := json.NewEncoder(c).Encode(o); err != nil {
		return trail{}, err
	}
	err = json.NewDecoder(c).Decode(&seen)
	return seen, err
}

// doctor reads the state from end to end.
func (h *home) doctor(flags ...string) (string, error) {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), binary(h.t), append([]string{"doctor", "--data", "serin-data"}, flags...)...)
	cmd.Dir = h.folder
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// answer is what came back; a status of 0 is that nothing did.
type answer struct {
	status int
	text   string
}

func post(s *program.Server, path, body string) answer {
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	r, err := client.Post(s.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		return answer{0, err.Error()}
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return answer{0, err.Error()}
	}
	return answer{r.StatusCode, string(bytes.TrimSpace(text))}
}

const row = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`

// predicted wants a prediction, and says which arm made it.
func (h *home) predicted(s *program.Server) string {
	h.t.Helper()
	a := post(s, "/predict", row)
	var said struct {
		ModelUsed string `json:"model_used"`
	}
	if err := json.Unmarshal([]byte(a.text), &said); err != nil || a.status != http.StatusOK {
		h.t.Fatalf("a prediction: %d %s", a.status, a.text)
	}
	return said.ModelUsed
}

func (h *home) must(s *program.Server, path, body string) {
	h.t.Helper()
	if a := post(s, path, body); a.status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", path, a.status, a.text)
	}
}

// place is where a model stands.
type place struct {
	Phase      string `json:"phase"`
	Generation uint64 `json:"generation"`
	Stable     struct {
		Name string `json:"name"`
	} `json:"stable"`
	Rollout *struct {
		Canary struct {
			Name string `json:"name"`
		} `json:"canary"`
	} `json:"rollout"`
}

func (p place) String() string {
	canary := "no canary"
	if p.Rollout != nil {
		canary = p.Rollout.Canary.Name
	}
	return fmt.Sprintf("%s with %s and %s", p.Phase, p.Stable.Name, canary)
}

func (h *home) stands(s *program.Server) (p place) {
	h.t.Helper()
	if err := s.Admin(h.t.Context(), "state", nil, &p); err != nil {
		h.t.Fatal(err)
	}
	return p
}

// until waits for something that must come soon.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(end) {
			t.Fatalf("%v have passed, and still not: %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
