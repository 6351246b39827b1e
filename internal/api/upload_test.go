package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/control"
)

// reading is a pilot that reads uploads to their end.
type reading struct {
	scripted

	got string
}

func (r *reading) Do(ctx context.Context, c control.Command) (control.Health, error) {
	data, err := io.ReadAll(c.Source.Model)
	if err != nil {
		return control.Health{}, err
	}
	r.got = string(data)
	return r.scripted.Do(ctx, c)
}

// TestASlowUploadEnds, whether it stalls or goes on for ever.
func TestASlowUploadEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pace pace
		drip time.Duration
		says string
	}{
		{pace{stall: 50 * time.Millisecond, whole: time.Minute}, time.Hour, "nothing of the upload arrived for 50ms"},
		{pace{stall: time.Minute, whole: 100 * time.Millisecond}, 10 * time.Millisecond, "the upload took longer than 100ms"},
	} {
		p := &reading{scripted: scripted{health: live()}}
		u := &uploader{here: newRoll(func() []Model { return []Model{{"churn", true, p, p, plan, nil, nil}} }, "test"), limit: 1 << 20, pace: tt.pace}
		u.registry = huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)
		server := httptest.NewServer(u.before(nil))
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		go func() {
			_, _ = io.WriteString(conn, "POST /?name=x HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n.")
			drip := time.NewTicker(tt.drip)
			defer drip.Stop()
			for {
				select {
				case <-drip.C:
					_, _ = io.WriteString(conn, ".")
				case <-stop:
					return
				}
			}
		}()
		answer, err := io.ReadAll(conn)
		close(stop)
		if err != nil && !errors.Is(err, net.ErrClosed) && len(answer) == 0 {
			t.Error(err)
		}
		if !strings.Contains(string(answer), "400 Bad Request") || !strings.Contains(string(answer), tt.says) {
			t.Errorf("%s, want %s", answer, tt.says)
		}
		conn.Close()
		server.Close()
	}
}

// TestAnUploadGoesThrough the client and the handler unchanged.
func TestAnUploadGoesThrough(t *testing.T) {
	t.Parallel()
	p := &reading{scripted: scripted{health: live()}}
	mux := http.NewServeMux()
	Register(mux, func() []Model { return []Model{{"churn", true, p, p, plan, nil, nil}} }, "test", 1<<20)
	server := httptest.NewServer(mux)
	defer server.Close()
	client, err := NewClient(server.URL, "ana")
	if err != nil {
		t.Fatal(err)
	}
	weight := 0.25
	model := strings.Repeat("\r\n--model", 1000)
	_, err = client.Deploy(t.Context(), DeployRequest{
		Weight: &weight, Reason: "because", Force: true, ModelPath: "to/m.joblib", Size: int64(len(model)), Model: strings.NewReader(model), Golden: []byte("{}\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := p.asked
	if p.got != model || asked.Source.Path != "m.joblib" || string(asked.Source.Golden) != "{}\n" || asked.Actor != "ana" || asked.Reason != "because" || !asked.Force || asked.Plan.Weight != 2500 {
		t.Errorf("%+v, %d bytes", asked, len(p.got))
	}
	// A file that is shorter than it was said to be is no upload.
	if _, err := client.Deploy(t.Context(), DeployRequest{ModelPath: "m", Size: 10, Model: strings.NewReader("short")}); err == nil {
		t.Error("a short file was sent")
	}
	// What is refused at once is not sent: the server asks for nothing.
	_, err = client.Deploy(t.Context(), DeployRequest{ModelPath: "m", Size: 1 << 40, Model: untouchable{t}})
	if problem, ok := errors.AsType[*Problem](err); !ok || problem.Code != string(control.FileTooLarge) {
		t.Error(err)
	}
}

type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the file was read")
	return 0, io.EOF
}

// TestARefusalReachesWhoStillSends: who is refused for what comes before a small
// file can send all of it, and then reads why.
func TestARefusalReachesWhoStillSends(t *testing.T) {
	t.Parallel()
	p := &reading{scripted: scripted{health: live()}}
	mux := http.NewServeMux()
	Register(mux, func() []Model { return []Model{{"churn", true, p, p, plan, nil, nil}} }, "test", 1<<20)
	answered := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r)
		close(answered)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 100_000
	head := "POST /admin/deploy-canary?name=m&options=%7B%22weight%22:2%7D HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
	if _, err := fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n", head, size); err != nil {
		t.Fatal(err)
	}
	<-answered
	for sent := 0; sent < size; sent += 1000 {
		if _, err := conn.Write(make([]byte, 1000)); err != nil {
			t.Fatalf("after %d bytes: %v", sent, err)
		}
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "422") {
		t.Fatalf("%q %v", line, err)
	}
}
