package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/report"
)

func newWatch(c term.Console) *cobra.Command {
	var r remote
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch a model live: both arms, the difference, the verdict, the time left",
		Long: `Watch a model live: both arms, the difference, the verdict, the time left.

On a terminal the view is drawn again each second; elsewhere there is a line for
each change, with --output json a JSON line, with yaml a document. Ctrl-C ends it.
Asking does not count as a look.`,
		Example: "  serin watch\n  serin watch --model fraud\n  serin watch --for 10m | tee rollout.log",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			overdue := r.overdue()
			v := &view[api.State]{
				Console: c, data: r.output,
				ask:     func(ctx context.Context) (api.State, error) { return client.State(ctx) },
				picture: func(s *api.State) string { return picture(s, overdue) },
				lines:   func(s *api.State) []string { return []string{summary(s)} },
			}
			return v.watch(cmd, limit)
		},
	}
	r.flags(cmd)
	cmd.Flags().DurationVar(&limit, "for", 0, "how long (default: until Ctrl-C)")
	return cmd
}

// summary is a line that changes when something has happened.
func summary(s *api.State) string {
	r, h := s.Rollout, s.AlertStatus
	switch {
	case r == nil && s.Last == nil:
		return fmt.Sprintf("%s %s: %s answers every request", s.Model, s.Phase, s.Stable.Name)
	case r == nil:
		return fmt.Sprintf("%s %s: %s answers every request; rollout %s of %s ended by %s of %s: %s", s.Model, s.Phase, s.Stable.Name, s.Last.Rollout, s.Last.Version, s.Last.Event, s.Last.Actor, s.Last.Reason)
	case h == nil || h.CanaryStartTime == "":
		return fmt.Sprintf("%s %s: canary %s in rollout %s", s.Model, s.Phase, r.Canary.Name, r.ID)
	}
	return ruling(s.Model, s.Phase, r.Canary.Name, r.ID, r.Weight, h.MonitorVerdict, h.AlarmTime, s.SimulateSlowdown)
}

// ruling says how the monitor judges a canary that gets requests.
func ruling(model, phase, canary, rollout string, weight float64, verdict, alarm string, drill bool) string {
	if alarm != "" {
		verdict += ", alarm at " + alarm
	}
	if drill {
		verdict += ", in a drill"
	}
	return fmt.Sprintf("%s %s: canary %s in rollout %s with %s of the requests: %s", model, phase, canary, rollout, percent(weight), verdict)
}

// picture is the view for a terminal.
func picture(s *api.State, overdue string) string {
	var b strings.Builder
	fmt.Fprintln(&b, summary(s))
	h := s.AlertStatus
	if h == nil || h.CanaryStartTime == "" {
		return b.String()
	}
	m := &h.Monitor
	all := h.Samples.Stable + h.Samples.Canary
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\n  arm\tversion\tshare\trequests\tfailed\tp50\tp95\tp99")
	for _, arm := range []struct {
		role, version string
		share         float64
		n, failures   uint64
		p50, p95, p99 float64
	}{
		{"stable", h.StableVersion, 1 - h.Weight, h.Samples.Stable, s.CanaryMetrics.Stable.LatenciesMS.Failures, s.CanaryMetrics.Stable.LatenciesMS.P50MS, s.CanaryMetrics.Stable.LatenciesMS.P95MS, s.CanaryMetrics.Stable.LatenciesMS.P99MS},
		{"canary", h.CanaryVersion, h.Weight, h.Samples.Canary, s.CanaryMetrics.Canary.LatenciesMS.Failures, s.CanaryMetrics.Canary.LatenciesMS.P50MS, s.CanaryMetrics.Canary.LatenciesMS.P95MS, s.CanaryMetrics.Canary.LatenciesMS.P99MS},
	} {
		observed := "-"
		if all > 0 {
			observed = percent(float64(arm.n) / float64(all))
		}
		fmt.Fprintf(t, "  %s\t%s\t%s (%s)\t%d\t%d\t%s\t%s\t%s\n", arm.role, arm.version, percent(arm.share), observed, arm.n, arm.failures, milliseconds(arm.p50), milliseconds(arm.p95), milliseconds(arm.p99))
	}
	_ = t.Flush() // a builder takes everything
	if m.RatioLower != m.RatioUpper {
		fmt.Fprintf(&b, "\n  latency  %s (%s to %s) of the canary against stable\n", report.Times(m.Ratio), report.Times(m.RatioLower), report.Times(m.RatioUpper))
	} else {
		fmt.Fprintln(&b, "\n  latency  nothing can be said yet")
	}
	fmt.Fprintf(&b, "  monitor  %s: %s\n", h.MonitorVerdict, h.MonitorFinding)
	left := seconds(h.RemainingS) + " left of the observation"
	if h.Phase == "due" {
		left = overdue
	} else if m.ExpectedSeconds != nil {
		left += fmt.Sprintf(", %s to a pass at this traffic", seconds(*m.ExpectedSeconds))
	}
	fmt.Fprintf(&b, "  time     %s\n", left)
	return b.String()
}
