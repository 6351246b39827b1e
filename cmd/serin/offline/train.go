package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/train"
)

// trained is what train prints of one file.
type trained struct {
	Path      string             `json:"path"`
	Rows      int                `json:"rows"`
	Intercept float64            `json:"intercept"`
	Coef      map[string]float64 `json:"coefficients"`
	Accuracy  float64            `json:"accuracy"`
	LogLoss   float64            `json:"log_loss"`
	AUC       float64            `json:"auc"`
	// HeldOut is the number of rows that the scores are on and the model was not
	// fitted on; 0 if the scores are on the rows that it was fitted on.
	HeldOut int `json:"held_out_rows"`

	names []string
}

func newTrain(c term.Console) *cobra.Command {
	var target, out, dir, output string
	var strength float64
	cmd := &cobra.Command{
		Use:   "train [DATA.csv --target COLUMN --out FILE.joblib]",
		Short: "Fit a logistic regression and write a joblib file",
		Long: `Fit a logistic regression and write a joblib file that serin serves and scikit-learn
opens.

Without a file it fits the two example models on invented customers. With one it
fits on your table: a header row, numbers in every column but the target's, and
two different values there.`,
		Example: `  serin train                                                 models/model_v1.joblib, models/model_v2.joblib
  serin train data.csv --target churned --out churn.joblib`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := term.CheckOutput(output); err != nil {
				return err
			}
			var done []trained
			var err error
			switch {
			case len(args) == 0 && (cmd.Flags().Changed("target") || cmd.Flags().Changed("out") || cmd.Flags().Changed("c")):
				return term.Usage(errors.New("--target, --out and --c are about a table: name the CSV file, too (the example models go to --dir)"))
			case len(args) == 0:
				done, err = trainExamples(dir)
			case target == "" || out == "":
				return term.Usage(errors.New("a table needs --target COLUMN and --out FILE.joblib"))
			default:
				var one trained
				one, err = trainTable(cmd.Context(), c.Err, args[0], target, out, train.Options{C: strength})
				done = []trained{one}
			}
			if err != nil {
				return err
			}
			return c.Print(output, done, func(w io.Writer) {
				for _, t := range done {
					t.write(w)
				}
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&target, "target", "", "column to predict")
	f.StringVar(&out, "out", "", "file to write")
	f.StringVar(&dir, "dir", "models", "folder for the two example models")
	f.Float64Var(&strength, "c", 1, "inverse strength of the L2 penalty, scikit-learn's C")
	f.StringVarP(&output, "output", "o", "text", term.Outputs)
	return cmd
}

func trainExamples(dir string) ([]trained, error) {
	reports, err := train.WriteSeedModels(dir)
	if err != nil {
		return nil, err
	}
	var done []trained
	for _, r := range reports {
		done = append(done, describe(r.Path, r.Rows, r.Model, r.HeldOut, r.HeldOut.Rows))
	}
	return done, nil
}

func trainTable(ctx context.Context, progress io.Writer, path, target, out string, o train.Options) (trained, error) {
	if !(o.C > 0) {
		return trained{}, term.Usage(fmt.Errorf("c %v is not above 0", o.C))
	}
	f, err := os.Open(path)
	if err != nil {
		return trained{}, term.Usage(fmt.Errorf("the table cannot be opened: %w", err))
	}
	defer f.Close()
	if same(f, out) {
		return trained{}, term.Usage(fmt.Errorf("--out %s is the table itself: name another file, such as %s", out, strings.TrimSuffix(out, filepath.Ext(out))+".joblib"))
	}
	fmt.Fprintf(progress, "reading %s\n", path)
	meter := term.NewMeter(progress, "reading", f)
	data, err := train.ReadCSV(term.Reader(ctx, f, meter), target)
	meter.Clear()
	if err != nil {
		return trained{}, term.Usage(fmt.Errorf("%s: %w", path, err))
	}
	fmt.Fprintf(progress, "fitting %d rows of %d features\n", data.Rows(), len(data.Names))
	end := term.Elapsed(progress, "fitting")
	m, err := train.Fit(data, o)
	end()
	if err != nil {
		return trained{}, term.Usage(fmt.Errorf("%s: %w", path, err))
	}
	if err := m.WriteFile(out); err != nil {
		return trained{}, err
	}
	return describe(out, data.Rows(), m, m.Score(data), 0), nil
}

// same says whether a path leads to the open file.
func same(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

func describe(path string, rows int, m train.Model, s train.Score, heldOut int) trained {
	t := trained{
		Path: filepath.ToSlash(path), Rows: rows, Intercept: m.Intercept, Coef: map[string]float64{},
		Accuracy: s.Accuracy, LogLoss: s.LogLoss, AUC: s.AUC, HeldOut: heldOut, names: m.Names,
	}
	for i, name := range m.Names {
		t.Coef[name] = m.Coef[i]
	}
	return t
}

func (t trained) write(w io.Writer) {
	on := "on the rows it was fitted on"
	if t.HeldOut > 0 {
		on = fmt.Sprintf("on %d other rows", t.HeldOut)
	}
	fmt.Fprintf(w, "%s: fitted on %d rows; accuracy %.1f %%, log-loss %.4f, AUC %.4f %s\n", t.Path, t.Rows, 100*t.Accuracy, t.LogLoss, t.AUC, on)
	const shown = 12
	var terms []string
	for i, name := range t.names {
		if i == shown {
			terms = append(terms, fmt.Sprintf("and %d more", len(t.names)-shown))
			break
		}
		terms = append(terms, fmt.Sprintf("%+.4g %s", t.Coef[name], name))
	}
	fmt.Fprintf(w, "  log-odds = %.4g %s\n", t.Intercept, strings.Join(terms, " "))
}
