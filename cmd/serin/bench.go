package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"serin/internal/api"
	"serin/internal/load"
)

// benchmark is what the flags of bench say.
type benchmark struct {
	plan       load.Plan
	server     string
	features   string
	data       string
	thresholds []string
	output     string
}

func newBench(c console) *cobra.Command {
	b := benchmark{plan: load.Plan{Duration: 10 * time.Second, WarmUp: time.Second, Connections: 16, Timeout: 10 * time.Second}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Put load on a server, and see the latencies of both arms side by side",
		Long: `Put load on a server's POST /predict, and print how long the answers took, of
both arms side by side.

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
  serin bench --data rows.jsonl --output json      rows of your own, one a line`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context(), c, cmd.InOrStdin()) },
	}
	server := os.Getenv("SERIN_SERVER")
	if server == "" {
		server = "http://127.0.0.1:8000"
	}
	f := cmd.Flags()
	f.StringVar(&b.server, "server", server, "address of the server (SERIN_SERVER)")
	f.Float64Var(&b.plan.Rate, "rate", 0, "requests per second of an open loop; 0 is as fast as answers come")
	f.DurationVar(&b.plan.Duration, "duration", b.plan.Duration, "how long")
	f.DurationVar(&b.plan.WarmUp, "warm-up", b.plan.WarmUp, "load before the clock starts")
	f.Uint64Var(&b.plan.Requests, "requests", 0, "end after so many requests; 0 is no bound")
	f.IntVar(&b.plan.Connections, "connections", b.plan.Connections, "how many requests can be under way at once")
	f.DurationVar(&b.plan.Timeout, "timeout", b.plan.Timeout, "how long to wait for an answer")
	f.StringVar(&b.features, "features", "[0.5, 1.2, 0.8, 0.3, 1.1]", "the row to send, as JSON: an array, or an object by name")
	f.StringVar(&b.data, "data", "", "send the rows of this file in turns: a JSON array or object a line; - is standard input")
	f.StringArrayVar(&b.thresholds, "threshold", nil, "a demand that sets the exit code; may be given again")
	f.StringVarP(&b.output, "output", "o", "text", "text or json")
	cmd.MarkFlagsMutuallyExclusive("features", "data")
	return cmd
}

func (b *benchmark) run(ctx context.Context, c console, stdin io.Reader) error {
	thresholds, dial, err := b.prepare(stdin)
	if err != nil {
		return usageError{err}
	}
	if err := b.probe(ctx, dial); err != nil {
		return err
	}
	report, err := load.Run(ctx, b.plan, dial, b.progress(c))
	if report == nil || report.Requests == 0 {
		return err
	}
	verdict := measuredAgainst(report, thresholds)
	if err := c.print(b.output, verdict, verdict.write); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if !verdict.Met {
		return &verdictError{api.ExitRegression}
	}
	return nil
}

// prepare reads what the flags say.
func (b *benchmark) prepare(stdin io.Reader) ([]load.Threshold, load.Dial, error) {
	if err := checkOutput(b.output); err != nil {
		return nil, nil, err
	}
	if err := b.plan.Check(); err != nil {
		return nil, nil, err
	}
	var thresholds []load.Threshold
	for _, text := range b.thresholds {
		t, err := load.ParseThreshold(text)
		if err != nil {
			return nil, nil, err
		}
		thresholds = append(thresholds, t)
	}
	server, err := url.Parse(b.server)
	if err != nil {
		return nil, nil, fmt.Errorf("--server: %w", err)
	}
	requests, err := b.requests(stdin)
	if err != nil {
		return nil, nil, err
	}
	dial, err := load.HTTP(server, requests)
	return thresholds, dial, err
}

// maxRows bounds the rows that are kept to be sent in turns.
const maxRows = 100_000

// requests makes a request of each row.
func (b *benchmark) requests(stdin io.Reader) ([]load.Request, error) {
	if b.data == "" {
		r, err := predictRequest([]byte(b.features))
		if err != nil {
			return nil, fmt.Errorf("--features: %w", err)
		}
		return []load.Request{r}, nil
	}
	in := stdin
	if b.data != "-" {
		f, err := os.Open(b.data)
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		defer f.Close()
		in = f
	}
	var requests []load.Request
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		if len(requests) == maxRows {
			return nil, fmt.Errorf("--data: %s has more than %d rows; a part of them is enough", b.data, maxRows)
		}
		r, err := predictRequest(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("--data: %s, line %d: %w", b.data, n, err)
		}
		requests = append(requests, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("--data: %s: %w", b.data, err)
	}
	if requests == nil {
		return nil, fmt.Errorf("--data: %s holds no row", b.data)
	}
	return requests, nil
}

// predictRequest puts a row into the body of POST /predict.
func predictRequest(row []byte) (load.Request, error) {
	if !json.Valid(row) {
		return load.Request{}, errors.New("a row is a JSON array, or an object by name")
	}
	body, err := json.Marshal(map[string]json.RawMessage{"features": row})
	return load.Request{Path: "/predict", ContentType: "application/json", Body: body}, err
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
		if strings.HasPrefix(what, "4") {
			return usageError{fmt.Errorf("%s answers the first request with %s: give a row that fits its model with --features or --data", b.server, what)}
		}
		return &api.Unreachable{Server: b.server, Err: errors.New(what)}
	}
	return nil
}

// progress tells once a second, where somebody watches, how far the run is.
func (b *benchmark) progress(c console) func(load.Progress) {
	f, ok := c.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(p load.Progress) {
		fmt.Fprintf(c.err, "\r%v of %v: %d answered, %d failed\x1b[K", p.Elapsed.Round(time.Second), b.plan.Duration, p.Answered, p.Failed)
		if p.Elapsed+time.Second >= b.plan.Duration {
			fmt.Fprint(c.err, "\r\x1b[K")
		}
	}
}
