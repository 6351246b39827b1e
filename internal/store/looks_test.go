package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/store/pack"
)

// lookAt is what is found at the look with the number n.
func lookAt(n int) Look {
	return Look{
		At:       noon.Add(time.Duration(n) * 10 * time.Second),
		Finding:  rollout.Finding{Verdict: rollout.Pass, Sentence: fmt.Sprintf("the canary is not slower at look %d", n)},
		Detail:   json.RawMessage(fmt.Sprintf(`{"log_e": %d.5}`, n)),
		Evidence: evidence(n),
	}
}

func saveLook(t testing.TB, s *Store, rolloutID string, l Look) uint64 {
	t.Helper()
	number, err := s.SaveLook(t.Context(), "churn", rolloutID, l)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// allLooks pages through the looks at a rollout.
func allLooks(t testing.TB, s *Store, name, rolloutID string) []Look {
	t.Helper()
	var all []Look
	for after := uint64(0); ; {
		page, err := s.Looks(t.Context(), name, rolloutID, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Number
	}
}

// inProgress is a store with rollout r1 of churn, and looks at it.
func inProgress(t testing.TB, h home, looks int) *Store {
	t.Helper()
	s := h.open(t)
	commit(t, s, life("churn", 1))
	commit(t, s, life("churn", 2))
	for n := range looks {
		saveLook(t, s, "r1", lookAt(n+1))
	}
	return s
}

// TestLooksComeBack also when their rollout has ended, another one has begun,
// and the store was opened again.
func TestLooksComeBack(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := inProgress(t, h, 0)
		want := map[string][]Look{}
		look := func(rolloutID string, n int) {
			l := lookAt(n)
			l.Number = 77 // is ignored
			l.Number = saveLook(t, s, rolloutID, l)
			want[rolloutID] = append(want[rolloutID], l)
			if got := uint64(len(want[rolloutID])); l.Number != got {
				t.Errorf("look %d at %s has the number %d", got, rolloutID, l.Number)
			}
			if _, observed, err := s.State(t.Context(), "churn"); err != nil || !cmp.Equal(observed, *l.Evidence, equal) {
				t.Errorf("after look %d at %s its evidence is not that of the rollout, %v", l.Number, rolloutID, err)
			}
		}
		for n := range 7 {
			look("r1", n)
		}
		commit(t, s, life("churn", 3))
		look("r1", 8)
		commit(t, s, life("churn", 4))
		if _, err := s.SaveLook(t.Context(), "churn", "r1", lookAt(9)); !errors.Is(err, ErrStale) {
			t.Errorf("a look at a rollout that has ended: %v", err)
		}
		commit(t, s, life("churn", 5))
		look("r2", 10)
		for _, elsewhere := range [][2]string{{"other", "r2"}, {"churn", "r1"}, {"churn", "r3"}, {"churn", ""}, {"", ""}} {
			if _, err := s.SaveLook(t.Context(), elsewhere[0], elsewhere[1], lookAt(11)); !errors.Is(err, ErrStale) {
				t.Errorf("a look at %q: %v", elsewhere, err)
			}
		}
		for range 2 {
			for _, id := range []string{"r1", "r2", "r3", ""} {
				if diff := cmp.Diff(want[id], allLooks(t, s, "churn", id), equal); diff != "" {
					t.Errorf("%s: %s", id, diff)
				}
			}
			if got := allLooks(t, s, "other", "r1"); len(got) > 0 {
				t.Errorf("another model has %d looks", len(got))
			}
			for _, tt := range []struct {
				after  uint64
				limit  int
				number uint64 // of the first
				count  int
			}{{0, 100, 1, 8}, {2, 3, 3, 3}, {7, 3, 8, 1}, {8, 3, 0, 0}, {math.MaxUint64, 3, 0, 0}, {0, 0, 0, 0}, {0, -1, 0, 0}} {
				got, err := s.Looks(t.Context(), "churn", "r1", tt.after, tt.limit)
				if err != nil || len(got) != tt.count || tt.count > 0 && got[0].Number != tt.number {
					t.Errorf("%d after %d: %d looks, %v", tt.limit, tt.after, len(got), err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = h.open(t)
		}
	})
}

func TestLooksThatAreRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := inProgress(t, h, 1)
		var tooLarge *TooLarge
		tests := []struct {
			name   string
			change func(*Look)
			large  bool
		}{
			{"no evidence", func(l *Look) { l.Evidence = nil }, false},
			{"evidence that contradicts itself", func(l *Look) { l.Evidence = &record.Evidence{Elapsed: -1} }, false},
			{"a detail that is not JSON", func(l *Look) { l.Detail = json.RawMessage("{") }, false},
			{"a year that RFC 3339 does not know", func(l *Look) { l.At = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) }, false},
			{"a huge detail", func(l *Look) { l.Detail = json.RawMessage(`"` + strings.Repeat("x", maxLookText) + `"`) }, true},
			{"a huge sentence", func(l *Look) { l.Finding.Sentence = strings.Repeat("x", maxLookText) }, true},
		}
		for _, tt := range tests {
			l := lookAt(2)
			tt.change(&l)
			if _, err := s.SaveLook(t.Context(), "churn", "r1", l); err == nil || errors.As(err, &tooLarge) != tt.large {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		l := lookAt(2)
		l.Detail = nil
		if n := saveLook(t, s, "r1", l); n != 2 {
			t.Errorf("what was refused took a number: the next one is %d", n)
		}
		if got := allLooks(t, s, "churn", "r1"); len(got) != 2 || got[1].Detail != nil {
			t.Errorf("got %+v", got)
		}
	})
}

// numbers are those of the looks that the store keeps of a rollout, without
// reading them.
func numbers(t testing.TB, s *Store, name, rolloutID string) (count, first, last int) {
	t.Helper()
	q, end, err := s.reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	err = q.one(t.Context(), "SELECT count(*), coalesce(min(number), 0), coalesce(max(number), 0) FROM looks WHERE model = $1 AND rollout = $2", []any{name, rolloutID}, &count, &first, &last)
	if err != nil {
		t.Fatal(err)
	}
	return count, first, last
}

// fill puts looks into the database that were never saved, up to a number.
func fill(t testing.TB, s *Store, rolloutID string, upTo, bytes int) {
	t.Helper()
	q, end, err := s.reading(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	err = q.exec(t.Context(), `
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO looks (model, rollout, number, at, finding, detail, evidence, checksum) SELECT 'churn', $2, i, '', '', '', $3, $3 FROM n`,
		upTo, rolloutID, make([]byte, bytes))
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheLatestLooksOfARolloutAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := inProgress(t, h, 0)
		fill(t, s, "r0", 5, 0)
		fill(t, s, "r1", keepLooks-2, 0)
		for n := keepLooks - 1; n <= keepLooks+3; n++ {
			if got := saveLook(t, s, "r1", lookAt(1)); got != uint64(n) {
				t.Fatalf("look %d has the number %d", n, got)
			}
			wantFirst := max(1, n-keepLooks+1)
			if count, first, last := numbers(t, s, "churn", "r1"); first != wantFirst || last != n || count != last-first+1 {
				t.Errorf("after look %d: %d are kept, from %d to %d", n, count, first, last)
			}
		}
		if got, err := s.Looks(t.Context(), "churn", "r1", keepLooks-2, 10); len(got) != 5 || err != nil {
			t.Errorf("got %d looks, %v", len(got), err)
		}
		if count, _, _ := numbers(t, s, "churn", "r0"); count != 5 {
			t.Errorf("of another rollout %d looks are left", count)
		}
	})
}

func TestOnlyTheLooksOfTheLatestRolloutsAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := h.open(t)
		commit(t, s, life("other", 1))
		commit(t, s, life("other", 2))
		if _, err := s.SaveLook(t.Context(), "other", "r1", lookAt(1)); err != nil {
			t.Fatal(err)
		}
		const rollouts = keepRollouts + 5
		for generation := uint64(1); generation <= 3*rollouts; generation++ {
			commit(t, s, life("churn", generation))
			if generation%3 == 2 && generation != 3*3+2 { // nobody looked at the fourth
				id := fmt.Sprintf("r%d", (generation+1)/3)
				saveLook(t, s, id, lookAt(1))
				saveLook(t, s, id, lookAt(2))
			}
		}
		for i := 1; i <= rollouts; i++ {
			want := 2
			if i <= rollouts-keepRollouts {
				want = 0
			}
			if got := allLooks(t, s, "churn", fmt.Sprintf("r%d", i)); len(got) != want {
				t.Errorf("%d looks are kept of rollout %d of %d, want %d", len(got), i, rollouts, want)
			}
		}
		if got := allLooks(t, s, "other", "r1"); len(got) != 1 {
			t.Errorf("the looks of another model are gone")
		}
	})
}

// TestALookThatFails is there with its evidence, or neither is. In doubt it is
// reported as failed, and what comes next is right either way.
func TestALookThatFails(t *testing.T) {
	t.Parallel()
	for finish, there := range map[string]bool{"SELECT * FROM nowhere": false, "COMMIT; SELECT * FROM nowhere": true} {
		s := inProgress(t, home{dir: t.TempDir()}, 1)
		s.db.finish = finish
		if _, err := s.SaveLook(t.Context(), "churn", "r1", lookAt(2)); err == nil {
			t.Errorf("%s: nobody is told", finish)
		}
		s.db.finish = "COMMIT"
		want, next := 1, evidence(1)
		if there {
			want, next = 2, evidence(2)
		}
		got, err := openImage(t, takeImage(t, s.dir))
		if e := got.Evidence["churn"]; err != nil || len(got.Looks["churn r1"]) != want || !cmp.Equal(e, *next, equal) {
			t.Errorf("%s: after a kill there are %d looks, and evidence of %d observations, %v", finish, len(got.Looks["churn r1"]), e.Looks, err)
		}
		if n := saveLook(t, s, "r1", lookAt(3)); n != uint64(want)+1 {
			t.Errorf("%s: the next look has the number %d", finish, n)
		}
	}
}

// tampered opens a copy of a directory in which SQL was executed.
func tampered(t *testing.T, im image, statement string, args ...any) *Store {
	t.Helper()
	dir := t.TempDir()
	im.restore(t, dir)
	db, err := openDatabase(t.Context(), filepath.Join(dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.conn.ExecContext(t.Context(), statement, args...)
	if err := errors.Join(err, db.close()); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return open(t, dir)
}

// TestADamagedLookIsToldWhenItIsRead, and by nothing else.
func TestADamagedLookIsToldWhenItIsRead(t *testing.T) {
	t.Parallel()
	s := inProgress(t, home{dir: t.TempDir()}, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	im := takeImage(t, s.dir)
	var damage *Damage
	for _, statement := range []string{
		"UPDATE looks SET at = replace(at, '2026', '2027') WHERE number = 3",
		"UPDATE looks SET finding = replace(finding, 'pass', 'fail') WHERE number = 3",
		"UPDATE looks SET detail = '' WHERE number = 3",
		"UPDATE looks SET evidence = (SELECT evidence FROM looks WHERE number = 2) WHERE number = 3",
		"UPDATE looks SET checksum = x'' WHERE number = 3",
		"DELETE FROM looks WHERE number = 3",
		"UPDATE looks SET rollout = 'r2' WHERE number = 3",
		"UPDATE looks SET (at, finding, detail, evidence, checksum) = (SELECT at, finding, detail, evidence, checksum FROM looks WHERE number = 2) WHERE number = 3",
	} {
		s := tampered(t, im, statement)
		page, err := s.Looks(t.Context(), "churn", "r1", 0, 10)
		if !errors.As(err, &damage) || !strings.Contains(err.Error(), "look 3") || filepath.Base(damage.Path) != databaseName {
			t.Errorf("%s: %v", statement, err)
		}
		if len(page) != 3 || !cmp.Equal(page[2], Look{Number: 3}) {
			t.Errorf("%s: %d looks before it", statement, len(page))
		}
		if page, err := s.Looks(t.Context(), "churn", "r1", page[len(page)-1].Number, 10); err != nil || len(page) != 2 || page[0].Number != 4 {
			t.Errorf("%s: %d looks after it, %v", statement, len(page), err)
		}
		if _, observed, err := s.State(t.Context(), "churn"); err != nil || !cmp.Equal(observed, *evidence(5), equal) {
			t.Errorf("%s: the state is not served: %v", statement, err)
		}
		commit(t, s, life("churn", 3))
		if n := saveLook(t, s, "r1", lookAt(6)); n != 6 {
			t.Errorf("%s: the next look has the number %d", statement, n)
		}
	}
}

// TestALookOfAnotherVersion is as it was written, so it is not called damaged.
func TestALookOfAnotherVersion(t *testing.T) {
	t.Parallel()
	s := inProgress(t, home{dir: t.TempDir()}, 3)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	encoded, err := encodeLook("churn", "r1", lookAt(2))
	if err != nil {
		t.Fatal(err)
	}
	encoded.number, encoded.evidence = 2, []byte{99}
	s = tampered(t, takeImage(t, s.dir), "UPDATE looks SET evidence = ?, checksum = ? WHERE number = 2", encoded.evidence, encoded.checksum())
	// The finding and the time are lookAt's, so that only the evidence is foreign.
	page, err := s.Looks(t.Context(), "churn", "r1", 0, 10)
	var damage *Damage
	if err == nil || errors.As(err, &damage) || !strings.Contains(err.Error(), "another version") || len(page) != 2 || page[1].Evidence != nil {
		t.Errorf("%d looks, %v", len(page), err)
	}
}

// TestFlippedLooks flips bits in a database that is nearly all looks. The store
// starts, unless the bit held its pages together; and no look that is read is
// another than was written.
func TestFlippedLooks(t *testing.T) {
	t.Parallel()
	const looks, flips = 40, 150
	s := inProgress(t, home{dir: quickDir(t)}, 0)
	small := takeImage(t, s.dir)
	noise := rand.NewChaCha8([32]byte{7})
	for n := range looks {
		l, numbers := lookAt(n+1), make([]byte, 4500)
		_, _ = noise.Read(numbers)
		l.Detail = fmt.Appendf(nil, `"%x"`, numbers) // larger than a look gets
		saveLook(t, s, "r1", l)
	}
	want := allLooks(t, s, "churn", "r1")
	identical := func(a, b Look) bool { // cmp would take its time
		return a.Number == b.Number && a.At.Equal(b.At) && a.Finding == b.Finding && bytes.Equal(a.Detail, b.Detail) && same(*a.Evidence, *b.Evidence)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	im := takeImage(t, s.dir)
	data := im[databaseName]
	if len(small[databaseName])*10 > len(data) {
		t.Fatalf("the looks are not most of the %d bytes", len(data))
	}
	random := rand.New(rand.NewPCG(5, 6))
	offsets, masks := random.Perm(len(data))[:flips], make([]byte, flips)
	for i := range masks {
		masks[i] = 1 << random.IntN(8)
	}
	var mu sync.Mutex
	refused, unread := 0, 0
	inParallel(len(offsets), func(i int) {
		flipped := []byte(data)
		flipped[offsets[i]] ^= masks[i]
		dir := quickDir(t)
		im.with(databaseName, string(flipped)).restore(t, dir)
		s, err := Open(dir, Options{})
		if err != nil {
			mu.Lock()
			refused++
			mu.Unlock()
			return
		}
		got, err := s.Looks(t.Context(), "churn", "r1", 0, looks)
		if err != nil {
			mu.Lock()
			unread++
			mu.Unlock()
			got = got[:len(got)-1]
		}
		if err == nil && len(got) != len(want) || !slices.EqualFunc(want[:len(got)], got, identical) {
			t.Errorf("byte %d: silently different", offsets[i])
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("of %d flips in %d bytes %d kept the store from starting, %d a look from being read", len(offsets), len(data), refused, unread)
	if refused > len(offsets)/20 || unread < len(offsets)/2 {
		t.Error("too many kept the store from starting, or too few were noticed")
	}
}

// aDetail is one as large as the monitor's.
func aDetail(n int) json.RawMessage {
	var signals []string
	for i := range 12 {
		signals = append(signals, fmt.Sprintf(`{"name":"latency_%d","weight":0.15,"log_e":%d.8928522584,"log_threshold":4.892852258439873,"alarm":false,"stable":0,"canary":0,"effect":0.00851%d,"floor":0.1,"unit":"ms"}`, i, n, n*i))
	}
	return json.RawMessage(`{"signals":[` + strings.Join(signals, ",") + `]}`)
}

// TestLooksBeforeTheyWerePacked can be read, beside others.
func TestLooksBeforeTheyWerePacked(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s := inProgress(t, h, 0)
		large := lookAt(1)
		large.Detail = aDetail(1)
		saveLook(t, s, "r1", large)
		plain, err := encodeLook("churn", "r1", large)
		if err != nil {
			t.Fatal(err)
		}
		plain.number, plain.detail = 2, string(large.Detail)
		asBefore := func(q tables) error { return q.insertLook(t.Context(), plain) }
		if s.shared != nil {
			err = s.shared.transaction(t.Context(), asBefore)
		} else {
			err = asBefore(s.db.tables())
		}
		if err != nil {
			t.Fatal(err)
		}
		saveLook(t, s, "r1", large)
		all := allLooks(t, s, "churn", "r1")
		if len(all) != 3 {
			t.Fatalf("%d looks", len(all))
		}
		for _, l := range all {
			if string(l.Detail) != string(large.Detail) {
				t.Errorf("look %d has %.60s", l.Number, l.Detail)
			}
		}
	})
}

// FuzzLook looks for a panic in what reads a look back.
func FuzzLook(f *testing.F) {
	l, err := encodeLook("churn", "r1", lookAt(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(l.at, l.finding, l.detail, l.evidence)
	f.Add(l.at, l.finding, pack.Close(aDetail(1)), l.evidence)
	f.Add(l.at, l.finding, `"zlib:eJyrrgUAAXUA+Q=="`, l.evidence)
	f.Add("", "{}", "", []byte{})
	f.Add(l.at, `{"verdict": "pass", "more": 1}`, "1 2", []byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, at, finding, detail string, evidence []byte) {
		l := look{model: "churn", rollout: "r1", at: at, finding: finding, detail: detail, evidence: evidence}
		read, err := l.decode()
		if err != nil {
			return
		}
		var tooLarge *TooLarge
		if _, err := encodeLook("churn", "r1", read); err != nil && !errors.As(err, &tooLarge) && at <= "9999" {
			t.Fatalf("what was read cannot be written: %v", err)
		}
	})
}
