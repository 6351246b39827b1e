package format

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"io"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"

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
		_, err := Open(bytes.NewReader(content), Options{})
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

// TestBombs gives small files that would unfold to gigabytes, or that nest
// without end, to the reader of each format.
func TestBombs(t *testing.T) { // alone, because it measures memory
	const patience = 10 * time.Second // a fifth of a second on a quiet machine, without the race detector
	zeros := "\x80\x04\x8e\x00\x00\x00\x40\x00\x00\x00\x00" + strings.Repeat("\x00", 48<<20)
	for name, content := range map[string]string{
		"zlib":            packed(t, zeros, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"gzip":            packed(t, zeros, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
		"lz4":             packed(t, zeros, func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) }),
		"values":          packed(t, strings.Repeat("]", 12<<20), func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }),
		"lists in lists":  "\x80\x04" + strings.Repeat("]", 1<<20) + strings.Repeat("a", 1<<20-1) + ".",
		"marks":           "\x80\x04" + strings.Repeat("(", 4<<20),
		"one list often":  "\x80\x04)" + strings.Repeat("2\x86", 64) + ".",
		"memo":            "\x80\x04Nr\xff\xff\xff\xff.",
		"XGBoost's JSON":  `{"learner":` + strings.Repeat("[", 4<<20),
		"XGBoost's UBJ":   "{L\x00\x00\x00\x00\x00\x00\x00\x07learner" + strings.Repeat("[", 4<<20),
		"CatBoost's JSON": `{"oblivious_trees":` + strings.Repeat(`[{"splits":`, 1<<20),
		"LightGBM":        "tree\nversion=v4\nnum_class=2147483647\nnum_tree_per_iteration=2147483647\nmax_feature_idx=2147483647\n",
		"ONNX":            "\x08\x07\x3a\xff\xff\xff\xff\x0f" + strings.Repeat("\x0a\xff\xff\xff\x7f", 1<<20),
	} {
		before, began := allocated(), time.Now()
		_, err := Open(strings.NewReader(content), Options{})
		took, grew := time.Since(began), allocated()-before
		if _, ok := errors.AsType[*model.Refusal](err); !ok {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
		if took > patience || grew > mostMemory {
			t.Errorf("%s: %d bytes took %v and %d bytes of memory: %v", name, len(content), took, grew, err)
		}
	}
}

func packed(t *testing.T, content string, with func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b strings.Builder
	w := with(&b)
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// mostMemory is what may be allocated while one file is opened and asked.
const mostMemory = 256 << 20

// allocated is what has been allocated since the program began.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
