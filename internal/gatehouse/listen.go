package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// Addresses are where a server listens; Admin and GRPC may be nil.
type Addresses struct{ HTTP, Admin, GRPC net.Listener }

// Listen listens at all of them, or at none; admin and grpc may be empty.
func Listen(ctx context.Context, http, admin, grpc string) (*Addresses, error) {
	a := &Addresses{}
	var err error
	if a.HTTP, err = listen(ctx, http, "", "stop it, or choose another address with --listen"); err == nil && admin != "" {
		a.Admin, err = listen(ctx, admin, "", "choose another address with --admin-listen")
	}
	if err == nil && grpc != "" {
		a.GRPC, err = listen(ctx, grpc, ", where gRPC would be", "choose another address with --grpc-listen, or off")
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// socket takes the file out of the address of a Unix socket, unix:FILE.
func socket(address string) (file string, is bool) { return strings.CutPrefix(address, "unix:") }

func listen(ctx context.Context, address, what, instead string) (net.Listener, error) {
	if file, is := socket(address); is {
		l, err := listenAt(ctx, file)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("socket taken: %s%s is there already, and is a file or another process's; %s", file, what, instead)
		}
		return l, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port taken: another process listens on %s%s; %s", address, what, instead)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s%s: %w", address, what, err)
	}
	return l, nil
}

// listenAt listens at a file that only this process's user reaches: there is no
// moment when others do. The file of a process that has gone is removed.
func listenAt(ctx context.Context, file string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) }) // which Linux takes over to the file, and others do not
	}}
	l, err := config.Listen(ctx, "unix", file)
	if errors.Is(err, syscall.EADDRINUSE) && deserted(ctx, file) {
		if err = os.Remove(file); err == nil {
			l, err = config.Listen(ctx, "unix", file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("listening on unix:%s: %w", file, err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("making the socket this user's alone: %w", err), l.Close())
	}
	return l, nil
}

// deserted tells whether a file is a socket at which nobody listens.
func deserted(ctx context.Context, file string) bool {
	info, err := os.Lstat(file)
	if err != nil || info.Mode().Type() != os.ModeSocket {
		return false
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", file)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Close lets go of what the servers have not closed.
func (a *Addresses) Close() (err error) {
	for _, l := range []net.Listener{a.HTTP, a.Admin, a.GRPC} {
		if l == nil {
			continue
		}
		if e := l.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// URL is where a listener answers; empty for none.
func (h *House) URL(l net.Listener) string {
	if l == nil {
		return ""
	}
	if l.Addr().Network() == "unix" {
		return named(l)
	}
	return h.scheme() + l.Addr().String()
}

// RPC is where gRPC is answered; empty for nowhere.
func (a *Addresses) RPC() string {
	if a.GRPC == nil {
		return ""
	}
	return named(a.GRPC)
}

// named is a listener's address as it is given.
func named(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return l.Addr().String()
}
