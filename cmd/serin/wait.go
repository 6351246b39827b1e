package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/report"
)

func newWait(c term.Console) *cobra.Command {
	var r remote
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait [VERSION]",
		Short: "Wait until the monitor has a verdict on the canary, or the rollout has ended",
		Long: `Wait until the monitor has a verdict on the canary, or the rollout has ended.

It prints a line for each change. VERSION is the canary's name or SHA-256, or the
rollout's id; without it the rollout in progress is meant. Asking does not count
as a look. A server that restarts meanwhile is waited for.

Exit code 0 if it passes or is promoted, 3 if it fails or is rolled back, 4 if
neither is known when the time is up, or there is no such canary, 9 if the evidence
is invalid, because the requests are not divided as planned.`,
		Example: `  serin deploy model_v2.joblib && serin wait --timeout 60m && serin promote
  serin wait model_v2 --model churn`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: r.completeRollouts,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			if timeout <= 0 {
				return term.Usage(fmt.Errorf("--timeout is %v: it must be above 0, like 60m", timeout))
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			version := ""
			if len(args) == 1 {
				version = args[0]
			}
			w := &waiting{Console: c, quiet: term.Data(r.output), about: version}
			code, err := w.until(ctx, func() (standing, error) {
				x, err := client.Ruling(ctx, w.about)
				return standing{x.Verdict, x.Reason, x.Rollout, x.CanaryVersion, x.Stable, x.Canary, x.Slowdown, x.Lower, x.Upper, x.ElapsedS}, err
			})
			switch {
			case cmd.Context().Err() != nil:
				return fmt.Errorf("wait: interrupted: %w", cmd.Context().Err())
			case err != nil:
				return fmt.Errorf("wait: %w", err)
			}
			if err := c.Print(r.output, w.last, func(io.Writer) {}); err != nil || code == api.ExitOK {
				return err
			}
			return term.Found(code)
		},
	}
	r.flags(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", time.Hour, "how long at most")
	return cmd
}

// standing is what is known of a rollout.
type standing struct {
	Verdict  string  `json:"verdict"`
	Reason   string  `json:"reason"`
	Rollout  string  `json:"rollout"`
	Version  string  `json:"version"`
	Stable   uint64  `json:"n_stable"`
	Canary   uint64  `json:"n_canary"`
	Slowdown float64 `json:"slowdown"`
	Lower    float64 `json:"lower"`
	Upper    float64 `json:"upper"`
	ElapsedS float64 `json:"elapsed_seconds"`
}

// progress is one line for a terminal.
func (s *standing) progress() string {
	line := fmt.Sprintf("%s %s: %d canary and %d stable requests after %s", s.Version, s.Verdict, s.Canary, s.Stable, seconds(s.ElapsedS))
	if s.Lower != s.Upper {
		line += fmt.Sprintf(", %s (%s to %s)", report.Times(1+s.Slowdown), report.Times(1+s.Lower), report.Times(1+s.Upper))
	}
	return line
}

// waiting tells of a rollout until it is decided.
type waiting struct {
	term.Console

	quiet bool
	about string // the version, or once it is known the rollout
	last  standing
	drawn bool
}

// until asks again and again. The first question must be answered; later the
// server may be away.
func (w *waiting) until(ctx context.Context, ask func() (standing, error)) (api.ExitCode, error) {
	tick := time.NewTicker(w.Pace())
	defer tick.Stop()
	defer w.clear()
	for away := false; ; {
		now, err := ask()
		_, gone := errors.AsType[*api.Unreachable](err)
		switch {
		case ctx.Err() != nil:
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				w.say("%s", "the time is up and neither a pass nor a fail is shown")
			}
			return api.ExitInconclusive, nil
		case err != nil && (!gone || w.last.Verdict == ""):
			return 0, err
		case gone && !away:
			w.say("%s", "the server does not answer; asking again")
			away = true
		case err == nil:
			away = false
			if code, over := w.told(now); over {
				return code, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// told says what has changed, and what to end with if that is the end.
func (w *waiting) told(now standing) (code api.ExitCode, over bool) {
	if now.Verdict != w.last.Verdict {
		w.say("%s %s: %s", now.Version, strings.ReplaceAll(now.Verdict, "_", " "), now.Reason)
	}
	w.last = now
	if now.Rollout != "" {
		w.about = now.Rollout
	}
	switch now.Verdict {
	case "pass", "promoted":
		return api.ExitOK, true
	case "fail", "rolled_back":
		return api.ExitRegression, true
	case "none":
		return api.ExitInconclusive, true
	case "invalid":
		return api.ExitInvalid, true
	}
	if w.Watched() && !w.quiet {
		fmt.Fprint(w.Out, "\r\x1b[K"+term.Clip(now.progress(), w.Width()))
		w.drawn = true
	}
	return 0, false
}

// say prints a line, in the place of a progress that is drawn.
func (w *waiting) say(format string, args ...any) {
	if w.quiet {
		return
	}
	w.clear()
	fmt.Fprintln(w.Out, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (w *waiting) clear() {
	if w.drawn {
		fmt.Fprint(w.Out, "\r\x1b[K")
	}
	w.drawn = false
}
