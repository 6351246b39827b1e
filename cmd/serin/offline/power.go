package offline

import (
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/stats"
)

// powerPlan is the question: how many requests show this difference?
type powerPlan struct {
	Difference float64 `json:"difference"`
	SD         float64 `json:"sd"`
	Alpha      float64 `json:"alpha"`
	Power      float64 `json:"power"`
	Ratio      float64 `json:"ratio"`
	OneSided   bool    `json:"one_sided"`
}

// powerAnswer is what power prints; 1 is stable, 2 is the canary.
type powerAnswer struct {
	powerPlan
	ExactStable float64 `json:"exact_stable"`
	ExactCanary float64 `json:"exact_canary"`
	Stable      int64   `json:"stable"`
	Canary      int64   `json:"canary"`
	// PowerBelow is the power of the whole part of the exact canary size and its
	// multiple, PowerReached that of the sizes above.
	PowerBelow   float64 `json:"power_below"`
	PowerReached float64 `json:"power_reached"`
}

func newPower(c term.Console) *cobra.Command {
	p := powerPlan{}
	var output string
	cmd := &cobra.Command{
		Use:   "power",
		Short: "Compute how many requests it takes to see a slowdown",
		Long: `Compute how many requests per arm show a slowdown, by the power of the two-sample
t-test (exact, noncentral t). Difference and sd are in the same unit, say ms.`,
		Example: `  serin power
  serin power --difference 5 --sd 15
  serin power --ratio 9              a 10 % canary: nine stable requests to each canary request
  serin power --one-sided --ratio 9`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := term.CheckOutput(output); err != nil {
				return err
			}
			a, err := answerPower(p)
			if err != nil {
				return term.Usage(err)
			}
			return c.Print(output, a, a.write)
		},
	}
	f := cmd.Flags()
	f.Float64Var(&p.Difference, "difference", 10, "difference of the means to be seen")
	f.Float64Var(&p.SD, "sd", 15, "standard deviation of both arms")
	f.Float64Var(&p.Alpha, "alpha", 0.05, "level of the test")
	f.Float64Var(&p.Power, "power", 0.8, "probability of seeing the difference")
	f.Float64Var(&p.Ratio, "ratio", 1, "stable requests to each canary request; 9 for a 10% canary")
	f.BoolVar(&p.OneSided, "one-sided", false, "test only whether the canary is slower")
	f.StringVarP(&output, "output", "o", "text", term.Outputs)
	return cmd
}

func answerPower(p powerPlan) (powerAnswer, error) {
	if !(p.SD > 0) {
		return powerAnswer{}, fmt.Errorf("sd %v is not above 0", p.SD)
	}
	if !(p.Ratio > 0) {
		return powerAnswer{}, fmt.Errorf("ratio %v is not above 0: give the number of stable requests to each canary request", p.Ratio)
	}
	d := stats.Design{Ratio: 1 / p.Ratio, Alpha: p.Alpha}
	if p.OneSided {
		d.Alternative = stats.Greater
	}
	effect := p.Difference / p.SD
	sizes, err := d.SampleSize(effect, p.Power)
	if err != nil {
		return powerAnswer{}, err
	}
	a := powerAnswer{powerPlan: p, ExactStable: sizes.Exact1, ExactCanary: sizes.Exact2, Stable: sizes.N1, Canary: sizes.N2}
	reached := stats.Design{Ratio: float64(a.Canary) / float64(a.Stable), Alpha: d.Alpha, Alternative: d.Alternative}
	if a.PowerReached, err = reached.Power(effect, float64(a.Stable)); err != nil {
		return powerAnswer{}, err
	}
	// One group of whole requests fewer; too few for a test have no power.
	if below, err := d.Power(effect, math.Floor(a.ExactCanary)*p.Ratio); err == nil {
		a.PowerBelow = below
	}
	return a, nil
}

func (a powerAnswer) write(w io.Writer) {
	side := "two-sided"
	if a.OneSided {
		side = "one-sided"
	}
	if a.Ratio == 1 {
		whole := int64(math.Floor(a.ExactCanary))
		fmt.Fprintf(w, "Minimum sample size required per group: %d\n\n", whole)
		fmt.Fprintf(w, "exact root: %.4f per group\n", a.ExactCanary)
		fmt.Fprintf(w, "%d per group give %.2f %% power; %d is the first number to reach %.4g %% (%.2f %%)\n",
			whole, 100*a.PowerBelow, a.Canary, 100*a.Power, 100*a.PowerReached)
	} else {
		fmt.Fprintf(w, "Minimum sample size required: %d canary and %d stable\n\n", a.Canary, a.Stable)
		fmt.Fprintf(w, "exact root: %.4f canary and %.4f stable\n", a.ExactCanary, a.ExactStable)
		fmt.Fprintf(w, "%d and %d give %.2f %% power\n", a.Canary, a.Stable, 100*a.PowerReached)
	}
	fmt.Fprintf(w, "to see a difference of %g with sd %g by a %s t-test at alpha %g with %.4g %% power\n", a.Difference, a.SD, side, a.Alpha, 100*a.Power)
}
