package format

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"serin/internal/model"
)

// leastHostile is the least that the hostile corpus must hold.
const leastHostile = 350

// hostile is the corpus of exploits, by name, and the words that the refusal of
// each must have. testdata/hostile/generate.py says what they are.
func hostile(t testing.TB) (files map[string][]byte, words map[string]string) {
	t.Helper()
	z, err := zip.OpenReader("testdata/hostile/hostile.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files = map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = content
	}
	if err := json.Unmarshal(files["expected.json"], &words); err != nil {
		t.Fatal(err)
	}
	delete(files, "expected.json")
	if len(files) < leastHostile || len(words) != len(files) {
		t.Fatalf("%d hostile files and %d expectations, want %d", len(files), len(words), leastHostile)
	}
	return files, words
}

// TestHostile: every exploit is refused, and the refusal names what was tried.
// cmd/serin's TestHostileFilesDoNothing watches the program while it does so.
func TestHostile(t *testing.T) {
	t.Parallel()
	files, words := hostile(t)
	for name, content := range files {
		_, err := Open(bytes.NewReader(content))
		refusal, ok := errors.AsType[*model.Refusal](err)
		switch {
		case !ok:
			t.Errorf("%s: %v, want a refusal", name, err)
		case words[name] == "" || !strings.Contains(refusal.Reason, words[name]):
			t.Errorf("%s: refused with %q, want %q", name, refusal.Reason, words[name])
		case refusal.Next == "":
			t.Errorf("%s: the refusal has no next step", name)
		}
	}
}
