package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"serin/cmd/serin/term"
	"serin/internal/api"
	"serin/internal/load"
)

// benchmark is what the flags of bench say.
type benchmark struct {
	plan       load.Plan
	target     load.Target
	server     string
	features   string
	data       string
	path       string
	body       string
	mime       string
	thresholds []string
	output     string
	identity   identity
}

func newBench(c term.Console) *cobra.Command {
	b := benchmark{plan: load.Plan{Duration: 10 * time.Second, WarmUp: time.Second, Connections: 16, Timeout: 10 * time.Second}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Put load on a server, and see the latencies of both arms side by side",
		Long: `Put load on a server in any of its protocols, and print how long the answers
took, of both arms side by side.

The rows are those of --data or --features. Without them one is made up from what
the server tells of its model. --rows puts many of them into a request. With --body
and --path any request can be sent to any HTTP server.

With --rate the loop is open: requests are due at fixed times whether or not the
server keeps up, and a latency is counted from when its request was due
(coordinated omission is avoided). Without it each connection sends its next
request when the last one is answered, which finds how much the server can do.

A --threshold that is not met ends the command with exit code 3:
  p99<10ms   canary.p99.9<=20ms   canary/stable.p50<1.1   errors<0.1%   rate>1000
The measures are pNN, mean, max, errors and rate.`,
		Example: `  serin bench                                      how much can it do?
  serin bench --rate 500 --duration 1m             what do clients see at 500/s?
  serin bench --rate 500 --threshold 'canary/stable.p99<1.2' --threshold 'errors<0.1%'
  serin bench --data rows.jsonl --output json      rows of your own, one a line
  serin bench --protocol grpc --rows 1000          batches, over gRPC
  serin bench --server http://127.0.0.1:3000 --path /score --body request.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context(), c, cmd.InOrStdin()) },
	}
	f := cmd.Flags()
	f.StringVar(&b.server, "server", "", "address of the server (default: SERIN_SERVER, or http://127.0.0.1:8000; of gRPC the port after it)")
	f.StringVar(&b.target.Protocol, "protocol", "predict", strings.Join(load.Protocols(), ", "))
	f.StringVarP(&b.target.Model, "model", "m", "", "the model (default: the server's)")
	f.IntVar(&b.target.Rows, "rows", 1, "rows in each request")
	f.BoolVar(&b.target.HTTP2, "http2", false, "speak HTTP/2, in the clear or over TLS")
	f.Float64Var(&b.plan.Rate, "rate", 0, "requests per second of an open loop; 0 is as fast as answers come")
	f.DurationVar(&b.plan.Duration, "duration", b.plan.Duration, "how long")
	f.DurationVar(&b.plan.WarmUp, "warm-up", b.plan.WarmUp, "load before the clock starts")
	f.Uint64Var(&b.plan.Requests, "requests", 0, "end after so many requests; 0 is no bound")
	f.IntVar(&b.plan.Connections, "connections", b.plan.Connections, "how many requests can be under way at once")
	f.DurationVar(&b.plan.Timeout, "timeout", b.plan.Timeout, "how long to wait for an answer")
	f.StringVar(&b.features, "features", "", "the row to send, as JSON: an array, or an object by name")
	f.StringVar(&b.data, "data", "", "send the rows of this file in turns: a JSON array or object a line; - is standard input")
	f.StringVar(&b.path, "path", "", "send --body to this path")
	f.StringVar(&b.body, "body", "", "send this file as it is; - is standard input")
	f.StringVar(&b.mime, "content-type", "application/json", "the type of --body")
	f.StringArrayVar(&b.thresholds, "threshold", nil, "a demand that sets the exit code; may be given again")
	f.StringVarP(&b.output, "output", "o", "text", term.Outputs)
	b.identity.flags(f)
	cmd.MarkFlagsMutuallyExclusive("features", "data", "body")
	return cmd
}

func (b *benchmark) run(ctx context.Context, c term.Console, stdin io.Reader) error {
	thresholds, err := b.prepare(stdin)
	if err != nil {
		return term.Usage(err)
	}
	dial, err := b.target.Dial(ctx)
	switch {
	case errors.Is(err, load.ErrUnreachable):
		return &api.Unreachable{Server: b.target.Server.String(), Err: err}
	case err != nil:
		return term.Usage(err)
	}
	if err := b.probe(ctx, dial); err != nil {
		return err
	}
	report, err := load.Run(ctx, b.plan, dial, b.progress(c))
	if report == nil || report.Requests == 0 {
		return err
	}
	verdict := measuredAgainst(report, &b.target, thresholds)
	if err := c.Print(b.output, verdict, verdict.write); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if !verdict.Met {
		return term.Found(api.ExitRegression)
	}
	return nil
}

// prepare reads what the flags say.
func (b *benchmark) prepare(stdin io.Reader) ([]load.Threshold, error) {
	if err := term.CheckOutput(b.output); err != nil {
		return nil, err
	}
	if err := b.plan.Check(); err != nil {
		return nil, err
	}
	var thresholds []load.Threshold
	for _, text := range b.thresholds {
		t, err := load.ParseThreshold(text)
		if err != nil {
			return nil, err
		}
		thresholds = append(thresholds, t)
	}
	var err error
	if b.target.Server, err = b.address(); err != nil {
		return nil, err
	}
	if b.target.Token, b.target.TLS, err = b.identity.shown(); err != nil {
		return nil, err
	}
	return thresholds, b.read(stdin)
}

// address is the server's. Of gRPC it is the port after HTTP's, if nothing else
// is said.
func (b *benchmark) address() (*url.URL, error) {
	text := cmp.Or(b.server, os.Getenv("SERIN_SERVER"), "http://127.0.0.1:8000")
	server, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	if port, err := strconv.Atoi(server.Port()); err == nil && b.target.Protocol == "grpc" && b.server == "" {
		server.Host = net.JoinHostPort(server.Hostname(), strconv.Itoa(port+1))
	}
	return server, nil
}

// read reads what is to be sent.
func (b *benchmark) read(stdin io.Reader) (err error) {
	switch {
	case (b.path == "") != (b.body == ""):
		return errors.New("--path and --body belong together: say where to send it, and what")
	case b.features != "":
		if b.target.Data, err = load.ReadRows(strings.NewReader(b.features)); err != nil || len(b.target.Data) != 1 {
			return errors.New("--features: a row is a JSON array, or an object by name, in one line")
		}
	case b.data != "":
		if err := withFile(b.data, stdin, func(r io.Reader) (err error) {
			b.target.Data, err = load.ReadRows(r)
			return err
		}); err != nil {
			return fmt.Errorf("--data %s: %w", b.data, err)
		}
	case b.body != "":
		b.target.Given = &load.Request{Path: b.path, ContentType: b.mime}
		if err := withFile(b.body, stdin, func(r io.Reader) (err error) {
			b.target.Given.Body, err = io.ReadAll(io.LimitReader(r, maxBody))
			return err
		}); err != nil {
			return fmt.Errorf("--body %s: %w", b.body, err)
		}
	}
	return nil
}

// maxBody bounds --body, in bytes.
const maxBody = 64 << 20

// withFile opens a file; "-" is standard input.
func withFile(path string, stdin io.Reader, f func(io.Reader) error) error {
	if path == "-" {
		return f(stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return f(file)
}

// probe sends one request, so that a server that is not there, or a row that
// does not fit its model, ends the command with a message and not with a table
// of errors.
func (b *benchmark) probe(ctx context.Context, dial load.Dial) error {
	one := load.Plan{Duration: time.Minute, Requests: 1, Connections: 1, Timeout: b.plan.Timeout}
	report, err := load.Run(ctx, one, dial, nil)
	if err != nil {
		return err
	}
	for what := range report.Faults {
		detail := report.Details[what]
		said := strings.TrimSuffix(what+": "+detail, ": ")
		// Otherwise it is a gRPC status.
		refused := strings.HasPrefix(what, "4") || detail != "" && what[0] != '5' && what != "Unavailable"
		if !refused {
			return &api.Unreachable{Server: b.target.Server.String(), Err: errors.New(said)}
		}
		hint := ""
		if b.target.Given == nil {
			hint = "; --features or --data gives other rows"
		}
		return term.Usage(fmt.Errorf("%s answers the first request with %s%s", b.target.Server, said, hint))
	}
	return nil
}

// progress tells once a second, where somebody watches, how far the run is.
func (b *benchmark) progress(c term.Console) func(load.Progress) {
	if !term.Watched(c.Err) {
		return nil
	}
	return func(p load.Progress) {
		fmt.Fprintf(c.Err, "\r%v of %v: %d answered, %d failed\x1b[K", p.Elapsed.Round(time.Second), b.plan.Duration, p.Answered, p.Failed)
		if p.Elapsed+time.Second >= b.plan.Duration {
			fmt.Fprint(c.Err, "\r\x1b[K")
		}
	}
}
