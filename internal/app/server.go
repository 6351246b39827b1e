package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"serin/internal/infer"
	"serin/internal/model"
	"serin/internal/notify"
	"serin/internal/rollout"
	"serin/internal/store"
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
	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreClosed(listener.Close())) }()
	wire, err := listenGRPC(ctx, &c)
	if err != nil {
		return err
	}
	if wire != nil {
		defer func() { err = errors.Join(err, ignoreClosed(wire.Close())) }()
	}
	root, err := openRoot(c.Root)
	if err != nil {
		return fmt.Errorf("opening the directory of model files: %w", err)
	}
	defer root.Close()
	models, err := c.models(root)
	if err != nil {
		return err
	}
	memory, err := store.Open(c.Data, store.Options{Step: c.Step})
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
	herald := notify.New(notify.Config{Hooks: c.Webhooks, Outbox: outbox{memory}, Log: c.Log, Version: c.Version})
	if err := herald.Prepare(ctx); err != nil {
		return err
	}
	s := assemble(c, newYard(&c, root, memory, herald, data, models))
	return s.run(ctx, listener, wire, box, ready)
}

// listenGRPC listens for gRPC; nil where it is off.
func listenGRPC(ctx context.Context, c *Config) (net.Listener, error) {
	address := c.grpcAddress()
	if address == "" {
		return nil, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port taken: another process listens on %s, where gRPC would be; choose another address with --grpc-listen, or off", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s for gRPC: %w", address, err)
	}
	return l, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port taken: another process listens on %s; stop it, or choose another address with --listen", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return l, nil
}

// openRoot keeps the absolute name, for messages.
func openRoot(dir string) (*os.Root, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return os.OpenRoot(absolute)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// server is the parts of a running serin.
type server struct {
	config Config
	yard   *yard
	http   *http.Server
	rpc    *infer.RPC
	gate   gate
}

func assemble(c Config, y *yard) *server {
	s := &server{config: c, yard: y}
	protocols := y.standard.front.Protocols(y.models[0].Name, c.Version, func() bool { return s.gate.ready.Load() && !s.gate.draining.Load() })
	y.protocols = protocols
	y.serve(y.lines())
	registry := prometheus.NewRegistry()
	registry.MustRegister(newMetrics(c.Version, y, protocols)...)
	s.rpc = protocols.GRPC()
	all := routes(&s.config, y, protocols, registry, &s.gate)
	s.http = newServer(all, c.Log)
	if c.hurry != nil {
		c.hurry(s.http)
	}
	s.http.RegisterOnShutdown(all.end)
	return s
}

func (s *server) run(ctx context.Context, listener, wire net.Listener, box *blackBox, ready func(Ready)) error {
	defer tell(ctx, s.yard.herald)()
	if err := s.yard.recall(ctx, box); err != nil {
		return err
	}
	failed := make(chan error, 2)
	var serving sync.WaitGroup
	address := ""
	if wire != nil {
		address = wire.Addr().String()
		serving.Go(func() {
			if err := s.rpc.Serve(wire); err != nil {
				failed <- fmt.Errorf("serving gRPC: %w", err)
			}
		})
	}
	serving.Go(func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serving HTTP: %w", err)
		}
	})
	defer serving.Wait()
	if err := s.yard.boot(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	defer s.yard.work(ctx)()
	s.gate.ready.Store(true)
	s.rpc.Ready(true)
	ready(Ready{URL: "http://" + listener.Addr().String(), GRPC: address, Models: s.yard.serving(), Resting: s.yard.resting(ctx)})
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
	return s.http.Close()
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
	if err := s.http.Shutdown(limit); err != nil {
		return errors.Join(fmt.Errorf("requests were still running after %v and were cut off: %w", shutdownLimit, err), s.http.Close())
	}
	return nil
}
