package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/judge"
	"serin/internal/report"
)

func newHistory(c term.Console) *cobra.Command {
	var r remote
	var limit int
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "List the rollouts: how each ended, when, by whom and why",
		Example: "  serin history\n  serin history --model fraud --limit 100",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			if limit < 1 || limit > 1000 {
				return term.Usage(fmt.Errorf("--limit is %d: it must be from 1 to 1000", limit))
			}
			all, err := client.Rollouts(cmd.Context(), limit)
			if err != nil {
				return fmt.Errorf("history: %w", err)
			}
			return c.Print(r.output, all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "there was no rollout yet: serin deploy FILE begins one")
					return
				}
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "rollout\tversion\tafter\toutcome\tbegan (UTC)\tended (UTC)\tby\twhy")
				for _, x := range all {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Rollout, x.Version, x.Stable, x.Outcome, moment(x.Began), moment(x.Ended), x.Actor, x.Reason)
				}
				_ = t.Flush() // what it writes to fails for itself
			})
		},
	}
	r.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "how many, newest first")
	return cmd
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.DateTime)
}

func newReport(c term.Console) *cobra.Command {
	var r remote
	var dir string
	cmd := &cobra.Command{
		Use:   "report ROLLOUT",
		Short: "Write down a rollout on one page, with its plots",
		Long: `Write down a rollout on one page, with its plots.

The page is HTML that needs nothing else: no script, no network. It is judged
again from the evidence that was stored, and says so if anything comes out
otherwise. The same rollout gives the same page.`,
		Example: `  serin report r1 > r1.html
  serin report r1 --output markdown
  serin report r1 --data serin-data > r1.html    of a server that does not run`,
		Args: oneRollout,
		RunE: func(cmd *cobra.Command, args []string) error {
			write, known := map[string]func(*report.Story) error{
				"html":     func(s *report.Story) error { return s.HTML(c.Out) },
				"markdown": func(s *report.Story) error { return s.Markdown(c.Out) },
				"json":     func(s *report.Story) error { return c.Print("json", s, nil) },
				"yaml":     func(s *report.Story) error { return c.Print("yaml", s, nil) },
			}[r.output]
			if !known {
				return term.Usage(fmt.Errorf("output %q is unknown: use html, markdown, json or yaml", r.output))
			}
			client, err := r.ask()
			if err != nil {
				return err
			}
			end := term.Elapsed(c.Err, "reading what was stored")
			s, err := tell(cmd.Context(), client, dir, r.model, args[0])
			end()
			if err != nil {
				return fmt.Errorf("report: %w", err)
			}
			return write(s)
		},
		ValidArgsFunction: r.completeRollouts,
	}
	r.flags(cmd)
	output := cmd.Flags().Lookup("output")
	output.Usage, output.DefValue = "html, markdown, json or yaml", "html"
	r.output = "html"
	cmd.Flags().StringVar(&dir, "data", "", "read this state directory instead of asking a server")
	return cmd
}

func oneRollout(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one rollout, like r1; serin history tells which")
	}
	return nil
}

// stored gives the cases of a rollout to yield, from a server, or where dir is not
// "" from a state directory.
func stored(ctx context.Context, client *api.Client, dir, model, rollout string, yield func(judge.Case) error) error {
	if dir != "" {
		return app.History(ctx, dir, cmp.Or(model, app.Default().Models[0].Name), rollout, yield)
	}
	return client.Cases(ctx, rollout, yield)
}

// tell reads the story of a rollout.
func tell(ctx context.Context, client *api.Client, dir, model, rollout string) (*report.Story, error) {
	var cases []judge.Case
	collect := func(c judge.Case) error { cases = append(cases, c); return nil }
	if err := stored(ctx, client, dir, model, rollout, collect); err != nil {
		return nil, err
	}
	h := report.Heading{Model: model, Rollout: rollout}
	if dir != "" {
		return report.Tell(h, cases), nil
	}
	all, err := client.Rollouts(ctx, 100)
	if err != nil {
		return nil, err
	}
	for _, x := range all { // one that is older is told without
		if x.Rollout == rollout {
			h.StableVersion, h.CanaryVersion, h.Outcome, h.Actor, h.Reason = x.Stable, x.Version, x.Outcome, x.Actor, x.Reason
		}
	}
	return report.Tell(h, cases), nil
}
