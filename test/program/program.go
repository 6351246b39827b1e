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
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Build builds serin from the repository that the working directory is in, into
// a folder, and returns the binary's path.
func Build(ctx context.Context, folder string) (string, error) {
	binary := filepath.Join(folder, "serin")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "serin/cmd/serin").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building serin: %w\n%s", err, out)
	}
	return binary, nil
}

// Workplace copies the example models of that repository to folder/models.
func Workplace(ctx context.Context, folder string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	models := filepath.Join(strings.TrimSpace(string(root)), "models")
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

// Resident is the memory that the server has in RAM now, in bytes: VmRSS, as
// Linux tells it.
func (s *Server) Resident() (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process.Pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("reading the server's memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("reading the server's memory: no VmRSS")
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
