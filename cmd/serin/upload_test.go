package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/api"
)

// TestDeployFromElsewhere: the same command from another folder sends the file;
// a file that only looks the same is not mistaken for it.
func TestDeployFromElsewhere(t *testing.T) { // alone: it changes its folder
	s := child(t, workplace(t)).mustBeReady()
	here := t.TempDir()
	v2, err := os.ReadFile("../../models/model_v2.joblib")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(here, "fresh.joblib")
	if err := os.WriteFile(file, v2, 0o600); err != nil {
		t.Fatal(err)
	}
	deploy := func(want api.ExitCode, says string, args ...string) {
		t.Helper()
		code, out, errs := command(append([]string{"deploy", "--server", s.url}, args...)...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("%v: exit %d, want %d with %q\n%s%s", args, code, want, says, out, errs)
		}
		if code == api.ExitOK {
			if path := s.state().Rollout.Canary.Path; path != "upload:fresh.joblib" {
				t.Errorf("%v: the canary's path is %s", args, path)
			}
			command("rollback", "--server", s.url)
		}
	}
	deploy(api.ExitOK, "canary fresh is live with 10%", file)
	deploy(api.ExitOK, "canary fresh is live with 5%", file, "--upload", "--weight", "5%")
	deploy(api.ExitRefused, "lies outside", file, "--path")
	golden := file + ".golden.jsonl"
	if err := os.WriteFile(golden, []byte(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 0}`), 0o600); err != nil {
		t.Fatal(err)
	}
	deploy(api.ExitRefused, "line 1: prediction is 1 here and should be 0", file)
	other := filepath.Join(here, "true.jsonl")
	if err := os.WriteFile(other, []byte(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	deploy(api.ExitOK, "its golden predictions are reproduced, 1 in all", file, "--golden", other)
	// The server has the same file, and not the predictions beside this one.
	if err := os.Rename(other, golden); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "models", "fresh.joblib"), v2, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(here)
	if err := os.MkdirAll("models", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fresh.joblib", "fresh.joblib.golden.jsonl"} {
		if err := os.Rename(name, "models/"+name); err != nil {
			t.Fatal(err)
		}
	}
	file = "models/fresh.joblib"
	deploy(api.ExitOK, "its golden predictions are reproduced, 1 in all", file)
	deploy(api.ExitUsage, "golden predictions cannot be read", file, "--golden", filepath.Join(here, "none"))
	deploy(api.ExitUsage, "cannot be sent", filepath.Join(here, "none"), "--upload")
	deploy(api.ExitUsage, "not a regular file", here, "--upload")
	deploy(api.ExitUsage, "nothing is sent", file, "--upload", "--path")
}

// TestAKillWhileAFileArrives: nothing of it is there at the next start, and what
// was served is served.
func TestAKillWhileAFileArrives(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	s := child(t, dir).mustBeReady()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /admin/deploy-canary?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n%s", strings.Repeat(".", 500_000))
	artifacts := filepath.Join(dir, "serin-data", "artifacts")
	eventually(t, "half a file on disk", func() bool {
		entries, _ := os.ReadDir(artifacts)
		for _, e := range entries {
			if info, err := e.Info(); err == nil && info.Size() > 100_000 {
				return true
			}
		}
		return false
	})
	s.kill()
	again := child(t, dir).mustBeReady()
	if entries, err := os.ReadDir(artifacts); err != nil || len(entries) != 1 {
		t.Errorf("%d artifacts, %v", len(entries), err)
	}
	if state := again.state(); state.Phase != "idle" || state.Stable.Name != "model_v1" {
		t.Errorf("%+v", state)
	}
	again.traffic(1)
}
