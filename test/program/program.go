// Package program runs serin as its users do: the built binary in a process of
// its own, in a folder of its own, asked over its ports and in no other way.
// What is below test/ and bench/ starts servers with it.
//
//	Build ──> a binary        Workplace ──> a folder with the example models
//	             └──────── Start ───────────────┘
//	                         └──> Server: URL, GRPC, Admin, Resident, Busy, Stop
//
// What may not happen here: an import of a room of the product, an address that
// is not loopback, a process that outlives its Stop.
package program

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Main runs a program called name until it ends or is interrupted, and returns what its
// process ends with: 1 after an error, which is printed, unless it asked for help.
func Main(name string, run func(ctx context.Context, args []string, out, progress io.Writer) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, name+":", err)
		return 1
	}
	return 0
}

// Build builds serin from the repository that the working directory is in, into
// a folder, and returns the binary's path.
func Build(ctx context.Context, folder string) (string, error) {
	if err := watch(ctx); err != nil {
		return "", err
	}
	binary := filepath.Join(folder, "serin")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "serin/cmd/serin").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building serin: %w\n%s", err, out)
	}
	return binary, nil
}

// watch looks at every file that serin is built from. go test keeps a result until a
// file changes that the test has looked at, and what the compiler reads for it is not
// among them: without this, a test of the binary would pass for one of yesterday.
func watch(ctx context.Context) error {
	root, err := repository(ctx)
	if err != nil {
		return err
	}
	look := func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err == nil {
			_, err = os.Stat(path)
		}
		return err
	}
	for _, part := range []string{"go.mod", "cmd", "internal"} {
		if err := filepath.WalkDir(filepath.Join(root, part), look); err != nil {
			return fmt.Errorf("looking at what serin is built from: %w", err)
		}
	}
	return nil
}

// repository is where the module lies that the working directory is in.
func repository(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("finding the repository: %w", err)
	}
	return strings.TrimSpace(string(root)), nil
}

// Workplace copies the example models of that repository to folder/models.
func Workplace(ctx context.Context, folder string) error {
	root, err := repository(ctx)
	if err != nil {
		return err
	}
	models := filepath.Join(root, "models")
	if err := os.CopyFS(filepath.Join(folder, "models"), os.DirFS(models)); err != nil {
		return fmt.Errorf("copying the example models: %w", err)
	}
	return nil
}

// Server is a serin that runs.
type Server struct {
	// URL is where it answers HTTP, GRPC the host and port of gRPC.
	URL, GRPC string
	// Errors is what it wrote to standard error; to be read after Stop.
	Errors *bytes.Buffer

	process *os.Process
	ended   chan struct{} // closed when the process has ended
	failed  error         // how it ended; to be read after ended
}

// patience bounds what a healthy server does at once: to start, to stop, to
// answer an admin call.
const patience = 30 * time.Second

var (
	httpLine = regexp.MustCompile(`on (http://\S+)`)
	grpcLine = regexp.MustCompile(`^  gRPC +([^ ,]+),`)
)

// Start runs `serin serve` on free loopback ports, in a folder that is its
// working directory, and returns when predictions are answered. Where ctx ends,
// so does the process.
func Start(ctx context.Context, binary, folder string, flags ...string) (*Server, error) {
	s := &Server{Errors: new(bytes.Buffer), ended: make(chan struct{})}
	cmd := exec.CommandContext(ctx, binary, append([]string{"serve", "--listen", "127.0.0.1:0", "--grpc-listen", "127.0.0.1:0", "--drain", "0s"}, flags...)...)
	reader, writer := io.Pipe()
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, writer, s.Errors
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting serin: %w", err)
	}
	s.process = cmd.Process
	go func() {
		s.failed = cmd.Wait()
		_ = writer.Close() // a pipe's never fails
		close(s.ended)
	}()
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(reader)
	for (s.URL == "" || s.GRPC == "") && lines.Scan() {
		if m := httpLine.FindStringSubmatch(lines.Text()); m != nil && s.URL == "" {
			s.URL = m[1]
		}
		if m := grpcLine.FindStringSubmatch(lines.Text()); m != nil {
			s.GRPC = m[1]
		}
	}
	if s.URL == "" || s.GRPC == "" {
		_ = cmd.Process.Kill()
		<-s.ended
		return nil, fmt.Errorf("serin did not say where it listens; it wrote:\n%s", s.Errors)
	}
	go func() { _, _ = io.Copy(io.Discard, reader) }() // ends with the process
	return s, nil
}

// Stop asks the server to end, and kills it if it does not. An error is that it
// had ended before, or ended badly.
func (s *Server) Stop() error {
	late := time.AfterFunc(patience, func() { _ = s.process.Kill() })
	defer late.Stop()
	gone := s.process.Signal(os.Interrupt)
	<-s.ended
	if err := errors.Join(gone, s.failed); err != nil {
		return fmt.Errorf("stopping serin: %w; it wrote:\n%s", err, s.Errors)
	}
	return nil
}

// Kill ends the server as a power failure would.
func (s *Server) Kill() error {
	if err := s.process.Kill(); err != nil {
		return fmt.Errorf("killing serin: %w", err)
	}
	<-s.ended
	return nil
}

// Signal sends a signal to the server's process: SIGSTOP lets it stand still.
func (s *Server) Signal(signal os.Signal) error { return s.process.Signal(signal) }

// Admin posts to an address below /admin/, decodes the answer into into, which
// may be nil, and wants a 200. A body of nil asks with GET.
func (s *Server) Admin(ctx context.Context, call string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		method = http.MethodPost
		var err error
		if content, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encoding %s: %w", call, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, s.URL+"/admin/"+call, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("asking for %s: %w", call, err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", call, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %s", call, answer.Status, text)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", call, err)
	}
	return nil
}

// Standing is what a replica says of itself: the generation of a model's state that it
// serves, why it does not serve it ("" where it does), and when it heard the store last.
type Standing struct {
	Generation uint64
	Here       string
	Heard      time.Time
}

// Standing asks a replica how it stands with a model.
func (s *Server) Standing(ctx context.Context, model string) (Standing, error) {
	var all struct {
		Replicas []struct {
			Self   bool `json:"self"`
			Models map[string]struct {
				Generation uint64 `json:"generation"`
				Here       string `json:"here"`
			} `json:"models"`
		} `json:"replicas"`
		StoreHeard time.Time `json:"store_heard"`
	}
	if err := s.Admin(ctx, "replicas", nil, &all); err != nil {
		return Standing{}, err
	}
	for _, r := range all.Replicas {
		if m := r.Models[model]; r.Self {
			return Standing{m.Generation, m.Here, all.StoreHeard}, nil
		}
	}
	return Standing{Here: "it has not told the store of itself", Heard: all.StoreHeard}, nil
}

// Resident is the memory that the server has in RAM now, in bytes: VmRSS, as
// Linux tells it.
func (s *Server) Resident() (int64, error) { return s.memory("VmRSS:") }

// Peak is the most memory that the server has had in RAM since it started, in bytes:
// VmHWM, as Linux tells it.
func (s *Server) Peak() (int64, error) { return s.memory("VmHWM:") }

func (s *Server) memory(name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process.Pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("reading the server's memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("reading the server's memory: no " + name)
}

// Busy is how much time of processors the server has taken, to a hundredth of a
// second, as Linux tells it.
func (s *Server) Busy() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process.Pid), "stat"))
	if err != nil {
		return 0, fmt.Errorf("reading the server's time: %w", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name; utime and stime are the 14th and 15th of all
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("reading the server's time: %q is too short", text)
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}
