package wal

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

const pageSize = 4096

// walSum is the checksum as https://sqlite.org/fileformat2.html#checksum_algorithm has it.
func walSum(order binary.ByteOrder, start [2]uint32, data []byte) (s0, s1 uint32) {
	s0, s1 = start[0], start[1]
	for i := 0; i < len(data); i += 8 {
		s0 += order.Uint32(data[i:]) + s1
		s1 += order.Uint32(data[i+4:]) + s0
	}
	return s0, s1
}

// makeWAL writes a WAL in which the frames with a true mark are commits.
func makeWAL(order binary.ByteOrder, salt uint32, commits ...bool) []byte {
	magic := uint32(0x377f0682)
	if order == binary.ByteOrder(binary.BigEndian) {
		magic++
	}
	wal := binary.BigEndian.AppendUint32(nil, magic)
	for _, n := range []uint32{3007000, pageSize, 0, salt, 0xbabe} {
		wal = binary.BigEndian.AppendUint32(wal, n)
	}
	s0, s1 := walSum(order, [2]uint32{}, wal)
	wal = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(wal, s0), s1)
	for i, commit := range commits {
		size := uint32(0)
		if commit {
			size = 5
		}
		head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(i+1)), size)
		page := bytes.Repeat([]byte{byte(i + 1)}, pageSize)
		s0, s1 = walSum(order, [2]uint32{s0, s1}, head)
		s0, s1 = walSum(order, [2]uint32{s0, s1}, page)
		wal = append(wal, head...)
		for _, n := range []uint32{salt, 0xbabe, s0, s1} {
			wal = binary.BigEndian.AppendUint32(wal, n)
		}
		wal = append(wal, page...)
	}
	return wal
}

// TestHarmedFrame flips every bit of a WAL's headers and some of each page.
// Harm to all but the last transaction is found where it is.
func TestHarmedFrame(t *testing.T) {
	t.Parallel()
	const frame = frameHeader + pageSize
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		wal := makeWAL(order, 0xcafe, false, true, true, false, true, false, true) // four transactions, the last of two frames
		if at, err := harmedFrame(bytes.NewReader(wal), order, pageSize); at >= 0 || err != nil {
			t.Fatalf("%v: a good WAL is harmed at %d, %v", order, at, err)
		}
		for at := range wal {
			within := (at - headerSize) % frame
			if at >= headerSize && within > frameHeader+8 && within < frame-8 {
				continue
			}
			want, last := int64(0), at >= headerSize+5*frame
			if at >= headerSize {
				want = int64(at - within)
			}
			for bit := range 8 {
				harmed := bytes.Clone(wal)
				harmed[at] ^= 1 << bit
				got, err := harmedFrame(bytes.NewReader(harmed), order, pageSize)
				if err != nil || got != want && !last {
					t.Fatalf("%v, byte %d bit %d: got %d, %v; want %d", order, at, bit, got, err, want)
				}
				looksLikeACommit := within >= 4 && within < 8 // of the transaction before the last
				if last && got >= 0 && !looksLikeACommit {
					t.Fatalf("%v, byte %d bit %d: what a power failure may do is called harm at %d", order, at, bit, got)
				}
			}
		}
	}
}

// TestStaleFrames: SQLite overwrites a WAL from its beginning, and frames of
// the round before stay behind the new ones. So do frames of a transaction that
// failed and was written again shorter. Neither are harm.
func TestStaleFrames(t *testing.T) {
	t.Parallel()
	order := binary.LittleEndian
	older := makeWAL(order, 0xcafe, true, true, true, true, true)
	copy(older, makeWAL(order, 0xcaff, false, true))
	failed := makeWAL(order, 0xcafe, true, false, false, false, true)
	copy(failed, makeWAL(order, 0xcafe, true, true))
	for name, wal := range map[string][]byte{"an older round": older, "a failed transaction": failed} {
		if at, err := harmedFrame(bytes.NewReader(wal), order, pageSize); at >= 0 || err != nil {
			t.Errorf("%s: harmed at %d, %v", name, at, err)
		}
	}
}

// FuzzHarmedFrame looks for a panic, and for a WAL that is called harmed
// outside itself.
func FuzzHarmedFrame(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add(makeWAL(binary.LittleEndian, 0xcafe, true, true), false)
	f.Add(makeWAL(binary.BigEndian, 0xcafe, false, true), true)
	f.Add(make([]byte, 3*pageSize), true)
	f.Fuzz(func(t *testing.T, data []byte, big bool) {
		var order binary.ByteOrder = binary.LittleEndian
		if big {
			order = binary.BigEndian
		}
		if at, err := harmedFrame(bytes.NewReader(data), order, pageSize); err != nil || at >= int64(len(data)) {
			t.Errorf("got %d, %v", at, err)
		}
	})
}

// TestCheck is about files: one with harm in it, one without, and none.
func TestCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, change := range map[string]func([]byte) []byte{
		"good":  func(b []byte) []byte { return b },
		"empty": func([]byte) []byte { return nil },
		"none":  nil,
		"harm":  func(b []byte) []byte { b[headerSize+100] ^= 1; return b },
	} {
		path := filepath.Join(dir, name)
		if change != nil {
			if err := os.WriteFile(path, change(makeWAL(binary.LittleEndian, 0xcafe, true, true, true)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want := int64(-1)
		if name == "harm" {
			want = headerSize
		}
		if at, err := Check(path, pageSize); at != want || err != nil {
			t.Errorf("%s: %d, %v", name, at, err)
		}
		round, err := Round(path)
		if err != nil || (len(round) == headerSize) != (name == "good" || name == "harm") {
			t.Errorf("%s: round %x, %v", name, round, err)
		}
	}
	if _, err := Check(dir, pageSize); err == nil {
		t.Error("a folder has no harm")
	}
}
