package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"serin/cmd/serin/term"
	"serin/internal/api"
)

// TestMain lets the test binary be the program: a child process of a test runs
// the real command line, with a step hook that the product does not have.
func TestMain(m *testing.M) {
	if os.Getenv("SERIN_TEST_AS_PROGRAM") == "" {
		testscript.Main(m, map[string]func(){
			"serin": func() { os.Exit(int(run(os.Args[1:], term.Console{Out: os.Stdout, Err: os.Stderr}))) },
		})
	}
	c := term.Console{Out: os.Stdout, Err: os.Stderr, Step: stepHook(os.Getenv("SERIN_TEST_KILL_AT"), os.Getenv("SERIN_TEST_STEPS"))}
	os.Exit(int(run(os.Args[1:], c)))
}

// stepHook ends this very process with SIGKILL at the n-th durable step, those
// that come by the clock not counted, and writes the names of all steps to a file.
func stepHook(killAt, file string) func(string) {
	at, _ := strconv.ParseInt(killAt, 10, 64)
	var n atomic.Int64
	var mu sync.Mutex
	return func(name string) {
		mu.Lock()
		defer mu.Unlock()
		if file != "" {
			f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			fmt.Fprintln(f, name)
			f.Close()
		}
		if !byTheClock(name) && n.Add(1) == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way
		}
	}
}

// byTheClock are the steps that come when they come.
func byTheClock(step string) bool {
	return step == "" || strings.HasPrefix(step, "evidence") || strings.HasPrefix(step, "look") || strings.HasPrefix(step, "memo")
}

// needs skips a test on a machine without the tools, except where the test run
// promises that they are there.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("SERIN_TEST_FULL") != "" {
				t.Fatalf("%s is missing: make test installs it", tool)
			}
			t.Skipf("%s is missing; make test runs this with it", tool)
		}
	}
}

// workplace is an empty folder with the two example models.
func workplace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "models"), os.DirFS("../../models")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// server is a serin in a process of its own.
type server struct {
	t      *testing.T
	dir    string
	url    string
	client *api.Client
	cmd    *exec.Cmd
	out    *transcript
	gone   chan struct{}
}

// transcript is what a process has printed.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *transcript) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs a program as `serin serve` in a folder and waits until it is
// ready or has ended.
func start(t *testing.T, program, dir string, env []string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, out: &transcript{}, gone: make(chan struct{})}
	s.cmd = exec.Command(program, append([]string{"serve"}, args...)...)
	s.cmd.Dir, s.cmd.Env = dir, append(os.Environ(), env...)
	reader, writer := io.Pipe()
	s.cmd.Stdout, s.cmd.Stderr = io.MultiWriter(s.out, writer), s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); <-s.gone })
	go func() {
		_ = s.cmd.Wait()
		writer.Close()
		close(s.gone)
	}()
	found := make(chan string, 1)
	go func() {
		defer close(found)
		// The announcement names the address in its first line; what follows is read
		// so that the child never waits.
		var line []byte
		for one := make([]byte, 1); ; {
			if _, err := reader.Read(one); err != nil {
				return
			}
			if line = append(line, one[0]); one[0] == '\n' {
				break
			}
		}
		if m := regexp.MustCompile(`https?://\S+`).Find(line); m != nil {
			found <- string(m)
		}
		_, _ = io.Copy(io.Discard, reader)
	}()
	if url, ok := <-found; ok {
		s.url = url
		s.client, _ = api.NewClient(url, "test")
	}
	return s
}

func selfProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// build builds the program as it is released, which starts faster than this test
// binary with its race detector.
func build(t *testing.T) (program string) {
	t.Helper()
	needs(t, "go")
	program = filepath.Join(t.TempDir(), "serin")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return program
}

// child is start with this test binary as the program.
func child(t *testing.T, dir string, env ...string) *server {
	t.Helper()
	return start(t, selfProgram(t), dir, append(env, "SERIN_TEST_AS_PROGRAM=1"), "--listen", "127.0.0.1:0", "--drain", "0s")
}

func (s *server) mustBeReady() *server {
	s.t.Helper()
	if s.url == "" {
		<-s.gone
		s.t.Fatalf("the server did not start:\n%s", s.out)
	}
	return s
}

// kill ends the process as the kernel would when it runs out of memory.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.gone
}

func (s *server) state() api.State {
	s.t.Helper()
	state, err := s.client.State(s.t.Context())
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.out)
	}
	return state
}

// predict sends one request and returns who answered.
func (s *server) predict() (used, version string, err error) {
	res, err := http.Post(s.url+"/predict", "application/json", strings.NewReader(exampleRow))
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", "", err
	}
	var p prediction
	if err := json.Unmarshal(body, &p); err != nil || res.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("%s: %s", res.Status, body)
	}
	return p.ModelUsed, p.ModelVersion, nil
}

func (s *server) traffic(n int) {
	s.t.Helper()
	for range n {
		if _, _, err := s.predict(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// command runs a command line in this process.
func command(args ...string) (code api.ExitCode, out, errs string) {
	var o, e bytes.Buffer
	code = run(args, term.Console{Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// eventually asks again until the answer is yes; it fails after a generous
// time, which a passing test never waits for.
func eventually(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !yes() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s did not happen", what)
		}
	}
}
