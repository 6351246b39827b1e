package judge

import (
	"fmt"
	"math"

	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/stats/anytime"
)

// estimate is how the arms differ, stage by stage, each stage weighted by its
// clock n_c n_s/(n_c + n_s): pooled sums would mistake a load that changed along
// with the weight for a difference of the arms, or hide one.
type estimate struct {
	// clock is the sum of the clocks of the stages whose latencies are judged, diff
	// the weighted difference of mean ln latencies, se its standard error, sd the
	// spread of one observation; canary counts the canary's latencies in them.
	clock, diff, se, sd float64
	canary              float64
	// typical is stable's geometric mean in ns; p99 the weighted difference of the
	// 99th percentiles, in ns.
	typical, p99 float64
	// moreErrors is the canary's share of failed requests minus stable's.
	moreErrors float64
}

func estimateOf(e *record.Evidence) estimate {
	var est estimate
	var variance, lns, count, answers float64
	for i := range e.Stages {
		s := &e.Stages[i]
		c, st := float64(answered(&s.Canary)), float64(answered(&s.Stable))
		if w := c * st / math.Max(1, c+st); w > 0 {
			est.moreErrors += w * (failedShare(&s.Canary) - failedShare(&s.Stable))
			answers += w
		}
		nc, mc, vc := s.Canary.LogMoments()
		ns, ms, vs := s.Stable.LogMoments()
		if s.Settling || nc < 2 || ns < 2 {
			continue
		}
		lns, count = lns+ns*ms, count+ns
		w := nc * ns / (nc + ns)
		est.clock += w
		est.canary += nc
		est.diff += w * (mc - ms)
		est.p99 += w * (s.Canary.Quantile(0.99) - s.Stable.Quantile(0.99))
		variance += w * w * (vc/nc + vs/ns)
	}
	if answers > 0 {
		est.moreErrors /= answers
	}
	if est.clock > 0 {
		est.typical = math.Exp(lns / count)
		est.diff /= est.clock
		est.p99 /= est.clock
		est.se = math.Sqrt(variance) / est.clock
		est.sd = est.se * math.Sqrt(est.clock)
	}
	return est
}

func failedShare(a *record.Arm) float64 {
	return float64(failures(a)) / math.Max(1, float64(answered(a)))
}

// bestClock is where the confidence sequence is tightest: about 280 canary
// requests at 10 %, when an operator begins to expect an answer.
const bestClock = 250

// report writes the estimate with its confidence sequence.
func (est estimate) report(j *Judgement, plan rollout.Plan) {
	if est.clock == 0 {
		return
	}
	reach := 0.0
	if est.se > 0 {
		sequence := anytime.Mixture{Rho: anytime.BestRho(bestClock, plan.Alpha)}
		reach = est.se * sequence.BoundaryTwoSided(est.clock, plan.Alpha)
	}
	// exp may not overflow: latencies span 28 units of ln in all.
	bound := func(d float64) float64 { return math.Exp(min(max(d, -40), 40)) }
	j.Ratio, j.RatioLower, j.RatioUpper = bound(est.diff), bound(est.diff-reach), bound(est.diff+reach)
	j.DifferenceMS = ms(est.typical * (j.Ratio - 1))
	j.LowerMS, j.UpperMS = ms(est.typical*(j.RatioLower-1)), ms(est.typical*(j.RatioUpper-1))
}

// outlook says what could have been seen by now, and where there is no verdict
// yet, how long one may take.
func (m *Monitor) outlook(j *Judgement, e *record.Evidence, est estimate) {
	if est.se == 0 || est.clock < 1 || j.Canary.Count < m.plan.MinSamples || j.Stable.Count < m.plan.MinSamples {
		return
	}
	const power = 0.8416 // the normal quantile of 80 %
	level := m.plan.Alpha * weights[shape]
	mixture := m.mixture(bestClock)
	visible := math.Expm1(min(40, m.bounds.margin+(mixture.Boundary(est.clock, level)+power)*est.se))
	visible = max(visible, float64(m.plan.MinEffect)/est.typical) // below the floor nothing is an alarm
	j.SmallestSlowdown = &visible
	if j.Verdict == rollout.Insufficient {
		m.expect(j, e, est)
	}
}

// expect says how long a pass takes, if the canary is as fast as stable.
func (m *Monitor) expect(j *Judgement, e *record.Evidence, est estimate) {
	mixture := m.mixture(bestClock)
	// The clock at which a canary as fast as stable is half-way certain to have
	// passed: where the boundary comes below the tolerance.
	tolerance := float64(m.bounds.pass) * record.Step
	low, high := 1.0, 1.0
	passes := func(clock float64) bool {
		return mixture.Boundary(clock, m.plan.Alpha)*est.sd/math.Sqrt(clock) <= tolerance
	}
	for !passes(high) && high < 1e12 {
		high *= 2
	}
	for high-low > 0.01*high {
		if middle := (low + high) / 2; passes(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	more := math.Ceil(max(0, max(high*est.canary/est.clock, tailSeen/tailShare)-est.canary))
	j.ExpectedSamples = &more
	if seconds, seen := e.Elapsed.Seconds(), float64(j.Canary.Count); seconds > 0 && seen > 0 {
		wait := more * seconds / seen
		j.ExpectedSeconds = &wait
	}
}

// promotion fills in what speaks for the canary.
func (m *Monitor) promotion(j *Judgement, e *record.Evidence) {
	p := Promotion{LogThreshold: -math.Log(m.plan.Alpha), Tolerance: m.bounds.tolerance()}
	against := leaning{errors: j.Signals[errorRate].LogE}
	for i := range e.Stages {
		s, ready := &e.Stages[i], &m.stages[i]
		against.unfinished += label(realised(s)).Above(s.Canary.Unfinished(), s.Stable.Unfinished())
		if s.Settling || ready.faster == nil {
			continue
		}
		p.LogE += ready.faster.LogE(s.Canary.Latencies(), m.tolerated(&s.Stable), ofLatencies(s))
		against.expected += tailShare * float64(s.Canary.Count)
		against.stable += s.Stable.Count
		against.canary += s.Canary.Count
		beyond := from(s.Canary.Latencies(), int(m.bounds.to[min(ready.above, bucketCount-1)]))
		against.tail += label(ofLatencies(s)).Above(beyond, from(s.Stable.Latencies(), ready.above))
	}
	p.Shown = p.LogE >= p.LogThreshold
	p.Missing = m.missing(e, against, j.Guard.LogE)
	j.Promote = p
}

// leaning collects what may keep a canary from passing: log e-values, and how
// much was seen.
type leaning struct {
	errors, unfinished, tail float64
	// expected is how many canary requests beyond the tail's threshold there
	// should have been.
	expected       float64
	stable, canary uint64
}

// missing says what keeps a canary from passing whose usual latency is fine.
// An e-value of 3 against it is enough: what is less is hardly worth a mention
// (Jeffreys, Theory of Probability, 1961, appendix B), and without any room
// every other canary without a fault would be held up.
func (m *Monitor) missing(e *record.Evidence, l leaning, guard float64) string {
	leans := math.Log(3)
	var last record.Stage
	if n := len(e.Stages); n > 0 {
		last = e.Stages[n-1]
	}
	switch {
	case last.Settling:
		return fmt.Sprintf("a canary's latencies are not judged in its first %v", m.plan.InitialDelay)
	case last.Reference.Count == 0:
		return "stable's usual latencies are not known yet"
	case last.Canary.Started > 0 && last.Stable.Started == 0:
		return "the canary answers every request, so there is nothing to compare it with"
	case l.expected < tailSeen:
		return "too few canary requests to have seen its slowest ones"
	case l.stable < m.plan.MinSamples || l.canary < m.plan.MinSamples:
		return fmt.Sprintf("the plan asks for %d requests of each arm", m.plan.MinSamples)
	case guard > leans:
		return "the split seems not to be what was planned"
	case l.errors > leans:
		return "the canary seems to fail more often than stable"
	case l.tail > leans:
		return "the canary's slowest requests seem to be slower than tolerated"
	case l.unfinished > leans:
		return "more canary requests than stable ones have not come back"
	}
	return ""
}

// whole is a share of everything, as a stage has it.
const whole = 10_000

// guard compares the split with what was planned, by the requests that were
// dealt: how the arms answer them is for the signals to judge.
func (m *Monitor) guard(j *Judgement, e *record.Evidence) {
	const concentration = 1000
	g := Guard{LogThreshold: -math.Log(guardAlpha)}
	planned, canary, all := 0.0, 0.0, 0.0
	for i := range e.Stages {
		s := &e.Stages[i]
		share := float64(s.Share) / whole
		if s.Share < whole { // all to the canary is no split
			g.LogE += anytime.Label{Share: share, Ratio: 1, Concentration: concentration}.TwoSided(s.Canary.Started, s.Stable.Started)
		}
		n := float64(s.Canary.Started + s.Stable.Started)
		planned, canary, all = planned+share*n, canary+float64(s.Canary.Started), all+n
	}
	if all > 0 {
		g.Planned, g.Observed = planned/all, canary/all
	}
	j.Guard = g
}
