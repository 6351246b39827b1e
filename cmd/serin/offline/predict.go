package offline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/model"
	"serin/internal/model/format"
	"serin/internal/model/rows"
)

func newPredict(c term.Console) *cobra.Command {
	var check string
	var native NativeLibrary
	cmd := &cobra.Command{
		Use:   "predict FILE [ROWS]",
		Short: "Predict without a server: rows in, JSON lines out",
		Long: `Predict the rows of a file, or of standard input (-), with a model file of any
format that serin reads. Nothing in either file is executed.

Rows are JSON lines, each an array in the model's order or an object by name, or
CSV with a header that names the columns; columns that the model has no use for
are passed over. A missing value is null, or an empty field. Each answer is a line:

  {"probabilities": [0.2, 0.8], "prediction": 1}    in the order of the model's classes
  {"score": 1.39, "prediction": 1}                  a decision function; "scores" of more than two classes
  {"prediction": 3.25}                              a regression; an array of several numbers

At the first row that is wrong it stops, after the answers to those before, with
the line and what to correct (exit code 2). A model that is refused is exit code 8.

With --check, rows with the answers that the writing library gave are held against
the model's, as a deploy does with MODEL.golden.jsonl (exit code 8 if they differ).`,
		Example: `  serin predict model.joblib rows.csv > answers.jsonl
  echo '[0.5, 1.2, 0.8, 0.3, 1.1]' | serin predict models/model_v1.joblib
  serin predict model.joblib --check model.joblib.golden.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return errors.New("name a model file, and a file of rows or - for standard input: serin predict FILE [ROWS]")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := openModel(cmd.Context(), c, args[0], native)
			if err != nil {
				return err
			}
			if check != "" {
				return checkGolden(cmd.Context(), c, p, args[0], check)
			}
			name, in := "standard input", cmd.InOrStdin()
			if len(args) == 2 && args[1] != "-" {
				f, err := os.Open(args[1])
				if err != nil {
					return term.Usage(fmt.Errorf("the rows cannot be opened: %w", err))
				}
				defer f.Close()
				name, in = args[1], f
			}
			return predictAll(cmd.Context(), c, p, name, in)
		},
	}
	cmd.Flags().StringVar(&check, "check", "", "file of golden predictions to hold the model against, instead of rows")
	native.Flag(cmd)
	return cmd
}

// openModel loads a model file, with a meter for those that take long.
func openModel(ctx context.Context, c term.Console, path string, native NativeLibrary) (model.Predictor, error) {
	options, err := native.Options()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, term.Usage(fmt.Errorf("the model cannot be opened: %w", err))
	}
	defer f.Close()
	m := term.NewMeter(c.Err, "loading", f)
	defer m.Clear()
	p, err := format.Open(term.Reader(ctx, f, m), options)
	if _, ok := errors.AsType[*format.Panic](err); ok {
		if digest, _, failed := hashed(ctx, f, nil, func(io.Reader) error { return nil }); failed == nil {
			err = format.Reportable(err, digest)
		}
	}
	if err != nil {
		return nil, refusedModel(path, err)
	}
	return p, nil
}

// refusedModel names the file in front of what is wrong with it.
func refusedModel(path string, err error) error {
	if refusal, ok := errors.AsType[*model.Refusal](err); ok {
		return fmt.Errorf("%s is refused: %w", path, refusal)
	}
	return fmt.Errorf("%s: %w", path, err)
}

func checkGolden(ctx context.Context, c term.Console, p model.Predictor, path, golden string) error {
	f, err := os.Open(golden)
	if err != nil {
		return term.Usage(fmt.Errorf("the golden predictions cannot be opened: %w", err))
	}
	defer f.Close()
	m := term.NewMeter(c.Err, "checking", f)
	defer m.Clear()
	n, err := rows.Check(p, term.Reader(ctx, f, m))
	if err != nil {
		return refusedModel(path, err)
	}
	fmt.Fprintf(c.Out, "%s reproduces all %d golden predictions of %s\n", path, n, golden)
	return nil
}

// predictAll answers row after row.
func predictAll(ctx context.Context, c term.Console, p model.Predictor, name string, in io.Reader) error {
	schema := rows.NewSchema(p.Signature())
	var m *term.Meter
	if f, ok := in.(*os.File); ok {
		if term.Watched(f) {
			row, _ := schema.Sketch()
			fmt.Fprintf(c.Err, "waiting for rows such as\n  %s\nCtrl-D ends the input.\n", row)
		} else if !c.Watched() {
			m = term.NewMeter(c.Err, "predicting", f)
		}
	}
	defer m.Clear()
	source, err := rows.NewSource(name, term.Reader(ctx, in, m), schema)
	if err == nil {
		if source.Unused != nil {
			fmt.Fprintf(c.Err, "%s: the model has no use for %s\n", name, strings.Join(source.Unused, ", "))
		}
		out := &sink{to: c.Out}
		if err = source.Answer(p, out, m.Told); out.failed != nil {
			return err
		}
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("predict: interrupted: %w", ctx.Err())
	default:
		return term.Usage(err)
	}
}

// sink remembers trouble with where answers go, which is not the rows' fault.
type sink struct {
	to     io.Writer
	failed error
}

func (s *sink) Write(b []byte) (n int, err error) {
	n, s.failed = s.to.Write(b)
	return n, s.failed
}
