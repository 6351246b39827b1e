package heard

import "testing"

func TestRowsAreOfOneRollout(t *testing.T) {
	t.Parallel()
	var r Rows[int, string]
	if got := r.Of("churn", "r1"); len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	r.Keep("churn", "r1", 1, "one")
	r.Keep("churn", "r1", 1, "another one")
	r.Keep("churn", "r1", 2, "two")
	r.Keep("fraud", "r1", 1, "of fraud")
	got := r.Of("churn", "r1")
	if len(got) != 2 || got[1] != "another one" || got[2] != "two" {
		t.Errorf("%v", got)
	}
	delete(got, 1) // is the caller's
	if again := r.Of("churn", "r1"); len(again) != 2 {
		t.Errorf("%v", again)
	}
	r.Keep("churn", "r2", 3, "of the next")
	if old, next := r.Of("churn", "r1"), r.Of("churn", "r2"); len(old) != 0 || len(next) != 1 {
		t.Errorf("%v and %v", old, next)
	}
	r.Forget("churn")
	if gone, other := r.Of("churn", "r2"), r.Of("fraud", "r1"); len(gone) != 0 || other[1] != "of fraud" {
		t.Errorf("%v and %v", gone, other)
	}
}
