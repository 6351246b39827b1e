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
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"serin/internal/control"
	"serin/internal/infer"
	"serin/internal/model"
	"serin/internal/rollout"
	"serin/internal/route"
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
	// State is what it serves.
	State rollout.State
	// GRPC is where gRPC is answered, host:port; empty for nowhere.
	GRPC string
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
	s := assemble(c, root, memory, data)
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
	memory *store.Store
	table  *route.Switch
	cars   *engines
	pilot  *control.Pilot
	front  *infer.Handler
	http   *http.Server
	rpc    *infer.RPC
	gate   gate
	heap   *heap
}

func assemble(c Config, root *os.Root, memory *store.Store, data string) *server {
	s := &server{config: c, memory: memory, table: &route.Switch{}, heap: newHeap()}
	if !c.Drills {
		c.Slowdown = 0 // also for a drill that was on when the server stopped
	}
	s.cars = &engines{
		root: root, data: data, limit: c.MaxModelBytes, reading: c.Reading, store: memory, table: s.table, slowdown: c.Slowdown, log: c.Log,
		loaded: map[string]model.Predictor{}, heap: s.heap,
	}
	s.pilot = control.New(control.Config{Model: c.Name, Store: journal{memory, c.Log}, Engines: s.cars, Log: c.Log, Drills: c.Drills})
	s.front = infer.NewHandler(s.table, c.Limits, c.Log)
	registry := prometheus.NewRegistry()
	registry.MustRegister(newMetrics(&s.config, s.cars, s.front, s.pilot)...)
	protocols := s.front.Protocols(c.Name, c.Version, func() bool { return s.gate.ready.Load() && !s.gate.draining.Load() })
	s.rpc = protocols.GRPC()
	handler, endPages := routes(&s.config, s.front, protocols, s.pilot, history{memory, c.Name}, registry, &s.gate)
	s.http = newServer(handler, c.Log)
	s.http.RegisterOnShutdown(endPages)
	return s
}

// journal is the store as control knows it. The entries and looks of both have
// the same fields: neither room may know the other.
type journal struct {
	*store.Store

	log *slog.Logger
}

func (j journal) Commit(ctx context.Context, e control.Entry) error {
	err := j.Store.Commit(ctx, store.Entry(e))
	if errors.Is(err, store.ErrUnsettled) {
		return errors.Join(control.ErrUnsettled, err)
	}
	if err == nil && e.Event == rollout.LoadRefused {
		// A version that is refused leaves nothing behind. No other deploy is on its
		// way here: this one has not been answered yet.
		if err := j.Prune(); err != nil {
			j.log.Warn("a refused artifact could not be removed", "err", err)
		}
	}
	return err
}

func (j journal) SaveLook(ctx context.Context, model, rolloutID string, l control.Look) (uint64, error) {
	return j.Store.SaveLook(ctx, model, rolloutID, store.Look(l))
}

func (s *server) run(ctx context.Context, listener, wire net.Listener, box *blackBox, ready func(Ready)) error {
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
	if err := s.boot(ctx, box); err != nil {
		return errors.Join(err, s.close())
	}
	flying, land := context.WithCancel(context.WithoutCancel(ctx))
	serving.Go(func() { s.pilot.Run(flying) })
	serving.Go(func() { s.heap.tend(flying) })
	defer land()
	s.gate.ready.Store(true)
	s.rpc.Ready(true)
	state := s.pilot.Peek().State
	changed := s.cars.changed(state.Stable)
	if changed {
		s.config.Log.Warn("the file that stable came from has changed since; the copy from then is served", "path", state.Stable.Path, "sha256", state.Stable.SHA256)
	}
	ready(Ready{URL: "http://" + listener.Addr().String(), GRPC: address, State: state, Signature: s.table.Table().Stable.Predictor.Signature(), Changed: changed})
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

func (s *server) boot(ctx context.Context, box *blackBox) error {
	start := box.start
	start.Model = s.config.Model
	err := s.pilot.Boot(ctx, start)
	if err == nil || len(s.pilot.Decisions()) > 0 {
		// What was committed was concluded, once, also if this start goes no further.
		err = errors.Join(err, box.acted())
	}
	if err != nil {
		return err
	}
	if err := s.memory.Prune(); err != nil {
		s.config.Log.Warn("old artifacts could not be removed", "err", err)
	}
	return nil
}

// stop ends in the order in which nothing is lost: say that no new requests are
// wanted, call off a deploy that is on its way, wait until that was heard, close the listener, let the last
// requests finish. The pilot and the store are stopped by Run's own order.
func (s *server) stop(ctx context.Context) error {
	s.gate.draining.Store(true)
	s.rpc.Ready(false)
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.Drain+shutdownLimit)
	defer cancel()
	s.pilot.EndDeploys(limit)
	if drain := s.config.Drain; drain > 0 && !errors.Is(context.Cause(ctx), ErrAtOnce) {
		s.config.Log.Info("draining: not ready, still answering", "for", drain.String())
		<-time.After(drain)
	}
	s.front.EndStreams()
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
