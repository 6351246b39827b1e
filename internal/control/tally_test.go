package control

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// TestLargeRowsAreToldLessOften: what a replica tells of a rollout stays under a third
// of a kilobyte a second, however much it has seen, and each ten seconds it is told at
// least; and who asks gets all of it.
func TestLargeRowsAreToldLessOften(t *testing.T) {
	t.Parallel()
	g := new(garage)
	r := &rollout.Rollout{ID: "r1", Weight: 1000}
	g.Serve(rollout.State{Phase: rollout.Live, Rollout: r}, new(record.Evidence))
	counts := &tally{model: "churn", replica: "a", engines: g}
	counts.turn(r, func() {})
	random := rand.New(rand.NewPCG(3, 4))
	largest, bytes, told, silent, longest := 0, 0, 0, 0, 0
	const seconds = 300
	for range seconds {
		for range 400 {
			for _, arm := range []interface {
				Observe(latency time.Duration, score float64)
			}{g.stable, g.canary} {
				arm.Observe(time.Duration(math.Exp(random.NormFloat64()*0.7)*250e3), random.Float64())
			}
			g.stable.Begin()
			g.canary.Begin()
		}
		rows := counts.news(false, false, true)
		if silent++; len(rows) > 0 {
			silent = 0
		}
		longest = max(longest, silent)
		for _, row := range rows {
			bytes += len(row.Data)
			largest = max(largest, len(row.Data))
			told++
		}
		counts.kept(rows)
	}
	t.Logf("%d rows of at most %d bytes in %d s: %d bytes a second, each %d s at least", told, largest, seconds, bytes/seconds, longest+1)
	if largest < 2000 || bytes/seconds > 330 || longest >= 10 {
		t.Error("too much, or too seldom")
	}
	if rows := counts.news(false, false, false); len(rows) != 1 {
		t.Errorf("who asks gets %d rows", len(rows))
	}
}

// TestWhatDoesNotChangeIsToldTwice: a server that fails may have lost what it was told
// in the second before, and nothing that it has been told again since.
func TestWhatDoesNotChangeIsToldTwice(t *testing.T) {
	t.Parallel()
	g := new(garage)
	r := &rollout.Rollout{ID: "r1", Weight: 1000}
	g.Serve(rollout.State{Phase: rollout.Live, Rollout: r}, new(record.Evidence))
	counts := &tally{model: "churn", replica: "a", engines: g}
	counts.turn(r, func() {})
	tell := func(missed, again bool) int {
		rows := counts.news(missed, again, true)
		counts.kept(rows)
		return len(rows)
	}
	for i, c := range []struct {
		missed, again bool
		rows          int
	}{{rows: 2}, {}, {again: true, rows: 2}, {again: true}, {}, {missed: true, rows: 2}, {again: true}} {
		if n := tell(c.missed, c.again); n != c.rows {
			t.Errorf("beat %d tells %d rows, want %d", i, n, c.rows)
		}
	}
	g.stable.Begin()
	if lost := counts.news(false, false, true); len(lost) != 1 { // whose beat is not answered
		t.Errorf("%d rows are new", len(lost))
	}
	if n := tell(true, false); n != 2 {
		t.Errorf("%d rows after a beat that was missed", n)
	}
}
