package judge

import (
	"math"

	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/stats/anytime"
)

// Monitor judges the evidence of one rollout, as often as anybody likes. It
// remembers what it derived from frozen references, so that a look is cheap,
// and nothing else: two Monitors of the same plan always agree. It is not safe
// for concurrent use.
type Monitor struct {
	plan   rollout.Plan
	bounds bounds
	stages []prepared
	raised []uint64 // scratch
	all    total    // scratch
}

// NewMonitor returns a Monitor for a plan.
func NewMonitor(plan rollout.Plan) *Monitor { return &Monitor{plan: plan, bounds: boundsOf(plan)} }

// Judgement is what the monitor says of the evidence, with every number behind
// it. Latencies are in milliseconds, e-values are natural logarithms, ratios
// are canary over stable: 1.05 is 5 % slower. A number that there is no
// evidence for is neutral: a log e-value of 0, a ratio of 1, a difference of 0.
type Judgement struct {
	rollout.Finding
	// Confirmed is true for an alarm on which the process may act by itself: it
	// holds at a fifth of alpha, and where it is about latency, windows of 60 s,
	// which a short disturbance cannot fool, agree.
	Confirmed bool `json:"confirmed"`
	// Alarms are the signals that have crossed their threshold at this look, and
	// "overall" if their average has.
	Alarms []string `json:"alarms"`
	// LogE is the logarithm of the weighted average of the signals' e-values; at
	// LogThreshold, ln(1/alpha), it is an alarm.
	LogE         float64  `json:"log_e"`
	LogThreshold float64  `json:"log_threshold"`
	Signals      []Signal `json:"signals"`
	// Slow is the centre in windows of 60 s, which must agree before the process
	// acts on a latency alarm by itself.
	Slow Signal `json:"slow"`
	// Promote is the evidence that the canary is not slower than tolerated.
	Promote Promotion `json:"promote"`
	// Guard is the test of the split itself.
	Guard Guard `json:"guard"`
	// Ratio estimates how the canary's typical (geometric mean) latency compares
	// with stable's; RatioLower and RatioUpper are its confidence sequence at 1 -
	// alpha: with that probability they are right at all looks together.
	Ratio      float64 `json:"ratio"`
	RatioLower float64 `json:"ratio_lower"`
	RatioUpper float64 `json:"ratio_upper"`
	// DifferenceMS is the same in ms of stable's typical latency.
	DifferenceMS float64 `json:"difference_ms"`
	LowerMS      float64 `json:"difference_lower_ms"`
	UpperMS      float64 `json:"difference_upper_ms"`
	// SmallestSlowdown is the smallest one (0.1 is 10 %) that would have raised an
	// alarm by now in four of five canaries; null while nothing can be said.
	SmallestSlowdown *float64 `json:"smallest_slowdown"`
	// ExpectedSamples and ExpectedSeconds are how many more canary requests, and
	// at the present traffic how much more time, it takes to show that a canary
	// as fast as stable is; null while nothing can be said, or after a verdict.
	ExpectedSamples *float64 `json:"expected_canary_samples"`
	ExpectedSeconds *float64 `json:"expected_seconds"`
	// Stages counts the parts that were judged apart: each change of the weight
	// begins one, and so does the freezing of a reference.
	Stages int     `json:"stages"`
	Stable Summary `json:"stable"`
	Canary Summary `json:"canary"`
}

// Signal is one thing that is watched.
type Signal struct {
	Name string `json:"name"`
	// Weight is its part of alpha.
	Weight float64 `json:"weight"`
	// LogE is the evidence that the canary is worse; Alarm is set where it has
	// reached LogThreshold = ln(1/(Weight alpha)).
	LogE         float64 `json:"log_e"`
	LogThreshold float64 `json:"log_threshold"`
	Alarm        bool    `json:"alarm"`
	// Stable and Canary count what was compared: requests, windows, slow requests,
	// errors or scores.
	Stable uint64 `json:"stable"`
	Canary uint64 `json:"canary"`
	// Effect is the estimated size in Unit; below Floor, if there is one, it is of
	// no practical interest and raises no alarm however certain it is.
	Effect float64 `json:"effect"`
	Floor  float64 `json:"floor"`
	Unit   string  `json:"unit"`
}

// Promotion is the evidence for a pass.
type Promotion struct {
	// LogE is the evidence against "at least Tolerance slower", LogThreshold what
	// it takes: ln(1/alpha).
	LogE         float64 `json:"log_e"`
	LogThreshold float64 `json:"log_threshold"`
	// Tolerance is the slowdown that the plan accepts, in whole buckets.
	Tolerance float64 `json:"tolerance"`
	// Shown is set once LogE has reached LogThreshold at this look.
	Shown bool `json:"shown"`
	// Missing says what keeps the canary from passing all the same; "" if nothing.
	Missing string `json:"missing"`
}

// Guard is the test of the sample ratio: a split that is not what was planned
// makes every comparison worthless.
type Guard struct {
	LogE         float64 `json:"log_e"`
	LogThreshold float64 `json:"log_threshold"`
	// Planned and Observed are the canary's share of the requests.
	Planned  float64 `json:"planned"`
	Observed float64 `json:"observed"`
}

// The signals, in the order of Judgement.Signals.
const (
	shape = iota
	centre
	tail
	errorRate
	drift
	signalCount
)

// The names of the signals and of their average.
const (
	LatencyShape  = "latency_shape"
	LatencyCentre = "latency_centre"
	LatencyP99    = "latency_p99"
	Errors        = "errors"
	ScoreDrift    = "score_drift"
	Overall       = "overall"
)

var (
	names   = [signalCount]string{LatencyShape, LatencyCentre, LatencyP99, Errors, ScoreDrift}
	weights = [signalCount]float64{0.40, 0.10, 0.15, 0.20, 0.15}
)

const (
	// guardAlpha is the level of the sample-ratio test, apart from the plan's.
	guardAlpha = 0.001
	// actShare is the part of alpha at which the process may act by itself.
	actShare = 0.2
	// tailShare is what lies above the frozen threshold of the tail test.
	tailShare = 0.01
	// tailSeen is how many canary requests beyond that threshold must have been
	// expected before a canary may pass: whoever has seen no tail cannot praise it.
	tailSeen = 5
)

// Opinion is what both rules say of one evidence.
type Opinion struct {
	Welch   Result    `json:"welch"`
	Monitor Judgement `json:"monitor"`
}

// Opinion judges the evidence by both rules.
func (m *Monitor) Opinion(e *record.Evidence) Opinion {
	all := m.all.of(e)
	return Opinion{look(m.plan, all), m.judge(e, e, all)}
}

// Finding is what an event of this kind goes by. The monitor alone speaks for
// what the process does by itself; for what somebody asks for, the seed's rule
// speaks at this look, unless the monitor knows something against the canary.
func (o *Opinion) Finding(kind rollout.Kind) rollout.Finding {
	m := o.Monitor.Finding
	switch {
	case kind == rollout.Alert:
		return o.Welch.Finding
	case kind == rollout.PeriodOver, kind == rollout.Alarm, m.Verdict == rollout.Fail, m.Verdict == rollout.Invalid:
		return m
	default:
		return o.Welch.Finding
	}
}

// Judge looks at the evidence. It never changes it.
func (m *Monitor) Judge(e *record.Evidence) Judgement { return m.judge(e, e, m.all.of(e)) }

// judge is told what was dealt apart, for the guard: some of it may not be
// judged, and nothing of it may have been planned.
func (m *Monitor) judge(e, dealt *record.Evidence, all *total) Judgement {
	j := Judgement{Alarms: []string{}, LogThreshold: -math.Log(m.plan.Alpha), Ratio: 1, RatioLower: 1, RatioUpper: 1, Stages: len(e.Stages)}
	m.prepare(e)
	j.Stable, j.Canary = all.ofStable, all.ofCanary
	est := estimateOf(e)
	est.report(&j, m.plan)
	m.signal(&j, e, est)
	m.guard(&j, dealt)
	m.promotion(&j, e)
	m.decide(&j)
	m.outlook(&j, e, est)
	m.explain(&j)
	return j
}

// signal fills in what speaks against the canary.
func (m *Monitor) signal(j *Judgement, e *record.Evidence, est estimate) {
	var s [signalCount]Signal
	logEs := make([]float64, signalCount)
	for i := range s {
		s[i] = Signal{Name: names[i], Weight: weights[i], LogThreshold: -math.Log(weights[i] * m.plan.Alpha), Unit: "ms"}
	}
	j.Slow = Signal{Name: "latency_centre_60s", LogThreshold: j.LogThreshold, Unit: "ms"}
	bins := drifted{}
	for i := range e.Stages {
		m.stage(&m.stages[i], &e.Stages[i], &s, &bins)
		if !e.Stages[i].Settling {
			m.blocked(&j.Slow, &e.Stages[i].Slow, bestSlow)
		}
	}
	floor := ms(float64(m.plan.MinEffect))
	typical, p99 := j.DifferenceMS, ms(est.p99)
	s[shape].Effect, s[shape].Floor = math.Max(typical, p99), floor
	s[centre].Effect, s[centre].Floor = typical, floor
	s[tail].Effect, s[tail].Floor = p99, floor
	j.Slow.Effect, j.Slow.Floor = typical, floor
	s[errorRate].Effect, s[errorRate].Unit = est.moreErrors, "share of requests"
	s[drift].Effect, s[drift].Floor, s[drift].Unit = bins.psi(), m.plan.MinDrift, "PSI"
	for i := range s {
		logEs[i] = s[i].relevant()
		if s[i].Alarm = logEs[i] >= s[i].LogThreshold; s[i].Alarm {
			j.Alarms = append(j.Alarms, s[i].Name)
		}
	}
	if j.LogE = anytime.Average(weights[:], logEs); j.LogE >= j.LogThreshold {
		j.Alarms = append(j.Alarms, Overall)
	}
	j.Signals = s[:]
	j.Slow.Alarm = j.Slow.relevant() >= j.Slow.LogThreshold
	j.Confirmed = confirmed(j, logEs)
}

// relevant is the log e-value that counts: where the effect is below its floor
// it is no evidence for an alarm. Lowering an e-value to 1 keeps it one.
func (s *Signal) relevant() float64 {
	if s.Floor > 0 && s.Effect < s.Floor {
		return math.Min(s.LogE, 0)
	}
	return s.LogE
}

// confirmed says whether the process may act by itself: the same alarms at a
// stricter level, and for latency the windows of 60 s must agree.
func confirmed(j *Judgement, logEs []float64) bool {
	stricter := -math.Log(actShare)
	strict := func(i int) bool { return logEs[i] >= j.Signals[i].LogThreshold+stricter }
	if strict(errorRate) || strict(drift) {
		return true
	}
	slower := strict(shape) || strict(centre) || strict(tail) || j.LogE >= j.LogThreshold+stricter
	return slower && j.Slow.Alarm
}

// decide draws the verdict.
func (m *Monitor) decide(j *Judgement) {
	switch {
	case j.Guard.LogE >= j.Guard.LogThreshold:
		j.Verdict, j.Confirmed = rollout.Invalid, false
	case len(j.Alarms) > 0:
		j.Verdict = rollout.Fail
	case j.Promote.Shown && j.Promote.Missing == "":
		j.Verdict = rollout.Pass
	}
}

// explain says it in one sentence.
func (m *Monitor) explain(j *Judgement) {
	switch j.Verdict {
	case rollout.Invalid:
		j.Sentence = j.splitBroken()
	case rollout.Fail:
		j.Sentence = j.worse(m.plan)
	case rollout.Pass:
		j.Sentence = j.fine(m.plan)
	default:
		j.Sentence = j.open(m.plan)
	}
}
