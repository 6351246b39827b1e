package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/report"
)

func newExplain(c term.Console) *cobra.Command {
	var r remote
	var dir string
	var all bool
	cmd := &cobra.Command{
		Use:   "explain ROLLOUT",
		Short: "Judge a rollout again, look by look, from the evidence that was stored",
		Long: `Judge a rollout again, look by look, from the evidence that was stored.

Each decision and each look of the monitor is stored with the evidence that it
was made from. This command judges all of them once more, here, and must come to
the same. It prints the decisions and the looks at which the verdict changed; the
whole course with --all.

With --data it reads the state directory of a server that does not run.`,
		Example: `  serin explain r1
  serin explain r1 --all
  serin explain r1 --data serin-data`,
		Args:              oneRollout,
		ValidArgsFunction: r.completeRollouts,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			e := report.Explanation{Rollout: args[0], Cases: []report.Explained{}}
			end := term.Elapsed(c.Err, "judging again what was stored")
			err = stored(cmd.Context(), client, dir, r.model, args[0], e.Add)
			end()
			if err != nil {
				return fmt.Errorf("explain: %w", err)
			}
			slices.SortStableFunc(e.Cases, func(a, b report.Explained) int { return a.At.Compare(b.At) })
			if err := c.Print(r.output, e, func(w io.Writer) { e.Write(w, all) }); err != nil {
				return err
			}
			if e.Different+e.Unjudged > 0 {
				return term.Found(api.ExitInternal)
			}
			return nil
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&dir, "data", "", "read this state directory instead of asking a server")
	cmd.Flags().BoolVar(&all, "all", false, "print every look")
	return cmd
}

func newWeight(c term.Console) *cobra.Command {
	var r remote
	var request api.WeightRequest
	cmd := &cobra.Command{
		Use:     "weight SHARE",
		Short:   "Give the canary another share of the requests",
		Example: "  serin weight 25%\n  serin weight 0.5 --reason \"a quarter went well\"",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one share, like 25%: serin weight SHARE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			w, err := api.ParseWeight(args[0])
			if err != nil {
				return term.Usage(err)
			}
			request.Weight = w.Fraction()
			return done(cmd, c, r.output, func() (api.Change, error) { return client.Reweigh(cmd.Context(), request) })
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why; goes into the journal")
	return cmd
}
