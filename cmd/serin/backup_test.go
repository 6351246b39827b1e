package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"serin/internal/api"
	"serin/test/postgres"
)

// TestBackupAndRestore of a server that runs, there and back through PostgreSQL; and
// another one goes on from it.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	s := child(t, dir).mustBeReady()
	must := func(args ...string) string {
		t.Helper()
		code, out, errs := command(args...)
		if code != api.ExitOK {
			t.Fatalf("serin %v: exit %d\n%s%s", args, code, out, errs)
		}
		return out
	}
	must("deploy", "models/model_v2.joblib", "--server", s.url)
	s.traffic(40)
	folder := t.TempDir()
	first := filepath.Join(folder, "first")
	out := must("backup", first, "--data", filepath.Join(dir, "serin-data"))
	for _, part := range []string{"churn", "canary", "model_v1", "model_v2", "last event: loaded", "all as they were written"} {
		if !strings.Contains(out, part) {
			t.Errorf("no %q in\n%s", part, out)
		}
	}
	if out := must("restore", first, "--dry-run"); !strings.Contains(out, "nothing was written") {
		t.Error(out)
	}
	read := func(out string) (c contents) {
		t.Helper()
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	want := read(must("restore", first, "--dry-run", "--output", "json"))
	if want.Events < 3 || want.Artifacts != 2 || len(want.Models) != 1 || len(want.Hash) != 64 {
		t.Errorf("%+v", want)
	}
	if code, _, errs := command("restore", first, "--data", first); code == api.ExitOK || !strings.Contains(errs, "something in it already") {
		t.Errorf("over itself: exit %d, %s", code, errs)
	}
	if code, _, errs := command("restore", folder, "--dry-run"); code == api.ExitOK || !strings.Contains(errs, "no state directory") {
		t.Errorf("of nothing: exit %d, %s", code, errs)
	}
	if code, _, _ := command("restore", first, "--data", "x", "--store", "postgres://h/d"); code != api.ExitUsage {
		t.Errorf("two places: exit %d", code)
	}

	server, err := postgres.Start(context.Background())
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("SERIN_TEST_FULL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	must("import", first, "--store", server.URL)
	if code, _, errs := command("import", first, "--store", server.URL); code == api.ExitOK || !strings.Contains(errs, "something in it already") {
		t.Errorf("twice: exit %d, %s", code, errs)
	}
	again := workplace(t)
	got := read(must("export", filepath.Join(again, "serin-data"), "--store", server.URL, "--output", "json"))
	if got.Hash != want.Hash || got.Events != want.Events || got.Identity != want.Identity || got.Bytes != want.Bytes {
		t.Errorf("%+v, want %+v", got, want)
	}
	s.kill()
	s2 := child(t, again).mustBeReady()
	if state := s2.state(); state.CanaryModelPath == nil || !strings.Contains(*state.CanaryModelPath, "model_v2") {
		t.Errorf("the copy does not go on: %+v", state)
	}
	movesOn(t, s2, server.URL+"&search_path=moved")
}

// movesOn stops a server and moves its state into PostgreSQL. What was counted goes
// along, and the rollout goes on there.
func movesOn(t *testing.T, s *server, to string) {
	t.Helper()
	samples := func(url string) uint64 {
		t.Helper()
		var said struct {
			Samples struct{ Stable, Canary uint64 }
		}
		if _, out, errs := command("check", "--server", url, "--output", "json"); json.Unmarshal([]byte(out), &said) != nil {
			t.Fatalf("%s%s", out, errs)
		}
		return said.Samples.Stable + said.Samples.Canary
	}
	s.traffic(40)
	told := samples(s.url)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-s.gone
	if code, out, errs := command("import", filepath.Join(s.dir, "serin-data"), "--store", to); code != api.ExitOK {
		t.Fatalf("import: exit %d\n%s%s", code, out, errs)
	}
	replica := child(t, workplace(t), "SERIN_STORE="+to).mustBeReady()
	for range 3 {
		if got := samples(replica.url); got != told || told < 40 {
			t.Errorf("%d were counted, and %d in PostgreSQL\n%s", told, got, replica.out)
		}
		replica.traffic(10)
		told += 10
	}
}
