//go:build linux && amd64

package single

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"serin/test/program"
)

// harms are what may happen to a file.
var harms = []struct {
	name string
	do   func(random *rand.Rand, content []byte) []byte
}{
	{"cut", func(random *rand.Rand, content []byte) []byte { return content[:random.IntN(len(content))] }},
	{"flipped", func(random *rand.Rand, content []byte) []byte {
		content[random.IntN(len(content))] ^= 1 << random.IntN(8)
		return content
	}},
	{"zeroed", func(random *rand.Rand, content []byte) []byte {
		at := random.IntN(len(content))
		clear(content[at:min(len(content), at+4096)])
		return content
	}},
	{"gone", func(*rand.Rand, []byte) []byte { return nil }},
}

// helpful is what a refusal to start must say: a file, and what to do.
var helpful = regexp.MustCompile(`serin-data[^ ]*.* (is damaged|is missing).*(Restore|[Rr]emove|Put it back)`)

// TestFilesAreHarmed takes what a killed server has left and cuts a file, flips a bit of
// it, clears a page or removes it, at random. The next start goes on from all that was
// acknowledged, or it refuses, names the file and says what to do. It never begins
// anew, and never loses a decision. A replica whose store is elsewhere the same.
func TestFilesAreHarmed(t *testing.T) {
	t.Parallel()
	times := 1
	if every() {
		times = 100
	}
	for _, story := range []struct {
		name  string
		store bool
		files []string
	}{
		{"a directory", false, []string{"serin.db", "serin.db-wal", "head.json"}},
		{"a replica's", true, []string{"known.json"}},
	} {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			var flags []string
			if story.store {
				flags = []string{"--store", postgresql(t).URL, "--replica-id", "one"}
			}
			h := newHome(t, append(flags, "--initial-delay", "0s", "--weight", "50%")...)
			s := h.start(binary(t))
			for _, c := range []call{deploy, promote, {deploy.path, `{"model_path": "models/model_v1.joblib"}`}} {
				h.must(s, c.path, c.body)
			}
			for range 30 {
				h.predicted(s)
			}
			want := h.stands(s)
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			seed := uint64(time.Now().UnixNano())
			random := rand.New(rand.NewPCG(seed, 0))
			t.Logf("seed %d", seed)
			refused := 0
			for range times {
				for _, file := range story.files {
					for _, harm := range harms {
						if h.harmed(file, harm.name, want.String(), func(content []byte) []byte { return harm.do(random, content) }) {
							refused++
						}
					}
				}
			}
			t.Logf("%d of %d starts were refused", refused, times*len(harms)*len(story.files))
			if refused == 0 {
				t.Error("none was refused, so nothing was harmed")
			}
		})
	}
}

// harmed starts a server on a copy of the home with one file changed.
func (h *home) harmed(file, what, want string, change func([]byte) []byte) (refused bool) {
	h.t.Helper()
	folder, err := os.MkdirTemp(h.t.TempDir(), "")
	if err == nil {
		err = os.CopyFS(folder, os.DirFS(h.folder))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "serin-data", file)
	content, err := os.ReadFile(path)
	if err != nil || len(content) == 0 {
		h.t.Fatalf("%s has %d bytes: %v", path, len(content), err)
	}
	if content = change(content); content == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	s, err := program.Start(context.WithoutCancel(h.t.Context()), binary(h.t), folder, h.flags...)
	if err != nil {
		if !helpful.MatchString(err.Error()) {
			h.t.Errorf("%s %s: it does not say which file and what to do: %v", file, what, err)
		}
		return true
	}
	if got := h.stands(s).String(); got != want {
		h.t.Errorf("%s %s: it is silently %s, was %s", file, what, got, want)
	}
	h.predicted(s)
	if err := s.Kill(); err != nil {
		h.t.Error(err)
	}
	return false
}
