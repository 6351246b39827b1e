package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
)

func newRollback(c term.Console) *cobra.Command {
	var r remote
	var request api.RollbackRequest
	cmd := &cobra.Command{
		Use:     "rollback",
		Short:   "Take the canary out, now and without asking",
		Example: "  serin rollback --reason \"slow at the 99th percentile\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			return done(cmd, c, r.output, func() (api.Change, error) { return client.Rollback(cmd.Context(), request) })
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why; goes into the journal")
	return cmd
}

func newPromote(c term.Console) *cobra.Command {
	var r remote
	var request api.PromoteRequest
	cmd := &cobra.Command{
		Use:     "promote",
		Short:   "Make the canary stable, if Welch's test passes it and the monitor does not object",
		Example: "  serin promote\n  serin promote --force --reason \"latency was measured elsewhere\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if request.Force && strings.TrimSpace(request.Reason) == "" {
				return term.Usage(errors.New("promote --force overrides the judge and needs a reason, which goes into the journal: add --reason TEXT"))
			}
			client, err := r.client()
			if err != nil {
				return err
			}
			err = done(cmd, c, r.output, func() (api.Change, error) { return client.Promote(cmd.Context(), request) })
			if p, ok := errors.AsType[*api.Problem](err); ok && p.Health != nil { // the verdict stands against it
				return fmt.Errorf("%w\nWith force and a reason: %s --force --reason TEXT", err, r.command("promote"))
			}
			return err
		},
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&request.Force, "force", false, "whatever the verdict is; needs --reason")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why; goes into the journal")
	return cmd
}

// done carries a command out and prints what changed.
func done(cmd *cobra.Command, c term.Console, output string, do func() (api.Change, error)) error {
	change, err := do()
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Name(), err)
	}
	return c.Print(output, change, func(w io.Writer) { fmt.Fprintln(w, change.Message) })
}

func newSlowdown(c term.Console) *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:       "slowdown [on|off]",
		Short:     "Start or end a drill: canary predictions are slowed down on purpose",
		Long:      "Start or end a drill: canary predictions are slowed down on purpose.\nWithout on or off it does the other of the two.",
		ValidArgs: []string{"on", "off"},
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			s, err := drill(cmd.Context(), client, args)
			if err != nil {
				return fmt.Errorf("slowdown: %w", err)
			}
			return c.Print(r.output, s, func(w io.Writer) {
				if s.SimulateSlowdown {
					fmt.Fprintln(w, "canary predictions are slowed down;", r.command("slowdown off"), "ends it, and so does the end of the rollout")
				} else {
					fmt.Fprintln(w, "canary predictions are not slowed down")
				}
			})
		},
	}
	r.flags(cmd)
	return cmd
}

// drill toggles, unless the drill is already as it is wanted.
func drill(ctx context.Context, client *api.Client, wanted []string) (api.Slowdown, error) {
	if len(wanted) == 1 {
		s, err := client.State(ctx)
		if err != nil || s.SimulateSlowdown == (wanted[0] == "on") {
			return api.Slowdown{SimulateSlowdown: s.SimulateSlowdown}, err
		}
	}
	return client.ToggleSlowdown(ctx)
}

func newCheck(c term.Console) *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Judge the canary: is it slower?",
		Long: `Judge the canary by Welch's t-test on the prediction latencies of both arms.

Exit code 0 if it is healthy, 3 if there is an alert, 4 if there is not enough
evidence or no canary. A p-value holds for one look; the answer says which this is.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			h, err := client.Check(cmd.Context())
			if err != nil {
				return fmt.Errorf("check: %w", err)
			}
			if err := c.Print(r.output, h, func(w io.Writer) { r.writeHealth(w, h) }); err != nil {
				return err
			}
			switch h.Status {
			case "healthy":
				return nil
			case "alert":
				return term.Found(api.ExitRegression)
			default:
				return term.Found(api.ExitInconclusive)
			}
		},
	}
	r.flags(cmd)
	return cmd
}

func (r *remote) writeHealth(w io.Writer, h api.Health) {
	fmt.Fprintf(w, "%s: %s\n", h.Status, h.Finding)
	if h.CanaryStartTime == "" {
		return
	}
	mean := func(ms float64, n uint64) string {
		if n == 0 {
			return "-"
		}
		return milliseconds(ms)
	}
	fmt.Fprintf(w, "  stable  %-16s %8d requests  mean %s\n", h.StableVersion, h.Samples.Stable, mean(h.StableAvgLatencyMS, h.Samples.Stable))
	fmt.Fprintf(w, "  canary  %-16s %8d requests  mean %s\n", h.CanaryVersion, h.Samples.Canary, mean(h.CanaryAvgLatencyMS, h.Samples.Canary))
	if h.Status != "insufficient_data" {
		fmt.Fprintf(w, "  Welch   t = %.4g, df = %.4g, p = %.3g at look %d; an alert needs p < %g and a mean at least %g ms higher\n",
			h.TStatistic, h.DegreesOfFreedom, h.PValue, h.Look, h.Alpha, h.MinEffectMS)
	}
	writeMonitor(w, h)
	if h.Phase == "due" {
		fmt.Fprintln(w, "  time    "+r.overdue())
	} else {
		fmt.Fprintf(w, "  time    %s left of this canary's observation\n", seconds(h.RemainingS))
	}
}

// writeMonitor says what the monitor knows, and of an alarm when it was raised.
func writeMonitor(w io.Writer, h api.Health) {
	m := h.Monitor
	fmt.Fprintf(w, "  monitor %s: %s\n", h.MonitorVerdict, h.MonitorFinding)
	if h.AlarmTime != "" {
		fmt.Fprintf(w, "          its alarm was raised at %s and stays until the rollout ends\n", h.AlarmTime)
	}
	fmt.Fprintf(w, "          ln E %.2f against the canary, an alarm at %.2f; %.2f for a pass, shown at %.2f\n", m.LogE, m.LogThreshold, m.Promote.LogE, m.Promote.LogThreshold)
}

func milliseconds(ms float64) string { return fmt.Sprintf("%.4g ms", ms) }

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

func newStatus(c term.Console) *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what is stable, what is on trial, and how it does",
		Long: `Show what is stable, what is on trial, and how it does.

Where the server has several models and none is named, a line for each.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			if r.model == "" {
				all, err := client.Models(cmd.Context())
				if err != nil {
					return fmt.Errorf("status: %w", err)
				}
				if len(all) != 1 {
					return c.Print(r.output, all, func(w io.Writer) { writeModels(w, all) })
				}
				client = client.For(all[0].Model) // the default model may be unloaded
			}
			s, err := client.State(cmd.Context())
			if err != nil {
				return fmt.Errorf("status: %w", err)
			}
			return c.Print(r.output, s, func(w io.Writer) { r.writeState(w, s) })
		},
	}
	r.flags(cmd)
	return cmd
}

// writeModels is a line for each model.
func writeModels(w io.Writer, all []api.Standing) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "model\tphase\tstable\tcanary\tshare\trequests\tverdict")
	for _, m := range all {
		name, canary, share, requests, verdict := m.Model, "-", "-", "-", "-"
		if m.Default {
			name += " (default)"
		}
		if m.Rollout != nil {
			canary, share, verdict = m.Rollout.Canary.Name, percent(m.Rollout.Weight), m.Status
			requests = fmt.Sprintf("%d and %d", m.Requests.Stable, m.Requests.Canary)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", name, m.Phase, m.Stable.Name, canary, share, requests, verdict)
	}
	_ = t.Flush() // what it writes to fails for itself
	if len(all) > 0 {
		fmt.Fprintf(w, "more about one: serin status --model %s\n", all[len(all)-1].Model)
	} else {
		fmt.Fprintln(w, "no model is loaded")
	}
}

func (r *remote) writeState(w io.Writer, s api.State) {
	fmt.Fprintf(w, "model   %s, %s\n", s.Model, s.Phase)
	fmt.Fprintf(w, "stable  %s  sha256 %s\n", s.Stable.Path, s.Stable.SHA256[:min(12, len(s.Stable.SHA256))])
	if a := s.Rollout; a != nil {
		fmt.Fprintf(w, "canary  %s  sha256 %s  rollout %s with %s of the requests\n", a.Canary.Path, a.Canary.SHA256[:min(12, len(a.Canary.SHA256))], a.ID, percent(a.Weight))
		if b := a.Before; b != nil {
			fmt.Fprintf(w, "before  this version was tried in %s until %s: %s\n", b.Rollout, b.At.UTC().Format(time.RFC3339), b.Reason)
		}
	} else if l := s.Last; l != nil {
		fmt.Fprintf(w, "last    %s in rollout %s ended at %s by %s of %s: %s\n", l.Version, l.Rollout, l.At.UTC().Format(time.RFC3339), l.Event, l.Actor, l.Reason)
	}
	if s.AlertStatus != nil {
		r.writeHealth(w, *s.AlertStatus)
	}
	if s.SimulateSlowdown {
		fmt.Fprintln(w, "drill   canary predictions are slowed down on purpose")
	}
}

func percent(fraction float64) string { return fmt.Sprintf("%.4g%%", 100*fraction) }
