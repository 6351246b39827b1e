package offline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/assay"
	"serin/internal/rollout"
)

// comparison is what the flags of judge say.
type comparison struct {
	stable, canary, reference string
	unit, weight, output      string
	ascii                     bool
	plan                      rollout.Plan
}

func newJudge(c term.Console, plan rollout.Plan) *cobra.Command {
	o := comparison{unit: "ms", output: "text", plan: plan}
	o.plan.InitialDelay = 0
	o.ascii = !speaksUTF8(os.Getenv)
	cmd := &cobra.Command{
		Use:   "judge --stable FILE --canary FILE",
		Short: "Judge latencies that were measured elsewhere, from two CSV files",
		Long: `Judge latencies that were measured elsewhere, by the rules that a server uses.

Each file has a row for each request, in the order in which they were answered:

  latency   in --unit; or latency_ns, latency_us, latency_ms, latency_s
  error     1 or true for a request without an answer, whose latency may be empty
  score     the model's answer as a probability; may be empty
  time      when it was answered: seconds, or 2006-01-02T15:04:05Z; never backwards

Columns are found by their names and others are not read. A file without a header
has one column, of latencies. - is standard input.

What is compared must be comparable: requests that were dealt at random, and
answered during the same time. With times in both files both arms are judged from
the first canary request to the last, in windows as a server does, and stable
before that is the reference. Without times the reference, which is what stable's
latencies are expected to look like, is --reference or stable's first quarter.

The verdict is of one look, at the end. Exit code 0 for a pass, 3 for a fail, 4 for
neither, 9 for evidence that is invalid.`,
		Example: `  serin judge --stable a.csv --canary b.csv
  serin judge --stable a.csv --canary b.csv --unit us --weight 10%
  jq -r .latency_ms canary.jsonl | serin judge --stable a.csv --canary - --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd.Flags()); err != nil {
				return term.Usage(err)
			}
			report, err := o.judge(cmd.Context(), cmd.InOrStdin(), c.Err)
			if err != nil {
				return err
			}
			if err := c.Print(o.output, report, func(w io.Writer) { report.Write(w, o.ascii) }); err != nil {
				return err
			}
			switch report.Monitor.Verdict.String() {
			case "pass":
				return nil
			case "fail":
				return term.Found(api.ExitRegression)
			case "invalid":
				return term.Found(api.ExitInvalid)
			default:
				return term.Found(api.ExitInconclusive)
			}
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

func (o *comparison) flags(f *pflag.FlagSet) {
	p := &o.plan
	f.StringVar(&o.stable, "stable", "", "CSV file of stable's requests")
	f.StringVar(&o.canary, "canary", "", "CSV file of the canary's requests")
	f.StringVar(&o.reference, "reference", "", "CSV file of stable's requests from before (default: see above)")
	f.StringVar(&o.unit, "unit", o.unit, "what latencies are in, where their column does not say: ns, us, ms or s")
	f.StringVar(&o.weight, "weight", "", "share of the requests that the canary should have got, like 10%, to test that it did")
	f.Float64Var(&p.Alpha, "alpha", p.Alpha, "level of Welch's test, and of the monitor")
	f.Uint64Var(&p.MinSamples, "min-samples", p.MinSamples, "fewest observations per arm for Welch's test")
	f.DurationVar(&p.MinEffect, "min-effect", p.MinEffect, "a smaller difference raises no alarm")
	f.Var((*shareFlag)(&p.MinSlowdown), "min-slowdown", "a smaller slowdown raises no alarm of the monitor")
	f.Var((*shareFlag)(&p.Tolerance), "tolerance", "slowdown that a pass must rule out")
	f.Float64Var(&p.MinDrift, "min-drift", p.MinDrift, "a smaller change of the scores (PSI) raises no alarm")
	f.DurationVar(&p.InitialDelay, "initial-delay", p.InitialDelay, "with times: the canary's first latencies are not judged for so long")
	f.StringVarP(&o.output, "output", "o", o.output, term.Outputs)
	f.BoolVar(&o.ascii, "ascii", o.ascii, "draw with plain characters (default where the locale is not UTF-8)")
}

// complete turns the words among the flags into a plan, and checks it.
func (o *comparison) complete(given *pflag.FlagSet) error {
	if o.stable == "" || o.canary == "" {
		return errors.New("name both files: serin judge --stable a.csv --canary b.csv")
	}
	if given.Changed("weight") {
		w, err := api.ParseWeight(o.weight)
		if err != nil {
			return err
		}
		o.plan.Weight = w
	}
	return cmp.Or(assay.CheckUnit(o.unit), term.CheckOutput(o.output), o.plan.Check())
}

// speaksUTF8 says what the locale does, by the first of its variables that is set.
func speaksUTF8(getenv func(string) string) bool {
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// judge asks, and is left behind when the context ends while it waits for input.
func (o *comparison) judge(ctx context.Context, in io.Reader, progress io.Writer) (assay.Report, error) {
	q := assay.Question{
		Stable: o.stable, Canary: o.canary, Reference: o.reference, In: in, Unit: o.unit, Planned: o.weight != "", Plan: o.plan,
	}
	if term.Watched(progress) {
		q.Watched = progress
	}
	type result struct {
		report assay.Report
		err    error
	}
	done := make(chan result, 1)
	go func() {
		report, err := q.Judge()
		done <- result{report, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return r.report, term.Usage(r.err)
		}
		return r.report, nil
	case <-ctx.Done():
		return assay.Report{}, fmt.Errorf("judge: interrupted: %w", ctx.Err())
	}
}
