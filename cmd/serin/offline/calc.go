package offline

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/calc"
)

func newCalc(c term.Console) *cobra.Command {
	var names []string
	kinds := &strings.Builder{}
	for _, k := range calc.Kinds {
		names = append(names, k.Name)
		fmt.Fprintf(kinds, "\n%s: %s\n  %s\n", k.Name, k.Does, strings.Join(k.Examples, "\n  "))
	}
	return &cobra.Command{
		Use:   "calc KIND",
		Short: "Compute tests from JSON lines, for scripts",
		Long: `Compute one of the tests below for each line of standard input: a JSON object a
line in, a JSON object a line out, at once and in the same order. Everywhere 1, or
x, is stable and 2, or y, the canary, and "greater" means that 2 is higher.

A line that makes no sense is answered by {"error": {"line", "field", "detail"}},
and at the end the exit code is 1. Blank lines are skipped.

Fields with a default: "alternative" ("two-sided", "greater" or "less"), which "p"
is for; "confidence" (0.95); "ratio" (n2/n1, or of the rates: 1); "alpha" (0.05);
"concentration" (10); "concentrations" ([10,100]). "log_p" is the natural logarithm
of p and stays right where p underflows to 0. "method" tells how p was computed;
where that is exact, "p_asymptotic" is beside it.
` + kinds.String(),
		Example: `  echo '{"d":0.5,"n1":64}' | serin calc power
  serin calc welch < questions.jsonl > answers.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("give one KIND: %s", strings.Join(names, ", "))
			}
			if !slices.Contains(names, args[0]) {
				return fmt.Errorf("kind %q is unknown: use %s", args[0], strings.Join(names, ", "))
			}
			return nil
		},
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			k := calc.Kinds[slices.Index(names, args[0])]
			in := cmd.InOrStdin()
			if term.Watched(in) {
				fmt.Fprintf(c.Err, "waiting for lines such as\n  %s\nCtrl-D ends the input.\n", strings.Join(k.Examples, "\n  "))
			}
			return answerUntil(cmd.Context(), k, in, c.Out)
		},
	}
}

// answerUntil is Run, left behind when the context ends while it waits for input.
func answerUntil(ctx context.Context, k calc.Kind, in io.Reader, out io.Writer) error {
	done := make(chan error, 1)
	go func() { done <- k.Run(in, out) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("calc %s: interrupted: %w", k.Name, ctx.Err())
	}
}
