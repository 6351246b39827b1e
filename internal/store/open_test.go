package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnusableDirectory: one clear error that names the path. These places
// refuse root as well.
func TestUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	obstructed := t.TempDir() // the lock cannot be opened for writing
	if err := os.MkdirAll(filepath.Join(obstructed, lockName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), "/proc/serin", "/dev/null/serin", obstructed} {
		s, err := Open(dir, Options{})
		if err == nil {
			t.Errorf("%s was opened: %v", dir, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "choose another") {
			t.Errorf("%s: the error does not help: %v", dir, err)
		}
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "not a directory" {
		t.Errorf("the file was changed: %q, %v", data, err)
	}
}

// TestObstructedDatabase: what SQLite cannot open is told with its path, and is
// not taken for damage or for a fresh start.
func TestObstructedDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, databaseName, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	var damage *Damage
	if _, err := Open(dir, Options{}); err == nil || errors.As(err, &damage) || !strings.Contains(err.Error(), databaseName) {
		t.Errorf("got %v", err)
	}
}

func TestDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "data"))
	ingest(t, s, "model")
	for path, want := range map[string]os.FileMode{s.dir: 0o700, s.path(artifactsName): 0o700, s.path(headName): 0o600, s.artifact(digestOf("model")): 0o400} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

// TestLocked: a second Store of the same process is a second writer too.
func TestLocked(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if _, err := Open(s.dir, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	commit(t, s, life("churn", 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, open(t, s.dir)); len(got.Journal) != 1 {
		t.Errorf("%d rows", len(got.Journal))
	}
}

// TestRefusedOpenGivesTheLockBack: after the repair no restart is needed.
func TestRefusedOpenGivesTheLockBack(t *testing.T) {
	t.Parallel()
	_, _, closed := lived(t)
	dir := t.TempDir()
	closed.with(headName, "{}").restore(t, dir)
	var damage *Damage
	if _, err := Open(dir, Options{}); !errors.As(err, &damage) {
		t.Errorf("got %v", err)
	}
	closed.restore(t, dir)
	open(t, dir)
}

func TestNewerLayout(t *testing.T) {
	t.Parallel()
	truth, _, closed := lived(t)
	dir := t.TempDir()
	closed.restore(t, dir)
	setLayout := func(n int) {
		db, err := openDatabase(t.Context(), filepath.Join(dir, databaseName))
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA user_version = %d", n))
		if err := errors.Join(err, db.close()); err != nil {
			t.Fatal(err)
		}
	}
	setLayout(len(migrations) + 1)
	var damage *Damage
	if _, err := Open(dir, Options{}); err == nil || errors.As(err, &damage) || !strings.Contains(err.Error(), "newer serin") {
		t.Errorf("got %v", err)
	}
	setLayout(len(migrations))
	if got := read(t, open(t, dir)); len(got.Journal) != len(truth.Journal) {
		t.Errorf("the newer layout was harmed: %d rows", len(got.Journal))
	}
}

// TestAnOlderLayout is brought up to date where nothing is in progress, and left
// as it is otherwise: its evidence does not hold what a rollout is judged by now.
func TestAnOlderLayout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		events uint64
		goesOn bool
	}{{0, true}, {1, true}, {2, false}, {3, false}, {4, true}} {
		s := open(t, t.TempDir())
		for generation := range tt.events {
			commit(t, s, life("churn", generation+1))
		}
		want := read(t, s)
		if _, err := s.db.conn.ExecContext(t.Context(), "DROP TABLE looks; DROP TABLE memos; DROP INDEX journal_of_model; PRAGMA user_version = 1"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := takeImage(t, s.dir)
		got, err := openImage(t, before)
		if !tt.goesOn {
			var damage *Damage
			if err == nil || errors.As(err, &damage) || !strings.Contains(err.Error(), "older serin") {
				t.Errorf("after %d events: %v", tt.events, err)
			}
			if _, err := Open(s.dir, Options{}); err == nil || !cmp.Equal(before, takeImage(t, s.dir)) {
				t.Errorf("after %d events: the directory was changed", tt.events)
			}
			continue
		}
		if diff := cmp.Diff(want, got, equal); err != nil || diff != "" {
			t.Errorf("after %d events: %v\n%s", tt.events, err, diff)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	for version, good := range map[string]bool{
		"3.51.3": true, "3.51.10": true, "3.54.1": true, "4.0.0": true,
		"3.51.2": false, "3.50.9": false, "2.99.99": false, "": false, "new": false,
	} {
		if err := checkVersion(version); (err == nil) != good {
			t.Errorf("%q: %v", version, err)
		}
	}
}

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
		if at, err := harmedFrame(bytes.NewReader(wal), order); at >= 0 || err != nil {
			t.Fatalf("%v: a good WAL is harmed at %d, %v", order, at, err)
		}
		for at := range wal {
			within := (at - walHeader) % frame
			if at >= walHeader && within > frameHeader+8 && within < frame-8 {
				continue
			}
			want, last := int64(0), at >= walHeader+5*frame
			if at >= walHeader {
				want = int64(at - within)
			}
			for bit := range 8 {
				harmed := bytes.Clone(wal)
				harmed[at] ^= 1 << bit
				got, err := harmedFrame(bytes.NewReader(harmed), order)
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
		if at, err := harmedFrame(bytes.NewReader(wal), order); at >= 0 || err != nil {
			t.Errorf("%s: harmed at %d, %v", name, at, err)
		}
	}
}

// TestLongWAL goes through several rounds of a real WAL, and opens what a kill
// would leave at moments of each.
func TestLongWAL(t *testing.T) {
	t.Parallel()
	s := open(t, quickDir(t))
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	largest, rounds := 0, 0
	for i := range 1500 {
		if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(i%100)); err != nil {
			t.Fatal(err)
		}
		if i%100 != 99 {
			continue
		}
		commit(t, s, life("other", s.known.models["other"].generation+1))
		want, im := read(t, s), takeImage(t, s.dir)
		got, err := openImage(t, im)
		if diff := cmp.Diff(want, got, equal); err != nil || diff != "" {
			t.Fatalf("after %d saves: %v\n%s", i, err, diff)
		}
		if len(im[walName]) == largest {
			rounds++
		}
		largest = max(largest, len(im[walName]))
	}
	if rounds < 3 {
		t.Errorf("the WAL was not overwritten: %d bytes", largest)
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
		if at, err := harmedFrame(bytes.NewReader(data), order); err != nil || at >= int64(len(data)) {
			t.Errorf("got %d, %v", at, err)
		}
	})
}

// FuzzReadHead looks for a panic, and for a head that was not sealed.
func FuzzReadHead(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add(seal([]byte(`{"seq": 1, "hash": "00"`)))
	f.Add(seal([]byte(`{"seq": -1`)))
	f.Add(seal(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), headName)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := readHead(path)
		var damage *Damage
		if err == nil && !bytes.Contains(data, []byte(`"sha256"`)) || err != nil && !errors.As(err, &damage) || (h == nil) != (err != nil) {
			t.Errorf("got %v, %v", h, err)
		}
	})
}

// FuzzRow looks for a panic in what reads a row back.
func FuzzRow(f *testing.F) {
	r, err := encode(life("churn", 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.model, r.at, r.finding, r.detail, r.state, r.evidence)
	f.Add("", "", "", "", "{}", []byte{})
	f.Add("churn", r.at, "{}", "1 2", `{"model": "churn", "new": 1}`, []byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, model, at, finding, detail, state string, evidence []byte) {
		r := row{model: model, at: at, finding: finding, detail: detail, state: state, evidence: evidence}
		e, err := r.entry()
		if err != nil {
			return
		}
		again, err := encode(e)
		if err != nil {
			var tooLarge *TooLarge
			if errors.As(err, &tooLarge) || model == "" || strings.ToValidUTF8(model, "") != model || r.at > "9999" {
				return
			}
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := again.entry(); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}
