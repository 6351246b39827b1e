package report

import (
	"cmp"
	_ "embed" // for the page
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"n":    func(x float64) string { return fmt.Sprintf("%.1f", x) },
	"ms":   milliseconds,
	"span": span,
	"more": more,
	"time": func(t time.Time) string { return t.UTC().Format(time.DateTime) },
}).Parse(pageText))

func milliseconds(ms float64) string { return fmt.Sprintf("%.4g ms", ms) }

// more writes a ratio of latencies as what it is above 1.
func more(ratio *float64) string {
	switch {
	case ratio == nil:
		return "-"
	case *ratio >= 10:
		return fmt.Sprintf("x%.4g", *ratio)
	default:
		return fmt.Sprintf("%+.2f %%", 100*(*ratio-1))
	}
}

// row is an arm in the table of both.
type row struct {
	arm

	Role, Version string
}

// Failed is how many requests got no answer, and of how many of them the model's
// code broke, or its deadline passed.
func (r row) Failed() string {
	if r.Failures == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%d panics, %d late)", r.Failures, r.Panics, r.Deadlines)
}

func (s *Story) rows() []row {
	return []row{{s.Stable, "stable", s.StableVersion}, {s.Canary, "canary", s.CanaryVersion}}
}

func (s *Story) title() string {
	title := "Rollout " + s.Rollout
	if s.CanaryVersion != "" {
		title += ": " + s.CanaryVersion
	}
	if s.StableVersion != "" {
		title += " after " + s.StableVersion
	}
	return title
}

func (s *Story) subtitle() string {
	parts := []string{}
	if s.Model != "" {
		parts = append(parts, "model "+s.Model)
	}
	if !s.Began.IsZero() {
		parts = append(parts, s.Began.UTC().Format(time.DateTime)+" to "+s.Ended.UTC().Format(time.DateTime)+" UTC")
	}
	if s.Outcome != "" {
		outcome := s.Outcome
		if s.Actor != "" {
			outcome += " by " + s.Actor
		}
		if s.Reason != "" {
			outcome += " (" + s.Reason + ")"
		}
		parts = append(parts, outcome)
	}
	return strings.Join(parts, " · ")
}

func (s *Story) footer() string {
	end := "and all came out the same"
	if n := len(s.Differs); n > 0 {
		end = fmt.Sprintf("and %d did not come out the same", n)
	}
	moments := fmt.Sprintf("%d moments", s.Judged)
	if s.Judged == 1 {
		moments = "1 moment"
	}
	return fmt.Sprintf("Planned for %s; an alarm at alpha = %g, from a slowdown of %.4g %% on; a pass rules out one of %.4g %%. Judged again from the stored evidence: %s, %s.",
		span(s.Plan.PeriodS), s.Plan.Alpha, 100*s.Plan.MinSlowdown, 100*s.Plan.Tolerance, moments, end)
}

// HTML writes the story as one page that needs nothing else.
func (s *Story) HTML(w io.Writer) error {
	return pageTemplate.Execute(w, struct {
		*Story

		Title, Subtitle, Footer, Confidence string
		Arms                                []row
		Difference, Distribution            *plot
	}{s, s.title(), s.subtitle(), s.footer(), fmt.Sprintf("%.4g %%", 100*(1-s.Plan.Alpha)), s.rows(), s.difference(), s.distribution()})
}

// Markdown writes the story for a pull request.
func (s *Story) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n**%s**", cell(s.title()), cell(s.subtitle()), cmp.Or(cell(s.Verdict), "not judged"))
	if s.Sentence != "" {
		fmt.Fprintf(&b, ": %s", cell(s.Sentence))
	}
	b.WriteString("\n\n| arm | version | requests | failed | mean | p50 | p95 | p99 |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range s.rows() {
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s | %s | %s |\n", r.Role, cell(r.Version), r.Count, r.Failed(),
			milliseconds(r.MeanMS), milliseconds(r.P50MS), milliseconds(r.P95MS), milliseconds(r.P99MS))
	}
	for _, p := range slices.Backward(s.Points) {
		if p.Ratio != nil {
			fmt.Fprintf(&b, "\nAt the last look that judged latencies, after %s, the canary typically was slower by %s (%s to %s).\n", span(p.ElapsedS), more(p.Ratio), more(p.Lower), more(p.Upper))
			break
		}
	}
	b.WriteString("\n| time (UTC) | moment | verdict | why |\n|---|---|---|---|\n")
	for _, m := range s.Moments {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.At.UTC().Format(time.DateTime), cell(m.Name), m.Verdict, cell(m.Sentence))
	}
	for _, d := range s.Differs {
		fmt.Fprintf(&b, "\n**Not the same when judged again:** %s\n", cell(d))
	}
	fmt.Fprintf(&b, "\n%s\n", s.footer())
	_, err := io.WriteString(w, b.String())
	return err
}

// cell is text that stays text in Markdown, on one line.
var cell = strings.NewReplacer("\n", " ", "\r", " ", "|", "\\|", "<", "&lt;", "&", "&amp;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "\\", "\\\\").Replace
