package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	// OpenMetrics lets everybody read the metrics who reaches their address.
	OpenMetrics bool
}

// Locked tells whether callers need a key.
func (a *Admission) Locked() bool { return a.Keys != "" || a.KeyLines != "" }

// Check says what is wrong with the settings, in one sentence.
func (a *Admission) Check() error {
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

// CheckAddress is about one address to listen on. One that other machines reach
// needs to know who calls, and TLS, or a token could be read on the way.
func (a *Admission) CheckAddress(what, address string) error {
	if file, is := socket(address); is {
		return checkSocket(what, file)
	}
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

// mostSocket bounds the name of a socket's file, in bytes, as systems do.
const mostSocket = 100

// checkSocket is about a Unix socket. One without a file, as Linux has, anybody on
// this machine reaches.
func checkSocket(what, file string) error {
	switch {
	case file == "" || file[0] == '@':
		return fmt.Errorf("%s address: a socket is a file; write it like unix:/run/serin/serin.sock", what)
	case len(file) > mostSocket:
		return fmt.Errorf("%s address: the name of a socket has at most %d bytes, and %s has %d", what, mostSocket, file, len(file))
	}
	return nil
}

// isLoopback tells whether only this machine reaches an address: HOST:PORT, or that
// of a socket.
func isLoopback(address string) (bool, error) {
	if _, is := socket(address); is {
		return true, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, err
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback(), nil
}

// House is what admission needs while the server runs. Both may be nil.
type House struct {
	ring  *keys.Ring
	certs *keys.Certificates
}

// Open reads the files. Their errors say what to do.
func (a *Admission) Open() (*House, error) {
	h := &House{}
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

// Lock makes the lock of a guard, which may be nil.
func (a *Admission) Lock(g *keys.Guard, refuse Refuse) *Lock {
	l := &Lock{guard: g, refuse: refuse}
	if a.OpenMetrics {
		l.open = []string{"GET /metrics"}
	}
	return l
}

// Guard decides who comes in, to a server with a default model; nil where nobody is
// asked for a key.
func (h *House) Guard(standard string, log *slog.Logger) *keys.Guard {
	if h.ring == nil {
		return nil
	}
	return keys.NewGuard(h.ring, standard, time.Now, log)
}

// filesEvery is how often keys and certificates are read again.
const filesEvery = time.Second

// Watch reads the files again and again, until ctx ends. What is broken is said
// once, and what was in force stays.
func (h *House) Watch(ctx context.Context, log *slog.Logger) {
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
			said(log, "keys", h.ring.Reload)
		}
		if h.certs != nil {
			said(log, "certificates", h.certs.Reload)
		}
	}
}

func said(log *slog.Logger, what string, reload func() (bool, error)) {
	switch changed, err := reload(); {
	case err != nil:
		log.Error("a file was changed and cannot be used; what was read before stays in force", "what", what, "err", err)
	case changed:
		log.Info("read again", "what", what)
	}
}

// Secure makes an HTTP server speak TLS, with HTTP/2 for those who ask for it in
// the handshake.
func (h *House) Secure(s *http.Server) {
	if h.certs == nil {
		return
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	s.Protocols = &protocols
	s.TLSConfig = h.certs.Config("h2", "http/1.1")
}

// Serve answers HTTP on a listener, with TLS if there is a certificate; on a socket
// nobody can listen in.
func (h *House) Serve(s *http.Server, l net.Listener) error {
	if h.certs == nil || l.Addr().Network() == "unix" {
		return s.Serve(l)
	}
	return s.ServeTLS(l, "", "")
}

// RPC are the options of the gRPC server at an address: TLS as HTTP has it, see Serve.
func (h *House) RPC(address string) []grpc.ServerOption {
	if _, file := socket(address); h.certs == nil || file {
		return nil
	}
	return []grpc.ServerOption{grpc.Creds(credentials.NewTLS(h.certs.Config("h2")))}
}

// scheme is how addresses of this server begin.
func (h *House) scheme() string {
	if h.certs == nil {
		return "http://"
	}
	return "https://"
}

// Exposed tells whether other machines reach one of these addresses, of which some
// may be empty.
func Exposed(addresses ...string) bool {
	for _, address := range addresses {
		if loopback, err := isLoopback(address); err == nil && !loopback {
			return true
		}
	}
	return false
}
