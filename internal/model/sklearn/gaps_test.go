package sklearn

import (
	"bytes"
	"math"
	"os"
	"testing"

	"serin/internal/pickle"
)

// TestGaps reads a pipeline with a category None behind an imputer, which
// testdata/gaps.py writes. scikit-learn fills only what missing_values names, and
// null in a row does not say which it is.
func TestGaps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fills  pickle.Value
		nested bool // the encoder is in a pipeline of its own
		reason string
	}{
		{math.NaN(), false, "hold None behind an imputer that fills only NaN, and null in a row may be either"},
		{math.NaN(), true, "hold None behind an imputer that fills only NaN"},
		{nil, false, ""},
	} {
		content, err := os.ReadFile("testdata/gaps-none.joblib")
		if err != nil {
			t.Fatal(err)
		}
		v, err := pickle.Read(bytes.NewReader(content), pickle.Options{Allow: allowed})
		if err != nil {
			t.Fatal(err)
		}
		root := v.(*pickle.Object)
		imputer := step(t, root, "steps", 0).Items[1].(*pickle.Object)
		forget(imputer, "missing_values")
		set(imputer, "missing_values", tt.fills)
		if encoding := step(t, root, "steps", 1); tt.nested {
			inner := dict("steps", list(tuple("inner", encoding.Items[1])))
			inner.Entries = append(inner.Entries, dict("memory", nil).Entries...)
			inner.Entries = append(inner.Entries, dict("verbose", false).Entries...)
			encoding.Items[1] = &pickle.Object{Class: root.Class, State: inner}
		}
		if tt.reason != "" {
			wantRefusal(t, "gaps-none.joblib", root, tt.reason)
		} else if _, err := FromValue(root); err != nil {
			t.Errorf("filling None: %v", err)
		}
	}
}

// TestGapsOfSomeColumns: members that see some columns know what was filled there.
func TestGapsOfSomeColumns(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/gaps-bagged.joblib")
	if err != nil {
		t.Fatal(err)
	}
	v, err := pickle.Read(bytes.NewReader(content), pickle.Options{Allow: allowed})
	if err != nil {
		t.Fatal(err)
	}
	root := v.(*pickle.Object)
	wantRefusal(t, "gaps-bagged.joblib", root, "hold None behind an imputer that fills only NaN")
	imputer := step(t, root, "steps", 0).Items[1].(*pickle.Object)
	forget(imputer, "missing_values")
	set(imputer, "missing_values", nil)
	if _, err := FromValue(root); err != nil {
		t.Errorf("filling None: %v", err)
	}
}
