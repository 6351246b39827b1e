package pickle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader reads one stream of the xz format, specification 1.0.4. The library
// does the LZMA2 part; its own reader of the format around it sets a window of
// up to 4 GiB aside because a header of 12 bytes says so, and cannot be told not to.
//
//	header  block...  index  footer
//	        block = header, LZMA2 data, padding to 4 bytes, check
//	        index = how long each block was, before and after
type xzReader struct {
	in      countReader
	flags   [2]byte
	check   hash.Hash // of the current block; nil where the stream has none
	data    *lzma.Reader2
	start   int64    // of the current block
	packed  int64    // where its LZMA2 data began
	length  int64    // bytes it has unfolded to
	told    [2]int64 // packed size and length as its header tells them, -1 where it does not
	records []xzRecord
}

// xzRecord is what the index repeats of a block.
type xzRecord struct{ unpadded, length uint64 }

var errXZ = errors.New("it is not as the xz format has it")

const xzMagic = "\xfd7zXZ\x00"

func newXZ(r *bufio.Reader) (io.Reader, error) {
	x := &xzReader{in: countReader{r: r}}
	var head [12]byte
	if _, err := io.ReadFull(&x.in, head[:]); err != nil {
		return nil, err
	}
	x.flags = [2]byte(head[6:8])
	if string(head[:6]) != xzMagic || x.flags[0] != 0 || crc32.ChecksumIEEE(head[6:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return nil, errXZ
	}
	switch x.flags[1] {
	case 0:
	case 1:
		x.check = crc32.NewIEEE()
	case 4:
		x.check = crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		x.check = sha256.New()
	default:
		return nil, errors.New("its kind of checksum is unknown")
	}
	return x, nil
}

func (x *xzReader) Read(p []byte) (int, error) {
	for {
		if x.data == nil {
			if err := x.nextBlock(); err != nil {
				return 0, err
			}
		}
		n, err := x.data.Read(p)
		x.length += int64(n)
		if x.check != nil {
			x.check.Write(p[:n])
		}
		if errors.Is(err, io.EOF) {
			x.data = nil
			err = x.endBlock()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// nextBlock reads a block's header, or the index and footer: then the answer is io.EOF.
func (x *xzReader) nextBlock() error {
	x.start = x.in.n
	size, err := x.in.ReadByte()
	if err != nil {
		return io.ErrUnexpectedEOF
	}
	if size == 0 {
		if err := x.readIndex(); err != nil {
			return unexpected(err)
		}
		return io.EOF
	}
	header := make([]byte, 4*(int(size)+1))
	header[0] = size
	if _, err := io.ReadFull(&x.in, header[1:]); err != nil {
		return unexpected(err)
	}
	window, err := x.blockHeader(header)
	if err != nil {
		return err
	}
	x.packed, x.length = x.in.n, 0
	if x.check != nil {
		x.check.Reset()
	}
	x.data, err = lzma.Reader2Config{DictCap: window}.NewReader2(&x.in)
	return err
}

// blockHeader checks a block's header and returns the window that it asks for.
func (x *xzReader) blockHeader(header []byte) (window int, err error) {
	body, sum := header[:len(header)-4], header[len(header)-4:]
	if crc32.ChecksumIEEE(body) != binary.LittleEndian.Uint32(sum) {
		return 0, errXZ
	}
	const filters, reserved, hasPacked, hasLength = 0x03, 0x3c, 0x40, 0x80
	flags := body[1]
	rest := bytes.NewReader(body[2:])
	if flags&(filters|reserved) != 0 {
		return 0, errors.New("it uses a filter beside LZMA2")
	}
	x.told = [2]int64{-1, -1}
	for i, has := range []byte{hasPacked, hasLength} {
		if flags&has != 0 {
			size, err := binary.ReadUvarint(rest)
			if err != nil || size >= 1<<63 {
				return 0, errXZ
			}
			x.told[i] = int64(size)
		}
	}
	var filter [3]byte // LZMA2, one byte of properties, the window's size
	if _, err := io.ReadFull(rest, filter[:]); err != nil || filter[0] != 0x21 || filter[1] != 1 || filter[2] > 40 {
		return 0, errXZ
	}
	for rest.Len() > 0 {
		if b, _ := rest.ReadByte(); b != 0 {
			return 0, errXZ
		}
	}
	asked := int64(2|filter[2]&1) << (filter[2]/2 + 11)
	if asked > maxWindow {
		return 0, errors.New("it asks for a window of more than 64 MiB")
	}
	return int(asked), nil
}

// endBlock compares a block's checksum.
func (x *xzReader) endBlock() error {
	for i, size := range []int64{x.in.n - x.packed, x.length} {
		if x.told[i] >= 0 && x.told[i] != size {
			return errXZ
		}
	}
	unpadded := x.in.n - x.start
	if err := x.padding(); err != nil {
		return unexpected(err)
	}
	if x.check != nil {
		want := make([]byte, x.check.Size())
		if _, err := io.ReadFull(&x.in, want); err != nil {
			return unexpected(err)
		}
		got := x.check.Sum(nil)
		if x.flags[1] != 10 { // CRCs are stored little-endian, Sum is big-endian
			slices.Reverse(got)
		}
		if !bytes.Equal(got, want) {
			return errors.New("its checksum is wrong")
		}
		unpadded += int64(len(want))
	}
	x.records = append(x.records, xzRecord{uint64(unpadded), uint64(x.length)})
	return nil
}

// padding reads zeros up to a multiple of 4 bytes.
func (x *xzReader) padding() error {
	for x.in.n%4 != 0 {
		switch b, err := x.in.ReadByte(); {
		case err != nil:
			return err
		case b != 0:
			return errXZ
		}
	}
	return nil
}

// readIndex reads the index, whose first byte was read, and the footer. Both
// follow from the blocks, so they are compared with what they have to be.
func (x *xzReader) readIndex() error {
	index := binary.AppendUvarint([]byte{0}, uint64(len(x.records)))
	for _, record := range x.records {
		index = binary.AppendUvarint(index, record.unpadded)
		index = binary.AppendUvarint(index, record.length)
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, x.flags[:]...)
	want := binary.LittleEndian.AppendUint32(index[1:], crc32.ChecksumIEEE(footer))
	want = append(append(want, footer...), "YZ"...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(&x.in, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errXZ
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// countReader counts what is read.
type countReader struct {
	r *bufio.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *countReader) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}
