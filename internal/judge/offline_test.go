package judge

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"serin/internal/record"
	"serin/internal/rollout"
)

// of returns rows one after the other.
func of(rows []Row) func() (Row, error) {
	return func() (Row, error) {
		if len(rows) == 0 {
			return Row{}, io.EOF
		}
		row := rows[0]
		rows = rows[1:]
		return row, nil
	}
}

// lognormal are n rows round 100 ms, sigma 0.5, times a factor, one a second.
func lognormal(n int, factor float64, seed uint64) []Row {
	rng := rand.New(rand.NewPCG(seed, 9))
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{Time: time.Duration(i) * time.Second, Latency: time.Duration(factor * 88.25e6 * math.Exp(0.5*rng.NormFloat64())), Score: math.NaN()}
	}
	return rows
}

// request is a row with its arm.
type request struct {
	Row

	canary bool
}

// served feeds requests, sorted by time, to a trail as a server does: every
// five seconds, from the first canary request on.
func served(requests []request, reference []Row, plan rollout.Plan) record.Evidence {
	var baseline, stable, canary record.Arm
	count := func(a *record.Arm, r Row) {
		a.Started++
		if r.Failed {
			a.Failures++
			return
		}
		a.Observe(r.Latency, r.Score)
	}
	first := slices.IndexFunc(requests, func(r request) bool { return r.canary })
	begun, last := requests[first].Time, time.Duration(0)
	for _, r := range requests {
		if r.canary {
			last = r.Time - begun
		}
	}
	for _, r := range reference {
		count(&baseline, r)
	}
	var trail *record.Trail
	const often = 5 * time.Second
	told := time.Duration(0)
	for _, r := range requests {
		now := r.Time - begun
		switch {
		case now < 0:
			if reference == nil {
				count(&baseline, r.Row)
			}
			continue
		case now > last:
			continue
		case trail == nil:
			trail = record.NewTrail(record.Evidence{}, uint32(plan.Weight), &baseline, plan.InitialDelay)
		}
		for told+often <= now {
			told += often
			trail.Update(&stable, &canary, told)
		}
		if r.canary {
			count(&canary, r.Row)
		} else {
			count(&stable, r.Row)
		}
	}
	trail.Update(&stable, &canary, last)
	return trail.Evidence()
}

// asServed judges requests both ways, and says how the opinions differ.
func asServed(requests []request, reference []Row, plan rollout.Plan) string {
	o := Offline{Timed: true, Planned: true}
	var stable, canary []Row
	for _, r := range requests {
		if r.canary {
			canary = append(canary, r.Row)
		} else {
			stable = append(stable, r.Row)
		}
	}
	o.Stable, o.Canary = of(stable), of(canary)
	if reference != nil {
		o.Reference = of(reference)
	}
	report, err := o.Judge(plan)
	if err != nil {
		return err.Error()
	}
	evidence := served(requests, reference, plan)
	return cmp.Diff(NewMonitor(plan).Opinion(&evidence), report.Opinion)
}

// TestRowsAreJudgedAsServed holds what is made of rows with times against a
// server that gets the same requests: all numbers of both rules are the same.
func TestRowsAreJudgedAsServed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		plan := watched
		plan.InitialDelay = rapid.SampledFrom([]time.Duration{0, 5 * time.Second, 35 * time.Second, 2 * time.Minute}).Draw(t, "delay")
		before := rapid.SampledFrom([]int{0, 40, 300}).Draw(t, "before")
		slower := rapid.SampledFrom([]float64{1, 1.2, 2}).Draw(t, "slower")
		pace := rapid.SampledFrom([]float64{0.05, 0.3, 2}).Draw(t, "seconds a request")
		share := rapid.SampledFrom([]float64{0.1, 0.3}).Draw(t, "share")
		var reference []Row
		if rapid.Bool().Draw(t, "reference") {
			reference = lognormal(rapid.SampledFrom([]int{1, 100, 500}).Draw(t, "of reference"), 1, 5)
		}
		var all []request
		now := time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(t, "epoch"))
		for i := range rapid.IntRange(301, 1500).Draw(t, "requests") {
			now += time.Duration(pace * rng.ExpFloat64() * 1e9)
			if rng.IntN(500) == 0 {
				now += time.Duration(rng.IntN(200)) * time.Second // nobody asks
			}
			if rng.IntN(5) == 0 { // right at the end of a second
				now = now.Truncate(time.Second) + time.Second
			}
			r := request{canary: i == before || i > before && rng.Float64() < share}
			r.Row = Row{Time: now, Latency: time.Duration(1e7 * math.Exp(rng.NormFloat64())), Score: rng.Float64(), Failed: rng.IntN(50) == 0}
			if r.canary {
				r.Latency = time.Duration(float64(r.Latency) * slower)
			}
			all = append(all, r)
		}
		if diff := asServed(all, reference, plan); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestASilenceIsJudgedAsServed: while nobody asks, a reference is learned and the
// canary settles, one after the other.
func TestASilenceIsJudgedAsServed(t *testing.T) {
	t.Parallel()
	plan := watched
	plan.InitialDelay = time.Minute
	var all []request
	for i, row := range lognormal(800, 1, 1) {
		row.Time = time.Duration(i) * 10 * time.Millisecond
		if i >= 400 {
			row.Time += 5 * time.Minute
		}
		all = append(all, request{row, i%10 == 0})
	}
	if diff := asServed(all, nil, plan); diff != "" {
		t.Error(diff)
	}
}

// TestWhatIsJudged lists which rows become evidence, which a reference, and what
// is told about it.
func TestWhatIsJudged(t *testing.T) {
	t.Parallel()
	from := func(second int, rows []Row) []Row { return rows[second:] }
	failed := func(rows []Row) []Row {
		for i := range rows {
			rows[i].Failed = true
		}
		return rows
	}
	descending := slices.Clone(lognormal(2000, 1, 1))
	slices.SortFunc(descending, func(a, b Row) int { return int(b.Latency - a.Latency) })
	given := lognormal(500, 1, 3)
	none := "there is no reference, which takes 100 latencies of stable from beforehand, so the monitor cannot judge latencies"
	const untimed = "without times there are no windows"
	tests := []struct {
		name              string
		o                 Offline
		stable, reference uint64 // latencies
		notes             []string
	}{
		{"a quarter", Offline{Stable: of(lognormal(4000, 1, 1))}, 3000, 1000, []string{"the reference is stable's first 1000 latencies, which are set aside; the others are judged", untimed}},
		{"at most 2000", Offline{Stable: of(lognormal(20_000, 1, 1))}, 18_000, 2000, []string{"the reference is stable's first 2000 latencies", untimed}},
		{"at least 100", Offline{Stable: of(lognormal(200, 1, 1))}, 100, 100, []string{"the reference is stable's first 100 latencies", untimed}},
		{"too few", Offline{Stable: of(lognormal(199, 1, 1))}, 199, 0, []string{none + ": a quarter of them is set aside for it", untimed}},
		{"failures are no latencies", Offline{Stable: of(append(failed(lognormal(600, 1, 1)), lognormal(600, 1, 2)...))}, 600, 0, []string{none, untimed}},
		{"some failures", Offline{Stable: of(append(failed(lognormal(100, 1, 1)), lognormal(300, 1, 2)...))}, 200, 100, []string{"the reference is stable's first 100", untimed}},
		{"sorted", Offline{Stable: of(descending)}, 2000, 0, []string{"stable's latencies are sorted, so its first quarter cannot be set aside", untimed}},
		{"given", Offline{Stable: of(descending), Reference: of(given)}, 2000, 500, []string{"the reference is the 500 latencies given for it", untimed}},
		{"99 given", Offline{Stable: of(lognormal(4000, 1, 1)), Reference: of(given[:99])}, 4000, 0, []string{none + ": 99 are given", untimed}},
		{"100 given", Offline{Stable: of(lognormal(4000, 1, 1)), Reference: of(given[:100])}, 4000, 100, []string{"the reference is the 100 latencies given for it", untimed}},
		{"no stable", Offline{Stable: of(nil)}, 0, 0, []string{none, untimed}},
		{"before and after", Offline{Timed: true, Stable: of(lognormal(1000, 1, 1)), Canary: of(from(200, lognormal(900, 1, 2)))}, 700, 200, []string{"the reference is stable's 200 latencies from before the first canary request", "100 stable requests from after the last canary request are left out"}},
		{"little before", Offline{Timed: true, Stable: of(lognormal(1000, 1, 1)), Canary: of(from(50, lognormal(1000, 1, 2)))}, 950, 100, []string{"the 50 latencies of stable from beforehand are too few for a reference and left out: the first 100 after that are the reference"}},
		{"nothing before", Offline{Timed: true, Stable: of(lognormal(60, 1, 1)), Canary: of(lognormal(60, 1, 2))}, 60, 0, []string{none + ": 0 are from before the first canary request"}},
		{"before, and given", Offline{Timed: true, Stable: of(lognormal(1000, 1, 1)), Canary: of(from(200, lognormal(1000, 1, 2))), Reference: of(given)}, 800, 500, []string{"the reference is the 500 latencies given for it", "200 stable requests from before the first canary request are left out"}},
		{"one after the other", Offline{Timed: true, Stable: of(lognormal(500, 1, 1)), Canary: of(from(500, lognormal(1000, 1, 2)))}, 0, 500, []string{"the reference is stable's 500", "no stable request was answered between the first canary request and the last: such arms cannot be compared"}},
		{"no canary", Offline{Timed: true, Stable: of(lognormal(500, 1, 1)), Canary: of(nil)}, 0, 500, []string{"the reference is stable's 500", "no stable request"}},
	}
	for _, tt := range tests {
		if tt.o.Canary == nil {
			tt.o.Canary = of(lognormal(1, 1, 2))
		}
		report, err := tt.o.Judge(watched)
		if err != nil {
			t.Fatal(err)
		}
		j := report.Monitor
		if j.Stable.Count != tt.stable || report.Reference != tt.reference || len(report.Notes) != len(tt.notes) {
			t.Errorf("%s: %d judged, %d in the reference; want %d and %d; notes: %q", tt.name, j.Stable.Count, report.Reference, tt.stable, tt.reference, report.Notes)
			continue
		}
		for i, note := range report.Notes {
			if !strings.HasPrefix(note, tt.notes[i]) {
				t.Errorf("%s: got  %s\nwant %s", tt.name, note, tt.notes[i])
			}
		}
		if strings.HasPrefix(tt.name, "one") || strings.HasPrefix(tt.name, "no") || tt.reference == 0 {
			if j.Verdict != rollout.Insufficient {
				t.Errorf("%s: %s: %s", tt.name, j.Verdict, j.Sentence)
			}
		}
	}
}

func TestOfflineVerdicts(t *testing.T) {
	t.Parallel()
	const tenth, all = 1000, 10_000
	tests := []struct {
		name           string
		stable, canary int // rows
		factor         float64
		weight         rollout.Weight // that was planned; 0 for none
		want           rollout.Verdict
		observed       float64 // share, as the guard tells it
	}{
		{"as fast", 9000, 1000, 1, 0, rollout.Pass, 1.0 / 8},
		{"a quarter slower", 9000, 1000, 1.25, 0, rollout.Fail, 1.0 / 8},
		{"a tiny share, which was not planned", 500_000, 20, 1, 0, rollout.Insufficient, 20.0 / 498_020},
		{"the planned share, with what was set aside", 9000, 1000, 1, tenth, rollout.Pass, 0.1},
		{"three times the planned share", 9000, 4000, 1, tenth, rollout.Invalid, 4.0 / 13},
		{"three times the planned share, and slower", 9000, 4000, 2, tenth, rollout.Invalid, 4.0 / 13},
		{"few", 150, 15, 1, 0, rollout.Insufficient, 1.0 / 11},
		{"all, and stable has some", 150, 150, 1, all, rollout.Insufficient, 0.5},
		{"no stable", 0, 2000, 1, 0, rollout.Insufficient, 1},
		{"few, and another share than planned", 150, 150, 1, tenth, rollout.Invalid, 0.5},
	}
	for _, tt := range tests {
		plan := watched
		plan.Weight = tt.weight
		o := Offline{Stable: of(lognormal(tt.stable, 1, 1)), Canary: of(lognormal(tt.canary, tt.factor, 2)), Planned: tt.weight > 0}
		if !o.Planned {
			plan.Weight = all // which does not matter
		}
		report, err := o.Judge(plan)
		if err != nil {
			t.Fatal(err)
		}
		j := report.Monitor
		planned := tt.observed
		if o.Planned {
			planned = tt.weight.Fraction()
		}
		if j.Verdict != tt.want || math.Abs(j.Guard.Observed-tt.observed) > 1e-12 || math.Abs(j.Guard.Planned-planned) > 1e-12 {
			t.Errorf("%s: %s, guard %+v: %s", tt.name, j.Verdict, j.Guard, j.Sentence)
		}
		if j.Verdict == rollout.Invalid && (j.ExpectedSamples != nil || j.Confirmed || !strings.HasPrefix(j.Sentence, "the split cannot be trusted")) {
			t.Errorf("%s: %+v", tt.name, j)
		}
	}
}

// TestAnErrorOfTheRowsIsReturned, of whichever file and wherever it is.
func TestAnErrorOfTheRowsIsReturned(t *testing.T) {
	t.Parallel()
	bad, all := errors.New("line 17"), lognormal(8500, 1, 1)
	for _, timed := range []bool{false, true} {
		for _, at := range []int{0, 1, 50, 8400} {
			for role := range 3 {
				rows := [3]func() (Row, error){}
				for i := range rows {
					rows[i] = of(all)
				}
				good, n := rows[role], 0
				rows[role] = func() (Row, error) {
					if n++; n > at {
						return Row{}, bad
					}
					return good()
				}
				if _, err := (Offline{Stable: rows[0], Canary: rows[1], Reference: rows[2], Timed: timed}).Judge(watched); !errors.Is(err, bad) || err.Error() != bad.Error() {
					t.Errorf("timed %v, role %d, at %d: %v", timed, role, at, err)
				}
			}
		}
	}
}

// TestBands holds the bands against sorted latencies: between their ends lie the
// observed quantiles at q - radius and q + radius, no wider apart than buckets are.
func TestBands(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 50, 3000, 200_000} {
		var a record.Arm
		var sorted []float64
		for _, row := range lognormal(n, 1, 4) {
			a.Observe(row.Latency, row.Score)
			sorted = append(sorted, ms(float64(row.Latency)))
		}
		slices.Sort(sorted)
		d := distributionOf(&a, 0.05)
		if n == 0 {
			if d.Band != 1 || d.Below(1) != 0 {
				t.Errorf("of nothing: %v, %v", d.Band, d.Below(1))
			}
		}
		for _, q := range d.Quantiles {
			if (q.MS == nil) != (n == 0) || (q.LowerMS == nil) != (q.Share <= d.Band) || (q.UpperMS == nil) != (q.Share+d.Band >= 1) {
				t.Errorf("n = %d: %+v with a band of %v", n, q, d.Band)
			}
			at := func(share float64) float64 { return sorted[int(math.Ceil(share*float64(n)))-1] }
			if q.LowerMS != nil && (*q.LowerMS > at(q.Share-d.Band) || *q.LowerMS < 0.98*at(q.Share-d.Band)) {
				t.Errorf("n = %d, q = %v: from %v, want below %v", n, q.Share, *q.LowerMS, at(q.Share-d.Band))
			}
			if q.UpperMS != nil && (*q.UpperMS < at(q.Share+d.Band) || *q.UpperMS > 1.02*at(q.Share+d.Band)) {
				t.Errorf("n = %d, q = %v: to %v, want above %v", n, q.Share, *q.UpperMS, at(q.Share+d.Band))
			}
			if q.MS != nil && n > 50 && math.Abs(d.Below(*q.MS)-q.Share) > 0.001 {
				t.Errorf("n = %d: %v below the quantile at %v", n, d.Below(*q.MS), q.Share)
			}
		}
		if n > 0 && (d.Below(0) != 0 || d.Below(1e9) != 1 || d.At(1) < sorted[n-1]*0.98) {
			t.Errorf("n = %d: %v below 0, %v below everything, at most %v", n, d.Below(0), d.Below(1e9), d.At(1))
		}
	}
}
