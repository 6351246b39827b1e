package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"serin/internal/fetch"
	"serin/internal/gatehouse"
	"serin/internal/infer"
	"serin/internal/model"
	"serin/internal/notify"
	"serin/internal/rollout"
	"serin/internal/store"
	"serin/internal/trace"
)

// ErrAtOnce as the cause of Run's context skips the draining: somebody at a
// terminal pressed Ctrl-C and waits.
var ErrAtOnce = errors.New("stop without draining")

// shutdownLimit is how long the last requests may take.
const shutdownLimit = 25 * time.Second

// rpcLimit is how long the last gRPC requests may take. It is shorter because a
// client that watches the server's health never ends by itself.
const rpcLimit = 5 * time.Second

// Ready describes a server that has started.
type Ready struct {
	// URL is where it answers.
	URL string
	// Admin is where control, pages and metrics are, if that is another address.
	Admin string
	// GRPC is where gRPC is answered, host:port; empty for nowhere.
	GRPC string
	// Models are what it serves, the default model first.
	Models []Serving
	// Resting are models that the state directory knows and nobody has named.
	Resting []string
}

// Serving describes a model that is served.
type Serving struct {
	// State is where it stands.
	State rollout.State
	// Given is the file that was named for it, Named whether that was by itself and
	// not by its folder.
	Given string
	Named bool
	// Signature is what stable expects and answers.
	Signature *model.Signature
	// Changed is true if the file that stable came from is another one by now.
	// The copy that was deployed is what is served.
	Changed bool
}

// Run serves until ctx ends, then stops gracefully. It calls ready once, when
// the first request may be sent. An error means that it could not start, or
// that it had to end.
func Run(ctx context.Context, c Config, ready func(Ready)) (err error) {
	if err := c.Validate(); err != nil {
		return err
	}
	c.Log = slog.New(trace.Logs(c.Log.Handler()))
	house, err := c.Admission.Open()
	if err != nil {
		return err
	}
	at, err := gatehouse.Listen(ctx, c.Listen, c.AdminListen, c.grpcAddress())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, at.Close()) }()
	root, err := openRoot(c.Root)
	if err != nil {
		return fmt.Errorf("opening the directory of model files: %w", err)
	}
	defer root.Close()
	models, err := c.models(root)
	if err != nil {
		return err
	}
	c.Artifacts.Forbidden = c.Data
	if c.porter, err = fetch.New(c.Artifacts); err != nil {
		return err
	}
	memory, err := store.Open(c.Data, store.Options{Step: c.Step, URL: c.Store, Share: c.Share})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	box, err := openBlackBox(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.close()) }()
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return fmt.Errorf("finding the state directory: %w", err)
	}
	if !c.Drills {
		c.Slowdown = 0 // also for a drill that was on when the server stopped
	}
	registry := prometheus.NewRegistry()
	if c.tracer, err = trace.Open(ctx, c.Version, registry, c.Log); err != nil {
		return err
	}
	defer func() { closeTracer(ctx, &c) }()
	fleet, err := newFleet(&c, memory, at.HTTP.Addr().String(), box.start.Killed)
	if err != nil {
		return err
	}
	herald := notify.New(notify.Config{Hooks: c.Webhooks, Outbox: outbox{memory}, Log: c.Log, Version: c.Version, Turn: turn(fleet)})
	herald.Prepare(ctx)
	s, err := assemble(c, newYard(&c, root, memory, fleet, herald, data, models), house, registry)
	if err != nil {
		return err
	}
	return s.run(ctx, at, box, ready)
}

// lastTelemetry is how long a server that stops waits for a collector.
const lastTelemetry = 2 * time.Second

// closeTracer sends the last spans and numbers. A collector that has gone is no
// reason to fail.
func closeTracer(ctx context.Context, c *Config) {
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTelemetry)
	defer cancel()
	if err := c.tracer.Close(limit); err != nil {
		c.Log.Warn("the last telemetry could not be sent", "err", err)
	}
}

// openRoot keeps the absolute name, for messages.
func openRoot(dir string) (*os.Root, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return os.OpenRoot(absolute)
}

// server is the parts of a running serin.
type server struct {
	config Config
	yard   *yard
	house  *gatehouse.House
	http   *http.Server
	admin  *http.Server // nil where control is at the same address
	rpc    *infer.RPC
	gate   gate
}

func assemble(c Config, y *yard, house *gatehouse.House, registry *prometheus.Registry) (*server, error) {
	s := &server{config: c, yard: y, house: house}
	protocols := y.standard.front.Protocols(y.models[0].Name, c.Version, func() bool { return s.gate.ready.Load() && !s.gate.draining.Load() })
	y.protocols = protocols
	y.serve(y.lines())
	registry.MustRegister(newMetrics(c.Version, y, protocols)...)
	guard := house.Guard(y.models[0].Name, c.Log)
	protocols.Guard(guard, c.AdminListen != "")
	s.rpc = protocols.GRPC(append(house.RPC(c.GRPC), grpc.ChainUnaryInterceptor(c.tracer.Unary))...)
	h, err := routes(&s.config, y, protocols, registry, &s.gate, c.Admission.Lock(guard, protocols.Refuse))
	if err != nil {
		return nil, err
	}
	s.http = newServer(h.front, c.Log)
	if c.AdminListen != "" {
		s.admin = newServer(h.control, c.Log)
	}
	for _, server := range s.servers() {
		house.Secure(server)
		server.RegisterOnShutdown(h.endPages)
	}
	if c.hurry != nil {
		c.hurry(s.http)
	}
	return s, nil
}

// servers are those of HTTP.
func (s *server) servers() []*http.Server {
	if s.admin == nil {
		return []*http.Server{s.http}
	}
	return []*http.Server{s.http, s.admin}
}

func (s *server) run(ctx context.Context, at *gatehouse.Addresses, box *blackBox, ready func(Ready)) error {
	defer tell(ctx, s.yard.herald)()
	if err := s.yard.recall(ctx, box); err != nil {
		return err
	}
	failed := make(chan error, 3)
	var serving sync.WaitGroup
	if at.GRPC != nil {
		serving.Go(func() {
			if err := s.rpc.Serve(at.GRPC); err != nil {
				failed <- fmt.Errorf("serving gRPC: %w", err)
			}
		})
	}
	for i, server := range s.servers() {
		serving.Go(func() {
			if err := s.house.Serve(server, []net.Listener{at.HTTP, at.Admin}[i]); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving HTTP: %w", err)
			}
		})
	}
	watching, done := context.WithCancel(ctx)
	serving.Go(func() { s.house.Watch(watching, s.config.Log) })
	defer serving.Wait()
	defer done()
	if err := s.yard.boot(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	defer s.yard.work(ctx)()
	s.gate.ready.Store(true)
	s.rpc.Ready(true)
	letGoOfTheStart()
	ready(Ready{URL: s.house.URL(at.HTTP), Admin: s.house.URL(at.Admin), GRPC: at.RPC(), Models: s.yard.serving(), Resting: s.yard.resting(ctx)})
	select {
	case err := <-failed:
		return errors.Join(err, s.close())
	case <-ctx.Done():
		return s.stop(ctx)
	}
}

// close ends at once.
func (s *server) close() error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	s.rpc.Stop(now)
	var err error
	for _, server := range s.servers() {
		err = errors.Join(err, server.Close())
	}
	return err
}

// stop ends in the order in which nothing is lost: say that no new requests are
// wanted, call off a deploy that is on its way, wait until that was heard, close the listener, let the last
// requests finish. The pilot and the store are stopped by Run's own order.
func (s *server) stop(ctx context.Context) error {
	s.gate.draining.Store(true)
	s.rpc.Ready(false)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Drain+shutdownLimit)
	defer cancel()
	s.yard.endDeploys(limit)
	if drain := s.config.Drain; drain > 0 && !errors.Is(context.Cause(ctx), ErrAtOnce) {
		s.config.Log.Info("draining: not ready, still answering", "for", drain.String())
		<-time.After(drain)
	}
	s.yard.standard.front.EndStreams()
	defer s.config.Log.Info("stopped answering")
	var ending sync.WaitGroup
	defer ending.Wait()
	ending.Go(func() {
		soon, cancel := context.WithTimeout(limit, rpcLimit)
		defer cancel()
		s.rpc.Stop(soon)
	})
	var problems error
	for _, server := range s.servers() {
		if err := server.Shutdown(limit); err != nil {
			problems = errors.Join(problems, fmt.Errorf("requests were still running after %v and were cut off: %w", shutdownLimit, err), server.Close())
		}
	}
	return problems
}
