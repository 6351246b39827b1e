package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"serin/internal/sim"
)

// write is the report for people: both rules side by side, then the monitor's
// signals.
func (m measured) write(w io.Writer) {
	if m.Runs < m.Asked {
		fmt.Fprintf(w, "ended after %d of %d canaries\n", m.Runs, m.Asked)
	}
	fmt.Fprintf(w, "canaries: %d, %s\n", m.Runs, m.about())
	fmt.Fprintf(w, "%s\n\n", traffic(m.Scenario))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "\tseed's rule\tmonitor\n")
	m.both(t, "alarm", sim.SeedAlarm, sim.Alarm)
	m.one(t, "alarm to act on", sim.Confirmed)
	m.both(t, "pass", sim.SeedPass, sim.Pass)
	m.one(t, "not as planned", sim.Invalid)
	fmt.Fprint(t, "\nsignal\twith its part of alpha\twith all of alpha\n")
	for _, s := range []struct {
		name        string
		part, alone sim.Mark
	}{
		{"latency shape", sim.LatencyShape, sim.LatencyShapeAlone},
		{"latency centre", sim.LatencyCentre, sim.LatencyCentreAlone},
		{"latency p99", sim.LatencyTail, sim.LatencyTailAlone},
		{"errors", sim.MoreErrors, sim.MoreErrorsAlone},
		{"score drift", sim.ScoreDrift, sim.ScoreDriftAlone},
	} {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.name, m.line(s.part), m.line(s.alone))
	}
	fmt.Fprintf(t, "overall\t%s\n", m.line(sim.Overall))
	_ = t.Flush()
	fmt.Fprintf(w, "\nshares of canaries with their standard errors; requests of the canary, and time, until the\nmedian (80 %%) of all canaries got there; - where fewer did\n")
	fmt.Fprintf(w, "how they ended: %s\n", m.endings())
}

// both writes a mark of either rule, and how soon it was reached.
func (m measured) both(w io.Writer, name string, seed, monitor sim.Mark) {
	s, n := m.Of(seed), m.Of(monitor)
	fmt.Fprintf(w, "%s\t%s\t%s\n", name, share(s), share(n))
	fmt.Fprintf(w, "  canary requests\t%s\t%s\n", pair(s.MedianSamples, s.P80Samples), pair(n.MedianSamples, n.P80Samples))
	fmt.Fprintf(w, "  minutes\t%s\t%s\n", pair(s.MedianMinutes, s.P80Minutes), pair(n.MedianMinutes, n.P80Minutes))
}

// one writes a mark that only the monitor has.
func (m measured) one(w io.Writer, name string, mark sim.Mark) {
	fmt.Fprintf(w, "%s\t\t%s\n", name, m.line(mark))
}

// line is a mark in one cell.
func (m measured) line(mark sim.Mark) string {
	r := m.Of(mark)
	s := share(r)
	if r.MedianSamples != nil {
		s += fmt.Sprintf(" after %s", pair(r.MedianSamples, r.P80Samples))
	}
	return s
}

func share(r sim.Reached) string { return fmt.Sprintf("%.2f %% ± %.2f", 100*r.Rate, 100*r.SE) }

func pair(median, p80 *float64) string {
	return fmt.Sprintf("%s (%s)", orDash(median), orDash(p80))
}

func orDash(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g", *x)
}

func (m measured) endings() string {
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(m.Outcomes)) {
		parts = append(parts, fmt.Sprintf("%d %s", m.Outcomes[outcome], strings.ReplaceAll(string(outcome), "_", " ")))
	}
	return strings.Join(parts, ", ")
}

// about says what is wrong with the canary.
func (m measured) about() string {
	f := m.Scenario.Canary
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
func traffic(s sim.Scenario) string {
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

// progress redraws a bar on a terminal, and does nothing elsewhere.
type progress struct {
	w     io.Writer
	name  string
	of    int
	begun time.Time
}

// newProgress returns one for so many steps; nil, which draws nothing, where
// nobody watches.
func newProgress(w io.Writer, name string, of int) *progress {
	if !(console{out: w}).terminal() {
		return nil
	}
	return &progress{w: w, name: name, of: of, begun: time.Now()}
}

func (p *progress) step(done int) {
	const width, redraws = 30, 200
	if p == nil || done%max(1, p.of/redraws) > 0 {
		return
	}
	filled := width * done / p.of
	left := time.Duration(float64(time.Since(p.begun)) / float64(done) * float64(p.of-done)).Round(time.Second)
	fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %d/%d, %v left %s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), done, p.of, left, p.name)
}

func (p *progress) clear() {
	if p != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
