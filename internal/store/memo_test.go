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
		for _, tt := range []struct {
			name, old, data string
			done            bool
		}{{"ops", "", "1", true}, {"team", "", "3", true}, {"ops", "", "9", false}, {"ops", "1", "2", true}, {"ops", "1", "9", false}, {"none", "1", "9", false}} {
			var old []byte
			if tt.old != "" {
				old = []byte(tt.old)
			}
			if done, err := s.SwapMemo(t.Context(), tt.name, old, []byte(tt.data)); done != tt.done || err != nil {
				t.Errorf("%+v: %v, %v", tt, done, err)
			}
		}
		if _, err := s.SwapMemo(t.Context(), "ops", nil, make([]byte, maxMemo+1)); err == nil || !strings.Contains(err.Error(), "may have 1048576") {
			t.Error(err)
		}
		if last, err := s.Last(t.Context()); last != 0 || err != nil {
			t.Errorf("%d %v", last, err)
		}
		commit(t, s, life("churn", 1))
		seen := beat(t, s, Beat{Replica: "a"}).Head
		commit(t, s, life("fraud", 1))
		for _, tt := range []struct {
			head Head
			want bool
		}{{seen, true}, {Head{}, true}, {Head{2, seen.Hash}, false}, {Head{3, seen.Hash}, false}, {Head{3, ""}, false}} {
			if has, err := s.Has(t.Context(), tt.head); has != tt.want || err != nil {
				t.Errorf("%+v: %v, %v", tt.head, has, err)
			}
		}
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
	if _, err := s.SwapMemo(t.Context(), "ops", nil, []byte("1")); err != nil {
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
