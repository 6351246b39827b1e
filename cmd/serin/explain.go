package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/judge"
)

func newExplain(c console) *cobra.Command {
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
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one rollout, like r1; serin status tells which")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.client()
			if err != nil {
				return err
			}
			source := func(ctx context.Context, yield func(judge.Case) error) error {
				return client.Cases(ctx, args[0], yield)
			}
			if dir != "" {
				source = func(ctx context.Context, yield func(judge.Case) error) error {
					return app.History(ctx, dir, cmp.Or(r.model, app.Default().Models[0].Name), args[0], yield)
				}
			}
			e := explanation{Rollout: args[0], Cases: []explained{}}
			if err := source(cmd.Context(), e.add); err != nil {
				return fmt.Errorf("explain: %w", err)
			}
			slices.SortStableFunc(e.Cases, func(a, b explained) int { return a.At.Compare(b.At) })
			if err := c.print(r.output, e, func(w io.Writer) { e.write(w, all) }); err != nil {
				return err
			}
			if e.Different+e.Unjudged > 0 {
				return &verdictError{api.ExitInternal}
			}
			return nil
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&dir, "data", "", "read this state directory instead of asking a server")
	cmd.Flags().BoolVar(&all, "all", false, "print every look")
	return cmd
}

// explanation is what came out of judging again.
type explanation struct {
	Rollout   string `json:"rollout"`
	Decisions int    `json:"decisions"`
	Looks     int    `json:"looks"`
	Different int    `json:"different"`
	// Unjudged counts what could not be judged again, Dropped the looks before the
	// first that is kept.
	Unjudged int         `json:"unjudged"`
	Dropped  uint64      `json:"dropped"`
	Cases    []explained `json:"cases"`
}

// explained is one case, judged again.
type explained struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	Look uint64    `json:"look"`
	// Verdict and Sentence are what was found then.
	Verdict  string `json:"verdict"`
	Sentence string `json:"sentence"`
	// Again is what the monitor says now, with its numbers in brief.
	Again       string  `json:"again"`
	Canary      uint64  `json:"canary"`
	Stable      uint64  `json:"stable"`
	Ratio       float64 `json:"ratio"`
	RatioLower  float64 `json:"ratio_lower"`
	RatioUpper  float64 `json:"ratio_upper"`
	LogE        float64 `json:"log_e"`
	LogEPromote float64 `json:"log_e_promote"`
	PValue      float64 `json:"p_value"`
	// Differs says what came out otherwise; "" if nothing did.
	Differs string `json:"differs"`
}

func (e *explanation) add(c judge.Case) error {
	if len(c.Evidence) == 0 && c.Lost == "" { // an event of the journal
		e.Cases = append(e.Cases, explained{Name: c.Name, At: c.At})
		return nil
	}
	o, differs, err := c.Again()
	switch {
	case err != nil:
		differs = "it cannot be judged: " + err.Error()
		e.Unjudged++
	case differs != "":
		e.Different++
	}
	if c.Look > 0 && e.Looks == 0 {
		e.Dropped = c.Look - 1
	}
	m := o.Monitor
	e.Cases = append(e.Cases, explained{
		Name: c.Name, At: c.At, Look: c.Look, Verdict: c.Finding.Verdict.String(), Sentence: c.Finding.Sentence, Again: m.Verdict.String(), Canary: m.Canary.Count, Stable: m.Stable.Count,
		Ratio: m.Ratio, RatioLower: m.RatioLower, RatioUpper: m.RatioUpper, LogE: m.LogE, LogEPromote: m.Promote.LogE, PValue: o.Welch.PValue, Differs: differs,
	})
	if c.Look > 0 {
		e.Looks++
	} else {
		e.Decisions++
	}
	return nil
}

// write prints the decisions, and the looks at which the verdict changed.
func (e *explanation) write(w io.Writer, all bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TIME (UTC)\tMOMENT\tCANARY\tSTABLE\tLATENCY\tCONFIDENCE\tLN E\tLN E PASS\tVERDICT")
	var told []explained
	before := "none yet"
	for _, x := range e.Cases {
		if x.Verdict == "" {
			fmt.Fprintf(table, "%s\t%s\n", x.At.UTC().Format(time.DateTime), x.Name)
			continue
		}
		changed := x.Look == 0 || x.Verdict != before
		if x.Look > 0 {
			before = x.Verdict
		}
		if changed {
			told = append(told, x)
		}
		if all || changed || x.Differs != "" {
			verdict := x.Verdict
			if x.Verdict != x.Again && x.Differs == "" {
				verdict += " (Welch)"
			}
			typical, interval := "-", "-"
			if x.RatioLower != x.RatioUpper {
				typical, interval = times(x.Ratio), times(x.RatioLower)+" to "+times(x.RatioUpper)
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%.2f\t%.2f\t%s\n", x.At.UTC().Format(time.DateTime), x.Name, x.Canary, x.Stable,
				typical, interval, x.LogE, x.LogEPromote, verdict)
		}
	}
	_ = table.Flush() // the writer below fails likewise
	fmt.Fprintln(w)
	for _, x := range told {
		fmt.Fprintf(w, "%s: %s\n", x.Name, x.Sentence)
	}
	for _, x := range e.Cases {
		if x.Differs != "" {
			fmt.Fprintf(w, "NOT THE SAME: %s: %s\n", x.Name, x.Differs)
		}
	}
	if e.Dropped > 0 {
		fmt.Fprintf(w, "the first %d looks are not kept any more\n", e.Dropped)
	}
	fmt.Fprintf(w, "rollout %s: %d decisions and %d looks were judged again, and ", e.Rollout, e.Decisions, e.Looks)
	if e.Different+e.Unjudged == 0 {
		fmt.Fprintln(w, "all came out the same")
	} else {
		fmt.Fprintf(w, "%d came out otherwise, %d could not be judged\n", e.Different, e.Unjudged)
	}
}

// times writes a ratio of latencies.
func times(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("x%.4g", ratio)
	}
	return fmt.Sprintf("%+.2f%%", 100*(ratio-1))
}

func newWeight(c console) *cobra.Command {
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
				return usageError{err}
			}
			request.Weight = w.Fraction()
			return done(cmd, c, r.output, func() (api.Change, error) { return client.Reweigh(cmd.Context(), request) })
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&request.Reason, "reason", "", "why; goes into the journal")
	return cmd
}
