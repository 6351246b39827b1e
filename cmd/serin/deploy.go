package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/rollout"
)

func newDeploy(c term.Console) *cobra.Command {
	d := &deploying{console: c}
	var r remote
	var weight string
	cmd := &cobra.Command{
		Use:   "deploy FILE",
		Short: "Release a version as a canary",
		Long: `Release a version as a canary and wait until it is live.

The server opens the file, refuses it if it is not what it can serve or does not
fit the stable version, warms it up, and only then gives it requests.

FILE is opened by the server where it finds the same bytes under that name, and
otherwise sent to it: from another folder or another machine the same command does
the same. --upload always sends it, --path never does.

FILE may be an address, from which the server fetches it: s3://, gs://, azblob://,
https://, file:///, or models:/NAME/VERSION and models:/NAME@ALIAS of MLflow. The
server must have been started with --artifact-source for it. Pin the file with
--sha256, or with #sha256=... at the end of the address.

If FILE.golden.jsonl lies beside the file, rows with the answers that the library
which wrote the model gave to them, the version is refused unless serin reproduces
them; serin predict --check does the same without a server.`,
		Example: `  serin deploy models/model_v2.joblib
  serin deploy models/model_v2.joblib --weight 5% --duration 30m
  serin deploy models/model_v2.joblib --on-alarm rollback --at-end promote
  serin deploy s3://models/churn/7.onnx --sha256 9f86d081884c7d65...
  serin deploy model.joblib --server http://models.example.com:8000`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one file: serin deploy FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if d.client, err = r.client(); err != nil {
				return err
			}
			if d.path && (d.upload || d.golden != "") {
				return term.Usage(errors.New("with --path nothing is sent: leave --upload and --golden out"))
			}
			if d.path = d.path || rollout.Elsewhere(args[0]); d.path && (d.upload || d.golden != "") {
				return term.Usage(errors.New("the server fetches the file from its address: leave --upload and --golden out"))
			}
			if weight != "" {
				w, err := api.ParseWeight(weight)
				if err != nil {
					return term.Usage(err)
				}
				fraction := w.Fraction()
				d.request.Weight = &fraction
			}
			if d.policy != (api.Policy{}) {
				d.request.Policy = &d.policy
			}
			return done(cmd, c, r.output, func() (api.Change, error) { return d.deploy(cmd.Context(), args[0]) })
		},
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&weight, "weight", "", "share of the requests, like 10% (default: the server's)")
	f.StringVar(&d.request.Duration, "duration", "", "how long it is observed, like 1h (default: the server's)")
	f.StringVar(&d.policy.AtEnd, "at-end", "", "what follows: hold, promote or rollback (default: the server's)")
	f.StringVar(&d.policy.OnAlarm, "on-alarm", "", "what follows a confirmed alarm: hold or rollback (default: the server's)")
	f.StringVar(&d.policy.InitialDelay, "initial-delay", "", "how long it settles before its latencies are judged (default: the server's)")
	f.BoolVar(&d.request.Force, "force", false, "also if the version is quarantined")
	f.StringVar(&d.request.Reason, "reason", "", "why; goes into the journal")
	f.BoolVar(&d.upload, "upload", false, "send the file, also if the server has it")
	f.BoolVar(&d.path, "path", false, "FILE is a path on the server: never send it")
	f.StringVar(&d.request.SHA256, "sha256", "", "what the SHA-256 of the file must be (default: what it is here, if it is)")
	f.StringVar(&d.golden, "golden", "", "file of golden predictions (default: FILE.golden.jsonl, if there is one)")
	return cmd
}

// deploying is one deploy on its way.
type deploying struct {
	console term.Console
	client  *api.Client
	request api.DeployRequest
	policy  api.Policy
	upload  bool
	path    bool
	golden  string
}

// deploy names the file to the server, or sends it.
func (d *deploying) deploy(ctx context.Context, name string) (api.Change, error) {
	d.request.ModelPath = name
	if d.path {
		return d.ask(ctx)
	}
	f, err := os.Open(name)
	if err != nil {
		if d.upload || d.golden != "" {
			return api.Change{}, term.Usage(fmt.Errorf("the file cannot be sent: %w", err))
		}
		return d.ask(ctx) // it may be the server's
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		if d.upload {
			return api.Change{}, term.Usage(fmt.Errorf("%s is not a regular file: give a model file", name))
		}
		return d.ask(ctx)
	}
	h := sha256.New()
	if err == nil {
		m := term.NewMeter(d.console.Err, "reading", f)
		_, err = io.Copy(h, term.Reader(ctx, f, m))
		m.Clear()
	}
	if err != nil {
		return api.Change{}, fmt.Errorf("reading %s: %w", name, err)
	}
	found := hex.EncodeToString(h.Sum(nil))
	if want := d.request.SHA256; want != "" && want != found {
		return api.Change{}, term.Usage(fmt.Errorf("the SHA-256 of %s is %s, and not %s", name, found, want))
	}
	d.request.SHA256 = found
	golden, err := os.ReadFile(goldenOf(name, d.golden))
	if err != nil && (d.golden != "" || !errors.Is(err, os.ErrNotExist)) {
		return api.Change{}, term.Usage(fmt.Errorf("the golden predictions cannot be read: %w", err))
	}
	if err == nil {
		sum := sha256.Sum256(golden)
		d.request.GoldenSHA256 = hex.EncodeToString(sum[:])
	}
	if !d.upload && d.golden == "" {
		change, err := d.ask(ctx)
		// The server has no such file, or another one, or other predictions beside it,
		// or may not open it there.
		p, refused := errors.AsType[*api.Problem](err)
		if !refused || !slices.Contains([]string{"file_not_found", "file_differs", "file_refused"}, p.Code) {
			return change, err
		}
	}
	return d.send(ctx, f, name, info.Size(), golden)
}

// ask names the file to the server, which then loads it.
func (d *deploying) ask(ctx context.Context) (api.Change, error) {
	defer term.Elapsed(d.console.Err, "waiting until the server has loaded it")()
	return d.client.Deploy(ctx, d.request)
}

// send uploads the file, whose digest is known.
func (d *deploying) send(ctx context.Context, f *os.File, name string, size int64, golden []byte) (api.Change, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return api.Change{}, fmt.Errorf("reading %s: %w", name, err)
	}
	m := term.NewMeter(d.console.Err, "sending", f)
	defer m.Clear()
	d.request.Model, d.request.Size, d.request.Golden = term.Reader(ctx, f, m), size, golden
	return d.client.Deploy(ctx, d.request)
}

// goldenOf is where the golden predictions of a model file are.
func goldenOf(name, given string) string {
	if given != "" {
		return given
	}
	return name + ".golden.jsonl"
}
