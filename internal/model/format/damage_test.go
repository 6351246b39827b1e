//go:build !race

package format

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"serin/internal/model"
)

// How many damaged files are tried.
const (
	mutations  = 10_000  // a format
	everywhere = 2 << 10 // files up to this size are cut at every byte
	cutFiles   = 6       // a format
)

// small are the corpus' files that are opened, by format and smallest first; of
// files in the same format and of the same name the newest environment's.
func small(t testing.TB) map[string][][]byte {
	t.Helper()
	newest := map[string][]byte{} // shelves come in the order of their environments
	for _, s := range shelves(t) {
		for file := range s.Models {
			if len(s.files[file]) < 10<<10 {
				newest[s.Family+"/"+file] = s.files[file]
			}
		}
	}
	formats := map[string][][]byte{}
	for file, content := range newest {
		if _, err := Open(bytes.NewReader(content), Options{}); err == nil {
			formats[path.Ext(file)] = append(formats[path.Ext(file)], content)
		}
	}
	for _, files := range formats {
		slices.SortFunc(files, func(a, b []byte) int {
			if len(a) != len(b) {
				return len(a) - len(b)
			}
			return bytes.Compare(a, b)
		})
	}
	for _, want := range []string{".joblib", ".skops", ".json", ".ubj", ".txt", ".onnx"} {
		if len(formats[want]) == 0 {
			t.Fatalf("the corpus has no small %s that is opened", want)
		}
	}
	return formats
}

// TestTruncation cuts files of every format at every byte.
func TestTruncation(t *testing.T) {
	for ext, files := range small(t) {
		for _, content := range files[:min(len(files), cutFiles)] {
			step := 1 + len(content)/everywhere
			for cut := 0; cut < len(content); cut += step {
				mayNotHarm(t, ext, content[:cut])
			}
		}
	}
}

// TestMutation changes files of every format at random.
func TestMutation(t *testing.T) {
	for ext, files := range small(t) {
		random := rand.New(rand.NewPCG(4, uint64(len(ext))))
		for i := range mutations {
			content := files[i%len(files)]
			if ext == ".skops" && i%4 > 0 { // or a checksum would find nearly all
				mayNotHarm(t, ext, mutatedInside(t, random, content))
			} else {
				mayNotHarm(t, ext, mutated(random, content, files))
			}
		}
	}
}

// mutated is content with a few changes.
func mutated(random *rand.Rand, content []byte, others [][]byte) []byte {
	content = bytes.Clone(content)
	for range 1 + random.IntN(4) {
		if len(content) < 16 {
			break
		}
		at := random.IntN(len(content) - 8)
		switch random.IntN(8) {
		case 0, 1:
			content[at] ^= 1 << random.IntN(8)
		case 2:
			content[at] = byte(random.IntN(256))
		case 3: // a number, of four bytes or eight
			number := []uint64{0, 1, math.MaxInt32, math.MaxUint32, 1 << 31, 1 << 40, math.MaxInt64, math.MaxUint64,
				math.Float64bits(math.NaN()), math.Float64bits(math.Inf(-1))}[random.IntN(10)]
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], number)
			copy(content[at:], b[:4+4*random.IntN(2)])
		case 4: // a digit, where numbers are text
			if i := bytes.IndexAny(content[at:], "0123456789"); i >= 0 {
				content[at+i] = "0123456789-e."[random.IntN(13)]
			}
		case 5:
			content = slices.Delete(content, at, at+1+random.IntN(8))
		case 6:
			content = slices.Insert(content, at, content[at:at+1+random.IntN(8)]...)
		default: // a piece of another file
			other := others[random.IntN(len(others))]
			from := random.IntN(len(other))
			copy(content[at:], other[from:min(len(other), from+random.IntN(64))])
		}
	}
	return content
}

// mutatedInside changes one entry of a zip archive, and makes the archive anew.
func mutatedInside(t *testing.T, random *rand.Rand, content []byte) []byte {
	t.Helper()
	source, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	which := random.IntN(2 * len(source.File))
	var b bytes.Buffer
	target := zip.NewWriter(&b)
	for i, f := range source.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		entry, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if i == which || which >= len(source.File) && f.Name == "schema.json" {
			entry = mutated(random, entry, [][]byte{entry})
		}
		w, err := target.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mayNotHarm opens any bytes and demands a complete refusal, or a model that
// answers without a panic, in bounded memory.
func mayNotHarm(t *testing.T, ext string, content []byte) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			t.Fatalf("%s %.200q: panic: %v\n%s", ext, content, v, debug.Stack())
		}
	}()
	before := allocated()
	p, err := Open(bytes.NewReader(content), Options{})
	if err == nil {
		answerAnything(t, ext, content, p)
	} else if refusal, ok := errors.AsType[*model.Refusal](err); !ok || refusal.Reason == "" || refusal.Next == "" {
		t.Fatalf("%s %.200q: %v is no complete refusal", ext, content, err)
	}
	if grew := allocated() - before; grew > mostMemory {
		t.Fatalf("%s %.200q: %d bytes in the file made us allocate %d: %v", ext, content, len(content), grew, err)
	}
}

// answerAnything asks a model for zeros, for nothing, and for extremes.
func answerAnything(t *testing.T, ext string, content []byte, p model.Predictor) {
	t.Helper()
	s := p.Signature()
	if len(s.Features) == 0 || s.Outputs < 1 {
		t.Fatalf("%s %.200q: a model of %d features and %d outputs", ext, content, len(s.Features), s.Outputs)
	}
	row := model.Rows{N: 1, Numbers: make([]float64, len(s.Features))}
	if slices.ContainsFunc(s.Features, func(f model.Feature) bool { return f.Kind == model.Text }) {
		row.Texts = make([]string, len(s.Features))
	}
	values, classes := make([]float64, s.Outputs), make([]int, 1)
	for _, number := range []float64{0, math.NaN(), math.MaxFloat64, -math.MaxFloat64, 1e-300, 3} {
		for i, f := range s.Features {
			switch {
			case f.Kind == model.Number && (f.Missing || !math.IsNaN(number)):
				row.Numbers[i] = number
			case f.Kind == model.Bool:
				row.Numbers[i] = 1
			case f.Kind == model.Text:
				row.Texts[i] = strings.Repeat("a b", i%3)
				if len(f.Known) > 0 {
					row.Texts[i] = strings.Trim(string(f.Known[0]), `"`)
				}
			}
		}
		err := p.Predict(row, answers(s, values, classes))
		if _, ok := errors.AsType[*model.Unanswerable](err); err != nil && !ok {
			t.Fatalf("%s %.200q: %v is no reason of a row", ext, content, err)
		}
		if err == nil && s.Task == model.Classification && (classes[0] < 0 || classes[0] >= len(s.Classes)) {
			t.Fatalf("%s %.200q: class %d of %d", ext, content, classes[0], len(s.Classes))
		}
	}
}
