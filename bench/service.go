package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// plan is how a service is started.
type plan struct {
	name   string
	canary bool // whether it can have one
	// command gives the arguments for listening on a port of 127.0.0.1, with a
	// folder of its own for whatever it keeps.
	command func(port, dir string) []string
}

// service is a running one.
type service struct {
	plan

	addr string
	dir  string
	cmd  *exec.Cmd
	log  *bytes.Buffer // what it wrote; to be read when it has ended
	// ended is closed when the process has ended.
	ended chan struct{}
}

// plans lists the services in the order of the table. The last ones are what
// serin is compared with.
func plans(s settings) []plan {
	uvicorn := func(arguments ...string) func(port, dir string) []string {
		return func(port, _ string) []string {
			return append([]string{
				s.python, "-m", "uvicorn", "--app-dir", "bench/fastapi_service", "main:app",
				"--host", "127.0.0.1", "--port", port, "--log-level", "warning",
			}, arguments...)
		}
	}
	return []plan{
		{"constant answer, net/http", false, func(port, _ string) []string { return []string{selfPath(), "floor", "127.0.0.1:" + port} }},
		{"serin", true, func(port, dir string) []string {
			return []string{s.serin, "serve", "--listen", "127.0.0.1:" + port, "--data", dir}
		}},
		{"Python, as the seed says", true, uvicorn("--loop", "asyncio", "--http", "h11")},
		{"Python, uvloop and httptools", true, uvicorn("--loop", "uvloop", "--http", "httptools")},
	}
}

// selfPath is this program.
func selfPath() string {
	self, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return self
}

// readyWithin is how long a service may take to answer its first prediction.
const readyWithin = time.Minute

// start runs a service and waits until it answers a prediction.
func start(ctx context.Context, p plan) (*service, error) {
	addr, port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "serin-bench-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for %s: %w", p.name, err)
	}
	command := p.command(port, dir)
	s := &service{plan: p, addr: addr, dir: dir, log: new(bytes.Buffer), ended: make(chan struct{})}
	s.cmd = exec.CommandContext(ctx, command[0], command[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = patience // then it is killed
	if err := s.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.name, err), os.RemoveAll(dir))
	}
	go func() {
		_ = s.cmd.Wait() // a service that ended too early is noticed by its clients
		close(s.ended)
	}()
	if err := s.waitReady(ctx); err != nil {
		stopped := s.stop()
		return nil, errors.Join(fmt.Errorf("starting %s: %w; it wrote:\n%s", p.name, err, s.log), stopped)
	}
	return s, nil
}

// freePort finds a port of 127.0.0.1 that was free a moment ago.
func freePort(ctx context.Context) (addr, port string, err error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", fmt.Errorf("finding a free port: %w", err)
	}
	addr = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", "", fmt.Errorf("finding a free port: %w", err)
	}
	_, port, err = net.SplitHostPort(addr)
	return addr, port, err
}

// waitReady asks for a prediction until there is one.
func (s *service) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.post(ctx, "/predict", `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("no prediction within %v: %w", readyWithin, err)
		}
	}
}

// deployCanary makes model_v2 the canary.
func (s *service) deployCanary(ctx context.Context) error {
	if err := s.post(ctx, "/admin/deploy-canary", `{"model_path": "models/model_v2.joblib"}`); err != nil {
		return fmt.Errorf("deploying the canary of %s: %w", s.name, err)
	}
	return nil
}

// post sends one JSON request and wants a 200.
func (s *service) post(ctx context.Context, path, body string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", path, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", path, answer.Status, text)
	}
	return nil
}

// stop asks the service to end, kills it if it does not, and removes what it kept.
func (s *service) stop() error {
	killer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Process.Signal(os.Interrupt) // fails if it has ended, which is as good
	<-s.ended
	killer.Stop()
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing the folder of %s: %w", s.name, err)
	}
	return nil
}

// serveFloor is the least that an HTTP service in Go can do: read the body,
// answer a constant.
func serveFloor(ctx context.Context, addr string) error {
	answer := []byte(`{"probability":0.8,"prediction":1,"model_used":"stable","model_version":"model_v1","latency_ms":0.003}`)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /predict", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxAnswer))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: patience}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the floor: %w", err)
	}
	return nil
}
