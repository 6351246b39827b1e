package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"serin/internal/api"
)

// authority signs certificates, and writes them where a test wants them.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, path string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key, a.cert = a.issue(path, "", &x509.Certificate{Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) issue(certPath, keyPath string, template *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(path, kind string, der []byte) {
		if err := os.WriteFile(path+".next", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		if err := os.Rename(path+".next", path); err != nil {
			a.t.Fatal(err)
		}
	}
	if keyPath != "" {
		text, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			a.t.Fatal(err)
		}
		write(keyPath, "PRIVATE KEY", text)
	}
	write(certPath, "CERTIFICATE", der)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

// locked is a server that asks for keys, over TLS, and the folder of what it takes
// to come in.
func locked(t *testing.T) (s *server, in func(name string) string, a *authority) {
	t.Helper()
	dir := t.TempDir()
	in = func(name string) string { return filepath.Join(dir, name) }
	a = newAuthority(t, in("ca.pem"))
	a.issue(in("server.pem"), in("server.key"), &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	a.issue(in("edge.pem"), in("edge.key"), &x509.Certificate{DNSNames: []string{"edge.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	lines := "edge role=predictor,viewer models=* cert=dns:edge.example\n"
	for _, role := range []string{"viewer", "deployer", "admin"} {
		lines += mint(t, role, in(role))
	}
	if err := os.WriteFile(in("keys"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return child(t, workplace(t), "SERIN_KEYS="+in("keys"), "SERIN_TLS_CERT="+in("server.pem"), "SERIN_TLS_KEY="+in("server.key"), "SERIN_TLS_CLIENT_CA="+in("ca.pem")).mustBeReady(), in, a
}

// mint writes a token of a role where a command finds it, and returns its line.
func mint(t *testing.T, role, path string) (line string) {
	t.Helper()
	code, line, token := command("token", "new", "--name", "the-"+role, "--role", role)
	if code != api.ExitOK || !strings.HasPrefix(token, "serin_") || strings.Contains(line, strings.TrimSpace(token)) {
		t.Fatalf("token new: %d %q %q", code, line, token)
	}
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return line
}

// TestCommandsShowWhoTheyAre: the command line comes in with a token or a
// certificate and over TLS, acts by the key's name, and says by exit code 5 that it
// may not.
func TestCommandsShowWhoTheyAre(t *testing.T) {
	t.Parallel()
	s, in, _ := locked(t)
	try := func(want api.ExitCode, says string, args ...string) {
		t.Helper()
		code, out, errs := command(append(args, "--server", s.url, "--ca", in("ca.pem"))...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("%v: exit %d %s%s", args, code, out, errs)
		}
	}
	said := regexp.MustCompile(`gRPC +(\S+),`)
	eventually(t, "it says where gRPC is", func() bool { return said.MatchString(s.out.String()) })
	rpc := "https://" + said.FindStringSubmatch(s.out.String())[1]
	try(5, "asks for a token", "status")
	try(5, "asks for a token", "token", "link")
	try(0, s.url+"/login#code=", "token", "link", "--token-file", in("viewer"))
	try(0, s.url+"/login#code=", "token", "link", "--cert", in("edge.pem"), "--cert-key", in("edge.key"))
	mint(t, "viewer", in("stranger"))
	try(5, "not known", "status", "--token-file", in("stranger"))
	try(2, "more than one word", "status", "--token-file", in("keys"))
	try(0, "model_v1", "status", "--token-file", in("viewer"))
	try(0, "model_v1", "status", "--cert", in("edge.pem"), "--cert-key", in("edge.key"))
	try(5, "may not do this", "deploy", "models/model_v2.joblib", "--token-file", in("viewer"))
	try(5, "may not do this", "deploy", "models/model_v2.joblib", "--cert", in("edge.pem"), "--cert-key", in("edge.key"))
	try(0, "live", "deploy", "models/model_v2.joblib", "--actor", "somebody", "--token-file", in("deployer"))
	try(0, "the-deployer", "history", "--token-file", in("viewer"))
	try(0, "rolled back", "rollback", "--token-file", in("deployer"))
	try(0, " 0 failed", "bench", "--requests", "20", "--warm-up", "0s", "--cert", in("edge.pem"), "--cert-key", in("edge.key"))
	try(0, " 0 failed", "bench", "--requests", "20", "--warm-up", "0s", "--http2", "--token-file", in("admin"))
	try(2, "", "bench", "--requests", "20", "--protocol", "v2", "--token-file", in("nothing"))
	if code, out, errs := command("bench", "--requests", "20", "--warm-up", "0s", "--protocol", "grpc", "--server", rpc, "--ca", in("ca.pem"), "--token-file", in("admin")); code != 0 {
		t.Errorf("bench over gRPC at %s: exit %d %s%s", rpc, code, out, errs)
	}
	if code, _, errs := command("bench", "--requests", "20", "--warm-up", "0s", "--protocol", "grpc", "--server", rpc, "--ca", in("ca.pem")); code == 0 || !strings.Contains(errs, "asks for a token") {
		t.Errorf("bench over gRPC without a token: exit %d %s", code, errs)
	}
	if code, _, errs := command("status", "--server", s.url, "--token-file", in("viewer")); code != 7 || !strings.Contains(errs, "certificate") {
		t.Errorf("a server that nobody has vouched for: exit %d %s", code, errs)
	}
}

// TestKeysAndCertificatesAreExchanged while the server runs: an old token is out, a
// broken file changes nothing, and another certificate is shown.
func TestKeysAndCertificatesAreExchanged(t *testing.T) {
	t.Parallel()
	s, in, a := locked(t)
	asks := func(token, ca string) api.ExitCode {
		code, _, _ := command("status", "--server", s.url, "--ca", in(ca), "--token-file", in(token))
		return code
	}
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(in("keys.next"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(in("keys.next"), in("keys")); err != nil {
			t.Fatal(err)
		}
	}
	put(mint(t, "viewer", in("newer")))
	eventually(t, "the new token is taken and the old one is not", func() bool { return asks("newer", "ca.pem") == 0 && asks("viewer", "ca.pem") == 5 })
	put("viewer role=root")
	eventually(t, "the log says what is wrong", func() bool { return strings.Contains(s.out.String(), "line 1") })
	if code := asks("newer", "ca.pem"); code != 0 {
		t.Errorf("after a broken file: exit %d", code)
	}
	other := newAuthority(t, in("other.pem"))
	other.issue(in("server.pem"), in("server.key"), &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	eventually(t, "the new certificate is shown", func() bool { return asks("newer", "other.pem") == 0 })
	a.issue(in("server.pem"), in("half.key"), &x509.Certificate{}) // a certificate without its key
	eventually(t, "the log says that they do not fit", func() bool { return strings.Contains(s.out.String(), "does not match") })
	if code := asks("newer", "other.pem"); code != 0 {
		t.Errorf("after a certificate without its key: exit %d", code)
	}
}

// TestNobodyFromElsewhere: an address that others reach takes keys and TLS, and the
// refusal says how to get them.
func TestNobodyFromElsewhere(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	for path, text := range map[string]string{keys: mint(t, "admin", keys+".token"), keys + ".none": "# nobody yet\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"serin token new", []string{"--listen", "0.0.0.0:0"}},
		{"serin token new", []string{"--listen", ":0"}},
		{"serin token new", []string{"--listen", "127.0.0.1:0", "--admin-listen", "10.0.0.1:0"}},
		{"serin token new", []string{"--listen", "127.0.0.1:0", "--grpc-listen", "[::]:0"}},
		{"serin token new", []string{"--listen", "0.0.0.0:0", "--behind-proxy"}},
		{"--tls-cert", []string{"--listen", "0.0.0.0:0", "--keys", keys}},
		{"both --tls-cert and --tls-key", []string{"--listen", "127.0.0.1:0", "--tls-cert", "x.pem"}},
		{"has no keys", []string{"--listen", "127.0.0.1:0", "--keys", keys + ".none"}},
		{"no such file", []string{"--listen", "127.0.0.1:0", "--keys", keys + ".not"}},
		{"over TLS only", []string{"--listen", "127.0.0.1:0", "--keys", keys, "--tls-client-ca", "x.pem"}},
		{"cert=dns:edge.example", []string{"--listen", "127.0.0.1:0", "--tls-cert", "x", "--tls-key", "x", "--tls-client-ca", "x.pem"}},
	} {
		args := append([]string{"serve", "--data", filepath.Join(t.TempDir(), "data"), "--root", "../..", "--model", "models/model_v1.joblib"}, tt.args...)
		if code, _, errs := command(args...); code == 0 || !strings.Contains(errs, tt.says) {
			t.Errorf("%v: exit %d %s", tt.args, code, errs)
		}
	}
}
