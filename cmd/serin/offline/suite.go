package offline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/rollout"
	"serin/internal/sim"
)

// attempt is a trial with what was measured.
type attempt struct {
	sim.Trial
	Report measured `json:"report"`
	// Broken says which limits are not kept, a sentence each.
	Broken []string `json:"broken"`
}

func newSuite(c term.Console, plan rollout.Plan) *cobra.Command {
	var b batch
	var only string
	cmd := &cobra.Command{
		Use:   "suite",
		Short: "Measure what is promised of the monitor, and fail where it is not kept",
		Long: `Measure what is promised of the monitor under the default plan: false alarms and
false passes at most alpha in all laws, delays, and what disturbs a canary that is
as good as stable. Levels and delays are those of the bare tests, without margins,
floors and initial delay. A limit is kept if the measured number does not exceed
it: a rate of 0.0501 breaks 0.05. Exit code 1 if any is broken.`,
		Example: `  serin simulate suite                        4000 canaries in each trial
  serin simulate suite --runs 500 --only slower`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := b.check(); err != nil {
				return term.Usage(err)
			}
			return b.suite(cmd.Context(), c, plan, only)
		},
	}
	b.flags(cmd.Flags(), 4000)
	cmd.Flags().StringVar(&only, "only", "", "only trials with this in their name")
	return cmd
}

func (b *batch) suite(ctx context.Context, c term.Console, plan rollout.Plan, only string) error {
	attempts := []attempt{}
	for i, trial := range sim.Suite(plan) {
		if !strings.Contains(trial.Name, only) {
			continue
		}
		own := *b
		own.seed += uint64(i) // or one odd run would show in every trial
		runs, err := own.fly(ctx, c, trial.Scenario, trial.Name)
		if err != nil {
			return err // of a part of the runs nothing is promised
		}
		a := attempt{Trial: trial, Report: own.measure(trial.Scenario, runs)}.judged()
		if !term.Data(b.output) {
			a.write(c.Out)
		}
		attempts = append(attempts, a)
	}
	if len(attempts) == 0 {
		return term.Usage(fmt.Errorf("no trial has %q in its name", only))
	}
	if term.Data(b.output) {
		if err := c.Print(b.output, attempts, nil); err != nil {
			return err
		}
	}
	return verdictOf(attempts)
}

// verdictOf is an error if any limit is broken.
func verdictOf(attempts []attempt) error {
	for _, a := range attempts {
		if len(a.Broken) > 0 {
			return term.Found(api.ExitInternal)
		}
	}
	return nil
}

// judged is the attempt with what breaks its limits.
func (a attempt) judged() attempt {
	a.Broken = []string{}
	for _, limit := range a.Limits {
		if broken := limit.Broken(&a.Report.Report); broken != "" {
			a.Broken = append(a.Broken, broken)
		}
	}
	return a
}

// write is a trial for people, as soon as it has ended.
func (a attempt) write(w io.Writer) {
	result := "reported"
	switch {
	case len(a.Broken) > 0:
		result = "BROKEN"
	case len(a.Limits) > 0:
		result = "kept"
	}
	fmt.Fprintf(w, "%-8s  %s\n", result, a.Name)
	for _, mark := range a.marks() {
		fmt.Fprintf(w, "          %-26s %s\n", mark, a.Report.Line(mark))
	}
	for _, broken := range a.Broken {
		fmt.Fprintf(w, "          %s\n", broken)
	}
}

// marks are those that matter: what has limits, what a run was flown for, and
// both rules' alarms, unless runs were ended without waiting for one.
func (a attempt) marks() []sim.Mark {
	marks := slices.Clone(a.Scenario.EndWhen)
	if len(marks) == 0 {
		marks = []sim.Mark{sim.SeedAlarm, sim.Alarm, sim.Confirmed}
	}
	for _, limit := range a.Limits {
		if !slices.Contains(marks, limit.Mark) {
			marks = append(marks, limit.Mark)
		}
	}
	return marks
}
