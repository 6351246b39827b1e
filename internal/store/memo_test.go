package store

import (
	"errors"
	"strings"
	"testing"
)

// TestMemos come back as they were saved, each under its name, also when the store is
// opened again.
func TestMemos(t *testing.T) {
	onBoth(t, func(t *testing.T, h home) {
		s, err := Open(h.dir, Options{URL: h.url})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Memo(t.Context(), "ops"); got != nil || err != nil {
			t.Errorf("%q %v", got, err)
		}
		for _, memo := range []struct{ name, data string }{{"ops", "1"}, {"team", "3"}, {"ops", "2"}} {
			if err := s.SaveMemo(t.Context(), memo.name, []byte(memo.data)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SaveMemo(t.Context(), "ops", make([]byte, maxMemo+1)); err == nil || !strings.Contains(err.Error(), "may have 1048576") {
			t.Error(err)
		}
		if last, err := s.Last(t.Context()); last != 0 || err != nil {
			t.Errorf("%d %v", last, err)
		}
		commit(t, s, life("churn", 1))
		commit(t, s, life("fraud", 1))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = h.open(t)
		if last, err := s.Last(t.Context()); last != 2 || err != nil {
			t.Errorf("%d %v", last, err)
		}
		for name, want := range map[string]string{"ops": "2", "team": "3"} {
			if got, err := s.Memo(t.Context(), name); err != nil || string(got) != want {
				t.Errorf("%s: %q %v", name, got, err)
			}
		}
	})
}

// TestAMemoThatIsNotWhatWasWritten is found when it is read.
func TestAMemoThatIsNotWhatWasWritten(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	if err := s.SaveMemo(t.Context(), "ops", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.conn.ExecContext(t.Context(), "UPDATE memos SET data = x'33' WHERE name = 'ops'"); err != nil {
		t.Fatal(err)
	}
	var damage *Damage
	if got, err := s.Memo(t.Context(), "ops"); got != nil || !errors.As(err, &damage) || !strings.Contains(damage.What, "memo ops") {
		t.Errorf("%q %v", got, err)
	}
}
