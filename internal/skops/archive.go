package skops

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"

	"serin/internal/pickle"
)

const (
	// The entries together may unfold to bombFloor whatever the ratio; beyond
	// that, more than maxRatio bytes for one is a bomb and not a model.
	bombFloor = 16 << 20
	maxRatio  = 200
	// firstGrowth is what is set aside for an entry before any of it is unpacked.
	firstGrowth = 64 << 10

	// encrypted is the general purpose flag of an entry that needs a password.
	encrypted = 1
)

const (
	nextSaveAgain = "Save the fitted model again with skops.io.dump(model, path), or with joblib.dump(model, path), and use that file."
	nextCopyAgain = "Copy the file again from where it was saved and compare sizes, or save the model again with skops.io.dump(model, path)."
	nextDeflate   = "Save the model with skops.io.dump(model, path), without another compression than zipfile.ZIP_DEFLATED."
)

// names are those that skops gives to entries. Nothing is ever written to disk
// under them; any other is not skops'.
var names = regexp.MustCompile(`^(schema\.json|-?[0-9]{1,20}\.(npy|npz)|[0-9a-f-]{1,40}\.bin)$`)

// inner are the entries of an .npz that scipy.sparse.save_npz writes.
var inner = regexp.MustCompile(`^[a-z_]{1,20}\.npy$`)

// archive is a zip archive in memory.
type archive struct {
	data    []byte
	entries map[string]*zip.File
	left    *int64 // bytes that may still be unpacked; a sparse matrix shares its archive's
	within  string // the name of the .npz that this archive is, or empty
}

// refuse makes the refusal of something in an entry; name is empty for the
// archive itself.
func (a *archive) refuse(name, next, format string, args ...any) *pickle.Error {
	if a.within != "" && name != "" {
		name = a.within + ", " + name
	} else if name == "" {
		name = a.within
	}
	return &pickle.Error{Container: name, Reason: fmt.Sprintf(format, args...), Next: next}
}

// openArchive reads the table of contents and checks every line of it.
func openArchive(data []byte, allowed *regexp.Regexp, left *int64, within string) (*archive, *pickle.Error) {
	a := &archive{data: data, entries: map[string]*zip.File{}, left: left, within: within}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // such names are refused below
		return nil, a.refuse("", nextCopyAgain, "the zip archive is cut or damaged (%v)", err)
	}
	for _, f := range z.File {
		switch {
		case !allowed.MatchString(f.Name):
			return nil, a.refuse("", nextSaveAgain, "the zip archive has an entry of the name %.60q, which skops does not write", f.Name)
		case a.entries[f.Name] != nil:
			return nil, a.refuse("", nextSaveAgain, "the zip archive has two entries of the name %s", f.Name)
		case f.Flags&encrypted != 0:
			return nil, a.refuse(f.Name, nextSaveAgain, "the entry is encrypted")
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return nil, a.refuse(f.Name, nextDeflate, "the entry is compressed by method %d, which is neither stored nor deflated", f.Method)
		case f.CompressedSize64 > uint64(len(data)), f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64:
			return nil, a.refuse(f.Name, nextCopyAgain, "the entry claims %d bytes that are stored in %d", f.UncompressedSize64, f.CompressedSize64)
		case f.UncompressedSize64 > uint64(*left):
			return nil, a.refuse(f.Name, nextSaveAgain, "the entry claims %d bytes, more than the limit", f.UncompressedSize64)
		}
		a.entries[f.Name] = f
	}
	return a, nil
}

// read returns an entry's content and takes it out of the archive. Stored
// content is part of the archive's own bytes.
func (a *archive) read(name string) ([]byte, *pickle.Error) {
	f := a.entries[name]
	if f == nil {
		return nil, a.refuse("", nextCopyAgain, "the zip archive has no entry %.60q, or it is read twice", name)
	}
	delete(a.entries, name)
	start, err := f.DataOffset()
	if err != nil || start < 0 || uint64(start) > uint64(len(a.data)) || f.CompressedSize64 > uint64(len(a.data))-uint64(start) {
		return nil, a.refuse(name, nextCopyAgain, "the entry lies outside of the file")
	}
	content := a.data[start : start+int64(f.CompressedSize64)]
	if f.Method == zip.Deflate {
		var refused *pickle.Error
		if content, refused = a.inflate(name, content, int64(f.UncompressedSize64)); refused != nil {
			return nil, refused
		}
	} else if *a.left -= int64(len(content)); *a.left < 0 {
		return nil, a.refuse(name, nextSaveAgain, "the entries unfold to more than the limit")
	}
	if crc32.ChecksumIEEE(content) != f.CRC32 {
		return nil, a.refuse(name, nextCopyAgain, "the entry is damaged: its checksum differs")
	}
	return content, nil
}

// inflate unpacks to exactly so many bytes. Memory grows as they arrive.
func (a *archive) inflate(name string, packed []byte, size int64) ([]byte, *pickle.Error) {
	if *a.left -= size; *a.left < 0 {
		return nil, a.refuse(name, nextSaveAgain, "the entries unfold to more than the limit, or to more than %d times their size", maxRatio)
	}
	in := bytes.NewReader(packed)
	unpacked := flate.NewReader(in)
	var out []byte
	for int64(len(out)) < size {
		step := min(size-int64(len(out)), int64(max(firstGrowth, len(out))))
		out = append(out, make([]byte, step)...)
		if _, err := io.ReadFull(unpacked, out[int64(len(out))-step:]); err != nil {
			return nil, a.refuse(name, nextCopyAgain, "the entry's deflated data are damaged or cut")
		}
	}
	if n, err := unpacked.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) || in.Len() != 0 {
		return nil, a.refuse(name, nextCopyAgain, "the entry's deflated data do not end where they should")
	}
	return out, nil
}

// finish checks what no node has named. skops leaves such entries behind where it
// writes a value a second time that only the first node counts for.
func (a *archive) finish() *pickle.Error {
	for name := range a.entries {
		if _, err := a.read(name); err != nil {
			return err
		}
	}
	return nil
}
