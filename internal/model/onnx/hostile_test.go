package onnx_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"serin/internal/model"
	"serin/internal/model/onnx"
)

// tryFile loads a file that may be anything, and lets what loads answer a row.
func tryFile(t testing.TB, data []byte) {
	t.Helper()
	p, err := onnx.Load(bytes.NewReader(data))
	if err != nil {
		if refusal, ok := errors.AsType[*model.Refusal](err); !ok || refusal.Reason == "" || refusal.Next == "" {
			t.Fatalf("an error that is no refusal: %v", err)
		}
		return
	}
	s := p.Signature()
	const rows = 9 // a block and a row alone
	in := model.Rows{N: rows, Numbers: make([]float64, rows*len(s.Features)), Texts: make([]string, rows*len(s.Features))}
	for i := range in.Numbers {
		in.Numbers[i] = float64(i%7) - 2.5*float64(i%2)
	}
	out := room(s, rows)
	if err := p.Predict(in, out); err != nil {
		if _, ok := errors.AsType[*model.Unanswerable](err); !ok {
			t.Fatalf("an error that is no Unanswerable: %v", err)
		}
		return
	}
	for _, class := range out.Classes {
		if class < 0 || class >= len(s.Classes) {
			t.Fatalf("class %d of %d", class, len(s.Classes))
		}
	}
}

func models(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.onnx")
	if err != nil || len(names) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return names
}

func TestTruncatedAtEveryOffset(t *testing.T) {
	t.Parallel()
	for _, name := range models(t) {
		data := readFile(t, name)
		for n := range data {
			tryFile(t, data[:n])
		}
	}
}

// TestMutated changes, drops and doubles bytes of small files.
func TestMutated(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	names := models(t)
	const mutations = 10_000
	for i := range mutations {
		data := slices.Clone(readFile(t, names[i%len(names)]))
		for range 1 + random.IntN(4) {
			at := random.IntN(len(data))
			switch random.IntN(5) {
			case 0:
				data[at] = byte(random.IntN(256))
			case 1:
				data[at] ^= 1 << random.IntN(8)
			case 2:
				data = slices.Delete(data, at, min(len(data), at+1+random.IntN(8)))
			case 3:
				data = slices.Insert(data, at, data[at:min(len(data), at+1+random.IntN(8))]...)
			case 4:
				data[at] = [...]byte{0, 1, 0x7f, 0x80, 0xff}[random.IntN(5)]
			}
			if len(data) == 0 {
				break
			}
		}
		tryFile(t, data)
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range models(f) {
		f.Add(readFile(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) { tryFile(t, data) })
}
