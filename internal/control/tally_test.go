package control

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// TestLargeRowsAreToldLessOften: what a replica tells of a rollout stays under a
// kilobyte a second, however much it has seen; and who asks gets all of it.
func TestLargeRowsAreToldLessOften(t *testing.T) {
	t.Parallel()
	g := new(garage)
	r := &rollout.Rollout{ID: "r1", Weight: 1000}
	g.Serve(rollout.State{Phase: rollout.Live, Rollout: r}, new(record.Evidence))
	counts := &tally{model: "churn", replica: "a", engines: g}
	counts.turn(r, func() {})
	random := rand.New(rand.NewPCG(3, 4))
	largest, bytes, told := 0, 0, 0
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
		rows := counts.news(false, true)
		for _, row := range rows {
			bytes += len(row.Data)
			largest = max(largest, len(row.Data))
			told++
		}
		counts.kept(rows)
	}
	t.Logf("%d rows of at most %d bytes in %d s: %d bytes a second", told, largest, seconds, bytes/seconds)
	if largest < 1000 || bytes/seconds > 1000 || told < seconds/5 {
		t.Error("too much, or too seldom")
	}
	if rows := counts.news(false, false); len(rows) != 1 {
		t.Errorf("who asks gets %d rows", len(rows))
	}
}
