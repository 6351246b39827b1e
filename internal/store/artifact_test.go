package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func digestOf(content string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(content))) }

func ingest(t testing.TB, s *Store, content string) string {
	t.Helper()
	digest, size, err := s.Ingest(t.Context(), strings.NewReader(content), 1<<20)
	if err != nil || size != int64(len(content)) || digest != digestOf(content) {
		t.Fatalf("got %s, %d, %v", digest, size, err)
	}
	return digest
}

func listArtifacts(t testing.TB, s *Store) []string {
	t.Helper()
	entries, err := os.ReadDir(s.path(artifactsName))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func TestArtifactRoundTrip(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		for _, content := range []string{"", "model", strings.Repeat("long ", 1<<17), "model"} {
			digest := ingest(t, s, content)
			r, err := s.Artifact(t.Context(), digest)
			if err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, r); got != content {
				t.Errorf("got %d bytes, want %d", len(got), len(content))
			}
		}
		if names := listArtifacts(t, s); len(names) != 3 {
			t.Errorf("got %v", names)
		}
	})
}

// TestIngestLeavesNothing checks every way in which an ingest can fail.
func TestIngestLeavesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		var tooLarge *TooLarge
		if _, _, err := s.Ingest(t.Context(), strings.NewReader("12345"), 4); !errors.As(err, &tooLarge) || tooLarge.Limit != 4 {
			t.Errorf("got %v", err)
		}
		if _, size, err := s.Ingest(t.Context(), strings.NewReader("1234"), 4); size != 4 || err != nil {
			t.Errorf("exactly the limit: %v", err)
		}
		broken := errors.New("the cable is out")
		if _, _, err := s.Ingest(t.Context(), io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken)), 100); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		endless := readerFunc(func(b []byte) (int, error) { cancel(); return len(b), nil })
		if _, _, err := s.Ingest(ctx, endless, 1<<40); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if names := listArtifacts(t, s); len(names) != 1 || names[0] != digestOf("1234") {
			t.Errorf("left behind: %v", names)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestArtifactDamage flips every bit and cuts at every length: not one byte of
// another artifact is handed out. Storing it again heals it.
func TestArtifactDamage(t *testing.T) {
	t.Parallel()
	const content = "the bytes that were hashed"
	s := open(t, t.TempDir())
	digest := ingest(t, s, content)
	refuse := func(name string, data []byte) {
		t.Helper()
		path := s.artifact(digest)
		if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o600)); err != nil {
			t.Fatal(err)
		}
		var damage *Damage
		if r, err := s.Artifact(t.Context(), digest); !errors.As(err, &damage) || damage.Path != path || r != nil {
			t.Fatalf("%s: got %v, %v", name, r, err)
		}
	}
	for i := range 8 * len(content) {
		data := []byte(content)
		data[i/8] ^= 1 << (i % 8)
		refuse(fmt.Sprintf("bit %d", i), data)
	}
	for i := range len(content) {
		refuse(fmt.Sprintf("%d bytes", i), []byte(content)[:i])
	}
	refuse("one byte more", []byte(content+"."))
	ingest(t, s, content)
	r, err := s.Artifact(t.Context(), digest)
	if err != nil || readAll(t, r) != content {
		t.Errorf("not healed: %v", err)
	}
}

func TestArtifactUnknown(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		if _, err := s.Artifact(t.Context(), digestOf("nobody")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		for _, name := range []string{"", "..", "../head.json", strings.Repeat("A", 64), strings.Repeat("../", 21) + "a", digestOf("x")[:63]} {
			if _, err := s.Artifact(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: got %v", name, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Artifact(ctx, ingest(t, s, "x")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// TestArtifactSurvivesItsSource: what is read was read once; later changes of
// the file, or of the artifact's name, reach nobody who has it open.
func TestArtifactSurvivesReplacement(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	digest := ingest(t, s, "first")
	r, err := s.Artifact(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	ingest(t, s, "first")
	if err := s.Prune(); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, r); got != "first" {
		t.Errorf("got %q", got)
	}
}

func TestPrune(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		stable, canary, kept := ingest(t, s, "stable"), ingest(t, s, "canary"), ingest(t, s, "kept")
		ingest(t, s, "nobody's")
		for _, name := range []string{"ingest-123.tmp", "notes.txt"} {
			if err := os.WriteFile(filepath.Join(s.dir, artifactsName, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for generation := range uint64(2) {
			e := life("churn", generation+1)
			e.State.Stable.SHA256 = stable
			if e.State.Rollout != nil {
				e.State.Rollout.Canary.SHA256 = canary
			}
			commit(t, s, e)
		}
		if err := s.Prune(kept); err != nil {
			t.Fatal(err)
		}
		left := strings.Join(listArtifacts(t, s), " ")
		for _, name := range []string{stable, canary, kept, "notes.txt"} {
			if !strings.Contains(left, name) {
				t.Errorf("%s was removed", name)
			}
		}
		if n := len(listArtifacts(t, s)); n != 4 {
			t.Errorf("left: %s", left)
		}
	})
}
