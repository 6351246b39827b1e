package app

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"serin/internal/rollout"
	"serin/internal/store"
)

func idle(model string, generation uint64) rollout.State {
	return rollout.State{Model: model, Generation: generation, Phase: rollout.Idle, Stable: rollout.Version{Name: "model_v1"}}
}

func TestWhatIsKnownIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if last, err := readKnown(dir); err != nil || last.Models != nil {
		t.Fatalf("nothing is known, and %+v is read: %v", last, err)
	}
	head := ""
	k := &known{path: filepath.Join(dir, knownName), log: slog.New(slog.DiscardHandler), head: func() string { return head }, now: lastKnown{Process: "a/1", Kills: 2}}
	k.note(idle("churn", 0)) // an empty store's
	k.note(idle("churn", 7))
	head = "12:ab"
	k.note(idle("fraud", 1))
	head = ""
	k.note(idle("churn", 6)) // a store that forgot
	k.survived()
	got, err := readKnown(dir)
	want := lastKnown{Process: "a/1", Head: "12:ab", Models: map[string]rollout.State{"churn": idle("churn", 7), "fraud": idle("fraud", 1)}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left", len(entries))
	}
}

// TestEveryBitOfWhatIsKnownCounts: a file with one bit flipped, or cut short, is
// refused.
func TestEveryBitOfWhatIsKnownCounts(t *testing.T) {
	t.Parallel()
	good, err := encodeKnown(lastKnown{Process: "a/1", Models: map[string]rollout.State{"churn": idle("churn", 7)}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 4
		if _, err := decodeKnown(bad); err == nil {
			t.Fatalf("a bit of byte %d is flipped, and nobody says so", i)
		}
		if _, err := decodeKnown(good[:i]); err == nil {
			t.Fatalf("%d of %d bytes are there, and nobody says so", i, len(good))
		}
	}
}

// TestKnownIsWhatWasWritten or nothing: a file with any byte changed, cut out or
// doubled is refused. It is no fuzz target, which would build all of serin anew.
func TestKnownIsWhatWasWritten(t *testing.T) {
	t.Parallel()
	last := lastKnown{Process: "a/1", Kills: 3, Head: "1:00", Models: map[string]rollout.State{"churn": idle("churn", 7)}}
	data, err := encodeKnown(last)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := decodeKnown(data); err != nil || cmp.Diff(last, back) != "" {
		t.Fatalf("%v\n%s", err, cmp.Diff(last, back))
	}
	rapid.Check(t, func(t *rapid.T) {
		at, b := rapid.IntRange(0, len(data)-1).Draw(t, "at"), rapid.Byte().Draw(t, "byte")
		harmed := rapid.SampledFrom([][]byte{
			slices.Concat(data[:at], []byte{b}, data[at+1:]), slices.Concat(data[:at], data[at+1:]), slices.Concat(data[:at], []byte{b}, data[at:]),
			data[:at], data[at:], rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "anything"),
		}).Draw(t, "harmed")
		if back, err := decodeKnown(harmed); err == nil && cmp.Diff(last, back) != "" {
			t.Errorf("%q is taken for %+v", harmed, back)
		}
	})
}

func TestTheDoctorFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	last := lastKnown{Models: map[string]rollout.State{"churn": idle("churn", 7), "fraud": idle("fraud", 2), "spam": idle("spam", 3)}}
	got := missing(last, []rollout.State{idle("churn", 5), idle("fraud", 2), idle("other", 9)})
	want := []Lost{{"churn", 7, 5, "model_v1"}, {"spam", 3, 0, "model_v1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAcceptMovesAside what a replica knew, unless the replica runs.
func TestAcceptMovesAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Accept(Place{Data: dir}); err == nil {
		t.Error("nothing was known, and it was moved")
	}
	k := &known{path: filepath.Join(dir, knownName), log: slog.New(slog.DiscardHandler), head: func() string { return "" }}
	k.note(idle("churn", 7))
	running, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Accept(Place{Data: dir}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("while it runs: %v", err)
	}
	if err := running.Close(); err != nil {
		t.Fatal(err)
	}
	aside, err := Accept(Place{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	if last, err := readKnown(dir); err != nil || last.Models != nil {
		t.Errorf("still known: %+v, %v", last, err)
	}
	if _, err := os.Stat(aside); err != nil {
		t.Error(err)
	}
}
