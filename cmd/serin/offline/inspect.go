package offline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/model"
	"serin/internal/model/format"
	"serin/internal/model/onnx"
	"serin/internal/model/rows"
)

func newInspect(c term.Console) *cobra.Command {
	var output string
	var native NativeLibrary
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what is inside a model file, and whether serin serves it",
		Long: `Show what is inside a model file, and whether serin serves it: what made it, its
parts and parameters, the signature (inputs and answers), a request to paste, and
what was found about its safety. Nothing in the file is executed. With - the file
is standard input.

For a file that is refused it says exactly why, and what to do next (exit code 8).`,
		Example: `  serin inspect model.joblib
  serin inspect model.joblib --output json
  curl -s https://example.com/model.joblib | serin inspect -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one file, or - for standard input: serin inspect FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := term.CheckOutput(output); err != nil {
				return err
			}
			options, err := native.Options()
			if err != nil {
				return err
			}
			i, err := inspect(cmd.Context(), c, args[0], cmd.InOrStdin(), options)
			if err != nil {
				return err
			}
			if err := c.Print(output, i, i.write); err != nil {
				return err
			}
			if i.Refused != nil {
				return term.Found(api.ExitRefused)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", term.Outputs)
	native.Flag(cmd)
	return cmd
}

// inspection is what inspect tells of a file.
type inspection struct {
	File   string `json:"file"`
	Size   int64  `json:"size_bytes"`
	SHA256 string `json:"sha256"`
	// Refused says why a file is not served; the rest is nil then.
	Refused   *refusal            `json:"refused,omitempty"`
	Signature *signature          `json:"signature,omitempty"`
	Inside    *format.Description `json:"inside,omitempty"`
	// Example is the body of a request.
	Example string `json:"example,omitempty"`
}

type refusal struct {
	Reason string `json:"reason"`
	Next   string `json:"next"`
}

// signature is a model.Signature for people and scripts.
type signature struct {
	Library   string            `json:"library"`
	Estimator string            `json:"estimator"`
	Task      string            `json:"task"`
	Answers   string            `json:"answers"`
	Outputs   int               `json:"outputs"`
	Classes   []json.RawMessage `json:"classes,omitempty"`
	Features  []feature         `json:"features"`

	says string // what a row is answered with
}

type feature struct {
	Name    string            `json:"name,omitempty"`
	Kind    string            `json:"kind"`
	Missing bool              `json:"may_be_missing"`
	Known   []json.RawMessage `json:"known,omitempty"`
}

// labelsOf are labels, which are JSON already.
func labelsOf(labels []model.Label) []json.RawMessage {
	var out []json.RawMessage
	for _, l := range labels {
		out = append(out, json.RawMessage(l))
	}
	return out
}

func signatureOf(s *model.Signature) *signature {
	out := &signature{
		Library: s.Library, Estimator: s.Estimator, Task: s.Task.String(), Answers: s.Values.String(), Outputs: s.Outputs, Classes: labelsOf(s.Classes),
		says: s.Answers(),
	}
	for _, f := range s.Features {
		out.Features = append(out.Features, feature{f.Name, f.Kind.String(), f.Missing, labelsOf(f.Known)})
	}
	return out
}

// inspect reads the file as a server would, and once more for what is inside;
// both times it must be the same bytes.
func inspect(ctx context.Context, c term.Console, path string, stdin io.Reader, options format.Options) (*inspection, error) {
	in, m, err := openForInspection(ctx, c, path, stdin)
	if err != nil {
		return nil, err
	}
	defer m.Clear()
	if f, ok := in.(*os.File); ok {
		defer f.Close()
	}
	i := &inspection{File: path}
	var p model.Predictor
	i.SHA256, i.Size, err = hashed(ctx, in, m, func(r io.Reader) (err error) {
		p, err = format.Open(r, options)
		return err
	})
	err = format.Reportable(err, i.SHA256)
	if refused, ok := errors.AsType[*model.Refusal](err); ok {
		i.Refused = &refusal{refused.Reason, refused.Next}
		return i, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	i.Signature = signatureOf(p.Signature())
	i.Example = `{"features": ` + rows.NewSchema(p.Signature()).Example() + `}`
	again, _, err := hashed(ctx, in, m, func(r io.Reader) (err error) {
		i.Inside, err = format.Describe(r, options)
		return err
	})
	err = format.Reportable(err, again)
	if err == nil && again != i.SHA256 {
		err = errors.New("the file changed while it was read; inspect it again")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return i, nil
}

func openForInspection(ctx context.Context, c term.Console, path string, stdin io.Reader) (io.ReadSeeker, *term.Meter, error) {
	if path == "-" {
		data, err := io.ReadAll(term.Reader(ctx, stdin, nil))
		if err != nil {
			return nil, nil, fmt.Errorf("reading standard input: %w", err)
		}
		return bytes.NewReader(data), nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, term.Usage(fmt.Errorf("the file cannot be opened: %w", err))
	}
	return f, term.NewMeter(c.Err, "reading", f), nil
}

// hashed has the file read from its beginning, and then to its end.
func hashed(ctx context.Context, in io.ReadSeeker, m *term.Meter, read func(io.Reader) error) (digest string, size int64, err error) {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	m.Again()
	h := sha256.New()
	all := io.TeeReader(term.Reader(ctx, in, m), h)
	err = read(all)
	if _, drained := io.Copy(io.Discard, all); drained != nil {
		return "", 0, drained
	}
	size, failed := in.Seek(0, io.SeekCurrent)
	return hex.EncodeToString(h.Sum(nil)), size, errors.Join(err, failed)
}

// write is the text form.
func (i *inspection) write(w io.Writer) {
	fmt.Fprintf(w, "%s\n  size      %d bytes\n  sha256    %s\n", i.File, i.Size, i.SHA256)
	if i.Refused != nil {
		fmt.Fprintf(w, "  refused   %s\n  next      %s\n  executed  nothing\n", plainName(i.Refused.Reason), i.Refused.Next)
		return
	}
	s := i.Signature
	fmt.Fprintf(w, "  format    %s", i.Inside.Format)
	if i.Inside.Compression != "" {
		fmt.Fprintf(w, ", compressed with %s", i.Inside.Compression)
	}
	fmt.Fprintf(w, "\n  made by   %s\n  model     %s\n  answers   %s\n", plainName(s.Library), plainName(s.Estimator), s.says)
	if i.Inside.Tree != nil {
		fmt.Fprintf(w, "\ninside\n")
		writeNode(w, i.Inside.Tree, "  ", "  ")
	}
	fmt.Fprintf(w, "\nfeatures, in this order\n")
	s.writeFeatures(w)
	fmt.Fprintf(w, "\nexample\n  curl -X POST http://127.0.0.1:8000/predict -H 'Content-Type: application/json' -d '%s'\n", strings.ReplaceAll(i.Example, "'", `'\''`))
	executed := "nothing: the file was read as data"
	if strings.HasSuffix(i.Signature.Library, onnx.ByHost) {
		executed = "ONNX Runtime's native code, on the graph of the file"
	}
	fmt.Fprintf(w, "\nsafety\n  executed  %s\n", executed)
	if i.Inside.Names != nil {
		fmt.Fprintf(w, "  names     all %d that it mentions are on the list of what serin reads:\n", len(i.Inside.Names))
		for _, name := range i.Inside.Names {
			fmt.Fprintf(w, "            %s\n", name)
		}
	}
	fmt.Fprintf(w, "  not said  whether the model is a good one: weights can be wrong by mistake or on purpose\n")
}

func (s *signature) writeFeatures(w io.Writer) {
	const shown, categories = 100, 6
	width := 0
	for _, f := range s.Features {
		width = max(width, min(len(f.Name), 40))
	}
	for i, f := range s.Features {
		if i == shown {
			fmt.Fprintf(w, "  and %d more\n", len(s.Features)-shown)
			return
		}
		fmt.Fprintf(w, "  %3d  %-*s  %s", i, width, plainName(f.Name), f.Kind)
		if f.Missing {
			fmt.Fprint(w, ", may be missing (null)")
		}
		for j, l := range f.Known {
			if j == categories {
				fmt.Fprintf(w, " and %d more", len(f.Known)-categories)
				break
			}
			fmt.Fprint(w, map[bool]string{true: ", fitted on ", false: ", "}[j == 0], string(l))
		}
		fmt.Fprintln(w)
	}
}

// writeNode draws a part and what is below it.
func writeNode(w io.Writer, n *format.Node, first, rest string) {
	fmt.Fprint(w, first)
	if n.Name != "" {
		fmt.Fprintf(w, "%s: ", plainName(n.Name))
	}
	fmt.Fprint(w, plainName(n.Value))
	for i, s := range n.Settings {
		fmt.Fprintf(w, "%s%s=%s", map[bool]string{true: "  ", false: ", "}[i == 0], plainName(s.Name), plainName(s.Value))
	}
	fmt.Fprintln(w)
	for i, part := range n.Parts {
		if i == len(n.Parts)-1 {
			writeNode(w, part, rest+"`- ", rest+"   ")
		} else {
			writeNode(w, part, rest+"|- ", rest+"|  ")
		}
	}
}

// plainName makes text from a file fit for a terminal.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
