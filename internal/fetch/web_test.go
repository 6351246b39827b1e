package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// web is a web server on this machine, over TLS, that counts who connects.
type web struct {
	*httptest.Server

	connections atomic.Int64
}

func serve(t *testing.T, handle http.HandlerFunc) *web {
	w := &web{Server: httptest.NewUnstartedServer(handle)}
	w.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			w.connections.Add(1)
		}
	}
	w.StartTLS()
	t.Cleanup(w.Close)
	return w
}

// porter is one who may fetch from there, and knows the certificates of all.
func porter(t *testing.T, c Config, servers ...*web) *Porter {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	p.roots = x509.NewCertPool()
	for _, w := range servers {
		p.roots.AddCert(w.Certificate())
	}
	p.env = func(string) string { return "" }
	return p
}

// bring fetches a file.
func (p *Porter) bring(t *testing.T, text string, limit int64) (string, error) {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	parcel, err := p.Open(t.Context(), r, limit)
	if err != nil {
		return "", err
	}
	defer parcel.Close()
	all, err := io.ReadAll(parcel)
	return string(all), err
}

// refused holds an error against what it should be.
func refused(t *testing.T, what string, err error, kind Kind, says string) {
	t.Helper()
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || refusal.Kind != kind || !strings.Contains(refusal.Error(), says) || refusal.Next == "" {
		t.Errorf("%s: got %v, and not one of kind %d with %q", what, err, kind, says)
	}
}

func TestWeb(t *testing.T) {
	t.Parallel()
	const content = "a model"
	w := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/models/m":
			fmt.Fprint(w, content)
		case "/models/secret":
			w.WriteHeader(http.StatusForbidden)
		case "/models/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/models/packed":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write([]byte{0x1f, 0x8b})
		case "/models/cut": // it says that there is more
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, content)
		case "/models/huge":
			w.Header().Set("Content-Length", "10000000000")
			w.WriteHeader(http.StatusOK)
		case "/models/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<16)); err != nil {
					return
				}
			}
		default:
			http.NotFound(w, r)
		}
	})
	p := porter(t, Config{Sources: []string{w.URL + "/models"}}, w)
	sum := sha256.Sum256([]byte(content))
	right := "#sha256=" + hex.EncodeToString(sum[:])
	for _, text := range []string{"", right} {
		if got, err := p.bring(t, w.URL+"/models/m"+text, int64(len(content))); got != content || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	for _, c := range []struct {
		path string
		kind Kind
		says string
	}{
		{"/other/m", Forbidden, "--artifact-source"},
		{"/models/m#sha256=" + digest, Differs, "and that of the file that was meant is " + digest},
		{"/models/none", Missing, "there is no file"},
		{"/models/secret", Denied, "may not read"},
		{"/models/busy", Broken, "503"},
		{"/models/packed", Broken, "gzip"},
		{"/models/cut", Broken, "unexpected EOF"},
		{"/models/huge", TooLarge, "larger than 1000000 bytes"},
		{"/models/endless", TooLarge, "larger than 1000000 bytes"},
	} {
		_, err := p.bring(t, w.URL+c.path, 1_000_000)
		refused(t, c.path, err, c.kind, c.says)
	}
	_, err := porter(t, Config{}).bring(t, w.URL+"/models/m", 100)
	refused(t, "without a source", err, Forbidden, "fetches no files from elsewhere")
}

// TestRedirects: each is held against the sources, and takes no token along.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var arrived atomic.Pointer[http.Request]
	other := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived.Store(r)
		fmt.Fprint(w, "from there")
	})
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	first := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		to := r.URL.Path
		if to == "/loop" {
			http.Redirect(w, r, "/loop", http.StatusFound)
			return
		}
		to, _ = url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/to/"))
		to, _ = url.QueryUnescape(strings.ReplaceAll(to, "_", "%"))
		http.Redirect(w, r, to, http.StatusFound)
	})
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("# ours\n\n"+first.URL+" sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := porter(t, Config{Sources: []string{first.URL, other.URL + "/models"}, TokenFile: tokens}, first, other)
	// An address within an address may have no escapes: _ stands for %.
	leads := func(to string) string { return first.URL + "/to/" + strings.ReplaceAll(url.QueryEscape(to), "%", "_") }
	got, err := p.bring(t, leads(other.URL+"/models/m?signature=1"), 100)
	if err != nil || got != "from there" {
		t.Fatalf("got %q, %v", got, err)
	}
	if r := arrived.Load(); r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "" || r.URL.RawQuery != "signature=1" {
		t.Errorf("what arrived is %s with %v", r.URL, r.Header)
	}
	before := other.connections.Load()
	for _, to := range []string{
		other.URL + "/secret", other.URL + "/models/../secret", other.URL + "/models/%2e%2e/secret", other.URL + "/models/m;a/..;/secret",
		strings.Replace(other.URL, "https:", "http:", 1) + "/models/m", strings.Replace(other.URL, "//", "//user:word@", 1) + "/models/m",
		plain.URL + "/m", "https://169.254.169.254/latest/meta-data/", "http://169.254.169.254/latest/meta-data/", "https://localhost" + other.URL[strings.LastIndexByte(other.URL, ':'):] + "/models/m",
		"file:///etc/passwd", "//127.0.0.1/m", "https://[::ffff:169.254.169.254]/m",
	} {
		_, err := p.bring(t, leads(to), 100)
		refused(t, to, err, Forbidden, "leads to another address, which is refused")
	}
	_, err = p.bring(t, first.URL+"/loop", 100)
	refused(t, "a loop", err, Forbidden, "more than 3 times")
	if after := other.connections.Load(); after != before {
		t.Errorf("%d connections were made for what is refused", after-before)
	}
}

// TestNamesThatLeadInside: a name is what somebody says that it is, so the address
// counts, when it is dialled. Nothing is sent.
func TestNamesThatLeadInside(t *testing.T) {
	t.Parallel()
	w := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "inside") })
	port := w.URL[strings.LastIndexByte(w.URL, ':'):]
	for _, host := range []string{"localhost", "models.example"} {
		source := "https://" + host + port
		p := porter(t, Config{Sources: []string{source}}, w)
		p.resolver = lying(t, net.IPv4(127, 0, 0, 1))
		_, err := p.bring(t, source+"/m", 100)
		refused(t, host, err, Forbidden, "--artifact-private-host")
	}
	if n := w.connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
	source := "https://example.com" + port // that is in the certificate
	p := porter(t, Config{Sources: []string{source}, PrivateHosts: []string{"example.com"}}, w)
	p.resolver = lying(t, net.IPv4(127, 0, 0, 1))
	if got, err := p.bring(t, source+"/m", 100); got != "inside" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	p.resolver = lying(t, net.IPv4(169, 254, 169, 254))
	_, err := p.bring(t, source+"/m", 100)
	refused(t, "metadata", err, Forbidden, "169.254.169.254")
}

// TestSlow: a server that says nothing, and one that says little.
func TestSlow(t *testing.T) {
	t.Parallel()
	w := serve(t, func(w http.ResponseWriter, r *http.Request) {
		flush := w.(http.Flusher)
		switch r.URL.Path {
		case "/silent":
			<-r.Context().Done()
		case "/stalls":
			fmt.Fprint(w, "x")
			flush.Flush()
			<-r.Context().Done()
		case "/drips":
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for r.Context().Err() == nil {
				fmt.Fprint(w, "x")
				flush.Flush()
				<-tick.C
			}
		}
	})
	for path, c := range map[string]struct {
		stall, whole time.Duration
		says         string
	}{
		"/silent": {100 * time.Millisecond, time.Hour, "nothing arrived for too long"},
		"/stalls": {100 * time.Millisecond, time.Hour, "nothing arrived for too long"},
		"/drips":  {time.Hour, 300 * time.Millisecond, "it took too long"},
	} {
		p := porter(t, Config{Sources: []string{w.URL}}, w)
		p.stall, p.whole = c.stall, c.whole
		_, err := p.bring(t, w.URL+path, 1<<30)
		refused(t, path, err, Broken, c.says)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p := porter(t, Config{Sources: []string{w.URL}}, w)
	r, _ := Parse(w.URL + "/stalls")
	parcel, err := p.Open(ctx, r, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer parcel.Close()
	cancel()
	_, err = io.ReadAll(parcel)
	refused(t, "called off", err, Broken, "context canceled")
}

// TestSlowReader: who writes elsewhere what arrived takes none of the source's time.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(name, []byte("a model"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		p := porter(t, Config{Sources: []string{"file://" + name}})
		r, _ := Parse("file://" + name)
		parcel, err := p.Open(t.Context(), r, 100)
		if err != nil {
			t.Fatal(err)
		}
		defer parcel.Close()
		if _, err := io.ReadFull(parcel, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * p.stall)
		if rest, err := io.ReadAll(parcel); string(rest) != "model" || err != nil {
			t.Errorf("got %q, %v", rest, err)
		}
	})
}

func TestFolder(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	for name, content := range map[string]string{filepath.Join(dir, "m.joblib"): "a model", outside: "a secret"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{dir, dir + "/", dir + "/m.joblib"} {
		p := porter(t, Config{Sources: []string{"file://" + source}})
		if got, err := p.bring(t, "file://"+dir+"/m.joblib", 100); got != "a model" || err != nil {
			t.Errorf("%s: got %q, %v", source, got, err)
		}
	}
	p := porter(t, Config{Sources: []string{"file://" + dir}})
	for _, c := range []struct {
		path string
		kind Kind
		says string
	}{
		{dir + "/none", Missing, "mounted"},
		{dir + "/link", Broken, "escapes"},
		{dir + "/inner", Forbidden, "is not a regular file"},
		{outside, Forbidden, "--artifact-source"},
	} {
		_, err := p.bring(t, "file://"+c.path, 100)
		refused(t, c.path, err, c.kind, c.says)
	}
	_, err := p.bring(t, "file://"+dir+"/m.joblib", 3)
	refused(t, "a large one", err, TooLarge, "larger than 3 bytes")
}
