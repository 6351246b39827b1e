package judge

import (
	"math"
	"slices"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/stats"
	"serin/internal/stats/anytime"
)

// bounds are the plan's margins on the grid of buckets. A factor of latency is
// a shift by buckets, so a margin is tested as the nearest whole number of
// them: 2 % is one bucket, which is 1.92 %; 10 % is five, exactly.
type bounds struct {
	// alarm and pass are the shifts of the smallest slowdown that matters and of
	// the largest that is tolerated; margin is ln(1 + slowdown) of alarm.
	alarm, pass int
	margin      float64
	// to says where stable's bucket i lies once it is as slow as is tolerated:
	// pass buckets up, or min_effect, whichever is more.
	to []uint16
}

// bucketCount is the number of buckets of latencies.
var bucketCount = len(new(record.Arm).Latencies())

func boundsOf(plan rollout.Plan) bounds {
	b := bounds{alarm: buckets(plan.MinSlowdown), pass: max(1, buckets(plan.Tolerance))}
	b.margin = float64(b.alarm) * record.Step
	b.to = make([]uint16, bucketCount)
	for i := range b.to {
		low, _ := record.BucketRange(i)
		up := i
		if i > 0 { // what lies below the first edge may be as low as 0, times any factor
			up = min(i+b.pass, bucketCount-1)
		}
		b.to[i] = uint16(max(up, record.BucketOf(time.Duration(low)+plan.MinEffect)))
	}
	return b
}

func buckets(slowdown float64) int { return int(math.Round(math.Log1p(slowdown) / record.Step)) }

// tolerance is the slowdown that pass stands for.
func (b *bounds) tolerance() float64 { return math.Expm1(float64(b.pass) * record.Step) }

// prepared is what follows from a stage's frozen reference alone.
type prepared struct {
	reference record.Arm
	// slower and faster compare the shapes of the latencies: against "no more
	// than the margin slower" and against "at least the tolerance slower".
	slower, faster *anytime.Shape
	// above is the bucket from which on a latency counts as slow: the reference's
	// p99.
	above int
	// deciles are the last score buckets of the reference's deciles but the last.
	deciles []int
}

// prepare follows the references. One that was seen before costs a comparison.
func (m *Monitor) prepare(e *record.Evidence) {
	m.stages = m.stages[:min(len(m.stages), len(e.Stages))]
	for i := range e.Stages {
		reference := &e.Stages[i].Reference
		if i == len(m.stages) {
			m.stages = append(m.stages, m.derive(reference))
		} else if m.stages[i].reference != *reference {
			m.stages[i] = m.derive(reference)
		}
	}
}

func (m *Monitor) derive(reference *record.Arm) prepared {
	p := prepared{reference: *reference}
	if reference.Count == 0 {
		return p
	}
	p.slower = anytime.NewSlower(m.raise(reference, m.bounds.alarm), record.Step)
	p.faster = anytime.NewFaster(m.tolerated(reference), record.Step)
	p.above = upper(reference.Latencies(), tailShare)
	p.deciles = deciles(reference.Scores())
	return p
}

// upper returns the first bucket from which on at most the share lies.
func upper(counts []uint64, share float64) int {
	most, above := uint64(share*float64(sum(counts))), uint64(0)
	for i, n := range slices.Backward(counts) {
		if above += n; above > most {
			return i + 1
		}
	}
	return 0
}

// deciles returns where the counts are to be cut into ten parts as equal as
// the buckets allow; fewer where many values share a bucket. Each cut is the
// last bucket of its part. Where all share one, what lies below it and above it
// are the other parts.
func deciles(counts []uint64) []int {
	total := sum(counts)
	var cuts []int
	below, next := uint64(0), uint64(1)
	for i, n := range counts {
		if below += n; n > 0 && below < total && 10*below >= next*total {
			cuts = append(cuts, i)
			next = 10*below/total + 1
		}
	}
	if only := slices.IndexFunc(counts, func(n uint64) bool { return n > 0 }); len(cuts) == 0 && only >= 0 {
		if only > 0 {
			cuts = append(cuts, only-1)
		}
		cuts = append(cuts, only)
	}
	return cuts
}

// raise returns the arm's latency counts as they would be were it slower by
// that many buckets. What lies below the first edge may come to lie anywhere up
// to the edge that it is raised to: it is taken there, in stable's disfavour
// where an alarm is concerned.
func (m *Monitor) raise(a *record.Arm, by int) []uint64 {
	from := a.Latencies()
	to := m.scratch()
	last := len(from) - 1
	copy(to[by:], from[:last-by])
	for _, n := range from[last-by:] {
		to[last] += n
	}
	return to
}

// tolerated is raise for the largest slowdown that the plan accepts.
func (m *Monitor) tolerated(a *record.Arm) []uint64 {
	to := m.scratch()
	for i, n := range a.Latencies() {
		to[m.bounds.to[i]] += n
	}
	return to
}

// scratch is empty memory for the counts of one arm, valid until the next call.
func (m *Monitor) scratch() []uint64 {
	if m.raised == nil {
		m.raised = make([]uint64, bucketCount)
	}
	clear(m.raised)
	return m.raised
}

// stage adds one stage's evidence to the signals. The stages were independent
// bets, so their e-values multiply; their counts are never pooled, because a
// weight that changes while the load does would pass for a slow canary.
func (m *Monitor) stage(p *prepared, s *record.Stage, into *[signalCount]Signal, bins *drifted) {
	share := realised(s)
	into[errorRate].LogE += label(share).Above(failures(&s.Canary), failures(&s.Stable))
	into[errorRate].Canary += failures(&s.Canary)
	into[errorRate].Stable += failures(&s.Stable)
	if len(p.deciles) > 0 {
		stable, canary := cut(s.Stable.Scores(), p.deciles), cut(s.Canary.Scores(), p.deciles)
		into[drift].LogE += scoreDrift(canary, stable)
		bins.add(canary, stable)
		into[drift].Canary += sum(canary)
		into[drift].Stable += sum(stable)
	}
	if s.Settling {
		return
	}
	m.blocked(&into[centre], &s.Fast, bestFast)
	if p.slower == nil {
		return
	}
	share = ofLatencies(s)
	into[shape].LogE += p.slower.LogE(s.Canary.Latencies(), m.raise(&s.Stable, m.bounds.alarm), share)
	into[shape].Canary += s.Canary.Count
	into[shape].Stable += s.Stable.Count
	slow, slowStable := from(s.Canary.Latencies(), p.above+m.bounds.alarm), from(s.Stable.Latencies(), p.above)
	into[tail].LogE += label(share).Above(slow, slowStable)
	into[tail].Canary += slow
	into[tail].Stable += slowStable
}

// realised is the canary's share of the requests of a stage that came back.
// The monitors use it instead of the planned one: a split that is a little off
// costs them nothing then, and one that is far off is the guard's business.
func realised(s *record.Stage) float64 {
	canary, stable := float64(answered(&s.Canary)), float64(answered(&s.Stable))
	return canary / math.Max(1, canary+stable)
}

// ofLatencies is the same among the requests that have a latency.
func ofLatencies(s *record.Stage) float64 {
	return float64(s.Canary.Count) / math.Max(1, float64(s.Canary.Count+s.Stable.Count))
}

func answered(a *record.Arm) uint64 { return a.Count + a.Failures }

// failures are predictions that gave no answer, or none in time.
func failures(a *record.Arm) uint64 { return a.Failures + a.Abandoned }

// label is the process for counts of rare events, at ratio 1.
func label(share float64) anytime.Label {
	const concentration = 10
	return anytime.Label{Share: share, Ratio: 1, Concentration: concentration}
}

// from counts what lies in a bucket or above it.
func from(counts []uint64, bucket int) uint64 { return sum(counts[min(bucket, len(counts)):]) }

func sum(counts []uint64) (total uint64) {
	for _, n := range counts {
		total += n
	}
	return total
}

// cut adds up the counts between cuts.
func cut(counts []uint64, cuts []int) []uint64 {
	parts := make([]uint64, len(cuts)+1)
	part := 0
	for i, n := range counts {
		parts[part] += n
		if part < len(cuts) && i == cuts[part] {
			part++
		}
	}
	return parts
}

func scoreDrift(canary, stable []uint64) float64 {
	c, s := float64(sum(canary)), float64(sum(stable))
	if c == 0 || s == 0 {
		return 0
	}
	return anytime.Drift(canary, stable, c/(c+s), 10, 100)
}

// drifted collects the effect on the scores, stage by stage.
type drifted struct{ index, clock float64 }

// add takes the population stability index of one stage's canary against its
// stable, less what it is on average of equal ones.
func (d *drifted) add(canary, stable []uint64) {
	c, s := float64(sum(canary)), float64(sum(stable))
	if c == 0 || s == 0 {
		return
	}
	size, err := stats.PSI(stable, canary)
	if err != nil { // beyond 1e12 scores an index of the first ones does
		return
	}
	clock := c * s / (c + s)
	d.index += clock * (size.PSI - size.Noise)
	d.clock += clock
}

// psi is the mean over the stages, at least 0.
func (d *drifted) psi() float64 { return max(0, d.index/math.Max(1, d.clock)) }
