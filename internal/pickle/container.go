package pickle

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"

	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// container is a compression that joblib writes, known by its first bytes.
// They are joblib's own prefixes; none of them can begin a pickle.
type container struct {
	name, magic string
	open        func(*bufio.Reader) (io.Reader, error)
}

var containers = []container{
	{"zlib", "\x78", func(r *bufio.Reader) (io.Reader, error) { return zlib.NewReader(r) }},
	{"gzip", "\x1f\x8b", openGzip},
	{"bz2", "BZh", func(r *bufio.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
	{"xz", "\xfd7zXZ\x00", newXZ},
	{"lzma", "\x5d\x00", openLZMA},
	{"lz4", "\x04\x22\x4d\x18", func(r *bufio.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
}

// foreign are beginnings that would read as an opcode and end in a message that
// helps nobody.
var foreign = map[string]string{
	"PK\x03\x04": "a zip archive, as PyTorch, Keras and skops write, and no pickle",
	"ZF0x":       "one that joblib older than 0.10 wrote",
}

const (
	// A small file may unfold to bombFloor whatever its ratio; beyond that,
	// more than maxRatio bytes for one is a bomb and not a model. Coefficients
	// hardly compress at all; trees compress by 5 to 30.
	bombFloor = 16 << 20
	maxRatio  = 200
	// maxWindow bounds the window of xz and lzma, which has to be set aside as
	// the file asks for it. 64 MiB is what the highest preset (9) asks for.
	maxWindow = 64 << 20
)

var errBomb = errors.New("unfolds to too much")

func openGzip(r *bufio.Reader) (io.Reader, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	z.Multistream(false)
	return z, nil
}

func openLZMA(r *bufio.Reader) (io.Reader, error) {
	return lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r)
}

// open looks at the first bytes of r and puts the decompressor between.
func open(r io.Reader, limit int64) (*source, error) {
	in := &meter{r: r}
	raw := bufio.NewReaderSize(in, bufferSize)
	s := &source{buf: raw, raw: raw, in: in, limit: limit}
	if _, err := raw.Peek(1); errors.Is(err, io.EOF) {
		return nil, s.refuse(0, nextCopyAgain, "the file is empty")
	} else if err != nil {
		return nil, s.trouble(err)
	}
	for magic, what := range foreign {
		if s.startsWith(magic) {
			return nil, s.refuse(0, nextSaveAgain, "the file is %s", what)
		}
	}
	outer := s.compression()
	if in.failed != nil { // perhaps before the name of the container was complete
		return nil, s.trouble(in.failed)
	}
	if outer == nil {
		return s, nil
	}
	s.container = outer.name
	unpacked, err := outer.open(raw)
	if err != nil {
		return nil, s.trouble(err)
	}
	s.buf = bufio.NewReaderSize(&bounded{r: unpacked, in: in}, bufferSize)
	if inner := s.compression(); inner != nil {
		return nil, s.refuse(0, nextSaveAgain, "the %s data holds %s data: it was compressed twice", outer.name, inner.name)
	}
	return s, nil
}

// compression returns the container that begins here, or nil.
func (s *source) compression() *container {
	for i := range containers {
		if s.startsWith(containers[i].magic) {
			return &containers[i]
		}
	}
	return nil
}

// meter counts what arrives from the caller's reader and keeps its failure, so
// that a broken disk is not mistaken for a broken file.
type meter struct {
	r      io.Reader
	n      int64
	failed error
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		m.failed = err
	}
	return n, err
}

// bounded stops a decompressor whose output is out of proportion to its input,
// and does not read on after an error.
type bounded struct {
	r   io.Reader
	in  *meter
	n   int64
	err error
}

func (b *bounded) Read(p []byte) (n int, err error) {
	if b.err != nil {
		return 0, b.err
	}
	n, b.err = b.r.Read(p)
	b.n += int64(n)
	if b.n > bombFloor && b.n > maxRatio*b.in.n {
		n, b.err = 0, errBomb
	}
	return n, b.err
}
