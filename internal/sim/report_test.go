package sim

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func at(look, canary uint64, minutes int) Moment {
	return Moment{Look: look, Canary: canary, At: time.Duration(minutes) * time.Minute}
}

// TestAReportIsThatOfItsRuns: five runs, counted by hand. A median is the third
// of them, 80 % the fourth; a run that never got there counts as later than all.
func TestAReportIsThatOfItsRuns(t *testing.T) {
	t.Parallel()
	runs := make([]Run, 5)
	for i, first := range []Moment{at(4, 40, 4), at(1, 10, 1), {}, at(3, 30, 5), at(2, 20, 2)} {
		runs[i].First[Alarm] = first
		runs[i].Outcome = HeldAlarmed
	}
	runs[2].Outcome = Held
	runs[0].First[SeedAlarm], runs[1].First[SeedAlarm], runs[2].First[SeedAlarm] = at(9, 7, 3), at(9, 5, 1), at(9, 6, 2)
	runs[3].First[Pass] = at(9, 90, 9)
	report := Summarise(Scenario{Rate: 3}, runs)
	number := func(x float64) *float64 { return &x }
	for want, got := range map[*Reached]Reached{
		{Mark: Alarm, Runs: 4, Rate: 0.8, SE: 0.178885438199983, MedianSamples: number(30), P80Samples: number(40), MedianMinutes: number(4), P80Minutes: number(5)}: report.Of(Alarm),
		{Mark: SeedAlarm, Runs: 3, Rate: 0.6, SE: 0.219089023002066, MedianSamples: number(7), MedianMinutes: number(3)}:                                             report.Of(SeedAlarm),
		{Mark: Pass, Runs: 1, Rate: 0.2, SE: 0.178885438199983}:                                                                                                      report.Of(Pass),
		{Mark: Slow}: report.Of(Slow),
	} {
		if diff := cmp.Diff(*want, got, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("%s:\n%s", want.Mark, diff)
		}
	}
	if diff := cmp.Diff(map[Outcome]int{Held: 1, HeldAlarmed: 4}, report.Outcomes); diff != "" || report.Runs != 5 || report.Scenario.Rate != 3 || len(report.Reached) != int(markCount) {
		t.Errorf("%+v\n%s", report, diff)
	}
	if none := Summarise(Scenario{}, nil); none.Of(Alarm) != (Reached{Mark: Alarm}) {
		t.Errorf("of no runs: %+v", none.Of(Alarm))
	}
}

// TestALimitIsNotStretched: neither by chance nor by a hair.
func TestALimitIsNotStretched(t *testing.T) {
	t.Parallel()
	runs := make([]Run, 1000)
	for i := range 51 {
		runs[i].First[Alarm] = at(1, 10, 1)
	}
	for i := range 500 {
		runs[i].First[Pass] = at(1, 40, 1)
	}
	report := Summarise(Scenario{}, runs)
	number := func(x float64) *float64 { return &x }
	for _, tt := range []struct {
		limit Limit
		want  string
	}{
		{Limit{Mark: Alarm, Rate: number(0.051)}, ""},
		{Limit{Mark: Alarm, Rate: number(0.05)}, "alarm in 0.0510 of the runs, more than 0.0500"},
		{Limit{Mark: Alarm, Samples: number(100)}, "alarm in fewer than half of the runs"},
		{Limit{Mark: Pass, Samples: number(40)}, ""},
		{Limit{Mark: Pass, Samples: number(39)}, "pass after 40 canary requests, more than 39"},
	} {
		if got := tt.limit.Broken(&report); got != tt.want {
			t.Errorf("%+v: %q", tt.limit, got)
		}
	}
}

// TestTheSuiteCanBeFlown: its names are distinct, its scenarios make sense, and
// what it promises of levels is alpha.
func TestTheSuiteCanBeFlown(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, trial := range Suite(plan) {
		if err := trial.Scenario.Check(); err != nil || names[trial.Name] {
			t.Errorf("%s (twice: %v): %v", trial.Name, names[trial.Name], err)
		}
		names[trial.Name] = true
		for _, limit := range trial.Limits {
			if (limit.Rate == nil) == (limit.Samples == nil) || limit.Rate != nil && *limit.Rate != plan.Alpha {
				t.Errorf("%s: limit %+v", trial.Name, limit)
			}
		}
	}
}
