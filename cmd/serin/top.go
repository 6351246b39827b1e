package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/report"
)

func newTop(c term.Console) *cobra.Command {
	var r remote
	var limit time.Duration
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch all models live, a line for each: those that need somebody first",
		Long: `Watch all models live, a line for each: those that need somebody first.

On a terminal the view is drawn again each second; elsewhere there is a line for
each change, with --output json a JSON line, with yaml a document. With --once it
is printed once. Ctrl-C ends it. Asking does not count as a look.`,
		Example: "  serin top\n  serin top --once\n  serin top --for 1h | tee models.log",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			if once {
				all, err := client.Models(cmd.Context())
				if err != nil {
					return fmt.Errorf("top: %w", err)
				}
				return c.Print(r.output, all, func(w io.Writer) { fmt.Fprint(w, overview(all, len(all))) })
			}
			v := &view[[]api.Standing]{
				Console: c, data: r.output,
				ask:     func(ctx context.Context) ([]api.Standing, error) { return client.Models(ctx) },
				picture: func(all *[]api.Standing) string { return overview(*all, c.Height()-4) },
				lines:   newsOfModels(),
			}
			return v.watch(cmd, limit)
		},
	}
	r.flags(cmd)
	cmd.Flags().DurationVar(&limit, "for", 0, "how long (default: until Ctrl-C)")
	cmd.Flags().BoolVar(&once, "once", false, "print it once")
	return cmd
}

// urgency orders models by how much they need somebody: an alarm, a decision that is
// due, a canary, and the others.
func urgency(m *api.Standing) int {
	switch {
	case m.AlarmTime != "" || m.MonitorVerdict == "fail" || m.MonitorVerdict == "invalid":
		return 0
	case m.Phase == "due":
		return 1
	case m.Rollout != nil:
		return 2
	default:
		return 3
	}
}

// overview is a line for each model, at most so many.
func overview(all []api.Standing, most int) string {
	if len(all) == 0 {
		return "no model is loaded\n"
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b api.Standing) int {
		return cmp.Or(cmp.Compare(urgency(&a), urgency(&b)), cmp.Compare(a.Model, b.Model))
	})
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tstable\tcanary\tshare\trequests\tverdict\tleft\tlatency")
	for i := range all {
		if i == max(most, 1) && len(all) > i+1 { // the line that says so takes the place of one
			fmt.Fprintf(t, "and %d more\n", len(all)-i)
			break
		}
		m := &all[i]
		name := m.Model
		if m.Default {
			name += " (default)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", name, m.Stable.Name, strings.Join(trial(m), "\t"))
	}
	_ = t.Flush() // a builder takes everything
	return b.String()
}

// trial are the columns about a model's canary.
func trial(m *api.Standing) []string {
	x := m.Rollout
	if x == nil {
		return []string{"-", "-", "-", "-", "-", "-"}
	}
	if m.Phase == "loading" {
		return []string{x.Canary.Name, "-", "-", "loading", "-", "-"}
	}
	latency := "-"
	if m.RatioLower != m.RatioUpper {
		latency = fmt.Sprintf("%s (%s to %s)", report.Times(m.Ratio), report.Times(m.RatioLower), report.Times(m.RatioUpper))
	}
	left := seconds(x.RemainingS)
	if m.Phase == "due" {
		left = "decide"
	}
	verdict := m.MonitorVerdict
	if m.AlarmTime != "" {
		verdict += ", alarm"
	}
	if m.SimulateSlowdown {
		verdict += ", drill"
	}
	return []string{
		x.Canary.Name, percent(x.Weight), fmt.Sprintf("%d and %d", m.Requests.Stable, m.Requests.Canary), verdict, left, latency,
	}
}

// newsOfModels says a line for each model that changes when something has happened
// to it, and one for a model that is gone.
func newsOfModels() func(*[]api.Standing) []string {
	served := map[string]bool{}
	return func(all *[]api.Standing) []string {
		var lines []string
		now := map[string]bool{}
		for i := range *all {
			m := &(*all)[i]
			now[m.Model] = true
			switch {
			case m.Rollout == nil:
				lines = append(lines, fmt.Sprintf("%s %s: %s answers every request", m.Model, m.Phase, m.Stable.Name))
			case m.Phase == "loading":
				lines = append(lines, fmt.Sprintf("%s loading: canary %s in rollout %s", m.Model, m.Rollout.Canary.Name, m.Rollout.ID))
			default:
				lines = append(lines, ruling(m.Model, m.Phase, m.Rollout.Canary.Name, m.Rollout.ID, m.Rollout.Weight, m.MonitorVerdict, m.AlarmTime, m.SimulateSlowdown))
			}
		}
		for name := range served {
			if !now[name] {
				lines = append(lines, name+" is not served any more")
			}
		}
		slices.Sort(lines)
		served = now
		return lines
	}
}
