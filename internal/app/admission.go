package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"serin/internal/keys"
)

// Admission is who may come in, and over what. The zero value lets everybody in who
// is on this machine, and nobody else.
type Admission struct {
	// Keys is the file of keys, KeyLines are more of its lines; with either, every
	// route asks for one.
	Keys, KeyLines string
	// Cert and Key are the server's certificate and its key, PEM files, for HTTP and
	// gRPC. ClientCA has those that clients' certificates are signed with.
	Cert, Key, ClientCA string
	// BehindProxy says that whatever comes from other machines has come to a proxy
	// by TLS. It is trusted for that, and not for who somebody is.
	BehindProxy bool
}

// Locked tells whether callers need a key.
func (a *Admission) Locked() bool { return a.Keys != "" || a.KeyLines != "" }

// check says what is wrong with the settings.
func (a *Admission) check() error {
	switch {
	case (a.Cert == "") != (a.Key == ""):
		return errors.New("TLS takes a certificate and its key: give both --tls-cert and --tls-key")
	case a.ClientCA != "" && a.Cert == "":
		return errors.New("clients show certificates over TLS only: give --tls-cert and --tls-key, too")
	case a.ClientCA != "" && !a.Locked():
		return errors.New("a client's certificate says who it is, and nothing says what it may do: give --keys, with a line such as edge role=predictor models=* cert=dns:edge.example")
	}
	return nil
}

// checkAddress is about one address to listen on. One that other machines reach
// needs to know who calls, and TLS, or a token could be read on the way.
func (a *Admission) checkAddress(what, address string) error {
	loopback, err := isLoopback(address)
	switch {
	case err != nil:
		return fmt.Errorf("%s address %q: %w; write it like 127.0.0.1:8000", what, address, err)
	case loopback:
		return nil
	case !a.Locked():
		return fmt.Errorf("%s address %q is not a loopback address: whoever reaches it could deploy models. Make a key with serin token new --name me --role admin, put the line that it prints into a file, and give --keys FILE with --tls-cert and --tls-key; or listen on 127.0.0.1", what, address)
	case a.Cert == "" && !a.BehindProxy:
		return fmt.Errorf("%s address %q is not a loopback address, and tokens could be read on the way to it: give --tls-cert and --tls-key, or --behind-proxy where only a proxy that speaks TLS reaches it", what, address)
	}
	return nil
}

// isLoopback tells whether only this machine reaches an address, HOST:PORT.
func isLoopback(address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, err
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback(), nil
}

// gatehouse is what admission needs while the server runs. Both may be nil.
type gatehouse struct {
	ring  *keys.Ring
	certs *keys.Certificates
}

// open reads the files.
func (a *Admission) open() (*gatehouse, error) {
	h := &gatehouse{}
	var err error
	if a.Locked() {
		if h.ring, err = keys.Open(a.Keys, a.KeyLines); err != nil {
			return nil, err
		}
	}
	if a.Cert != "" {
		h.certs, err = keys.OpenCertificates(a.Cert, a.Key, a.ClientCA)
	}
	return h, err
}

// filesEvery is how often keys and certificates are read again.
const filesEvery = time.Second

// watch reads the files again and again, until ctx ends. What is broken is said
// once, and what was in force stays.
func (h *gatehouse) watch(ctx context.Context, c *Config) {
	if h.ring == nil && h.certs == nil {
		return
	}
	tick := time.NewTicker(filesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if h.ring != nil {
			said(c, "keys", h.ring.Reload)
		}
		if h.certs != nil {
			said(c, "certificates", h.certs.Reload)
		}
	}
}

func said(c *Config, what string, reload func() (bool, error)) {
	switch changed, err := reload(); {
	case err != nil:
		c.Log.Error("a file was changed and cannot be used; what was read before stays in force", "what", what, "err", err)
	case changed:
		c.Log.Info("read again", "what", what)
	}
}

// secure makes an HTTP server speak TLS, with HTTP/2 for those who ask for it in
// the handshake.
func (h *gatehouse) secure(s *http.Server) {
	if h.certs == nil {
		return
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	s.Protocols = &protocols
	s.TLSConfig = h.certs.Config("h2", "http/1.1")
}

// serve answers HTTP on a listener, with TLS if there is a certificate.
func (h *gatehouse) serve(s *http.Server, l net.Listener) error {
	if h.certs == nil {
		return s.Serve(l)
	}
	return s.ServeTLS(l, "", "")
}

// rpc are the options of the gRPC server.
func (h *gatehouse) rpc() []grpc.ServerOption {
	if h.certs == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.Creds(credentials.NewTLS(h.certs.Config("h2")))}
}

// scheme is how addresses of this server begin.
func (h *gatehouse) scheme() string {
	if h.certs == nil {
		return "http://"
	}
	return "https://"
}

// exposed tells whether other machines reach the server.
func (c *Config) exposed() bool {
	for _, address := range []string{c.Listen, c.AdminListen} {
		if loopback, err := isLoopback(address); err == nil && !loopback {
			return true
		}
	}
	return false
}
