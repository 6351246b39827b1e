package keys

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// Certificates are those of a server, and whom it takes clients' from. They change
// when their files do; connections that are there go on with what they have.
type Certificates struct {
	cert, key, clientCA string // files; clientCA may be ""
	now                 atomic.Pointer[tls.Config]

	mu   sync.Mutex
	read []byte // all of the files, last
}

// OpenCertificates reads the files, PEM: the server's chain and key, and where
// clients may show a certificate, of whom.
func OpenCertificates(cert, key, clientCA string) (*Certificates, error) {
	c := &Certificates{cert: cert, key: key, clientCA: clientCA}
	_, err := c.Reload()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again and tells whether they are others now. With an error
// those before stay in force; what is broken in the same way is an error once.
func (c *Certificates) Reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []byte
	var texts [3][]byte
	for i, path := range []string{c.cert, c.key, c.clientCA} {
		if path == "" {
			continue
		}
		text, problem := os.ReadFile(path)
		if problem != nil && err == nil {
			err = fmt.Errorf("reading a certificate: %w", problem)
			text = []byte(problem.Error())
		}
		texts[i], all = text, append(append(all, 0), text...)
	}
	if bytes.Equal(all, c.read) {
		return false, nil
	}
	c.read = all
	if err != nil {
		return false, err
	}
	next, err := c.config(texts[0], texts[1], texts[2])
	if err != nil {
		return false, err
	}
	c.now.Store(next)
	return true, nil
}

func (c *Certificates) config(cert, key, clientCA []byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s and the key %s: %w", c.cert, c.key, err)
	}
	next := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.clientCA != "" {
		next.ClientCAs, next.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
		next.SessionTicketsDisabled = true // who has a ticket would not be verified again by a newer file
		if !next.ClientCAs.AppendCertsFromPEM(clientCA) {
			return nil, fmt.Errorf("%s has no certificate in it: give those that clients' are signed with, as PEM", c.clientCA)
		}
	}
	return next, nil
}

// Config is for a listener that speaks these protocols, in their order.
func (c *Certificates) Config(speaks ...string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: speaks,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := c.now.Load().Clone() // which shares no state of sessions with another
			now.NextProtos = speaks
			return now, nil
		},
	}
}
