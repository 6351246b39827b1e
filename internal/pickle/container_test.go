package pickle

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// pack compresses with Go's writers. bz2 has none in Go: packedBz2 is Python's.
var pack = map[string]func([]byte) []byte{
	"zlib": func(b []byte) []byte {
		return written(b, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	},
	"gzip": func(b []byte) []byte {
		return written(b, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	},
	"xz": func(b []byte) []byte {
		return written(b, func(w io.Writer) io.WriteCloser { z, _ := xz.WriterConfig{DictCap: 1 << 16}.NewWriter(w); return z })
	},
	"lzma": func(b []byte) []byte {
		return written(b, func(w io.Writer) io.WriteCloser {
			z, _ := lzma.WriterConfig{DictCap: 1 << 16, SizeInHeader: true, Size: int64(len(b))}.NewWriter(w)
			return z
		})
	},
	"lz4": func(b []byte) []byte {
		return written(b, func(w io.Writer) io.WriteCloser {
			z := lz4.NewWriter(w)
			_ = z.Apply(lz4.ChecksumOption(true), lz4.BlockChecksumOption(true))
			return z
		})
	},
}

func written(content []byte, open func(io.Writer) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := open(&b)
	_, _ = w.Write(content)
	_ = w.Close()
	return b.Bytes()
}

// small is a pickle that every container test packs; packedBz2 and packedXZ are
// bz2.compress(small) and lzma.compress(small, check=lzma.CHECK_SHA256) of Python 3.13.
const small = "\x80\x02]q\x00(K\x01U\x05helloq\x01h\x01e."

const (
	packedBz2 = "QlpoOTFBWSZTWUcfd8oAAApXwHIAAEEACAICAkSgAEAAIAAxTAABTTTRmpsoe+0hFiaaWEHBS+LuSKcKEgjj7vlA"
	packedXZ  = "/Td6WFoAAArh+wyhAgAhARYAAAB0L+WjAQAUgAJdcQAoSwFVBWhlbGxvcQFoAWUuAAAAAAQYHw79taRcJPjugga/BeW5oqHkQwMSvk2yypKtcRuoAAFFFYDqVcAYm0uaAQAAAAAKWVo="
)

func packedSmall(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"": []byte(small)}
	for name, p := range pack {
		all[name] = p([]byte(small))
	}
	b, err := base64.StdEncoding.DecodeString(packedBz2)
	if err != nil {
		t.Fatal(err)
	}
	all["bz2"] = b
	return all
}

func TestContainers(t *testing.T) {
	t.Parallel()
	for name, content := range packedSmall(t) {
		v, err := Read(bytes.NewReader(content), Options{})
		if err != nil || Describe(v) != "a list of 3" {
			t.Errorf("%s: %s, %v", name, Describe(v), err)
		}
		// One byte at a time, as a slow network hands it out.
		if _, err := Read(iotest.OneByteReader(bytes.NewReader(content)), Options{}); err != nil {
			t.Errorf("%s byte by byte: %v", name, err)
		}
	}
}

// TestDamagedContainers cuts every container at every byte, and changes every
// byte, and demands that nothing but the whole value is ever read.
func TestDamagedContainers(t *testing.T) {
	t.Parallel()
	for name, content := range packedSmall(t) {
		for cut := range content {
			var refused *Error
			if v, err := Read(bytes.NewReader(content[:cut]), Options{}); !errors.As(err, &refused) {
				t.Errorf("%s cut to %d of %d bytes: %s, %v", name, cut, len(content), Describe(v), err)
			}
		}
		if name == "" {
			continue // without a checksum, a changed byte can be another pickle
		}
		for i := range content {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				damaged := bytes.Clone(content)
				damaged[i] ^= flip
				v, err := Read(bytes.NewReader(damaged), Options{})
				if err == nil && Describe(v) != "a list of 3" {
					t.Errorf("%s with byte %d changed: %s", name, i, Describe(v))
				}
			}
		}
		wantRefused(t, name+" with a tail", string(content)+"x", "")
		wantRefused(t, name+" twice", string(content)+string(content), "")
	}
}

func TestChecksums(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"zlib": -1, "gzip": -5, "bz2": -3, "xz": -30, "lz4": -1} {
		content := packedSmall(t)[name]
		content[len(content)+at] ^= 0x10
		_, err := Read(bytes.NewReader(content), Options{})
		if err == nil || !strings.Contains(err.Error(), name+" data is damaged") && !strings.Contains(err.Error(), "too early") {
			t.Errorf("%s with a wrong checksum: %v", name, err)
		}
	}
}

func TestCompressedTwice(t *testing.T) {
	t.Parallel()
	for outer, p := range pack {
		for inner, content := range packedSmall(t) {
			if inner != "" {
				wantRefused(t, outer+" of "+inner, string(p(content)), fmt.Sprintf("the %s data holds %s data: it was compressed twice", outer, inner))
			}
		}
		wantRefused(t, "os.system in "+outer, string(p([]byte("cos\nsystem\nS'id'\n\x85R."))),
			"byte 0 inside the "+outer+" data: the file names os.system")
		wantRefused(t, "two pickles in "+outer, string(p([]byte(small+small))), "more bytes follow the end of the pickle")
	}
}

func TestOsSystemInBz2(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/os-system.bz2")
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, "bz2", string(content), "byte 0 inside the bz2 data: the file names os.system")
}

// TestBombs unfolds a few thousand bytes that are 18 MiB of zeros and claim to
// be 256. Go's slow or missing writers are replaced by files that Python's bz2
// and lzma modules wrote from the same bytes.
func TestBombs(t *testing.T) {
	t.Parallel()
	start := append([]byte("\x80\x04\x8e"), binary.LittleEndian.AppendUint64(nil, 1<<28)...)
	zeros := make([]byte, 40<<20)
	bombs := map[string][]byte{
		"zlib": pack["zlib"](append(bytes.Clone(start), zeros[:18<<20]...)),
		"gzip": pack["gzip"](append(bytes.Clone(start), zeros[:18<<20]...)),
		"lz4":  pack["lz4"](append(bytes.Clone(start), zeros...)), // it packs worse
	}
	for _, name := range []string{"bz2", "xz", "lzma"} {
		content, err := os.ReadFile("testdata/bomb." + name)
		if err != nil {
			t.Fatal(err)
		}
		bombs[name] = content
	}
	for name, in := range bombs {
		wantRefused(t, name, string(in), fmt.Sprintf("the %s data unfolds to more than %d times its size", name, maxRatio))
	}
	v, err := Read(bytes.NewReader(pack["gzip"](append(append([]byte("\x80\x04\x8e"), binary.LittleEndian.AppendUint64(nil, 8<<20)...), append(make([]byte, 8<<20), '.')...))), Options{})
	if err != nil {
		t.Errorf("8 MiB of zeros, which is below the floor: %v, %v", Describe(v), err)
	}
	_, err = Read(bytes.NewReader(bombs["gzip"]), Options{MaxBytes: 1 << 20})
	if err == nil || !strings.Contains(err.Error(), "claims more than 1048576 bytes") {
		t.Errorf("a budget of 1 MiB: %v", err)
	}
}

// TestXZ covers what Go's writer does not write.
func TestXZ(t *testing.T) {
	t.Parallel()
	good := pack["xz"]([]byte(small))
	// Byte 12 begins the block header; its dictionary byte stands after size,
	// flags, filter and property size.
	window := bytes.Clone(good)
	end := 12 + 4*(int(window[12])+1)
	at := bytes.IndexByte(window[12:end], 0x21) + 12 + 2
	window[at] = 40
	binary.LittleEndian.PutUint32(window[end-4:], crc32.ChecksumIEEE(window[12:end-4]))
	wantRefused(t, "window of 4 GiB", string(window), "a window of more than 64 MiB")

	config := xz.WriterConfig{BlockSize: 4, DictCap: 1 << 16}
	for _, check := range []byte{xz.CRC32, xz.CRC64, xz.SHA256, xz.None} {
		config.CheckSum, config.NoCheckSum = check, check == xz.None
		content := written([]byte(small), func(w io.Writer) io.WriteCloser {
			z, err := config.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		})
		if v, err := Read(bytes.NewReader(content), Options{}); err != nil || Describe(v) != "a list of 3" {
			t.Errorf("five blocks with check %d: %s, %v", check, Describe(v), err)
		}
	}
}

// TestBrokenReader checks that trouble with reading is no refusal.
func TestBrokenReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is on fire")
	for name, content := range packedSmall(t) {
		for _, n := range []int{0, 1, 5, len(content) - 1, len(content)} {
			r := io.MultiReader(bytes.NewReader(content[:n]), iotest.ErrReader(broken))
			_, err := Read(r, Options{})
			var refused *Error
			if !errors.Is(err, broken) || errors.As(err, &refused) {
				t.Errorf("%s failing after %d bytes: %v", name, n, err)
			}
		}
	}
}
