package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/model/rows"
)

func newServe(c console) *cobra.Command {
	config := app.Default()
	weight, logFormat := config.Plan.Weight.String(), "text"
	var native nativeLibrary
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a model, and its canary while there is one",
		Long: `Serve a model, and its canary while there is one.

Everything that was decided survives in the state directory: after a restart, or
a kill at any moment, the same versions, split, remaining time and evidence come
back. A state directory that already has a stable version goes on with it;
--model is only what an empty one starts with.

A model file is parsed as data. Nothing in it is executed.`,
		Example: `  serin serve
  serin serve --model churn.joblib --data /var/lib/serin --listen 127.0.0.1:9000
  serin serve --weight 5% --duration 30m --at-end promote`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := api.ParseWeight(weight)
			if err != nil {
				return usageError{err}
			}
			if config.Log, err = newLog(c.err, logFormat); err != nil {
				return err
			}
			config.Plan.Weight, config.Version, config.Step = w, cmd.Root().Version, c.step
			if err := config.Validate(); err != nil {
				return usageError{err}
			}
			if config.Reading, err = native.options(); err != nil {
				return err
			}
			return app.Run(cmd.Context(), config, func(r app.Ready) {
				announce(c.out, r, config, cmd.Flags().Changed("model"))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&config.Listen, "listen", config.Listen, "loopback address to listen on")
	f.StringVar(&config.GRPC, "grpc-listen", "", "loopback address for gRPC, or off (default: the port after --listen's)")
	f.StringVar(&config.Data, "data", config.Data, "state directory")
	f.StringVar(&config.Model, "model", config.Model, "file that an empty state directory starts with")
	f.StringVar(&config.Name, "name", config.Name, "name of the model")
	f.StringVar(&config.Root, "root", config.Root, "directory that model files are opened in")
	f.StringVar(&weight, "weight", weight, "share of the requests that a canary gets")
	f.DurationVar(&config.Plan.Period, "duration", config.Plan.Period, "how long a canary is observed")
	f.StringVar((*string)(&config.Plan.AtEnd), "at-end", string(config.Plan.AtEnd), "what follows: hold, promote or rollback")
	f.Uint64Var(&config.Plan.MinSamples, "min-samples", config.Plan.MinSamples, "fewest observations per arm that are judged")
	f.Float64Var(&config.Plan.Alpha, "alpha", config.Plan.Alpha, "level of Welch's two-sided test, and of the monitor over all its looks")
	f.DurationVar(&config.Plan.MinEffect, "min-effect", config.Plan.MinEffect, "a smaller difference raises no alert; 0 is the bare rule")
	f.StringVar((*string)(&config.Plan.OnAlarm), "on-alarm", string(config.Plan.OnAlarm), "what follows a confirmed alarm of the monitor: hold or rollback")
	f.Float64Var(&config.Plan.MinSlowdown, "min-slowdown", config.Plan.MinSlowdown, "smallest slowdown that is worth an alarm; 0.02 is 2 %")
	f.Float64Var(&config.Plan.Tolerance, "tolerance", config.Plan.Tolerance, "slowdown that a pass must rule out")
	f.Float64Var(&config.Plan.MinDrift, "min-drift", config.Plan.MinDrift, "smallest drift of the scores (PSI) that is worth an alarm")
	f.DurationVar(&config.Plan.InitialDelay, "initial-delay", config.Plan.InitialDelay, "how long a canary settles before its latencies are judged")
	f.DurationVar(&config.Slowdown, "slowdown", config.Slowdown, "what a drill adds to canary predictions")
	f.BoolVar(&config.Drills, "drills", config.Drills, "allow drills")
	f.Int64Var(&config.MaxModelBytes, "max-model-bytes", config.MaxModelBytes, "largest model file")
	f.StringSliceVar(&config.AllowedHosts, "allowed-host", nil, "name that the server is called by, beside localhost")
	f.IntVar(&config.Limits.Concurrency, "concurrency", config.Limits.Concurrency, "how many requests are predicted at once")
	f.IntVar(&config.Limits.Queue, "queue", config.Limits.Queue, "how many more may wait; others get 503")
	f.DurationVar(&config.Limits.Patience, "queue-timeout", config.Limits.Patience, "how long one may wait; then it gets 503")
	f.DurationVar(&config.Limits.Timeout, "predict-timeout", config.Limits.Timeout, "how long one may wait and be predicted; then it gets 504; 0 is for ever")
	f.DurationVar(&config.Drain, "drain", config.Drain, "after SIGTERM: not ready, still answering")
	f.StringVar(&logFormat, "log-format", logFormat, "text or json")
	native.flag(cmd)
	return cmd
}

func newLog(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	default:
		return nil, usageError{fmt.Errorf("log format %q is unknown: use text or json", format)}
	}
}

// announce says what is served, and what to type next.
func announce(w io.Writer, r app.Ready, c app.Config, modelGiven bool) {
	s := r.State
	fmt.Fprintf(w, "serin serves %s on %s\n", s.Stable.Name, r.URL)
	fmt.Fprintf(w, "  model       %s, %s, %d features, answers %s\n", r.Signature.Estimator, r.Signature.Library, len(r.Signature.Features), signatureOf(r.Signature).answers())
	fmt.Fprintf(w, "  sha256      %s\n", s.Stable.SHA256)
	if r.GRPC != "" {
		fmt.Fprintf(w, "  gRPC        %s, Open Inference Protocol\n", r.GRPC)
	}
	if n := s.Stable.GoldenRows; n > 0 {
		fmt.Fprintf(w, "  golden      all %d predictions that came with it are reproduced\n", n)
	}
	fmt.Fprintf(w, "  state       %s, durable (fsync) before anything is acknowledged\n", c.Data)
	fmt.Fprintf(w, "  control     open to every process of this machine; no credentials\n")
	next := "serin deploy FILE"
	if s.Rollout != nil {
		fmt.Fprintf(w, "  canary      %s goes on in rollout %s with %s of the requests\n", s.Rollout.Canary.Name, s.Rollout.ID, s.Rollout.Weight)
		next = "serin status"
	}
	if modelGiven && c.Model != s.Stable.Path {
		fmt.Fprintf(w, "  note        --model %s is not served: the state directory goes on with %s; release the file with serin deploy\n", c.Model, s.Stable.Path)
	}
	if r.Changed {
		fmt.Fprintf(w, "  note        %s has changed since it was deployed, and the copy from then is served; release it with serin deploy\n", s.Stable.Path)
	}
	example := strings.ReplaceAll(rows.NewSchema(r.Signature).Example(), "'", `'\''`)
	fmt.Fprintf(w, "try\n  curl -X POST %s/predict -H 'Content-Type: application/json' -d '{\"features\": %s}'\n", r.URL, example)
	fmt.Fprintf(w, "next\n  %s%s\nstarted at %s; Ctrl-C stops it\n", next, serverFlag(r.URL), time.Now().Format(time.RFC3339))
}

// serverFlag is what a client needs beside the default address.
func serverFlag(url string) string {
	if url == "http://127.0.0.1:8000" {
		return ""
	}
	return " --server " + url
}
