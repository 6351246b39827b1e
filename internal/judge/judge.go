// Package judge is the verdict: a rollout's plan and its evidence in, a finding
// with its numbers out.
//
//	plan + evidence --Look--> Result: verdict, one sentence, every number behind it
//
// The rule of this package is the seed's: Welch's t-test on the prediction
// latencies of one look. The verdict is
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
// often than alpha says, so nothing in serin acts by itself on repeated looks
// by this rule; the plan's end is one look, and a person who asks is told which
// look it was. Tests that stay true under any number of looks have their place
// beside this rule, as further signals of the same Result.
//
// What may not happen: a verdict other than insufficient without evidence; a
// verdict without numbers; a clock, a random number, or a unit other than
// milliseconds in a Result. The same plan and evidence always give the same
// Result, so that any decision can be judged again from what was stored.
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
	Count    uint64  `json:"count"`
	Failures uint64  `json:"failures"`
	MeanMS   float64 `json:"mean_ms"`
	SDMS     float64 `json:"sd_ms"`
	P50MS    float64 `json:"p50_ms"`
	P95MS    float64 `json:"p95_ms"`
	P99MS    float64 `json:"p99_ms"`
}

// Look judges the evidence once, by the plan: all stages together.
func Look(plan rollout.Plan, e *record.Evidence) Result {
	stable, canary := e.Total()
	r := Result{Test: "welch", PValue: 1, Stable: summarise(&stable), Canary: summarise(&canary)}
	test, err := compare(&stable, &canary, 1-plan.Alpha)
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
	case failsMore(&canary, &stable):
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
	s := Summary{Count: a.Count, Failures: a.Failures}
	if a.Count > 0 {
		_, mean, variance := a.Moments()
		s.MeanMS, s.SDMS = ms(mean), ms(math.Sqrt(variance))
		s.P50MS, s.P95MS, s.P99MS = ms(a.Quantile(0.5)), ms(a.Quantile(0.95)), ms(a.Quantile(0.99))
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
