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
	"sync"
	"time"
)

// plan is how a service is started and asked.
type plan struct {
	name string
	// path and body are its request for a prediction.
	path string
	body []byte
	// canary tells that it has one, metrics that they are read every second while
	// it is measured.
	canary, metrics bool
	// slow services are measured in every fifth round only.
	slow bool
	// command gives the arguments for listening on a port of 127.0.0.1, with a
	// folder of its own for whatever it keeps; further ports are free ones. env is
	// added to this program's.
	command func(port, dir string, further func() string) (arguments, env []string)
	// folder is where it runs; empty for the repository's root.
	folder string
}

// service is a running one.
type service struct {
	plan

	addr   string
	dir    string
	cmd    *exec.Cmd
	log    *tail         // what it wrote last; to be read when it has ended
	ended  chan struct{} // closed when the process has ended
	took   time.Duration // from its start to its first prediction
	idle   int64         // resident memory before any load, bytes
	answer []byte        // its first prediction
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

const maxTail = 16 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b[max(0, len(b)-maxTail):]...)
	t.text = append(t.text[:0], t.text[max(0, len(t.text)-maxTail):]...)
	return len(b), nil
}

func (t *tail) String() string { return string(t.text) }

const (
	// patience is how long an answer or an end may take.
	patience = 10 * time.Second
	// readyWithin is how long a service may take to answer its first prediction.
	readyWithin = time.Minute
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 8 << 20
)

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
	arguments, env := p.command(port, dir, func() string {
		_, port, portErr := freePort(ctx)
		err = errors.Join(err, portErr)
		return port
	})
	s := &service{plan: p, addr: addr, dir: dir, log: new(tail), ended: make(chan struct{})}
	// Its end is stop's, also on Ctrl-C, so that it ends with its children.
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), arguments[0], arguments[1:]...)
	s.cmd.Dir, s.cmd.Env = p.folder, append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.WaitDelay = patience
	begun := time.Now()
	if err = errors.Join(err, s.cmd.Start()); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.name, err), os.RemoveAll(dir))
	}
	go func() {
		_ = s.cmd.Wait() // a service that ended too early is noticed by its clients
		close(s.ended)
	}()
	if err := s.waitReady(ctx, begun); err != nil {
		stopped := s.stop()
		return nil, errors.Join(fmt.Errorf("starting %s: %w; it wrote:\n%s", p.name, err, s.log), stopped)
	}
	s.took = time.Since(begun)
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

// waitReady asks for a prediction until there is one: every millisecond of the
// first second, so that a quick start is seen as it is, and less often after it.
func (s *service) waitReady(ctx context.Context, begun time.Time) (err error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	quick := true
	for {
		if s.answer, err = s.post(ctx, s.path, s.body); err == nil {
			return nil
		}
		if quick && time.Since(begun) > time.Second {
			tick.Reset(20 * time.Millisecond)
			quick = false
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

// deployCanary makes model_v2 the canary. The monitor begins to look at once.
func (s *service) deployCanary(ctx context.Context) error {
	body := `{"model_path": "models/model_v2.joblib"}`
	if s.metrics { // that is serin, which has a policy
		body = `{"model_path": "models/model_v2.joblib", "policy": {"on_alarm": "hold", "initial_delay": "1s"}}`
	}
	if _, err := s.post(ctx, "/admin/deploy-canary", []byte(body)); err != nil {
		return fmt.Errorf("deploying the canary of %s: %w", s.name, err)
	}
	return nil
}

// post sends one JSON request on a connection of its own and wants a 200.
func (s *service) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	return ask(request)
}

// ask sends a request and reads its answer, which must be a 200.
func ask(request *http.Request) ([]byte, error) {
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", request.URL.Path, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s: %s", request.URL.Path, answer.Status, text)
	}
	return text, nil
}

// readMetrics reads the service's metrics every second, as Prometheus would,
// until ctx ends.
func (s *service) readMetrics(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/metrics", nil); err == nil {
			_, _ = ask(request) // a service that does not answer is noticed by the load
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// stopAll stops services side by side.
func stopAll(services []*service) error {
	problems := make([]error, len(services))
	var stopping sync.WaitGroup
	for i, s := range services {
		stopping.Go(func() { problems[i] = s.stop() })
	}
	stopping.Wait()
	return errors.Join(problems...)
}

// stop asks the service to end, kills it and its descendants if they do not, and
// removes what it kept. It may be called twice.
func (s *service) stop() error {
	select {
	case <-s.ended: // its id may be another process's by now
	default:
		all := familyOf(s.cmd.Process.Pid)
		killer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
		_ = s.cmd.Process.Signal(os.Interrupt) // fails if it has just ended, which is as good
		<-s.ended
		killer.Stop()
		all.kill()
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing the folder of %s: %w", s.name, err)
	}
	return nil
}
