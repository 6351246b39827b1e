package app

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// stream opens the page's stream with a token, and reads to its first message.
func (r *running) stream(token string) *bufio.Reader {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/admin/models/churn/live", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	for _, want := range []string{"event: who", "data: {"} {
		if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			r.t.Fatalf("%s: %q (%v), want %s", res.Status, line, err, want)
		}
	}
	return lines
}

// rekey changes the lines of the file of keys.
func rekey(t *testing.T, c *Config, change func(lines string) string) {
	t.Helper()
	lines, err := os.ReadFile(c.Admission.Keys)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(lines))
	if changed == string(lines) {
		t.Fatalf("nothing is changed in %q", lines)
	}
	if err := os.WriteFile(c.Admission.Keys, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStreamEndsWithItsKey: whose key is taken out, or is for something else now, is
// told nothing more of what it was for, also where he began to listen before; others
// are.
func TestStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(string) string{
		"taken out":    func(lines string) string { _, others, _ := strings.Cut(lines, "\n"); return others }, // the viewer's is the first line
		"another role": func(lines string) string { return strings.Replace(lines, "role=viewer", "role=deployer", 1) },
		"other models": func(lines string) string { return strings.Replace(lines, "models=churn", "models=churn,fraud", 1) },
		"another name": func(lines string) string { return strings.Replace(lines, "viewer ", "visitor ", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configFor(t)
			tokens := keysFor(t, &c)
			r := launch(t, c)
			defer r.stop()
			viewers, owners := r.stream(tokens["viewer"]), r.stream(tokens["owner"])
			rekey(t, &c, change)
			if _, err := io.Copy(io.Discard, viewers); err != nil {
				t.Errorf("the stream has no good end: %v", err)
			}
			for range 10 {
				if _, err := owners.ReadString('\n'); err != nil {
					t.Fatalf("another's stream ends, too: %v", err)
				}
			}
		})
	}
}

// TestRowsEndWithTheirKey: a prediction whose rows come for hours is one as long as
// its key may predict, and says why it ends.
func TestRowsEndWithTheirKey(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	tokens := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	for _, path := range []string{"/predict", "/models/churn/predict"} {
		body, rows := io.Pipe()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		req.Header.Set("Authorization", "Bearer "+tokens["predictor"])
		go func() { _, _ = io.WriteString(rows, "[0.5,1.2,0.8,0.3,1.1]\n") }()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(res.Body)
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"prediction"`) {
			t.Fatalf("%s: %s %q (%v)", path, res.Status, line, err)
		}
		rekey(t, &c, func(lines string) string { return strings.Replace(lines, "role=predictor", "role=viewer", 1) })
		go func() {
			for err := error(nil); err == nil; <-time.After(50 * time.Millisecond) {
				_, err = io.WriteString(rows, "[0.5,1.2,0.8,0.3,1.1]\n")
			}
		}()
		last := ""
		for line, err := lines.ReadString('\n'); err == nil; line, err = lines.ReadString('\n') {
			last = line
		}
		_, _ = res.Body.Close(), rows.Close()
		if !strings.Contains(last, `"code":"forbidden"`) || !strings.Contains(last, "The key predictor may not do this") {
			t.Errorf("%s: the last line is %q", path, last)
		}
		rekey(t, &c, func(lines string) string {
			return strings.Replace(lines, "predictor role=viewer", "predictor role=predictor", 1)
		})
		for begun := time.Now(); ; <-time.After(50 * time.Millisecond) {
			if status, text := r.knock(r.url, http.MethodPost, "/predict", tokens["predictor"], row); status == http.StatusOK {
				break
			} else if time.Since(begun) > 20*time.Second {
				t.Fatalf("the role that is back: %d %s", status, text)
			}
		}
	}
}

// TestNobodyActsInANameOfHisOwn: where keys are asked for, the log of a call that is
// refused does not have the name that its client has given itself.
func TestNobodyActsInANameOfHisOwn(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	c := configFor(t)
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	tokens := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	for _, token := range []string{"", tokens["viewer"]} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/admin/rollback-canary", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Serin-Actor", "the-owner")
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if text := log.String(); !strings.Contains(text, "status=403") || strings.Contains(text, "the-owner") {
		t.Errorf("the log is\n%s", text)
	}
}

// certificate writes one and its key as files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	s.Close()
	pair, dir := s.TLS.Certificates[0], t.TempDir()
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestAtASocket: everything is there that is at a port, for who may open the file, and
// in the clear, also where there is a certificate for other addresses.
func TestAtASocket(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	dir := shortDir(t)
	c.Listen, c.GRPC = "unix:"+filepath.Join(dir, "serin.sock"), "unix:"+filepath.Join(dir, "grpc.sock")
	c.Admission.Cert, c.Admission.Key = certificate(t)
	r := launch(t, c)
	defer r.stop()
	if r.url != c.Listen || r.grpc != c.GRPC {
		t.Errorf("it says that it is at %s and %s", r.url, r.grpc)
	}
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Error(err)
	}
	if s, err := r.client.State(t.Context()); err != nil || s.Phase != "canary" {
		t.Errorf("%+v %v", s, err)
	}
	if status, text := r.knock(r.url, http.MethodPost, "/predict", "", row); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
	conn, err := grpc.NewClient(r.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if out, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || out.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("gRPC: %v %v", out, err)
	}
}

// TestWhoSendsTooMuchIsAnswered: a client that sends all of a large body before it
// reads is told why it was for nothing, and is not cut off; one that asks before it
// sends is told at once.
func TestWhoSendsTooMuchIsAnswered(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	tokens := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	const size = 64 << 20
	for _, tt := range []struct {
		path, token, headers string
		sent, want           int
	}{
		{"/predict", "nobody", "", size, http.StatusUnauthorized},
		{"/predict", "owner", "", size, http.StatusRequestEntityTooLarge},
		{"/v2/models/churn/infer", "owner", "", size, http.StatusRequestEntityTooLarge},
		{"/admin/deploy-canary", "nobody", "", size, http.StatusUnauthorized},
		{"/admin/deploy-canary", "owner", "Content-Encoding: gzip\r\n", size, http.StatusUnsupportedMediaType},
		{"/nowhere", "owner", "", size, http.StatusNotFound},
		{"/predict", "nobody", "Expect: 100-continue\r\n", 0, http.StatusUnauthorized},
		{"/predict", "owner", "Expect: 100-continue\r\n", 0, http.StatusRequestEntityTooLarge},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n%s\r\n", tt.path, tokens[tt.token], size, tt.headers)
		part := make([]byte, 1<<20)
		for sent := 0; sent < tt.sent && err == nil; sent += len(part) {
			_, err = conn.Write(part)
		}
		if err != nil {
			t.Errorf("%+v: cut off while it sends: %v", tt, err)
		} else if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			t.Errorf("%+v: no answer: %v", tt, err)
		} else if _ = res.Body.Close(); res.StatusCode != tt.want {
			t.Errorf("%+v: %s", tt, res.Status)
		}
		_ = conn.Close()
	}
}
