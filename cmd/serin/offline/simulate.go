package offline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/rollout"
	"serin/internal/sim"
)

// simulation is what the flags of simulate say.
type simulation struct {
	scenario  sim.Scenario
	law       string
	load      string
	weights   []string
	loadSD    float64
	sessions  bool
	strict    bool
	stopEarly bool
	each      string
	batch
}

// batch says how the runs are carried out; it is the same for the suite.
type batch struct {
	runs, workers int
	seed          uint64
	output        string
}

func newSimulate(c term.Console, plan rollout.Plan) *cobra.Command {
	s := simulation{
		scenario: sim.Scenario{Plan: plan, LookEvery: 10 * time.Second, Rate: 10, Baseline: 6000, Scores: true},
		law:      "lognormal", load: "none", weights: []string{plan.Weight.String()}, loadSD: 0.3,
	}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Fly thousands of canaries in virtual time, and see how soon each rule sees what",
		Long: `Fly thousands of canaries in virtual time, through the same split, gauges, judge
and law that serve, and print how often and how soon the seed's rule (Welch's
test, asked again at each look) and the monitor raise an alarm or pass.

Latencies follow --law, the same for both arms; what is wrong with the canary is
said by the flags of its own. The answer depends on --seed and not on --workers.
Ctrl-C ends it with what was measured so far.`,
		Example: `  serin simulate                                    equal versions: every alarm is false
  serin simulate --slowdown 10% --runs 4000
  serin simulate --slowdown 25% --look-every 1s --stop-early
  serin simulate --law outliers --canary-outliers 2%
  serin simulate --law heavy --load ar1 --strict    the bare tests, without margins
  serin simulate --weight 1%,10%,25% --load ramp    the weight rises while all gets slower
  serin simulate --cold-start --initial-delay 0s
  serin simulate suite                              what is promised, measured`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.complete(cmd.Flags()); err != nil {
				return term.Usage(err)
			}
			return s.run(cmd.Context(), c)
		},
	}
	s.traffic(cmd.Flags())
	s.faults(cmd.Flags())
	s.plan(cmd.Flags())
	s.flags(cmd.Flags(), 1000)
	cmd.Flags().StringVar(&s.each, "each", "", "write what each run has reached first to this file, as CSV")
	cmd.AddCommand(newSuite(c, plan))
	return cmd
}

func (b *batch) flags(f *pflag.FlagSet, runs int) {
	f.IntVar(&b.runs, "runs", runs, "how many canaries")
	f.Uint64Var(&b.seed, "seed", 1, "the same seed gives the same answer")
	f.IntVar(&b.workers, "workers", runtime.GOMAXPROCS(0), "how many fly at a time")
	f.StringVarP(&b.output, "output", "o", "text", term.Outputs)
}

func (s *simulation) traffic(f *pflag.FlagSet) {
	law := &s.scenario.Law
	f.StringVar(&s.law, "law", s.law, "latencies: normal, lognormal, heavy (lognormal, sigma 1) or outliers (1 % take 20 times as long)")
	f.DurationVar(&law.Mean, "mean", 0, "mean latency (default the law's: 100ms)")
	f.Float64Var(&law.Sigma, "sigma", 0, "their spread: sd/mean of normal ones, sd of ln of the others (default the law's)")
	f.Var((*shareFlag)(&law.Outliers), "outliers", "share of both arms' requests that take far longer (default the law's)")
	f.Float64Var(&law.Factor, "outlier-factor", 0, "how much longer (default the law's: 20)")
	f.Var((*rateFlag)(&s.scenario.Rate), "rate", "requests a second, as 10/s")
	f.StringSliceVar(&s.weights, "weight", s.weights, "the canary's share; of several, each for an equal part of the period")
	f.IntVar(&s.scenario.Baseline, "baseline", s.scenario.Baseline, "requests that stable answers before the canary is deployed")
	f.StringVar(&s.load, "load", s.load, "on both arms: none, ar1 (wanders, new each 10 s) or ramp (twice as slow at the end)")
	f.Float64Var(&s.loadSD, "load-sd", s.loadSD, "sd of ar1 in ln latency")
	f.BoolVar(&s.sessions, "sessions", false, "about ten requests in a row share an effect, of sd 0.3 in ln latency")
	f.Var((*shareFlag)(&s.scenario.Errors), "error-rate", "share of both arms' requests that fail")
	f.BoolVar(&s.scenario.Scores, "scores", s.scenario.Scores, "answers have a score")
}

func (s *simulation) faults(f *pflag.FlagSet) {
	canary := &s.scenario.Canary
	f.Var((*shareFlag)(&canary.Slowdown), "slowdown", "how much slower the canary is")
	f.Var((*shareFlag)(&canary.Outliers), "canary-outliers", "share of its requests, beside the law's, that take far longer")
	f.Var((*shareFlag)(&canary.Errors), "canary-errors", "share of its requests, beside --error-rate, that fail")
	f.Float64Var(&canary.Shift, "score-shift", 0, "by how many sd its scores are moved")
	f.BoolVar(&canary.ColdStart, "cold-start", false, "its first request takes 3 times as long, the 20th 1.7 times, ...")
	f.Var((*shareFlag)(&canary.Disturbance.SD), "disturbance", "sd of a load that only its process has, new each 10 s")
}

func (s *simulation) plan(f *pflag.FlagSet) {
	p := &s.scenario.Plan
	f.DurationVar(&p.Period, "period", p.Period, "how long a canary is observed")
	f.DurationVar(&s.scenario.LookEvery, "look-every", s.scenario.LookEvery, "time between two looks")
	f.DurationVar(&p.InitialDelay, "initial-delay", p.InitialDelay, "its first latencies are not judged for so long")
	f.Float64Var(&p.Alpha, "alpha", p.Alpha, "level of Welch's test, and of the monitor over all its looks")
	f.Uint64Var(&p.MinSamples, "min-samples", p.MinSamples, "fewest observations per arm for Welch's test")
	f.DurationVar(&p.MinEffect, "min-effect", p.MinEffect, "a smaller difference raises no alarm")
	f.Var((*shareFlag)(&p.MinSlowdown), "min-slowdown", "a smaller slowdown raises no alarm of the monitor")
	f.Var((*shareFlag)(&p.Tolerance), "tolerance", "slowdown that is too much to pass")
	f.Float64Var(&p.MinDrift, "min-drift", p.MinDrift, "a smaller change of the scores (PSI) raises no alarm")
	f.StringVar((*string)(&p.OnAlarm), "on-alarm", string(p.OnAlarm), "what a confirmed alarm does: hold or rollback")
	f.StringVar((*string)(&p.AtEnd), "at-end", string(p.AtEnd), "what follows: hold, promote or rollback")
	f.BoolVar(&s.strict, "strict", false, "no margins, floors or initial delay: the bare tests")
	f.BoolVar(&s.stopEarly, "stop-early", false, "end a run once both rules have raised an alarm")
}

// complete turns the words among the flags into a scenario, and checks it.
func (s *simulation) complete(given *pflag.FlagSet) error {
	law, known := sim.Laws()[s.law]
	if !known {
		return fmt.Errorf("law %q is unknown: use normal, lognormal, heavy or outliers", s.law)
	}
	own := s.scenario.Law
	s.scenario.Law = law
	for flag, set := range map[string]func(){
		"mean":           func() { s.scenario.Law.Mean = own.Mean },
		"sigma":          func() { s.scenario.Law.Sigma = own.Sigma },
		"outliers":       func() { s.scenario.Law.Outliers = own.Outliers },
		"outlier-factor": func() { s.scenario.Law.Factor = own.Factor },
	} {
		if given.Changed(flag) {
			set()
		}
	}
	const rho = 0.9
	switch s.load {
	case "none":
	case "ar1":
		s.scenario.Load = sim.Wander{SD: s.loadSD, Rho: rho}
	case "ramp":
		s.scenario.Rise = 1
	default:
		return fmt.Errorf("load %q is unknown: use none, ar1 or ramp", s.load)
	}
	if s.sessions {
		s.scenario.Sessions = 0.3
	}
	if s.scenario.Canary.Disturbance.SD > 0 {
		s.scenario.Canary.Disturbance.Rho = rho
	}
	for i, text := range s.weights {
		w, err := api.ParseWeight(text)
		if err != nil {
			return err
		}
		if i == 0 {
			s.scenario.Plan.Weight = w
		} else {
			s.scenario.Weights = append(s.scenario.Weights, w)
		}
	}
	if s.strict {
		s.scenario.Plan = sim.Strict(s.scenario.Plan)
	}
	if s.stopEarly {
		s.scenario.EndWhen = []sim.Mark{sim.SeedAlarm, sim.Alarm}
	}
	if err := s.check(); err != nil {
		return err
	}
	return s.scenario.Check()
}

func (b *batch) check() error {
	switch {
	case b.runs < 1:
		return fmt.Errorf("%d runs are none", b.runs)
	case b.workers < 1:
		return fmt.Errorf("%d workers do nothing", b.workers)
	}
	return term.CheckOutput(b.output)
}

func (s *simulation) run(ctx context.Context, c term.Console) error {
	runs, err := s.fly(ctx, c, s.scenario, "")
	if len(runs) == 0 {
		return err
	}
	if s.each != "" {
		err = errors.Join(writeEach(s.each, runs), err)
	}
	report := s.measure(s.scenario, runs)
	return errors.Join(c.Print(s.output, report, report.write), err)
}

// writeEach writes a line for each mark that each run has reached, and one for
// its end.
func writeEach(path string, runs []sim.Run) error {
	var text bytes.Buffer
	fmt.Fprintln(&text, "run,mark,look,canary,minutes")
	line := func(run int, mark string, m sim.Moment) {
		fmt.Fprintf(&text, "%d,%s,%d,%d,%.6g\n", run, mark, m.Look, m.Canary, m.At.Minutes())
	}
	for i := range runs {
		for mark, first := range runs[i].First {
			if first.Look > 0 {
				line(i, sim.Mark(mark).String(), first)
			}
		}
		line(i, "end", runs[i].End)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing each run: %w", err)
	}
	return nil
}

// measured is a report with what was asked for.
type measured struct {
	sim.Report
	Seed uint64 `json:"seed"`
	// Asked is how many runs there should have been; more than Runs if somebody
	// has ended it.
	Asked int `json:"asked"`
}

// write is the report for people.
func (m measured) write(w io.Writer) {
	if m.Runs < m.Asked {
		fmt.Fprintf(w, "ended after %d of %d canaries\n", m.Runs, m.Asked)
	}
	m.Report.Write(w)
}

// fly carries out the runs and draws a bar meanwhile. If it is interrupted, it
// returns the runs so far, and the context's error.
func (b *batch) fly(ctx context.Context, c term.Console, scenario sim.Scenario, name string) ([]sim.Run, error) {
	p := term.NewBar(c.Err, name, b.runs)
	defer p.Clear()
	return sim.Fly(ctx, scenario, b.runs, b.seed, b.workers, p.Step)
}

func (b *batch) measure(scenario sim.Scenario, runs []sim.Run) measured {
	return measured{sim.Summarise(scenario, runs), b.seed, b.runs}
}

// shareFlag is a flag for a share: "10%" or "0.1".
type shareFlag float64

func (p *shareFlag) String() string { return strconv.FormatFloat(100*float64(*p), 'g', 6, 64) + "%" }

func (p *shareFlag) Type() string { return "share" }

func (p *shareFlag) Set(text string) error {
	number, hundredth := strings.CutSuffix(strings.TrimSpace(text), "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(x) {
		return fmt.Errorf("%q is not a share: write it like 10%% or 0.1", text)
	}
	if hundredth {
		x /= 100
	}
	*p = shareFlag(x)
	return nil
}

// rateFlag is a flag for a rate: "10/s" or "10".
type rateFlag float64

func (p *rateFlag) String() string { return strconv.FormatFloat(float64(*p), 'g', -1, 64) + "/s" }

func (p *rateFlag) Type() string { return "rate" }

func (p *rateFlag) Set(text string) error {
	x, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(text), "/s"), 64)
	if err != nil || math.IsNaN(x) {
		return fmt.Errorf("%q is not a rate: write it like 10/s", text)
	}
	*p = rateFlag(x)
	return nil
}
