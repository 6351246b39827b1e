// Package judge is the verdict: a rollout's plan and its evidence in, a finding
// with its numbers out. It has two rules.
//
//	plan + evidence --Look-----------> Result      the seed's rule, for one look
//	              \--Monitor.Judge---> Judgement   stays true however often one looks
//
// # The seed's rule
//
// Welch's t-test on the prediction latencies of one look, all stages together:
//
//	insufficient   an arm has fewer observations than the plan's minimum, or
//	               the canary failed to answer more often than stable did (a fail
//	               goes before that), or neither arm's latencies vary
//	fail           p < alpha (two-sided), and the canary's mean is higher, by at
//	               least the plan's min_effect
//	pass           neither: at this look, nothing speaks against the canary
//
// A p-value is a promise about one look that was planned beforehand. Somebody
// who looks every few seconds and acts on the first alarm is wrong far more
// often than alpha says, so nothing acts by itself on this rule, and a person
// who asks is told which look it was.
//
// # The monitor
//
// Five signals, each an e-process (see package anytime) against "the canary is
// not worse", share one alpha:
//
//	latency_shape   0.40  buckets of both arms, bets on slowdowns by 3 to 100 %
//	latency_centre  0.10  mean ln latency in windows of 10 s
//	latency_p99     0.15  requests beyond the p99 of the frozen reference
//	errors          0.20  requests without an answer, or none in time
//	score_drift     0.15  scores in the deciles of the frozen reference
//
//	invalid        the split is not what was planned: nothing can be compared
//	fail           a signal has reached ln(1/(its weight * alpha)), or their
//	               average ln(1/alpha), and its effect is one that matters
//	pass           an e-process of its own has refuted that the canary is slower
//	               than tolerated, enough was seen to judge its slowest requests,
//	               and nothing leans against it
//	insufficient   none of these, yet
//
//	refuted by an alarm                                refuted by a pass
//	"at most min_slowdown slower"                      "at least tolerance slower"
//	 ------------------|-----------------------------------------|---------------->
//	 0 %              2 %                                       10 %     slower
//
// With probability 1 - alpha a healthy canary never raises an alarm, at all looks
// together, and with the same probability one that is slower than tolerated never
// passes. Each stage of the evidence is judged for itself, and what the stages
// say is multiplied: pooled, a load that changed along with the weight would pass
// for a slow canary.
//
// What may not happen: a verdict other than insufficient without evidence; a
// verdict without numbers; a clock, a random number, or a unit other than
// milliseconds in a result; counts of different stages pooled for a test. The
// same plan and evidence always give the same result, so that any decision can
// be judged again from what was stored.
//
// Terms: a reference is stable as it was before the canary, or before the
// stage, frozen; a margin is a slowdown that a hypothesis allows; to shift or to
// raise counts is to make them those of a slower arm. An alarm is confirmed if
// the process may act on it by itself.
package judge

import (
	"fmt"
	"math"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/stats"
)

// Result is a finding with the numbers that it was made from. Latencies are in
// milliseconds. Numbers that there is no evidence for are neutral: p = 1, the
// rest 0.
type Result struct {
	rollout.Finding
	// Test is what the numbers below come from: "welch".
	Test string `json:"test"`
	// PValue is two-sided; LogPValue is its natural logarithm, for p-values that
	// underflow.
	PValue           float64 `json:"p_value"`
	LogPValue        float64 `json:"log_p_value"`
	TStatistic       float64 `json:"t_statistic"`
	DegreesOfFreedom float64 `json:"degrees_of_freedom"`
	// DifferenceMS is the canary's mean minus stable's, LowerMS to UpperMS its
	// confidence interval at 1 - alpha.
	DifferenceMS float64 `json:"difference_ms"`
	LowerMS      float64 `json:"difference_lower_ms"`
	UpperMS      float64 `json:"difference_upper_ms"`
	// Stable and Canary summarise the arms.
	Stable Summary `json:"stable"`
	Canary Summary `json:"canary"`
}

// Summary is one arm in numbers that people read.
type Summary struct {
	Count uint64 `json:"count"`
	// Panics and Deadlines are how many of Failures were the model's code breaking
	// and its deadline passing; recorded rows do not say why they failed.
	Failures  uint64 `json:"failures"`
	Panics    uint64 `json:"panics"`
	Deadlines uint64 `json:"deadlines"`
	// Abandoned are those of Count whose client had gone before the answer was
	// ready, Unfinished the requests that have not come back.
	Abandoned  uint64  `json:"abandoned"`
	Unfinished uint64  `json:"unfinished"`
	MeanMS     float64 `json:"mean_ms"`
	SDMS       float64 `json:"sd_ms"`
	P50MS      float64 `json:"p50_ms"`
	P95MS      float64 `json:"p95_ms"`
	P99MS      float64 `json:"p99_ms"`
}

// Look judges the evidence once, by the plan: all stages together.
func Look(plan rollout.Plan, e *record.Evidence) Result { return look(plan, totalOf(e)) }

// total is what both rules tell of the arms: everything, whatever its stage.
type total struct {
	stable, canary     record.Arm
	ofStable, ofCanary Summary
}

func totalOf(e *record.Evidence) *total { return new(total).of(e) }

// of fills the total, which is large enough to be used again.
func (t *total) of(e *record.Evidence) *total {
	t.stable, t.canary = e.Total()
	t.ofStable, t.ofCanary = summarise(&t.stable), summarise(&t.canary)
	return t
}

func look(plan rollout.Plan, all *total) Result {
	stable, canary := &all.stable, &all.canary
	r := Result{Test: "welch", PValue: 1, Stable: all.ofStable, Canary: all.ofCanary}
	test, err := compare(stable, canary, 1-plan.Alpha)
	if err == nil {
		r.PValue, r.LogPValue = test.P, test.LogP
		r.TStatistic, r.DegreesOfFreedom = test.T, test.DF
		r.DifferenceMS, r.LowerMS, r.UpperMS = ms(test.Diff), ms(test.Low), ms(test.High)
	}
	seen := fmt.Sprintf("after %d canary and %d stable requests", canary.Count, stable.Count)
	switch {
	case stable.Count < plan.MinSamples || canary.Count < plan.MinSamples:
		r.Sentence = fmt.Sprintf("not enough data: %d canary and %d stable requests were observed, %d of each are needed", canary.Count, stable.Count, plan.MinSamples)
	case err != nil:
		r.Sentence = fmt.Sprintf("the latencies cannot be compared %s: %v", seen, err)
	case test.NoVariance:
		r.Sentence = "the latencies of neither arm vary, so there is no scale to judge a difference by, " + seen
	case test.P < plan.Alpha && test.Diff > 0 && test.Diff >= float64(plan.MinEffect):
		r.Verdict = rollout.Fail
		r.Sentence = fmt.Sprintf("the canary is %s slower (%s, p = %s) %s", duration(test.Diff), interval(test, plan), number(test.P, test.LogP), seen)
	case failsMore(canary, stable):
		r.Sentence = fmt.Sprintf("%d canary and %d stable predictions gave no answer, which latencies cannot make up for, %s", canary.Failures, stable.Failures, seen)
	case test.P < plan.Alpha && test.Diff > 0:
		r.Verdict = rollout.Pass
		r.Sentence = fmt.Sprintf("the canary is slower by %s (p = %s), which is less than the %v that matter, %s", duration(test.Diff), number(test.P, test.LogP), plan.MinEffect, seen)
	default:
		r.Verdict = rollout.Pass
		r.Sentence = fmt.Sprintf("the canary is not significantly slower: its mean differs by %s (%s, p = %s) %s", duration(test.Diff), interval(test, plan), number(test.P, test.LogP), seen)
	}
	return r
}

// failsMore compares the shares of predictions that gave no answer. It is no
// test: any excess keeps the canary from passing, and raises no alert.
func failsMore(canary, stable *record.Arm) bool {
	share := func(a *record.Arm) float64 {
		return float64(a.Failures) / max(1, float64(a.Count)+float64(a.Failures))
	}
	return share(canary) > share(stable)
}

func compare(stable, canary *record.Arm, confidence float64) (stats.WelchTest, error) {
	return stats.Welch(sample(stable), sample(canary), confidence)
}

func sample(a *record.Arm) stats.Sample {
	n, mean, variance := a.Moments()
	return stats.Sample{N: int64(n), Mean: mean, Variance: variance}
}

func summarise(a *record.Arm) Summary {
	s := Summary{Count: a.Count, Failures: a.Failures, Panics: a.Panics, Deadlines: a.Deadlines, Abandoned: a.Abandoned, Unfinished: a.Unfinished()}
	if a.Count > 0 {
		_, mean, variance := a.Moments()
		s.MeanMS, s.SDMS = ms(mean), ms(math.Sqrt(variance))
		q := a.Quantiles([3]float64{0.5, 0.95, 0.99})
		s.P50MS, s.P95MS, s.P99MS = ms(q[0]), ms(q[1]), ms(q[2])
	}
	return s
}

func ms(ns float64) float64 { return ns / float64(time.Millisecond) }

func interval(t stats.WelchTest, plan rollout.Plan) string {
	return fmt.Sprintf("%s to %s with %.4g %% confidence", duration(t.Low), duration(t.High), 100*(1-plan.Alpha))
}

// duration writes ns in the unit that people would choose.
func duration(ns float64) string {
	switch size := math.Abs(ns); {
	case size >= 1e9:
		return fmt.Sprintf("%.3g s", ns/1e9)
	case size >= 1e5:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	case size >= 1e3:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	default:
		return fmt.Sprintf("%.3g ns", ns)
	}
}

// number writes a p-value, also one that is too small for a float64.
func number(p, logP float64) string {
	if p > 0 {
		return fmt.Sprintf("%.2g", p)
	}
	return fmt.Sprintf("1e%.0f", logP/math.Ln10)
}
