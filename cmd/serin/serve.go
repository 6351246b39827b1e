package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"serin/internal/api"
	"serin/internal/app"
)

func newServe(c console) *cobra.Command {
	config := app.Default()
	weight, logFormat, name := config.Plan.Weight.String(), "text", config.Models[0].Name
	var given []string
	var native nativeLibrary
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve models, and their canaries while there are some",
		Long: `Serve a model, or several, and the canary of each while there is one.

Everything that was decided survives in the state directory: after a restart, or
a kill at any moment, the same versions, split, remaining time and evidence come
back. A state directory that already has a stable version goes on with it;
--model is only what an empty one starts with.

The first model is the default: POST /predict asks it, POST /models/NAME/predict
any of them, and serin deploy --model NAME releases for one. A model that the
state directory knows and nobody names is left alone.

A model file is parsed as data. Nothing in it is executed.`,
		Example: `  serin serve
  serin serve --model churn.joblib --data /var/lib/serin --listen 127.0.0.1:9000
  serin serve --model churn=churn.joblib --model fraud=fraud.onnx
  serin serve --models models
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
			config.Models = modelsOf(given, name, config)
			config.Plan.Weight, config.Version, config.Step = w, cmd.Root().Version, c.step
			if err := config.Validate(); err != nil {
				return usageError{err}
			}
			if config.Reading, err = native.options(); err != nil {
				return err
			}
			return app.Run(cmd.Context(), config, func(r app.Ready) {
				announce(c.out, r, config, given)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&config.Listen, "listen", config.Listen, "loopback address to listen on")
	f.StringVar(&config.GRPC, "grpc-listen", "", "loopback address for gRPC, or off (default: the port after --listen's)")
	f.StringVar(&config.Data, "data", config.Data, "state directory")
	f.StringArrayVar(&given, "model", nil, "NAME=FILE: a model, and what an empty state directory starts it with; may be repeated, and the first is the default (default "+config.Models[0].Path+")")
	f.StringVar(&name, "name", name, "name of a model that --model gives none")
	f.StringVar(&config.Folder, "models", "", "folder whose model files are served, each by the name of its file")
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

// modelsOf are the models that are given as NAME=FILE, or as FILE alone. Without
// any, and without a folder of them, it is the default one.
func modelsOf(given []string, name string, c app.Config) []app.Model {
	if len(given) == 0 && c.Folder != "" {
		return nil
	}
	if len(given) == 0 {
		given = []string{c.Models[0].Path}
	}
	var models []app.Model
	for _, text := range given {
		m := app.Model{Name: name, Path: text}
		// What is in front of a = may as well be a part of a path, which has a slash.
		if before, after, ok := strings.Cut(text, "="); ok && !strings.ContainsAny(before, "/\\") {
			m = app.Model{Name: before, Path: after}
		}
		models = append(models, m)
	}
	return models
}
