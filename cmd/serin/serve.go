package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"serin/cmd/serin/offline"
	"serin/cmd/serin/term"
	"serin/internal/app"
)

// serving is what a command line, an environment and a file say of a server.
type serving struct {
	config       app.Config
	given        []string // models, as NAME=FILE or FILE
	name         string   // of those that have none
	logFormat    string
	native       offline.NativeLibrary
	hooks        []string // as notify.ParseHook reads them
	hookSecrets  string   // the file of their secrets
	file         string   // of settings
	print        bool
	modelsChosen bool // and not the default one
}

func newServe(c term.Console) *cobra.Command {
	s := &serving{config: app.Default(), logFormat: "text"}
	s.name = s.config.Models[0].Name
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

Each flag may also be a line of a YAML file (--config), such as weight: 5%, or a
variable such as SERIN_WEIGHT. The command line goes before the environment, and
that before the file; --print-config shows what is in force. In the file, models
may be a mapping from names to path and, where a model has its own, weight,
duration and what else is said of canaries.

A model file is parsed as data. Nothing in it is executed.`,
		Example: `  serin serve
  serin serve --model churn.joblib --data /var/lib/serin --listen 127.0.0.1:9000
  serin serve --model churn=churn.joblib --model fraud=fraud.onnx
  serin serve --models models
  serin serve --config serin.yaml --print-config
  serin serve --weight 5% --duration 30m --at-end promote`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd, c) },
	}
	s.flags(cmd)
	return cmd
}

func (s *serving) run(cmd *cobra.Command, c term.Console) error {
	printed, err := s.configure(cmd.Flags())
	if err != nil {
		return term.Usage(err)
	}
	if s.config.Log, err = newLog(c.Err, s.logFormat); err != nil {
		return err
	}
	misspelt(cmd.Flags(), s.config.Log)
	s.config.Version, s.config.Step = cmd.Root().Version, c.Step
	if s.config.Webhooks, err = webhooks(s.hooks, s.hookSecrets); err != nil {
		return term.Usage(err)
	}
	if err := s.config.Validate(); err != nil {
		return term.Usage(err)
	}
	if s.print {
		return printed(c.Out)
	}
	if s.config.Reading, err = s.native.Options(); err != nil {
		return err
	}
	return app.Run(cmd.Context(), s.config, func(r app.Ready) {
		announce(c.Out, r, s.config, s.modelsChosen)
	})
}

func (s *serving) flags(cmd *cobra.Command) {
	config, f := &s.config, cmd.Flags()
	f.SortFlags = false
	f.StringVar(&s.file, "config", "", "file of settings (SERIN_CONFIG)")
	f.BoolVar(&s.print, "print-config", false, "print the settings that are in force, and where each is from, and do not serve")
	f.StringVar(&config.Listen, "listen", config.Listen, "address to listen on, HOST:PORT or unix:FILE; one that other machines reach takes --keys, and --tls-cert or --behind-proxy")
	f.StringVar(&config.AdminListen, "admin-listen", "", "address of its own for control, pages and metrics; --listen then has predictions only")
	f.StringVar(&config.GRPC, "grpc-listen", "", "address for gRPC, or off (default: the port after --listen's)")
	admissionFlags(f, &config.Admission)
	f.StringVar(&config.Data, "data", config.Data, "state directory")
	f.Var(storeFlag{&config.Store}, "store", "postgres://user@host:5432/database: a state that several replicas share; --data then has this one's copies")
	f.StringVar(&config.Replica, "replica-id", "", "what this replica is called among them (default: the host's name)")
	f.DurationVar(&config.Isolation, "isolation-timeout", config.Isolation, "how long a replica may not hear the store before it serves stable versions only")
	f.StringArrayVar(&s.given, "model", nil, "NAME=FILE: a model, and what an empty state directory starts it with; may be repeated, and the first is the default (default "+config.Models[0].Path+")")
	f.StringVar(&s.name, "name", s.name, "name of a model that --model gives none")
	f.StringVar(&config.Folder, "models", "", "folder whose model files are served, each by the name of its file")
	f.StringVar(&config.Root, "root", config.Root, "directory that model files are opened in")
	planFlags(f, config)
	f.DurationVar(&config.Slowdown, "slowdown", config.Slowdown, "what a drill adds to canary predictions")
	f.BoolVar(&config.Drills, "drills", config.Drills, "allow drills")
	f.Int64Var(&config.MaxModelBytes, "max-model-bytes", config.MaxModelBytes, "largest model file")
	artifactFlags(f, config)
	f.StringSliceVar(&config.AllowedHosts, "allowed-host", nil, "name that the server is called by, beside localhost")
	f.IntVar(&config.Limits.Concurrency, "concurrency", config.Limits.Concurrency, "how many requests are predicted at once")
	f.IntVar(&config.Limits.Queue, "queue", config.Limits.Queue, "how many more may wait; others get 503")
	f.DurationVar(&config.Limits.Patience, "queue-timeout", config.Limits.Patience, "how long one may wait; then it gets 503")
	f.DurationVar(&config.Limits.Timeout, "predict-timeout", config.Limits.Timeout, "how long one may wait and be predicted; then it gets 504; 0 is for ever")
	f.DurationVar(&config.Drain, "drain", config.Drain, "after SIGTERM: not ready, still answering")
	f.StringArrayVar(&s.hooks, "webhook", nil, "[KIND:][NAME=]URL: a web hook that is told what is decided, as a CloudEvent; KIND is structured, binary or slack; may be repeated")
	f.StringVar(&s.hookSecrets, "webhook-secret-file", "", "file of the secrets that sign what web hooks are told, a line each: whsec_... or NAME=whsec_... (a single one also in SERIN_WEBHOOK_SECRET)")
	f.StringVar(&s.logFormat, "log-format", s.logFormat, "text or json")
	s.native.Flag(cmd)
}

// admissionFlags are about who may come in.
func admissionFlags(f *pflag.FlagSet, a *app.Admission) {
	f.StringVar(&a.Keys, "keys", "", "file of keys, by serin token new: every call then takes one; read again when it changes")
	f.StringVar(&a.KeyLines, "key-lines", "", "more lines of keys, for who has them in a variable")
	f.StringVar(&a.Cert, "tls-cert", "", "certificate for HTTP and gRPC, a PEM file; read again when it changes")
	f.StringVar(&a.Key, "tls-key", "", "its key, a PEM file")
	f.StringVar(&a.ClientCA, "tls-client-ca", "", "certificates that clients' are signed with, a PEM file; keys with cert= are known by theirs")
	f.BoolVar(&a.OpenMetrics, "open-metrics", false, "GET /metrics takes no key")
	f.BoolVar(&a.BehindProxy, "behind-proxy", false, "only a proxy that speaks TLS to others reaches this server, so that it need not")
}

// artifactFlags are about model files from elsewhere, and between replicas.
func artifactFlags(f *pflag.FlagSet, config *app.Config) {
	a := &config.Artifacts
	f.StringArrayVar(&a.Sources, "artifact-source", nil, "beginning of the addresses that model files may be fetched from: s3://bucket/prefix, gs://, azblob://, https://, file:///folder, models:/ (MLflow); may be repeated; without any, nothing is fetched")
	f.StringArrayVar(&a.PrivateHosts, "artifact-private-host", nil, "host of an https source whose address may be a private one; may be repeated")
	f.StringVar(&a.TokenFile, "artifact-token-file", "", "file with a line for each https source that asks for a bearer token: https://host/prefix TOKEN")
	f.Int64Var(&config.Share, "store-artifact-limit", config.Share, "largest model file that replicas share through the store; larger ones are deployed from elsewhere, and each replica fetches them")
}

// planFlags are what a deploy gets where it asks for nothing else.
func planFlags(f *pflag.FlagSet, config *app.Config) {
	p := &config.Plan
	f.Var(weightFlag{config}, "weight", "share of the requests that a canary gets")
	f.DurationVar(&p.Period, "duration", p.Period, "how long a canary is observed")
	f.StringVar((*string)(&p.AtEnd), "at-end", string(p.AtEnd), "what follows: hold, promote or rollback")
	f.Uint64Var(&p.MinSamples, "min-samples", p.MinSamples, "fewest observations per arm that are judged")
	f.Float64Var(&p.Alpha, "alpha", p.Alpha, "level of Welch's two-sided test, and of the monitor over all its looks")
	f.DurationVar(&p.MinEffect, "min-effect", p.MinEffect, "a smaller difference raises no alert; 0 is the bare rule")
	f.StringVar((*string)(&p.OnAlarm), "on-alarm", string(p.OnAlarm), "what follows a confirmed alarm of the monitor: hold or rollback")
	f.Float64Var(&p.MinSlowdown, "min-slowdown", p.MinSlowdown, "smallest slowdown that is worth an alarm; 0.02 is 2 %")
	f.Float64Var(&p.Tolerance, "tolerance", p.Tolerance, "slowdown that a pass must rule out")
	f.Float64Var(&p.MinDrift, "min-drift", p.MinDrift, "smallest drift of the scores (PSI) that is worth an alarm")
	f.DurationVar(&p.InitialDelay, "initial-delay", p.InitialDelay, "how long a canary settles before its latencies are judged")
}

func newLog(w io.Writer, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	default:
		return nil, term.Usage(fmt.Errorf("log format %q is unknown: use text or json", format))
	}
}
