//go:build linux && amd64 && nights

package single

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"serin/test/program"
)

// older is the commit whose binary stands for the release before: the last one that
// users may still run beside what is built here.
const older = "33ba9e3e8d749e25132aca4f5891853229b5af48"

// olderBinary builds serin as it was, from this repository's own history.
func olderBinary(t *testing.T) string {
	t.Helper()
	archive, err := exec.CommandContext(t.Context(), "git", "-C", "../../..", "archive", older).Output()
	if err != nil {
		t.Fatalf("the history has no %s (a shallow clone? git fetch --unshallow): %v", older, err)
	}
	folder := t.TempDir()
	files := tar.NewReader(bytes.NewReader(archive))
	for {
		f, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, filepath.Clean("/"+f.Name))
		if f.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(files)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", "old", "./cmd/serin")
	build.Dir = folder
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return filepath.Join(folder, "old")
}

// TestARollingUpgrade replaces replicas of the release before by new ones, one after
// the other, with a canary live, and goes back and forth once more. Both sorts work on
// one store; every prediction is counted once; a decision of either is in force at both.
// It builds the older release, which takes a minute, so it is for the nights.
func TestARollingUpgrade(t *testing.T) {
	t.Parallel()
	old, current := olderBinary(t), binary(t)
	store := postgresql(t).URL
	var homes []*home
	for i := range 3 {
		homes = append(homes, newHome(t, "--store", store, "--replica-id", fmt.Sprint("r", i), "--initial-delay", "0s", "--weight", "50%"))
	}
	f := &flotilla{t: t, homes: homes, running: make([]*program.Server, len(homes))}
	for i := range homes {
		f.replace(i, old)
	}
	homes[0].must(f.running[0], deploy.path, deploy.body)
	f.agree(trial)
	f.ask()
	for i := range homes { // up
		f.replace(i, current)
		f.agree(trial)
		f.ask()
	}
	f.replace(1, old) // and one of them down again
	f.agree(trial)
	f.ask()
	homes[2].must(f.running[2], revert.path, revert.body) // a new one decides
	f.agree(alone)
	for i, h := range homes {
		if a := post(f.running[i], revert.path, revert.body); a.status != http.StatusConflict {
			h.t.Errorf("a second rollback of one canary: %d %s", a.status, a.text)
		}
	}
	homes[1].must(f.running[1], deploy.path, deploy.body) // an old one does
	f.agree(trial)
	f.counted = 0
	f.ask()
	homes[1].must(f.running[1], promote.path, promote.body)
	f.agree("idle with model_v2 and no canary")
	if text, err := homes[0].doctor("--store", store); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

// flotilla is replicas of several releases.
type flotilla struct {
	t       *testing.T
	homes   []*home
	running []*program.Server
	counted uint64 // predictions of the rollout in progress
}

// replace stops what runs in a home and starts a binary there.
func (f *flotilla) replace(i int, binary string) {
	f.t.Helper()
	if s := f.running[i]; s != nil {
		if err := s.Stop(); err != nil {
			f.t.Fatal(err)
		}
	}
	f.running[i] = f.homes[i].start(binary)
}

// agree waits until all replicas tell the same.
func (f *flotilla) agree(want string) {
	f.t.Helper()
	for i, h := range f.homes {
		until(f.t, "replica "+fmt.Sprint(i)+" is "+want, func() bool { return h.stands(f.running[i]).String() == want && f.serves(i) })
	}
}

// serves says whether a replica serves as was decided, by its own word.
func (f *flotilla) serves(i int) bool {
	f.t.Helper()
	own, err := f.running[i].Standing(f.t.Context(), "churn")
	if err != nil {
		f.t.Fatal(err)
	}
	return own.Here == "" && own.Generation == f.homes[i].stands(f.running[i]).Generation
}

// ask sends some predictions to each replica, and waits until each one's verdict is over
// all that were ever sent.
func (f *flotilla) ask() {
	f.t.Helper()
	for i, h := range f.homes {
		for range 20 {
			h.predicted(f.running[i])
			f.counted++
		}
	}
	for i := range f.homes {
		var last string
		until(f.t, fmt.Sprintf("replica %d counts %d", i, f.counted), func() bool {
			var health struct {
				Samples struct {
					Stable uint64 `json:"stable"`
					Canary uint64 `json:"canary"`
				} `json:"samples"`
			}
			var raw json.RawMessage
			if err := f.running[i].Admin(f.t.Context(), "check-canary-health", nil, &raw); err != nil {
				f.t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &health); err != nil {
				f.t.Fatal(err)
			}
			if said := fmt.Sprint(health.Samples); said != last {
				last = said
			}
			if health.Samples.Stable+health.Samples.Canary > f.counted {
				f.t.Fatalf("replica %d counts %s of %d predictions", i, strings.TrimSpace(last), f.counted)
			}
			return health.Samples.Stable+health.Samples.Canary == f.counted
		})
	}
}
