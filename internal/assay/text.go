package assay

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"serin/internal/judge"
)

// Write is the report for people: the monitor's verdict, what was judged, both
// arms, what speaks for and against the canary, and a picture. With ascii it is
// drawn with plain characters.
func (j *Report) Write(w io.Writer, ascii bool) {
	var b bytes.Buffer
	m := &j.Monitor
	fmt.Fprintf(&b, "%s: %s\n", m.Verdict, m.Sentence)
	if m.ExpectedSamples != nil && *m.ExpectedSamples > 0 && m.ExpectedSeconds == nil {
		fmt.Fprintf(&b, "  if the canary is as fast as stable, that is shown by about %.0f more of its requests\n", *m.ExpectedSamples)
	}
	for _, f := range j.Files {
		fmt.Fprintf(&b, "  %-9s %s; rows: %d; columns: %s, in %s%s\n", f.Role, f.Path, f.Rows, strings.Join(f.Columns, ", "), f.Unit, unread(f.NotRead))
	}
	for _, note := range j.Notes {
		fmt.Fprintf(&b, "  note      %s\n", note)
	}
	fmt.Fprintln(&b)
	j.arms(&b)
	fmt.Fprintln(&b)
	j.signals(&b)
	fmt.Fprintln(&b)
	j.seed(&b)
	writePlot(&b, &j.Stable, &j.Canary, ascii)
	for line := range strings.Lines(b.String()) {
		if ascii {
			line = strings.ReplaceAll(line, "µ", "u")
		}
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

func unread(columns []string) string {
	if len(columns) == 0 {
		return ""
	}
	return "; not read: " + strings.Join(quoted(columns), ", ")
}

// arms are both arms in numbers, with the ends of their confidence bands.
func (j *Report) arms(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "\tstable\tcanary\n")
	s, c := &j.Monitor.Stable, &j.Monitor.Canary
	line := func(name string, cell func(*judge.Summary) string) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", name, cell(s), cell(c))
	}
	ifAny := func(ms func(*judge.Summary) float64) func(*judge.Summary) string {
		return func(a *judge.Summary) string {
			if a.Count == 0 {
				return "-"
			}
			return milliseconds(ms(a))
		}
	}
	line("requests", func(a *judge.Summary) string { return fmt.Sprint(a.Count + a.Failures) })
	line("errors", func(a *judge.Summary) string {
		return fmt.Sprintf("%d (%.3g %%)", a.Failures, 100*float64(a.Failures)/math.Max(1, float64(a.Count+a.Failures)))
	})
	line("mean", ifAny(func(a *judge.Summary) float64 { return a.MeanMS }))
	line("sd", ifAny(func(a *judge.Summary) float64 { return a.SDMS }))
	for i, q := range j.Stable.Quantiles {
		fmt.Fprintf(t, "p%.0f\t%s\t%s\n", 100*q.Share, banded(q), banded(j.Canary.Quantiles[i]))
	}
	_ = t.Flush() // a buffer does not fail
	fmt.Fprintf(w, "in parentheses: where each arm's true quantiles are with %.4g %% confidence, all at\nonce and at every look; - where so few requests say nothing\n", 100*(1-j.alpha))
}

// banded is a quantile with the ends of its band.
func banded(q judge.Quantile) string {
	if q.MS == nil {
		return "-"
	}
	return fmt.Sprintf("%s (%s to %s)", milliseconds(*q.MS), orDash(q.LowerMS), orDash(q.UpperMS))
}

// signals are the monitor's, in the order of their weights.
func (j *Report) signals(w io.Writer) {
	m := &j.Monitor
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(t, "monitor\tln E\tat\t\teffect\tfloor\n")
	for _, s := range append(slices.Clip(m.Signals), m.Slow) {
		result := ""
		if s.Alarm {
			result = "alarm"
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%s\t%s\t%s\n", strings.ReplaceAll(s.Name, "_", " "), s.LogE, s.LogThreshold, result, sized(s.Effect, s.Unit), sized(s.Floor, s.Unit))
	}
	last := func(name string, logE, threshold float64, reached, meaning string) {
		if logE < threshold {
			reached = ""
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%s\t%s\n", name, logE, threshold, reached, meaning)
	}
	last("overall", m.LogE, m.LogThreshold, "alarm", "")
	last("for a pass", m.Promote.LogE, m.Promote.LogThreshold, "shown", m.Promote.Missing)
	if m.Guard.Planned != m.Guard.Observed || m.Guard.LogE != 0 {
		last("split", m.Guard.LogE, m.Guard.LogThreshold, "broken", fmt.Sprintf("%.4g %%, planned %.4g %%", 100*m.Guard.Observed, 100*m.Guard.Planned))
	}
	_ = t.Flush()
}

// sized is the size of an effect.
func sized(effect float64, unit string) string {
	switch unit {
	case "ms":
		return milliseconds(effect)
	case "share of requests":
		return fmt.Sprintf("%.3g %%", 100*effect)
	default:
		return fmt.Sprintf("%.3g %s", effect, unit)
	}
}

// seed is the seed's rule.
func (j *Report) seed(w io.Writer) {
	r := &j.Welch
	fmt.Fprintf(w, "the seed's rule, Welch's test, for one look at counts that were fixed beforehand: %s\n  %s\n", r.Verdict, r.Sentence)
	if r.LogPValue != 0 || r.TStatistic != 0 {
		fmt.Fprintf(w, "  t = %.4g, df = %.4g, p = %.3g; an alert needs p < %g\n", r.TStatistic, r.DegreesOfFreedom, r.PValue, j.alpha)
	}
}

func milliseconds(ms float64) string { return fmt.Sprintf("%.4g ms", ms) }

func orDash(x *float64) string {
	if x == nil {
		return "-"
	}
	return fmt.Sprintf("%.4g", *x)
}
