package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// identity is how a command shows who it is, and knows the server: for servers that
// ask for keys, or speak TLS.
type identity struct {
	tokenFile, ca, cert, key string
}

func (i *identity) flags(f *pflag.FlagSet) {
	f.StringVar(&i.tokenFile, "token-file", os.Getenv("SERIN_TOKEN_FILE"), "file with the token for a server that asks for one (SERIN_TOKEN_FILE; or the token itself in SERIN_TOKEN)")
	f.StringVar(&i.ca, "ca", os.Getenv("SERIN_CA"), "certificates that the server's is signed with, beside the system's, a PEM file (SERIN_CA)")
	f.StringVar(&i.cert, "cert", os.Getenv("SERIN_CERT"), "certificate to show to the server, a PEM file (SERIN_CERT)")
	f.StringVar(&i.key, "cert-key", os.Getenv("SERIN_CERT_KEY"), "its key, a PEM file (SERIN_CERT_KEY)")
}

// token is what is sent; "" for none. The file goes before the variable.
func (i *identity) token() (string, error) {
	token := os.Getenv("SERIN_TOKEN")
	if i.tokenFile != "" {
		text, err := os.ReadFile(i.tokenFile)
		if err != nil {
			return "", fmt.Errorf("--token-file: %w", err)
		}
		if token = string(text); strings.TrimSpace(token) == "" {
			return "", fmt.Errorf("--token-file: %s is empty; serin token new prints a token", i.tokenFile)
		}
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("the token has more than one word: give the one that serin token new has printed, without the line for the server")
	}
	return token, nil
}

// tls is how the server is known, and who the client is; nil for the usual.
func (i *identity) tls() (*tls.Config, error) {
	if i.ca == "" && i.cert == "" && i.key == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if i.ca != "" {
		text, err := os.ReadFile(i.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			config.RootCAs = x509.NewCertPool() // a system without any
		}
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca: %s has no certificate in it; give them as PEM", i.ca)
		}
	}
	if i.cert != "" || i.key != "" {
		pair, err := tls.LoadX509KeyPair(i.cert, i.key)
		if err != nil {
			return nil, fmt.Errorf("--cert and --cert-key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// shown is both.
func (i *identity) shown() (token string, config *tls.Config, err error) {
	if token, err = i.token(); err != nil {
		return "", nil, err
	}
	config, err = i.tls()
	return token, config, err
}
