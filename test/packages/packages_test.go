package packages_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"serin/test/program"
)

// deploy is where the packages are, from here.
const deploy = "../../deploy"

// patience bounds what takes a second on a quiet machine, or a build on a busy one.
const patience = 5 * time.Minute

// needed skips a test that lacks a tool, but where every test is asked for.
func needed(t *testing.T, what string) {
	t.Helper()
	why := what + " is missing, so this is not tried; `make test` sets it up"
	if os.Getenv("SERIN_TEST_FULL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// run runs a command that ends well, and returns all that it says.
func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, out)
	}
	return string(out)
}

func manifests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(deploy, "kubernetes", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v (%v), want manifests", files, err)
	}
	return files
}

// TestManifestsAreOfThisChart: Helm is not needed to see that somebody changed
// the chart and did not render it.
func TestManifestsAreOfThisChart(t *testing.T) {
	t.Parallel()
	digest := strings.TrimSpace(run(t, "bash", "../../scripts/manifests", "--digest"))
	for _, file := range manifests(t) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte("\n# Rendered by make manifests from chart "+digest+".\n")) {
			t.Errorf("%s is not rendered from the chart as it is (%s): run make manifests", file, digest)
		}
	}
}

func TestManifestsAreOfKubernetes(t *testing.T) {
	t.Parallel()
	python := os.Getenv("SERIN_TEST_PYTHON")
	if python == "" {
		needed(t, "SERIN_TEST_PYTHON, a Python with kubernetes-validate,")
	}
	said := run(t, python, append([]string{"-B", "manifests.py", "testdata/servicemonitor.schema.json"}, manifests(t)...)...)
	const kinds = "kinds: ConfigMap HorizontalPodAutoscaler NetworkPolicy PodDisruptionBudget Service ServiceAccount ServiceMonitor StatefulSet\n"
	if !strings.HasSuffix(said, kinds) {
		t.Errorf("%swant %s", said, kinds)
	}
}

// TestSystemd: the unit has no line that systemd does not know, and lets the
// service do next to nothing. The level goes from 0 (nothing) to 10 (everything).
func TestSystemd(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		needed(t, "systemd-analyze")
	}
	unit, err := os.ReadFile(filepath.Join(deploy, "systemd", "serin.service"))
	if err != nil {
		t.Fatal(err)
	}
	// What it starts has to exist, or systemd says no more than that.
	here := filepath.Join(t.TempDir(), "serin.service")
	unit = bytes.ReplaceAll(unit, []byte("/usr/local/bin/serin"), []byte("/bin/true"))
	if err := os.WriteFile(here, unit, 0o600); err != nil {
		t.Fatal(err)
	}
	if said := run(t, "systemd-analyze", "verify", "--man=no", here); strings.Contains(said, here) {
		t.Errorf("systemd says of the unit:\n%s", said)
	}
	run(t, "systemd-analyze", "security", "--offline=yes", "--threshold=15", here) // fails above 1.5
}

// buildLine is how the image's binary is built.
var buildLine = regexp.MustCompile(`(?m)CGO_ENABLED=0 go build (.+) -o /out/serin \./cmd/serin`)

// TestEmptyRoot is the image without an engine: the binary, built as the image's
// is, alone in a root directory that it cannot write to, as a user who owns
// nothing but /data.
func TestEmptyRoot(t *testing.T) {
	t.Parallel()
	dockerfile, err := os.ReadFile(filepath.Join(deploy, "image", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	line := buildLine.FindSubmatch(dockerfile)
	if line == nil {
		t.Fatalf("the Dockerfile has no line like %v", buildLine)
	}
	root := t.TempDir()
	binary := filepath.Join(root, "serin")
	run(t, "sh", "-c", fmt.Sprintf("CGO_ENABLED=0 go build %s -o %s serin/cmd/serin", line[1], binary))
	takesSettings(t, binary)
	if err := program.Workplace(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(root, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	enter := []string{"unshare", "--user", "--map-root-user", "chroot", root}
	if os.Geteuid() == 0 {
		if err := os.Chown(data, 65532, 65532); err != nil {
			t.Fatal(err)
		}
		enter = []string{"chroot", "--userspec=65532:65532", root}
	}
	door := filepath.Join(t.TempDir(), "serin")
	script := "#!/bin/sh\nexec env -i PATH=\"$PATH\" " + strings.Join(enter, " ") + " /serin \"$@\"\n"
	if err := os.WriteFile(door, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}

	key := fmt.Sprintf("image role=predictor models=* sha256=%x\n", sha256.Sum256([]byte(token)))
	if err := os.WriteFile(filepath.Join(root, "keys"), []byte(key), 0o644); err != nil {
		t.Fatal(err)
	}
	before := names(t, root)
	s, err := program.Start(context.WithoutCancel(t.Context()), door, root,
		"--data", "/data", "--models", "/models", "--root", "/models", "--listen", "0.0.0.0:0", "--keys", "/keys", "--behind-proxy")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	here := regexp.MustCompile(`//.*:`).ReplaceAllString(s.URL, "//127.0.0.1:") // of all the addresses it listens on
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, here+"/models/model_v1/predict", strings.NewReader(`{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct {
		Version string `json:"model_version"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Version != "model_v1" {
		t.Errorf("answered %s, %+v (%v)", answer.Status, got, err)
	}
	if after := names(t, root); !slices.Equal(before, after) {
		t.Errorf("beside /data there was %v and is %v", before, after)
	}
}

// settings are what a manifest's ConfigMap says.
var settings = regexp.MustCompile(`(?s)\n  serin\.yaml: \|(\n.*?)---\n`)

// takesSettings holds the manifests' settings against a binary.
func takesSettings(t *testing.T, binary string) {
	t.Helper()
	for _, file := range manifests(t) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := settings.FindSubmatch(content)
		if found == nil {
			t.Fatalf("%s has no settings", file)
		}
		here := filepath.Join(t.TempDir(), "serin.yaml")
		if err := os.WriteFile(here, bytes.ReplaceAll(found[1], []byte("\n    "), []byte("\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		if said := run(t, binary, "serve", "--config", here, "--print-config"); !strings.Contains(said, "keys: /etc/serin/keys/keys") {
			t.Errorf("of the settings in %s serin understood\n%s", file, said)
		}
	}
}

// token is nobody's but this test's.
const token = "serin_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// names are what is in a directory.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
