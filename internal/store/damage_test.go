package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"serin/internal/record"
	"serin/internal/rollout"
)

// image is the contents of a state directory at one moment, as a kill or a
// backup would find it. Artifacts are left out: their damage is Artifact's.
type image map[string]string

func takeImage(t testing.TB, dir string) image {
	t.Helper()
	im := make(image)
	for _, name := range []string{databaseName, walName, headName, headName + temporarySuffix, databaseName + "-journal"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EISDIR) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		im[name] = string(data)
	}
	return im
}

func (im image) restore(t testing.TB, dir string) {
	t.Helper()
	for name, data := range im {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// with returns the image with one file changed.
func (im image) with(name, data string) image {
	changed := maps.Clone(im)
	changed[name] = data
	return changed
}

// without returns the image without one file.
func (im image) without(name string) image {
	changed := maps.Clone(im)
	delete(changed, name)
	return changed
}

// contents is everything that the store can be asked.
type contents struct {
	State    map[string]rollout.State
	Evidence map[string]record.Evidence
	Journal  []Entry
	Looks    map[string][]Look // by model and rollout
}

func read(t testing.TB, s *Store) contents {
	t.Helper()
	c := contents{State: make(map[string]rollout.State), Evidence: make(map[string]record.Evidence), Looks: make(map[string][]Look)}
	for _, model := range []string{"churn", "other"} {
		state, observed, err := s.State(t.Context(), model)
		if err != nil {
			t.Fatal(err)
		}
		c.State[model], c.Evidence[model] = state, observed
	}
	for after := uint64(0); ; {
		page, err := s.Journal(t.Context(), "", "", after, pageRows)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return c
		}
		c.Journal = append(c.Journal, page...)
		after = page[len(page)-1].Seq
		for _, e := range page {
			if e.Event == rollout.Deploy {
				c.Looks[e.State.Model+" "+e.Rollout] = allLooks(t, s, e.State.Model, e.Rollout)
			}
		}
	}
}

// openImage opens an image in a directory of its own, reads all of it, and
// shows that the store accepts and keeps a further commit.
func openImage(t testing.TB, im image) (contents, error) {
	t.Helper()
	dir := quickDir(t)
	defer os.RemoveAll(dir) // now, for there are thousands
	im.restore(t, dir)
	s, err := Open(dir, Options{})
	if err != nil {
		return contents{}, err
	}
	c := read(t, s)
	after := life("other", c.State["other"].Generation+1)
	err = errors.Join(s.Commit(t.Context(), after), s.Close())
	if s, openErr := Open(dir, Options{}); openErr != nil {
		err = errors.Join(err, openErr)
	} else {
		got := read(t, s)
		if len(got.Journal) != len(c.Journal)+1 || !cmp.Equal(got.State["other"], after.State) {
			t.Errorf("a further commit was not kept")
		}
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		t.Errorf("what was opened does not go on: %v", err)
	}
	return c, nil
}

// lived makes a directory with two models and the moment before its store was
// closed, and after. The last transaction is a commit.
func lived(t testing.TB) (truth contents, killed, closed image) {
	t.Helper()
	s := open(t, quickDir(t))
	for generation := range uint64(5) {
		commit(t, s, life("churn", generation+1))
		if generation < 3 {
			commit(t, s, life("other", generation+1))
		}
		if state, _, err := s.State(t.Context(), "churn"); err != nil {
			t.Fatal(err)
		} else if state.Rollout != nil {
			for i := range 2 {
				if err := s.SaveEvidence(t.Context(), "churn", state.Rollout.ID, evidence(int(generation)*10+i)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	commit(t, s, life("churn", 6))
	truth, killed = read(t, s), takeImage(t, s.dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return truth, killed, takeImage(t, s.dir)
}

// inParallel calls do with 0 to n-1 on all processors.
func inParallel(n int, do func(int)) {
	var next sync.Mutex
	i := 0
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				next.Lock()
				mine := i
				i++
				next.Unlock()
				if mine >= n {
					return
				}
				do(mine)
			}
		})
	}
	workers.Wait()
}

// TestFlippedEvidence flips bits of a WAL that ends with saves of evidence,
// which head.json does not guard. All but the very last save is refused.
func TestFlippedEvidence(t *testing.T) {
	t.Parallel()
	s := open(t, quickDir(t))
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	for i := range 8 {
		if err := s.SaveEvidence(t.Context(), "churn", "r1", evidence(100+i)); err != nil {
			t.Fatal(err)
		}
	}
	killed := takeImage(t, s.dir)
	previous, truth := *evidence(106), *evidence(107)
	wal := killed[walName]
	random := rand.New(rand.NewPCG(3, 4))
	refused := 0
	const samples = 300
	for range samples {
		flipped := []byte(wal)
		at := random.IntN(len(wal))
		flipped[at] ^= 1 << random.IntN(8)
		got, err := openImage(t, killed.with(walName, string(flipped)))
		if err != nil {
			refused++
		} else if e := got.Evidence["churn"]; !same(e, truth) && !same(e, previous) {
			t.Errorf("byte %d of %d: evidence went back to look %d", at, len(wal), e.Looks)
		}
	}
	if refused < samples/2 {
		t.Errorf("only %d of %d were refused", refused, samples)
	}
}

// TestFreelist: a damaged list of free pages harms nothing until the next
// write, and is found before.
func TestFreelist(t *testing.T) {
	t.Parallel()
	_, _, closed := lived(t)
	for at := 32; at < 40; at++ { // https://sqlite.org/fileformat2.html#the_database_header
		flipped := []byte(closed[databaseName])
		flipped[at] ^= 1
		var damage *Damage
		if _, err := openImage(t, closed.with(databaseName, string(flipped))); !errors.As(err, &damage) {
			t.Errorf("byte %d: got %v", at, err)
		}
	}
}

// TestTruncation cuts every file at offsets over its whole length. What was
// committed is there or the directory is refused. (Evidence in a WAL that was
// cut may be older; see the package comment.)
func TestTruncation(t *testing.T) {
	t.Parallel()
	truth, killed, closed := lived(t)
	for what, im := range map[string]image{"closed": closed, "killed": killed} {
		for name, data := range im {
			cuts := []int{0, 1, 15, 16, 31, 32, 55, 56, 99, 100, len(data) - 1, len(data) - 2}
			for cut := 0; cut < len(data); cut += max(1, len(data)/60) {
				cuts = append(cuts, cut)
			}
			cuts = slices.DeleteFunc(cuts, func(cut int) bool { return cut < 0 || cut >= len(data) })
			inParallel(len(cuts), func(i int) {
				got, err := openImage(t, im.with(name, data[:cuts[i]]))
				if err != nil {
					return
				}
				if name == walName {
					got.Evidence = truth.Evidence
				}
				if diff := cmp.Diff(truth, got, equal); diff != "" {
					t.Errorf("%s %s cut at %d: silently different:\n%s", what, name, cuts[i], diff)
				}
			})
		}
	}
}

// TestAmnesia puts together directories in which something is missing or older
// than the rest.
func TestAmnesia(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	images := []image{takeImage(t, s.dir)}
	for generation := range uint64(3) {
		commit(t, s, life("churn", generation+1))
		images = append(images, takeImage(t, s.dir))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed := takeImage(t, s.dir)
	tests := []struct {
		name  string
		image image
		path  string // which the complaint must name
		what  string // a part of the complaint
	}{
		{"no database", closed.without(databaseName), databaseName, "missing or empty"},
		{"an empty database", closed.with(databaseName, ""), databaseName, "missing or empty"},
		{"no database, no commit yet", images[0].without(databaseName).without(walName), databaseName, "0 rows"},
		{"no head", closed.without(headName), headName, "it is missing"},
		{"no head after the first commit", images[1].without(headName), headName, "it is missing"},
		{"an empty head", closed.with(headName, ""), headName, "checksum"},
		{"no WAL after a kill", images[2].without(walName), databaseName, "ends with row 0"},
		{"only a WAL", images[2].without(headName).without(databaseName), databaseName, "its WAL is there"},
		{"an older database", closed.with(databaseName, images[0][databaseName]), databaseName, "ends with row 0"},
		{"an older WAL", images[3].with(walName, images[2][walName]), databaseName, "ends with row 2"},
		{"an older head, two behind", images[3].with(headName, images[1][headName]), headName, "the journal has 3 rows"},
		{"another database of the same length", otherLife(t).with(headName, closed[headName]), headName, "not of one directory"},
		{"another life one row behind", otherLife(t).with(headName, images[2][headName]), headName, "not of one directory"},
		{"a text file for a database", closed.with(databaseName, "this is no database, whatever its name says, but it is long enough to be one for a while"), databaseName, "not a database"},
	}
	for _, tt := range tests {
		var damage *Damage
		if _, err := openImage(t, tt.image); !errors.As(err, &damage) || filepath.Base(damage.Path) != tt.path || !strings.Contains(damage.What, tt.what) || damage.Next == "" {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	if _, err := openImage(t, images[2]); err != nil {
		t.Errorf("a consistent older copy is a backup: %v", err)
	}
}

// otherLife is a directory with as many rows as another one, but other rows.
func otherLife(t *testing.T) image {
	t.Helper()
	s := open(t, t.TempDir())
	for generation := range uint64(3) {
		commit(t, s, life("other", generation+1))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return takeImage(t, s.dir)
}

// TestArtifactsWithoutJournal: a directory that lost both files is not fresh.
func TestArtifactsWithoutJournal(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ingest(t, s, "model")
	if err := errors.Join(s.Close(), os.Remove(s.path(headName)), os.Remove(s.path(databaseName))); err != nil {
		t.Fatal(err)
	}
	var damage *Damage
	if _, err := Open(s.dir, Options{}); !errors.As(err, &damage) {
		t.Errorf("got %v", err)
	}
}

// TestRewrittenRow changes a row and gives it the hash that it then must have:
// the next row gives it away, or the head if it was the last.
func TestRewrittenRow(t *testing.T) {
	t.Parallel()
	truth, _, closed := lived(t)
	for seq := range len(truth.Journal) {
		dir := quickDir(t)
		closed.restore(t, dir)
		db, err := openDatabase(t.Context(), filepath.Join(dir, databaseName))
		if err != nil {
			t.Fatal(err)
		}
		err = db.tables().journal(t.Context(), "", "", uint64(seq), 1, func(r *row) (bool, error) {
			r.actor = "nobody"
			_, err := db.conn.ExecContext(t.Context(), "UPDATE journal SET actor = ?, hash = ? WHERE seq = ?", r.actor, r.digest(), int64(r.seq))
			return false, err
		})
		if err := errors.Join(err, db.close()); err != nil {
			t.Fatal(err)
		}
		var damage *Damage
		if _, err := Open(dir, Options{}); !errors.As(err, &damage) {
			t.Errorf("row %d: got %v", seq+1, err)
		}
	}
}

// TestTamperedRows changes what an administrator with any SQLite tool could
// change, one thing at a time; pages and index stay sound.
func TestTamperedRows(t *testing.T) {
	t.Parallel()
	_, _, closed := lived(t)
	statements := []string{
		"DELETE FROM journal WHERE seq = 3",
		"DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)",
		"DELETE FROM journal",
		"INSERT INTO journal SELECT 10, model, at, event, actor, reason, rollout, finding, detail, state, evidence, prev, hash FROM journal WHERE seq = 9",
		"UPDATE journal SET actor = reason, reason = actor WHERE seq = 2",
		"UPDATE journal SET actor = actor || substr(reason, 1, 1), reason = substr(reason, 2) WHERE seq = 2",
		"UPDATE journal SET state = replace(state, 'v1', 'v2')",
		"UPDATE journal SET evidence = x'' WHERE seq = 5",
		"UPDATE journal SET seq = 100 WHERE seq = 9",
		"UPDATE journal SET prev = hash WHERE seq = 4",
		"UPDATE evidence SET rollout = 'r9'",
		"UPDATE evidence SET data = zeroblob(20)",
		"DELETE FROM evidence",
		"INSERT INTO evidence SELECT 'third', rollout, data, checksum FROM evidence LIMIT 1",
		"CREATE TABLE more (x)",
		"CREATE TRIGGER t AFTER INSERT ON journal BEGIN DELETE FROM evidence; END",
		"DROP TABLE evidence",
		"PRAGMA user_version = 0",
	}
	columnNames := []string{"model", "at", "event", "actor", "reason", "rollout", "finding", "detail", "state"}
	for _, column := range columnNames {
		statements = append(statements, fmt.Sprintf("UPDATE journal SET %s = %[1]s || ' ' WHERE seq = 5", column))
	}
	inParallel(len(statements), func(i int) {
		dir := t.TempDir()
		closed.restore(t, dir)
		db, err := openDatabase(t.Context(), filepath.Join(dir, databaseName))
		if err != nil {
			t.Error(err)
			return
		}
		_, err = db.conn.ExecContext(t.Context(), statements[i])
		if err := errors.Join(err, db.close()); err != nil {
			t.Errorf("%s: %v", statements[i], err)
			return
		}
		var damage *Damage
		if _, err := Open(dir, Options{}); !errors.As(err, &damage) {
			t.Errorf("%s: got %v", statements[i], err)
		}
	})
}
