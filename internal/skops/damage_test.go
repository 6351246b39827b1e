//go:build !race

package skops

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"serin/internal/pickle"
)

// small are files of most loaders, small enough to be cut and changed anywhere.
func small(t testing.TB) [][]byte {
	t.Helper()
	var all [][]byte
	files := pairs(t)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".skops") && len(files[name]) < 9<<10 {
			all = append(all, files[name])
		}
	}
	if len(all) < 10 {
		t.Fatalf("%d of the files in testdata are small, want 10", len(all))
	}
	return append(all,
		archived(t, schema(listOf(none, number)), entry{"1.npy", npyOf(f8, eight)}),
		archived(t, schema(sparse), entry{"1.npz", string(archived(t,
			entry{"format.npy", npyOf("{'descr': '|S3', 'fortran_order': False, 'shape': (), }", "csr")},
			entry{"shape.npy", npyOf("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", "\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00")},
			entry{"data.npy", npyOf(f8, eight)},
			entry{"indices.npy", npyOf("{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", "\x00\x00\x00\x00")},
			entry{"indptr.npy", npyOf("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", "\x00\x00\x00\x00\x01\x00\x00\x00")},
		))}),
	)
}

// TestTruncation cuts at every byte: the table of contents is at the end, so no
// beginning of a file is a file.
func TestTruncation(t *testing.T) {
	t.Parallel()
	for i, content := range small(t) {
		if _, err := Read(content, options()); err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		for cut := range content {
			if v, err := Read(content[:cut], options()); !isRefusal(err) {
				t.Fatalf("file %d, cut to %d of %d bytes: %s, %v", i, cut, len(content), pickle.Describe(v), err)
			}
		}
	}
}

func isRefusal(err error) bool {
	refused, ok := errors.AsType[*pickle.Error](err)
	return ok && refused.Reason != "" && refused.Next != ""
}

// TestMutation changes bytes of files, and of the text and arrays inside, where
// no checksum finds it.
func TestMutation(t *testing.T) {
	t.Parallel()
	files := small(t)
	var inside [][]entry
	for _, content := range files {
		inside = append(inside, entries(t, content))
	}
	opts := options()
	rapid.Check(t, func(t *rapid.T) {
		which := rapid.IntRange(0, len(files)-1).Draw(t, "file")
		for range 100 {
			if rapid.Bool().Draw(t, "outside") {
				readAnything(t, changed(t, files[which]), opts)
				continue
			}
			parts := slices.Clone(inside[which])
			part := &parts[rapid.IntRange(0, len(parts)-1).Draw(t, "entry")]
			part.content = string(changed(t, []byte(part.content)))
			data, err := stored(parts)
			if err != nil {
				t.Fatal(err)
			}
			readAnything(t, data, opts)
		}
	})
}

// changed is content with one to three bytes set, taken out or doubled.
func changed(t *rapid.T, content []byte) []byte {
	content = bytes.Clone(content)
	for range rapid.IntRange(1, 3).Draw(t, "changes") {
		if len(content) == 0 {
			return content
		}
		at := rapid.IntRange(0, len(content)-1).Draw(t, "at")
		switch rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			content[at] = rapid.Byte().Draw(t, "byte")
		case 1:
			content[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case 2:
			content = slices.Delete(content, at, at+1)
		default:
			content = slices.Insert(content, at, content[at])
		}
	}
	return content
}

// readAnything demands of any bytes: no panic, a value or a refusal, and a value
// that can be walked and described.
func readAnything(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, data []byte, opts pickle.Options,
) {
	t.Helper()
	opts.MaxBytes, opts.MaxObjects = 1<<20, 1<<16
	v, err := Read(data, opts)
	if err == nil {
		outline(v)
	} else if !isRefusal(err) {
		t.Fatalf("%q: %v is no complete refusal", data, err)
	}
}

func FuzzRead(f *testing.F) {
	for _, content := range small(f) {
		f.Add(content)
	}
	opts := options()
	f.Fuzz(func(t *testing.T, data []byte) { readAnything(t, data, opts) })
}

// FuzzSchema changes the JSON text alone, which no checksum covers.
func FuzzSchema(f *testing.F) {
	for _, content := range small(f) {
		for _, e := range entries(f, content) {
			if e.name == schemaName && len(e.content) < 8<<10 {
				f.Add(e.content)
			}
		}
	}
	opts := options()
	array := entry{"1.npy", npyOf(f8, eight)}
	f.Fuzz(func(t *testing.T, text string) {
		data, err := stored([]entry{{schemaName, text}, array})
		if err != nil {
			t.Fatal(err)
		}
		readAnything(t, data, opts)
	})
}
