package app

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"serin/internal/fetch"
	"serin/internal/gatehouse"
	"serin/internal/infer"
	"serin/internal/model/format"
	"serin/internal/notify"
	"serin/internal/rollout"
	"serin/internal/trace"
)

// Config is what a server is made from.
type Config struct {
	// Listen is the address of both predictions and control; where AdminListen is
	// not empty, of predictions only, and control, pages and metrics are there.
	// Addresses that other machines reach are accepted if Admission says who may come.
	Listen, AdminListen string
	// Admission is who may come in.
	Admission Admission
	// Data is the state directory.
	Data string
	// Store is where the state is that several replicas share, postgres://...; empty
	// where it is in Data. Data then has this machine's copies.
	Store string
	// Replica is what this replica is called, beside what tells its processes apart;
	// empty for the host's name. Isolation is how long a replica may not hear the
	// store before it serves stable versions only.
	Replica   string
	Isolation time.Duration
	// GRPC is the address that gRPC is answered on: empty for the port after
	// Listen's, or for none where that is a socket; "off" for none.
	GRPC string
	// Models are served under their names; the first is the default model, which is
	// meant where a request names none. Folder is a directory whose model files are
	// served, too, each by the name of its file.
	Models []Model
	Folder string
	// Root is the directory that model files are opened in; nothing outside it is.
	Root string
	// Plan is what a deploy gets where it asks for nothing else.
	Plan rollout.Plan
	// Slowdown is what a drill adds to each canary prediction; Drills allows them.
	Slowdown time.Duration
	Drills   bool
	// Reading is what model files may be read with.
	Reading format.Options
	// MaxModelBytes bounds a model file.
	MaxModelBytes int64
	// Artifacts says from where model files may be fetched; Share is how large one may
	// be, in bytes, that replicas give each other through the store.
	Artifacts fetch.Config
	Share     int64
	// AllowedHosts are names that the server is called by, beside the loopback ones.
	AllowedHosts []string
	// Webhooks are told of what was committed; notify.Equip has checked them.
	Webhooks []notify.Hook
	// Limits bound the predictions under way and waiting.
	Limits infer.Limits
	// Drain is how long a stopping server says that it is not ready and still
	// accepts connections.
	Drain time.Duration
	// Version is serin's own.
	Version string
	// Log takes one line per decision and what operators need to know.
	Log *slog.Logger
	// Step is called around each durable step; nil outside tests.
	Step func(string)

	porter *fetch.Porter
	tracer *trace.Tracer // nil unless the environment asks for one
	// hurry makes the HTTP server less patient; nil outside tests.
	hurry func(*http.Server)
}

// Admission is who may come in, and over what.
type Admission = gatehouse.Admission

// Default is a server on a laptop: the seed's address, model and rules.
func Default() Config {
	return Config{
		Listen: "127.0.0.1:8000",
		Data:   "serin-data",
		Models: []Model{{Name: "churn", Path: "models/model_v1.joblib"}},
		Root:   ".",
		Plan: rollout.Plan{
			Weight: 1000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond,
			OnAlarm: rollout.HoldOnAlarm, InitialDelay: 2 * time.Minute, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2,
		},
		Slowdown:      20 * time.Millisecond,
		Drills:        true,
		MaxModelBytes: 512 << 20,
		Share:         64 << 20,
		Limits:        infer.DefaultLimits(),
		Drain:         2 * time.Second,
		Isolation:     2 * time.Minute,
		Version:       "dev",
		Log:           slog.New(slog.DiscardHandler),
	}
}

const longestSlowdown = 10 * time.Second

// Bounds of what a replica is told of its fleet.
const (
	leastIsolation = 5 * time.Second
	longestReplica = 100
)

// Bounds of what the store shares: golden predictions at least, and at most what one
// transaction can take.
const leastShare, mostShare = maxGolden, 1 << 30

// grpcAddress is where gRPC is answered; empty for nowhere. Listen has been checked.
func (c *Config) grpcAddress() string {
	switch c.GRPC {
	case "off":
		return ""
	case "":
		if strings.HasPrefix(c.Listen, "unix:") { // which has no next one
			return ""
		}
		host, port, err := net.SplitHostPort(c.Listen)
		if n, e := strconv.Atoi(port); err == nil && e == nil && n > 0 && n < 65535 {
			return net.JoinHostPort(host, strconv.Itoa(n+1))
		}
		return net.JoinHostPort(host, "0")
	default:
		return c.GRPC
	}
}

// Validate says what is wrong with a configuration, in one sentence.
func (c *Config) Validate() error {
	if err := c.Admission.Check(); err != nil {
		return err
	}
	for _, at := range []struct{ what, address string }{{"listen", c.Listen}, {"admin", c.AdminListen}, {"gRPC", c.grpcAddress()}} {
		if at.address == "" && at.what != "listen" {
			continue
		}
		if err := c.Admission.CheckAddress(at.what, at.address); err != nil {
			return err
		}
	}
	switch {
	case c.Slowdown < 0 || c.Slowdown > longestSlowdown:
		return fmt.Errorf("slowdown %v is not between 0 and %v", c.Slowdown, longestSlowdown)
	case c.MaxModelBytes <= 0:
		return fmt.Errorf("the largest model file is %d bytes: give at least 1", c.MaxModelBytes)
	case c.Share < leastShare || c.Share > mostShare:
		return fmt.Errorf("the largest model file in the store is %d bytes: give %d to %d", c.Share, leastShare, mostShare)
	case c.Limits.Concurrency < 1 || c.Limits.Queue < 0 || c.Limits.Patience < 0 || c.Limits.Timeout < 0 || c.Limits.Bodies < 0:
		return fmt.Errorf("limits of %d predictions at once, %d waiting for %v, each for %v: give at least one, and nothing below zero", c.Limits.Concurrency, c.Limits.Queue, c.Limits.Patience, c.Limits.Timeout)
	case c.Isolation < leastIsolation:
		return fmt.Errorf("isolation timeout %v is less than %v: a replica that misses a few beats would leave its canary", c.Isolation, leastIsolation)
	case len(c.Replica) > longestReplica:
		return fmt.Errorf("the replica's name has %d bytes: at most %d", len(c.Replica), longestReplica)
	case c.Drain < 0:
		return fmt.Errorf("drain time %v is negative", c.Drain)
	}
	_, err := fetch.New(c.Artifacts)
	return cmp.Or(c.Plan.Check(), c.checkModels(), err)
}
