package sim

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Write is the report for people: both rules side by side, then the monitor's
// signals.
func (r *Report) Write(w io.Writer) {
	fmt.Fprintf(w, "canaries: %d, %s\n", r.Runs, r.about())
	fmt.Fprintf(w, "%s\n\n", traffic(r.Scenario))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "\tseed's rule\tmonitor\n")
	r.both(t, "alarm", SeedAlarm, Alarm)
	r.one(t, "alarm to act on", Confirmed)
	r.both(t, "pass", SeedPass, Pass)
	r.one(t, "not as planned", Invalid)
	fmt.Fprint(t, "\nsignal\twith its part of alpha\twith all of alpha\n")
	for _, s := range []struct {
		name        string
		part, alone Mark
	}{
		{"latency shape", LatencyShape, LatencyShapeAlone},
		{"latency centre", LatencyCentre, LatencyCentreAlone},
		{"latency p99", LatencyTail, LatencyTailAlone},
		{"errors", MoreErrors, MoreErrorsAlone},
		{"score drift", ScoreDrift, ScoreDriftAlone},
	} {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.name, r.Line(s.part), r.Line(s.alone))
	}
	fmt.Fprintf(t, "overall\t%s\n", r.Line(Overall))
	_ = t.Flush()
	fmt.Fprintf(w, "\nshares of canaries with their standard errors; requests of the canary, and time, until the\nmedian (80 %%) of all canaries got there; - where fewer did\n")
	fmt.Fprintf(w, "how they ended: %s\n", r.endings())
}

// both writes a mark of either rule, and how soon it was reached.
func (r *Report) both(w io.Writer, name string, seed, monitor Mark) {
	s, n := r.Of(seed), r.Of(monitor)
	fmt.Fprintf(w, "%s\t%s\t%s\n", name, rate(s), rate(n))
	fmt.Fprintf(w, "  canary requests\t%s\t%s\n", pair(s.MedianSamples, s.P80Samples), pair(n.MedianSamples, n.P80Samples))
	fmt.Fprintf(w, "  minutes\t%s\t%s\n", pair(s.MedianMinutes, s.P80Minutes), pair(n.MedianMinutes, n.P80Minutes))
}

// one writes a mark that only the monitor has.
func (r *Report) one(w io.Writer, name string, mark Mark) {
	fmt.Fprintf(w, "%s\t\t%s\n", name, r.Line(mark))
}

// Line is a mark in one cell of a table.
func (r *Report) Line(mark Mark) string {
	reached := r.Of(mark)
	s := rate(reached)
	if reached.MedianSamples != nil {
		s += fmt.Sprintf(" after %s", pair(reached.MedianSamples, reached.P80Samples))
	}
	return s
}

func rate(r Reached) string { return fmt.Sprintf("%.2f %% ± %.2f", 100*r.Rate, 100*r.SE) }

func pair(median, p80 *float64) string {
	return fmt.Sprintf("%s (%s)", orDash(median), orDash(p80))
}

func orDash(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g", *x)
}

func (r *Report) endings() string {
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(r.Outcomes)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.Outcomes[outcome], strings.ReplaceAll(string(outcome), "_", " ")))
	}
	return strings.Join(parts, ", ")
}

// about says what is wrong with the canary.
func (r *Report) about() string {
	f := r.Scenario.Canary
	var faults []string
	add := func(is bool, format string, args ...any) {
		if is {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	add(f.Slowdown > 0, "%.4g %% slower than stable", 100*f.Slowdown)
	add(f.Slowdown < 0, "%.4g %% faster than stable", -100*f.Slowdown)
	add(f.Outliers > 0, "%.3g %% more outliers", 100*f.Outliers)
	add(f.Errors > 0, "%.3g %% more errors", 100*f.Errors)
	add(f.Shift != 0, "scores moved by %.3g sd", f.Shift)
	add(f.ColdStart, "cold at first")
	add(f.Disturbance.SD > 0, "disturbed by sd %.3g", f.Disturbance.SD)
	if len(faults) == 0 {
		return "equal to stable"
	}
	return strings.Join(faults, ", ")
}

// traffic says what they fly through.
func traffic(s Scenario) string {
	weights := []string{s.Plan.Weight.String()}
	for _, w := range s.Weights {
		weights = append(weights, w.String())
	}
	text := fmt.Sprintf("%s; %g requests a second, %s of them the canary's;\na look every %v for %v at alpha %g", s.Law, s.Rate, strings.Join(weights, ", then "), s.LookEvery, s.Plan.Period, s.Plan.Alpha)
	if s.Errors > 0 {
		text += fmt.Sprintf("; %.3g %% of errors", 100*s.Errors)
	}
	if s.Load.SD > 0 {
		text += fmt.Sprintf("; a shared load of sd %g", s.Load.SD)
	}
	if s.Rise > 0 {
		text += fmt.Sprintf("; a load that rises to %g times", 1+s.Rise)
	}
	if s.Sessions > 0 {
		text += fmt.Sprintf("; sessions of sd %g", s.Sessions)
	}
	return text
}
