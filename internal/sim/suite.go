package sim

import (
	"fmt"
	"time"

	"serin/internal/rollout"
)

// Trial is a scenario with what its report must keep.
type Trial struct {
	Name     string   `json:"name"`
	Scenario Scenario `json:"scenario"`
	// Limits is empty where the numbers are only to be known.
	Limits []Limit `json:"limits"`
}

// Limit is the most that a number of a report may be. There is no allowance for
// chance: a measured rate of 0.0501 breaks a limit of 0.05.
type Limit struct {
	Mark Mark `json:"mark"`
	// Rate bounds the share of runs that reach the mark, Samples the median number
	// of canary requests until then. One of them is set.
	Rate    *float64 `json:"rate,omitempty"`
	Samples *float64 `json:"median_canary_samples,omitempty"`
}

// Broken says how a report breaks a limit; "" if it keeps it.
func (l Limit) Broken(r *Report) string {
	got := r.Of(l.Mark)
	switch {
	case l.Rate != nil && got.Rate > *l.Rate:
		return fmt.Sprintf("%s in %.4f of the runs, more than %.4f", l.Mark, got.Rate, *l.Rate)
	case l.Samples != nil && got.MedianSamples == nil:
		return fmt.Sprintf("%s in fewer than half of the runs", l.Mark)
	case l.Samples != nil && *got.MedianSamples > *l.Samples:
		return fmt.Sprintf("%s after %g canary requests, more than %g", l.Mark, *got.MedianSamples, *l.Samples)
	}
	return ""
}

func rates(most float64, marks ...Mark) []Limit {
	var limits []Limit
	for _, m := range marks {
		limits = append(limits, Limit{Mark: m, Rate: &most})
	}
	return limits
}

// Suite is the calibration: what is promised of the monitor under a plan, as
// trials. Where levels and delays are measured, the plan is made strict and all
// five signals are live: 1 % of errors, and scores.
func Suite(plan rollout.Plan) []Trial {
	base := Scenario{Plan: Strict(plan), LookEvery: window, Rate: 10, Baseline: 6000, Law: Laws()["lognormal"], Errors: 0.01, Scores: true}
	trials := append(levels(base), delays(base)...)
	return append(trials, disturbances(base, plan)...)
}

// levels are the laws, each with a canary that equals stable and one that is
// exactly as slow as is not tolerated any more.
func levels(base Scenario) (trials []Trial) {
	laws := Laws()
	for _, law := range []struct {
		name, law string
		load      Wander
	}{
		{"normal", "normal", Wander{}},
		{"lognormal", "lognormal", Wander{}},
		{"heavy", "heavy", Wander{}},
		{"outliers", "outliers", Wander{}},
		{"shared load", "lognormal", Wander{SD: 0.3, Rho: 0.9}},
	} {
		s := base
		s.Law, s.Load = laws[law.law], law.load
		trials = append(trials, Trial{"equal, " + law.name, s, rates(
			s.Plan.Alpha, Alarm, Overall, LatencyShape, LatencyCentre, LatencyTail, MoreErrors, ScoreDrift, LatencyShapeAlone, LatencyCentreAlone, LatencyTailAlone, MoreErrorsAlone, ScoreDriftAlone, Invalid,
		)})
		s.Canary.Slowdown = s.Plan.Tolerance
		trials = append(trials, Trial{"at the margin, " + law.name, s, rates(s.Plan.Alpha, NotSlower, Pass)})
	}
	return trials
}

// delays are canaries that are worse. They are looked at every second, which is
// about at each canary request, and flown until all is seen that is asked for.
func delays(base Scenario) (trials []Trial) {
	base.LookEvery, base.Plan.Period = time.Second, 20*time.Minute
	for _, slower := range []struct{ by, samples float64 }{{0.10, 232}, {0.25, 39}, {1, 6}} {
		s := base
		s.Canary.Slowdown, s.EndWhen = slower.by, []Mark{SeedAlarm, Alarm, LatencyShapeAlone}
		trials = append(trials, Trial{fmt.Sprintf("%g %% slower", 100*slower.by), s, []Limit{{Mark: LatencyShapeAlone, Samples: &slower.samples}}})
	}
	for _, fault := range []struct {
		name  string
		mark  Mark
		fault Fault
	}{
		{"2 % more outliers", LatencyTailAlone, Fault{Outliers: 0.02}},
		{"2 % more errors", MoreErrorsAlone, Fault{Errors: 0.02}},
		{"scores moved by half a sd", ScoreDriftAlone, Fault{Shift: 0.5}},
	} {
		s := base
		s.Canary, s.EndWhen = fault.fault, []Mark{Alarm, fault.mark}
		trials = append(trials, Trial{Name: fault.name, Scenario: s})
	}
	return trials
}

// disturbances are what makes a canary look worse that is as good as stable.
func disturbances(base Scenario, plan rollout.Plan) []Trial {
	cold, ramp, sessions, own := base, base, base, base
	cold.Plan, cold.Canary.ColdStart = plan, true
	ramp.Plan.Weight, ramp.Weights, ramp.Rise = 100, []rollout.Weight{1000, 2500}, 1
	sessions.Sessions = 0.3
	own.Plan, own.Canary.Disturbance = plan, Wander{SD: 0.05, Rho: 0.9}
	return []Trial{
		{"cold start", cold, rates(plan.Alpha, Alarm, Confirmed)},
		{"ramp under rising load", ramp, rates(plan.Alpha, Alarm, Confirmed)},
		{"sessions", sessions, rates(plan.Alpha, Alarm, Confirmed)},
		{"disturbance of the canary alone", own, nil},
	}
}
