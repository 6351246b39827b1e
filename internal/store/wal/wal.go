// Package wal reads SQLite's write-ahead log for what SQLite itself does not tell.
//
//	header  frame  frame*  frame  frame*  ...     * ends a transaction
//	   |______|______|_______|______|____  each with a checksum over all before it
//
// SQLite takes the first frame that does not fit for the end and drops all that
// follow, which is right after a power failure and silent loss after a flipped bit.
// The two differ: every transaction is synced before the next one begins, so a
// power failure can only harm the last. If frames after the harmed one go on with
// its checksum and complete a later transaction, they were acknowledged.
//
// What it cannot see is harm to the very last transaction, and a file that was cut
// short. What may not happen: that a log which a power failure may have left, or with
// frames of an earlier round behind its end, is called harmed.
//
// Terms: a frame is a page with a header; a round is what is written from one
// beginning of the file to the next, and has a salt of its own.
package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// The file format is SQLite's: https://sqlite.org/fileformat2.html#walformat.
const (
	headerSize  = 32
	frameHeader = 24
)

// Check returns the offset of the header or frame that was changed after it was
// committed, -1 if there is none, or no file. Pages have the given size, in bytes.
func Check(path string, page int) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	defer f.Close()
	// A harmed header hides the byte order of the checksums.
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return -1, err
		}
		harmed, err := harmedFrame(bufio.NewReaderSize(f, 1<<16), order, page)
		if err != nil {
			return -1, fmt.Errorf("reading %s: %w", path, err)
		}
		if harmed >= 0 {
			return harmed, nil
		}
	}
	return -1, nil
}

// Round returns what is another in each round of a log; nothing if there is none.
func Round(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header := make([]byte, headerSize)
	if whole, err := readWhole(f, header); err != nil || !whole {
		return nil, err
	}
	return header, nil
}

// sum is the running checksum of a WAL.
type sum [2]uint32

func (s sum) add(data []byte, order binary.ByteOrder) sum {
	for ; len(data) >= 8; data = data[8:] {
		s[0] += order.Uint32(data) + s[1]
		s[1] += order.Uint32(data[4:]) + s[0]
	}
	return s
}

func readSum(data []byte) sum {
	return sum{binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])}
}

// harmedFrame returns the offset of the header or frame that was harmed after
// it was committed, -1 if there is none.
func harmedFrame(r io.Reader, order binary.ByteOrder, page int) (int64, error) {
	var header [headerSize]byte
	if whole, err := readWhole(r, header[:]); !whole {
		return -1, err
	}
	computed, stored := sum{}.add(header[:24], order), readSum(header[24:])
	size := binary.BigEndian.Uint32(header[8:])
	harmed, missing := int64(-1), 0 // where, and how many commits must follow to prove it
	if computed != stored || size != uint32(page) {
		harmed, missing = 0, 1
	}
	// The next frame may go on from either: one of them is right.
	before := [2]sum{computed, stored}
	frame := make([]byte, frameHeader+page)
	for offset := int64(headerSize); ; offset += int64(len(frame)) {
		if whole, err := readWhole(r, frame); !whole {
			return -1, err
		}
		commit := binary.BigEndian.Uint32(frame[4:]) != 0
		salted := string(frame[8:16]) == string(header[16:24])
		stored = readSum(frame[16:])
		computed = before[0].add(frame[:8], order).add(frame[frameHeader:], order)
		follows := computed == stored || before[1].add(frame[:8], order).add(frame[frameHeader:], order) == stored
		switch {
		case harmed < 0 && follows && salted:
			before = [2]sum{stored, stored}
		case harmed < 0:
			harmed, missing = offset, 2 // its own transaction's commit, and a later one
			if commit {
				missing = 1
			}
			before = [2]sum{computed, stored}
		case !follows || !salted && harmed > 0:
			return -1, nil // what is left of an earlier round of the WAL, which SQLite overwrites from its beginning
		default:
			if commit {
				missing--
			}
			if missing == 0 {
				return harmed, nil
			}
			before = [2]sum{stored, stored}
		}
	}
}

// readWhole fills the buffer; at the end of the file it says that it did not.
func readWhole(r io.Reader, buffer []byte) (bool, error) {
	_, err := io.ReadFull(r, buffer)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return err == nil, err
}
