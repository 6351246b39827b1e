package main

import (
	"context"
	"encoding/json"
	"errors"
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
			ctx := cmd.Context()
			if limit > 0 {
				limited, cancel := context.WithTimeout(ctx, limit)
				defer cancel()
				ctx = limited
			}
			v := &view{Console: c, data: r.output, overdue: r.overdue()}
			err = v.follow(ctx, func() (api.State, error) { return client.State(ctx) })
			if ctx.Err() == nil { // else it was told to end
				return fmt.Errorf("watch: %w", err)
			}
			return nil
		},
	}
	r.flags(cmd)
	cmd.Flags().DurationVar(&limit, "for", 0, "how long (default: until Ctrl-C)")
	return cmd
}

// view is what is on the screen.
type view struct {
	term.Console

	data    string // what --output says
	overdue string // what is said when the time is over
	height  int    // lines that are drawn
	told    string // the last line, without a terminal
}

// follow asks again and again, and shows what is new, until ctx ends. A server
// that was there once may be away for a while.
func (v *view) follow(ctx context.Context, ask func() (api.State, error)) error {
	tick := time.NewTicker(v.Pace())
	defer tick.Stop()
	for seen := false; ; {
		s, err := ask()
		_, gone := errors.AsType[*api.Unreachable](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			seen = true
			if err := v.show(&s); err != nil {
				return err
			}
		case gone && seen:
			v.line("the server does not answer; asking again")
		default:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (v *view) show(s *api.State) error {
	switch {
	case v.Watched() && !term.Data(v.data):
		text := picture(s, v.overdue)
		v.draw(text)
		v.told = ""
	case summary(s) != v.told:
		if !term.Data(v.data) {
			v.line(summary(s))
			return nil
		}
		v.told = summary(s)
		if v.data == "yaml" {
			fmt.Fprintln(v.Out, "---")
			return v.Print(v.data, s, nil)
		}
		if err := json.NewEncoder(v.Out).Encode(s); err != nil {
			return fmt.Errorf("writing the state: %w", err)
		}
	}
	return nil
}

// line prints a line once, below what is drawn.
func (v *view) line(text string) {
	if text != v.told && !term.Data(v.data) {
		fmt.Fprintln(v.Out, text)
		v.height = 0
	}
	v.told = text
}

// draw replaces what was drawn before.
func (v *view) draw(text string) {
	var b strings.Builder
	if v.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.height)
	}
	lines := strings.SplitAfter(text, "\n")
	width := v.Width()
	for _, line := range lines[:len(lines)-1] {
		b.WriteString("\x1b[K" + term.Clip(strings.TrimSuffix(line, "\n"), width) + "\n")
	}
	b.WriteString("\x1b[J")
	v.height = len(lines) - 1
	fmt.Fprint(v.Out, b.String())
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
	verdict := h.MonitorVerdict
	if h.AlarmTime != "" {
		verdict += ", alarm at " + h.AlarmTime
	}
	if s.SimulateSlowdown {
		verdict += ", in a drill"
	}
	return fmt.Sprintf("%s %s: canary %s in rollout %s with %s of the requests: %s", s.Model, s.Phase, r.Canary.Name, r.ID, percent(r.Weight), verdict)
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
