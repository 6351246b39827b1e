package judge

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// Row is one request that somebody wrote down.
type Row struct {
	// Time is when it was answered, since a moment that is the same for all rows;
	// anything where rows have no times.
	Time time.Duration
	// Latency is from 0 on. It does not count where Failed is set.
	Latency time.Duration
	// Score is a probability; NaN stands for none.
	Score float64
	// Failed is set for a request without an answer.
	Failed bool
}

// Offline is evidence in rows instead of gauges: what was measured elsewhere, to
// be judged as a server judges. Each function returns one row after the other,
// and io.EOF after the last. No more than the first 8,000 are ever kept.
//
// The rows of both arms are assumed to be of requests that were dealt at random,
// during the same time.
type Offline struct {
	Stable, Canary func() (Row, error)
	// Reference are rows of stable from before; nil if there are none. They need
	// no times.
	Reference func() (Row, error)
	// Timed says that the rows of Stable and Canary have times, which never run
	// backwards. The rollout lasts from the first canary row to the last then, and
	// its windows are closed as a server closes them.
	Timed bool
	// Planned says that requests were dealt by the plan's weight, for the guard to
	// test. Otherwise any split is as good as another.
	Planned bool
}

// Report is an opinion of rows, with what a person wants to see beside it.
type Report struct {
	Opinion

	Stable Distribution `json:"stable"`
	Canary Distribution `json:"canary"`
	// Reference is how many latencies of stable the canary's were compared with
	// as they were beforehand; 0 if there were too few, and the monitor cannot
	// judge latencies.
	Reference uint64 `json:"reference"`
	// Notes say what was judged and what was not, a sentence each.
	Notes []string `json:"notes"`
}

const (
	// fewest is how many latencies make a reference: a trail takes no smaller one.
	fewest = 100
	// kept bounds the rows that are kept while it is not known which quarter of
	// them is the first.
	kept = 8000
	// window is how often a trail must be told what was observed.
	window = 10 * time.Second
)

// Judge reads all rows and judges them once, at the end. An error is one of the
// functions', as it was.
//
// The monitor needs to know beforehand what stable's latencies look like. They
// are the Reference's; without one, those from before the first canary row; and
// without times, those of stable's first quarter, 2,000 rows at most, which is
// set aside and not judged.
func (o Offline) Judge(plan rollout.Plan) (Report, error) {
	r := recording{Offline: o, plan: plan}
	read := r.untimed
	if o.Timed {
		read = r.timed
	}
	if o.Reference != nil {
		if err := drain(o.Reference, &r.reference); err != nil {
			return Report{}, err
		}
	}
	if err := read(); err != nil {
		return Report{}, err
	}
	evidence := r.trail.Evidence()
	dealt := new(record.Evidence) // of nothing, the guard says nothing
	if o.Planned {
		dealt = r.dealt(&evidence)
	} else {
		observed(&evidence)
	}
	last, all := &evidence.Stages[len(evidence.Stages)-1], totalOf(&evidence)
	report := Report{
		Opinion:   Opinion{look(plan, all), NewMonitor(plan).judge(&evidence, dealt, all)},
		Stable:    distributionOf(&all.stable, plan.Alpha),
		Canary:    distributionOf(&all.canary, plan.Alpha),
		Reference: last.Reference.Count,
		Notes:     r.notes(last, all),
	}
	if !o.Planned {
		share := fraction(all.canary.Started, all.stable.Started)
		report.Monitor.Guard.Planned, report.Monitor.Guard.Observed = share, share
	}
	return report, nil
}

// recording turns rows into evidence.
type recording struct {
	Offline

	plan rollout.Plan
	// reference is what stable did beforehand.
	reference record.Arm
	// stable and canary are cumulative, as a gauge's snapshots.
	stable, canary record.Arm
	trail          *record.Trail
	// aside is what of reference was taken from the rows to be judged.
	aside record.Arm
	// sorted says why nothing could be set aside.
	sorted bool
	// before and after count the stable rows that were answered before the first
	// canary row, and after the last one.
	before, after record.Arm
}

// take counts one row.
func take(a *record.Arm, row Row) {
	a.Started++
	if row.Failed {
		a.Failures++
	} else {
		a.Observe(row.Latency, row.Score)
	}
}

// drain counts all rows that are left.
func drain(next func() (Row, error), into *record.Arm) error {
	for {
		row, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		take(into, row)
	}
}

// untimed makes one stage of all rows.
func (r *recording) untimed() error {
	if r.Reference == nil {
		if err := r.setAside(); err != nil {
			return err
		}
	}
	if err := drain(r.Stable, &r.stable); err != nil {
		return err
	}
	if err := drain(r.Canary, &r.canary); err != nil {
		return err
	}
	r.trail = record.NewTrail(record.Evidence{}, uint32(r.plan.Weight), &r.reference, 0)
	r.trail.Update(&r.stable, &r.canary, 0)
	return nil
}

// setAside takes a reference from stable's first rows.
func (r *recording) setAside() error {
	first := make([]Row, 0, kept)
	for len(first) < kept {
		row, err := r.Stable()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		first = append(first, row)
	}
	n := 0
	if r.sorted = inOrder(first); !r.sorted {
		n = quarter(first)
	}
	for i := range first {
		if i < n {
			take(&r.aside, first[i])
		} else {
			take(&r.stable, first[i])
		}
	}
	r.reference = r.aside
	return nil
}

// quarter is how many of the first rows are set aside: a quarter, or more if it
// takes more to make a reference, but never more than half; 0 if that is not
// enough.
func quarter(first []Row) int {
	answered := 0
	for i := range first[:len(first)/2] {
		if !first[i].Failed {
			answered++
		}
		if i+1 >= len(first)/4 && answered >= fewest {
			return i + 1
		}
	}
	return 0
}

// inOrder says whether the latencies only ever rise, or fall: somebody has sorted
// them, and the first ones are the fastest, or the slowest, of all.
func inOrder(rows []Row) bool {
	rises, falls := false, false
	var last *Row
	for i := range rows {
		row := &rows[i]
		if row.Failed {
			continue
		}
		if last != nil {
			rises = rises || row.Latency > last.Latency
			falls = falls || row.Latency < last.Latency
		}
		last = row
	}
	return rises != falls
}

// timed merges the rows by their times, and tells a trail what was observed at
// the end of each window. One row of each arm is kept at a time.
func (r *recording) timed() error {
	stable, canary := upcoming{next: r.Stable}, upcoming{next: r.Canary}
	stable.step()
	canary.step()
	begun := canary.row.Time
	for ; !stable.over && (canary.over || stable.row.Time < begun); stable.step() {
		take(&r.before, stable.row)
	}
	if r.Reference == nil {
		r.reference = r.before
	}
	r.trail = record.NewTrail(record.Evidence{}, uint32(r.plan.Weight), &r.reference, r.plan.InitialDelay)
	elapsed := time.Duration(0)
	for ; !canary.over; canary.step() {
		for ; !stable.over && stable.row.Time <= canary.row.Time; stable.step() {
			elapsed = r.arrive(&r.stable, stable.row, elapsed, stable.row.Time-begun)
		}
		elapsed = r.arrive(&r.canary, canary.row, elapsed, canary.row.Time-begun)
	}
	r.trail.Update(&r.stable, &r.canary, elapsed)
	for ; !stable.over; stable.step() {
		take(&r.after, stable.row)
	}
	return cmp.Or(stable.err, canary.err)
}

// arrive counts one row, after the windows that end before it are closed: the
// one that was open, and, at once, those in which nothing was observed.
func (r *recording) arrive(into *record.Arm, row Row, before, now time.Duration) time.Duration {
	if now/window > before/window {
		r.trail.Update(&r.stable, &r.canary, before.Truncate(window)+window)
		r.trail.Update(&r.stable, &r.canary, now.Truncate(window))
	}
	take(into, row)
	return now
}

// upcoming is the next row of an arm.
type upcoming struct {
	next func() (Row, error)
	row  Row
	over bool  // there is none
	err  error // why not; nil at the end of the rows
}

// step goes to the next row. An error is the end, too.
func (u *upcoming) step() {
	u.row, u.err = u.next()
	if u.over = u.err != nil; errors.Is(u.err, io.EOF) {
		u.err = nil
	}
}

// dealt is what the split is tested on: rows that were set aside were dealt like
// the others.
func (r *recording) dealt(e *record.Evidence) *record.Evidence {
	dealt := record.Evidence{Stages: slices.Clone(e.Stages)}
	dealt.Stages[0].Stable.Add(&r.aside)
	return &dealt
}

// observed takes each stage's share for what was planned, rounded down: only
// where stable has nothing it is all.
func observed(e *record.Evidence) {
	for i := range e.Stages {
		s := &e.Stages[i]
		s.Share = max(1, uint32(whole*fraction(s.Canary.Started, s.Stable.Started)))
	}
}

// fraction is the canary's part of both.
func fraction(canary, stable uint64) float64 {
	return float64(canary) / max(1, float64(canary)+float64(stable))
}

// notes say what was made of the rows.
func (r *recording) notes(last *record.Stage, all *total) []string {
	notes := []string{r.noteReference(last.Reference.Count)}
	if n := answered(&r.before); n > 0 && r.Reference != nil {
		notes = append(notes, fmt.Sprintf("%d stable requests from before the first canary request are left out", n))
	}
	if n := answered(&r.after); n > 0 {
		notes = append(notes, fmt.Sprintf("%d stable requests from after the last canary request are left out", n))
	}
	switch {
	case !r.Timed:
		notes = append(notes, "without times there are no windows: latency centre says nothing, and no alarm about latency is confirmed")
	case answered(&r.stable) == 0:
		notes = append(notes, "no stable request was answered between the first canary request and the last: such arms cannot be compared")
	}
	if last.Reference.Count > 0 && sum(last.Reference.Scores()) == 0 && sum(all.canary.Scores()) > 0 {
		notes = append(notes, "the reference has no scores, so a drift of the canary's cannot be seen")
	}
	return notes
}

// noteReference says what the reference is, given how many latencies it has.
func (r *recording) noteReference(used uint64) string {
	none := fmt.Sprintf("there is no reference, which takes %d latencies of stable from beforehand, so the monitor cannot judge latencies", fewest)
	switch {
	case used == 0 && r.sorted:
		return "stable's latencies are sorted, so its first quarter cannot be set aside as a reference, and the monitor cannot judge latencies"
	case used == 0 && r.Reference != nil:
		return fmt.Sprintf("%s: %d are given", none, r.reference.Count)
	case used == 0 && r.Timed:
		return fmt.Sprintf("%s: %d are from before the first canary request", none, r.reference.Count)
	case used == 0:
		return none + ": a quarter of them is set aside for it, a half at most"
	case r.reference.Count < fewest:
		return fmt.Sprintf("the %d latencies of stable from beforehand are too few for a reference and left out: the first %d after that are the reference", r.reference.Count, used)
	case r.Reference != nil:
		return fmt.Sprintf("the reference is the %d latencies given for it", used)
	case r.Timed:
		return fmt.Sprintf("the reference is stable's %d latencies from before the first canary request", used)
	default:
		return fmt.Sprintf("the reference is stable's first %d latencies, which are set aside; the others are judged", used)
	}
}
