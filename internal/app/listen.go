package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// addresses are where the server listens; admin and grpc may be nil.
type addresses struct{ http, admin, grpc net.Listener }

// listenAll listens wherever the settings say, or nowhere.
func listenAll(ctx context.Context, c *Config) (*addresses, error) {
	a := &addresses{}
	var err error
	if a.http, err = listen(ctx, c.Listen, "", "stop it, or choose another address with --listen"); err == nil && c.AdminListen != "" {
		a.admin, err = listen(ctx, c.AdminListen, "", "choose another address with --admin-listen")
	}
	if address := c.grpcAddress(); err == nil && address != "" {
		a.grpc, err = listen(ctx, address, ", where gRPC would be", "choose another address with --grpc-listen, or off")
	}
	if err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func listen(ctx context.Context, address, what, instead string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port taken: another process listens on %s%s; %s", address, what, instead)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s%s: %w", address, what, err)
	}
	return l, nil
}

// close lets go of what the servers have not closed.
func (a *addresses) close() (err error) {
	for _, l := range []net.Listener{a.http, a.admin, a.grpc} {
		if l == nil {
			continue
		}
		if e := l.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// url is where a listener answers; empty for none.
func (*addresses) url(h *gatehouse, l net.Listener) string {
	if l == nil {
		return ""
	}
	return h.scheme() + l.Addr().String()
}

// rpc is where gRPC is answered; empty for nowhere.
func (a *addresses) rpc() string {
	if a.grpc == nil {
		return ""
	}
	return a.grpc.Addr().String()
}
