package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"serin/internal/api"
	"serin/internal/gatehouse"
	"serin/internal/notify"
	"serin/internal/rollout"
	"serin/internal/store"
)

func TestBadStarts(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	held := launch(t, configFor(t))
	defer held.stop()
	tests := []struct {
		name string
		with func(*Config)
		want string
	}{
		{"port taken", func(c *Config) { c.Listen = busy.Addr().String() }, "port taken"},
		{"everybody's address", func(c *Config) { c.Listen = "0.0.0.0:0" }, "not a loopback address"},
		{"any address", func(c *Config) { c.Listen = ":8000" }, "not a loopback address"},
		{"no port", func(c *Config) { c.Listen = "localhost" }, "write it like 127.0.0.1:8000"},
		{"no model", func(c *Config) { c.Models[0].Path = "models/none.joblib" }, "there is no file models/none.joblib"},
		{"no root", func(c *Config) { c.Root = filepath.Join(c.Root, "none") }, "no such file or directory"},
		{"data is a file", func(c *Config) { c.Data = filepath.Join(c.Root, "models/model_v1.joblib") }, "cannot be used"},
		{"data not writable", func(c *Config) { c.Data = "/proc/serin-data" }, "cannot be used"},
		{"data held", func(c *Config) { c.Data = held.config.Data }, "is held by process"},
		{"alpha", func(c *Config) { c.Plan.Alpha = 1 }, "alpha 1 is not between"},
		{"at end", func(c *Config) { c.Plan.AtEnd = "explode" }, "hold, promote or rollback"},
		{"samples", func(c *Config) { c.Plan.MinSamples = 1 }, "at least 2"},
		{"slowdown", func(c *Config) { c.Slowdown = time.Hour }, "slowdown 1h0m0s"},
	}
	for _, tt := range tests {
		c := configFor(t)
		tt.with(&c)
		err := Run(t.Context(), c, func(Ready) { t.Errorf("%s: started", tt.name) })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestTheStateDirectoryGoesOn: files may go, names may change; what was
// decided stays.
func TestTheStateDirectoryGoesOn(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Promote(t.Context(), api.PromoteRequest{Force: true, Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := os.RemoveAll(filepath.Join(c.Root, "models")); err != nil {
		t.Fatal(err)
	}
	r = launch(t, c)
	defer r.stop()
	if used, version, err := r.predict(http.DefaultClient); used != "stable" || version != "model_v2" || err != nil {
		t.Errorf("%s %s %v", used, version, err)
	}
	kept, err := os.ReadDir(filepath.Join(c.Data, "artifacts"))
	if err != nil || len(kept) != 1 {
		t.Errorf("artifacts: %v, %v; only stable's is needed", kept, err)
	}
}

// TestADamagedStateDirectoryIsNotServed: whatever is wrong with it, it is told
// and left as it is.
func TestADamagedStateDirectoryIsNotServed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		harm func(dir string) error
		want string
	}{
		{"database gone", func(dir string) error { return os.Remove(filepath.Join(dir, "serin.db")) }, "damaged"},
		{"head gone", func(dir string) error { return os.Remove(filepath.Join(dir, "head.json")) }, "damaged"},
		{"database overwritten", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "serin.db"), bytes.Repeat([]byte("x"), 8192), 0o600)
		}, "damaged"},
		{"database cut", func(dir string) error { return os.Truncate(filepath.Join(dir, "serin.db"), 5000) }, "damaged"},
		{"stable's artifact changed", func(dir string) error {
			files, err := filepath.Glob(filepath.Join(dir, "artifacts", "*"))
			if err != nil || len(files) != 1 {
				return fmt.Errorf("%v %w", files, err)
			}
			return os.WriteFile(files[0], []byte("x"), 0o600)
		}, "loading stable model_v1"},
	}
	for _, tt := range tests {
		c := configFor(t)
		launch(t, c).stop()
		if err := tt.harm(c.Data); err != nil {
			t.Fatal(err)
		}
		err := Run(t.Context(), c, func(Ready) { t.Errorf("%s: started", tt.name) })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestADumpOfGoroutinesIsNoCrash: SIGQUIT writes a report, too, and is somebody
// who wants to look.
func TestADumpOfGoroutinesIsNoCrash(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	canaryStopped(t, c)
	if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), []byte("SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := launch(t, c)
	defer r.stop()
	if s, err := r.client.State(t.Context()); err != nil || s.Phase != string(rollout.Live) {
		t.Errorf("%+v, %v", s.Rollout, err)
	}
}

// TestOneKillIsCountedOnce: a start that got as far as noting the kill, and no
// further, must not be taken for another kill by the next.
func TestOneKillIsCountedOnce(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	s, err := r.client.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), nil, 0o600); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	artifact := filepath.Join(c.Data, "artifacts", s.Rollout.Canary.SHA256)
	if err := os.Rename(artifact, artifact+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(artifact, 0o700); err != nil { // the disk fails: this can be opened and not read
		t.Fatal(err)
	}
	for range 4 {
		if err := Run(t.Context(), c, func(Ready) { t.Error("started") }); err == nil || !strings.Contains(err.Error(), "loading canary model_v2") {
			t.Fatalf("%v", err)
		}
	}
	if err := os.Remove(artifact); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(artifact+".away", artifact); err != nil {
		t.Fatal(err)
	}
	r = launch(t, c)
	defer r.stop()
	if s, err := r.client.State(t.Context()); err != nil || s.Phase != string(rollout.Live) {
		t.Errorf("%s, last %+v, %v", s.Phase, s.Last, err)
	}
}

// canaryStopped leaves a state directory whose server stopped with a canary live.
func canaryStopped(t *testing.T, c Config) {
	t.Helper()
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	r.stop()
}

func TestADrillEndsWhereDrillsAreOff(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.ToggleSlowdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	c.Drills = false
	r = launch(t, c)
	defer r.stop()
	for range 20 {
		if _, _, err := r.predict(http.DefaultClient); err != nil {
			t.Fatal(err)
		}
	}
	s, err := r.client.State(t.Context())
	if err != nil || s.CanaryMetrics.Canary.LatenciesMS.P50MS > 10 {
		t.Errorf("the canary is still slow: %+v, %v", s.CanaryMetrics, err)
	}
	if slow, err := r.client.ToggleSlowdown(t.Context()); err != nil || slow.SimulateSlowdown {
		t.Errorf("ending it: %+v, %v", slow, err)
	}
}

func TestACrashReportQuarantinesTheCanary(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	canaryStopped(t, c)
	report := "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n\ngoroutine 7 [running]:\n"
	if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	r := launch(t, c)
	s, err := r.client.State(t.Context())
	if err != nil || s.Phase != string(rollout.Idle) {
		t.Errorf("%+v, %v", s, err)
	}
	deployed := r.deploy("models/model_v2.joblib")
	if p, ok := errors.AsType[*api.Problem](deployed); !ok || p.Code != "version_quarantined" || !strings.Contains(p.Detail, "stack") {
		t.Errorf("deploying it again: %v", deployed)
	}
	r.stop()
	if !strings.Contains(log.String(), "canary quarantined") {
		t.Errorf("nobody was told:\n%s", log.String())
	}
	if _, err := os.Stat(filepath.Join(c.Data, "crash.txt")); err == nil {
		t.Error("the report is still there after a clean stop")
	}
	r = launch(t, c) // and it is not held against the next one
	r.stop()
}

func TestHeadlines(t *testing.T) {
	t.Parallel()
	for report, want := range map[string]string{
		"":                                      "",
		"\n":                                    "",
		"panic: boom\n\ngoroutine 1 [running]:": "panic: boom",
		"noise\nfatal error: concurrent map read": "fatal error: concurrent map read",
		"something else\nmore":                    "something else",
	} {
		if got := headline(report); got != want {
			t.Errorf("%q: %q, want %q", report, got, want)
		}
	}
}

// accepting tells of the first connection that is waited for.
type accepting struct {
	net.Listener

	first func()
	once  sync.Once
}

func (a *accepting) Accept() (net.Conn, error) {
	a.once.Do(a.first)
	return a.Listener.Accept()
}

// behindDoors is what a server is made of before it listens.
func behindDoors(t *testing.T, c *Config) (*yard, *blackBox) {
	t.Helper()
	root, err := os.OpenRoot(c.Root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	memory, err := store.Open(c.Data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	box, err := openBlackBox(c.Data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.close() })
	return newYard(c, root, memory, nil, notify.New(notify.Config{}), c.Data, c.Models), box
}

// TestNobodyIsToldThatThereIsNoCanary: who asks while the server starts, and has
// waited for it, is answered from the state directory or not at all.
func TestNobodyIsToldThatThereIsNoCanary(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	canaryStopped(t, c)
	y, box := behindDoors(t, &c)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	first := func() {
		if phase := y.lines()[0].pilot.Peek().State.Phase; phase != rollout.Live {
			t.Errorf("the first request is answered while the phase is %q", phase)
		}
	}
	s, err := assemble(c, y, &gatehouse.House{}, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.run(ctx, &gatehouse.Addresses{HTTP: &accepting{Listener: l, first: first}}, box, func(Ready) { cancel(ErrAtOnce) }); err != nil {
		t.Error(err)
	}
}
