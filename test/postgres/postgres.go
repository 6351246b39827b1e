// Package postgres runs a PostgreSQL of its own, from the programs that the system
// has, for tests that need the real one.
//
//	Start ──> a cluster in a new folder ──> Server: URL, Stop, Restart, Kill, Promote
//	             └── Standby ──> another one that follows it; Follow, once its primary is dead
//
// It listens on a free loopback port, trusts whoever connects, and makes every commit
// durable: what is tested is what users are told to run. As root it runs as the user
// postgres, since PostgreSQL refuses root.
//
// What may not happen here: an address that is not loopback, a cluster that is not
// ours, a process that outlives its Stop.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrMissing means that the programs of PostgreSQL are not on this machine.
var ErrMissing = errors.New("PostgreSQL's programs are not installed (Debian: postgresql)")

// Server is a running PostgreSQL.
type Server struct {
	// URL reaches the database postgres as a superuser.
	URL string
	// Address is its host and port.
	Address string

	folder string // holds all of it
	data   string
	bin    string
	as     *syscall.Credential // nil: as ourselves
}

// programs finds the folder with initdb and the others, the newest version first.
func programs() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian has only some of them on the path
	if err != nil || len(found) == 0 {
		path, err := exec.LookPath("initdb")
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			return "", ErrMissing
		}
		return filepath.Dir(path), nil
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
}

func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // 0 is the oldest
	return n
}

// Start makes a cluster and starts it, with settings on top of PostgreSQL's own, such
// as "max_connections=20". The cluster is in memory where that can be: tests lose
// no power.
func Start(ctx context.Context, settings ...string) (*Server, error) {
	s, err := prepare()
	if err != nil {
		return nil, err
	}
	err = s.run(ctx, "initdb", "--pgdata", s.data, "--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if err == nil {
		err = s.configure(settings)
	}
	if err == nil {
		err = s.start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.folder))
	}
	return s, nil
}

// prepare makes the folder and finds a port.
func prepare() (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	base := "/dev/shm"
	if info, err := os.Stat(base); err != nil || !info.IsDir() {
		base = ""
	}
	folder, err := os.MkdirTemp(base, "serin-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, data: filepath.Join(folder, "data"), bin: bin}
	if os.Getuid() == 0 {
		if err := s.degrade(); err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
	}
	port, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	s.Address = port.Addr().String()
	s.URL = "postgres://postgres@" + s.Address + "/postgres?sslmode=disable"
	return s, port.Close()
}

// degrade gives the folder to the user postgres.
func (s *Server) degrade() error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMissing, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.folder, int(uid), int(gid))
}

func (s *Server) configure(settings []string) error {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return err
	}
	lines := append([]string{
		"listen_addresses='" + host + "'", "port=" + port, "unix_socket_directories=''", "fsync=on", "synchronous_commit=on",
		"shared_buffers=16MB", "max_connections=100", "autovacuum=off", "jit=off",
	}, settings...)
	return s.write("postgresql.auto.conf", strings.Join(lines, "\n")+"\n")
}

// write makes a file of the cluster's.
func (s *Server) write(name, text string) error {
	path := filepath.Join(s.data, name)
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil && s.as != nil {
		err = os.Chown(path, int(s.as.Uid), int(s.as.Gid))
	}
	return err
}

// run runs one of PostgreSQL's programs to its end. What it says goes to a file: a
// server that it leaves behind keeps the file open, which would be waited for as a pipe.
func (s *Server) run(ctx context.Context, program string, args ...string) error {
	said, err := os.CreateTemp(s.folder, program+"-")
	if err != nil {
		return err
	}
	defer said.Close()
	c := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	c.Dir, c.Stdout, c.Stderr = s.folder, said, said
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	c.Env = append(os.Environ(), "LC_ALL=C", "HOME="+s.folder)
	if err := c.Run(); err != nil {
		text, _ := os.ReadFile(said.Name()) // only makes the message better
		return fmt.Errorf("%s: %w\n%s", program, err, text)
	}
	return nil
}

func (s *Server) control(ctx context.Context, args ...string) error {
	return s.run(ctx, "pg_ctl", append([]string{"--pgdata", s.data, "--wait", "--silent", "--log", filepath.Join(s.folder, "log")}, args...)...)
}

func (s *Server) start(ctx context.Context) error { return s.control(ctx, "start") }

// Restart stops it, cutting every connection, and starts it again at the same
// address. It also starts one that was killed.
func (s *Server) Restart(ctx context.Context) error {
	if s.pid() == 0 {
		return s.start(ctx)
	}
	return s.control(ctx, "--mode", "fast", "restart")
}

// Crash ends it as a power failure would: nothing is written any more. Restart
// brings back what was durable.
func (s *Server) Crash(ctx context.Context) error {
	return s.control(ctx, "--mode", "immediate", "stop")
}

// Stop ends it and removes all that it wrote.
func (s *Server) Stop() error {
	var err error
	if s.pid() != 0 {
		err = s.control(context.Background(), "--mode", "immediate", "stop")
	}
	return errors.Join(err, os.RemoveAll(s.folder))
}

// pid is the process that the cluster's others are children of, 0 if there is none.
func (s *Server) pid() int {
	text, _ := os.ReadFile(filepath.Join(s.data, "postmaster.pid")) // there is none where it does not run
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

// Signal sends a signal to the cluster's first process: SIGSTOP lets nobody connect
// any more.
func (s *Server) Signal(signal syscall.Signal) error {
	pid := s.pid()
	if pid == 0 {
		return errors.New("PostgreSQL does not run")
	}
	return syscall.Kill(pid, signal)
}

// SignalAll sends a signal to all of the cluster's processes: SIGSTOP freezes it, as
// a machine does that pauses.
func (s *Server) SignalAll(signal syscall.Signal) error {
	if err := s.Signal(signal); err != nil { // first: it makes the others
		return err
	}
	first := strconv.Itoa(s.pid())
	children, err := os.ReadFile("/proc/" + first + "/task/" + first + "/children")
	if err != nil {
		return fmt.Errorf("finding PostgreSQL's processes: %w", err)
	}
	for child := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(child)
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) { // it may have ended
			return err
		}
	}
	return nil
}

// Standby starts another server that follows this one, and answers questions only.
// After Promote it is a primary.
func (s *Server) Standby(ctx context.Context, settings ...string) (*Server, error) {
	follower, err := prepare()
	if err != nil {
		return nil, err
	}
	if err := follower.Follow(ctx, s, settings...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(follower.folder))
	}
	return follower, nil
}

// Follow makes a server that does not run the standby of another one, at the address
// that it had. What it had stored is gone.
func (s *Server) Follow(ctx context.Context, primary *Server, settings ...string) error {
	err := os.RemoveAll(s.data)
	if err == nil {
		err = s.run(ctx, "pg_basebackup", "--pgdata", s.data, "--dbname", primary.URL, "--checkpoint", "fast", "--wal-method", "stream", "--no-sync")
	}
	if err == nil {
		err = s.configure(append(settings, "primary_conninfo='"+primary.URL+"&application_name=standby'"))
	}
	if err == nil {
		err = s.write("standby.signal", "")
	}
	if err == nil {
		err = s.start(ctx)
	}
	return err
}

// Promote makes a standby a primary.
func (s *Server) Promote(ctx context.Context) error { return s.control(ctx, "promote") }
