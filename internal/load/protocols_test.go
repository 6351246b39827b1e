package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"serin/internal/api"
	"serin/internal/app"
	"serin/internal/load"
)

// serve runs a real server of two models, the first of them with a canary of one
// request in ten.
func serve(t *testing.T) (plain, grpc *url.URL) {
	t.Helper()
	c := app.Default()
	c.Models = append(c.Models, app.Model{Name: "fraud", Path: "models/model_v2.joblib"})
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "models"), os.DirFS("../../models")); err != nil {
		t.Fatal(err)
	}
	c.Listen, c.Root, c.Data, c.Drain = "127.0.0.1:0", dir, filepath.Join(dir, "serin-data"), 0
	ctx, cancel := context.WithCancelCause(context.Background())
	ready, ended := make(chan app.Ready, 1), make(chan error, 1)
	go func() { ended <- app.Run(ctx, c, func(r app.Ready) { ready <- r }) }()
	t.Cleanup(func() {
		cancel(app.ErrAtOnce)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	var r app.Ready
	select {
	case r = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	client, err := api.NewClient(r.URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v2.joblib"}); err != nil {
		t.Fatal(err)
	}
	return parse(t, r.URL), parse(t, "http://"+r.GRPC)
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestEveryProtocol puts load on a real server in the words of each, and sees
// both arms in each.
func TestEveryProtocol(t *testing.T) {
	t.Parallel()
	plain, grpc := serve(t)
	rows, err := load.ReadRows(strings.NewReader("[0.5, 1.2, 0.8, 0.3, 1.1]\n\n[5, 4, 3, 2, 1]\n[1e-3, 0, -1, 0, 7]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range load.Protocols() {
		for _, n := range []int{1, 100} {
			for _, data := range [][]json.RawMessage{nil, rows} {
				for _, two := range []bool{false, true} {
					target := load.Target{Server: plain, Protocol: protocol, Rows: n, Data: data, HTTP2: two}
					if protocol == "grpc" {
						target.Server = grpc
					}
					r := run(t, target, 20)
					stable, canary := r.Arms["stable"].Count, r.Arms["canary"].Count
					if stable+canary != 20 || canary < 1 || canary > 3 {
						t.Errorf("%s, %d of %d rows, HTTP/2 %t: %d by stable, %d by the canary, %v %v", protocol, n, len(data), two, stable, canary, r.Faults, r.Details)
					}
				}
			}
		}
	}
}

func run(t *testing.T, target load.Target, requests uint64) *load.Report {
	t.Helper()
	dial, err := target.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := load.Run(t.Context(), load.Plan{Duration: time.Minute, Requests: requests, Connections: 3, Timeout: 10 * time.Second}, dial, nil)
	if err != nil || r.Requests != requests {
		t.Fatalf("%d requests, %v", r.Requests, err)
	}
	return r
}

// TestAnotherModel: the one that is named answers, and it has no canary.
func TestAnotherModel(t *testing.T) {
	t.Parallel()
	plain, grpc := serve(t)
	for _, protocol := range load.Protocols() {
		target := load.Target{Server: plain, Protocol: protocol, Rows: 1, Model: "fraud"}
		if protocol == "grpc" {
			target.Server = grpc
		}
		if r := run(t, target, 20); r.Arms["stable"].Count != 20 {
			t.Errorf("%s: %v, %v, %v", protocol, r.Arms, r.Faults, r.Details)
		}
	}
}

// TestARefusalIsTold: what the server says about a request is in the report,
// whichever protocol it says it in.
func TestARefusalIsTold(t *testing.T) {
	t.Parallel()
	plain, grpc := serve(t)
	row := func(text string) []json.RawMessage { return []json.RawMessage{json.RawMessage(text)} }
	for _, tt := range []struct {
		target       load.Target
		what, detail string
	}{
		{load.Target{Server: plain, Protocol: "predict", Data: row(`[1]`)}, "422 Unprocessable Entity", "body.features: expected 5"},
		{load.Target{Server: plain, Protocol: "predict", HTTP2: true, Data: row(`[1]`)}, "422 Unprocessable Entity", "body.features: expected 5"},
		{load.Target{Server: plain, Protocol: "v1", Data: row(`[1]`)}, "400 Bad Request", "expected 5"},
		{load.Target{Server: plain, Protocol: "v2", Data: row(`[1, 2, 3, 4, "x"]`)}, "400 Bad Request", "is no FP64"},
		{load.Target{Server: plain, Protocol: "v2-binary", Data: row(`[1, 2, 3, 4, null]`)}, "400 Bad Request", "missing"},
		{load.Target{Server: plain, Protocol: "invocations", Data: row(`{"nobody": 1}`)}, "400 Bad Request", "nobody"},
		{load.Target{Server: plain, Protocol: "predict", Given: &load.Request{Path: "/nowhere"}}, "404 Not Found", "POST /predict"},
		{load.Target{Server: grpc, Protocol: "grpc", Data: row(`[1, 2, 3, 4, null]`)}, "InvalidArgument", "missing"},
	} {
		tt.target.Rows = 1
		if r := run(t, tt.target, 3); r.Faults[tt.what] != 3 || !strings.Contains(r.Details[tt.what], tt.detail) {
			t.Errorf("%s: %v, %q", tt.target.Protocol, r.Faults, r.Details)
		}
	}
}

// TestQuestionsThatFail: a model that is not there, and a server that is not
// there, end before the load begins.
func TestQuestionsThatFail(t *testing.T) {
	t.Parallel()
	plain, grpc := serve(t)
	nobody := parse(t, "http://127.0.0.1:1")
	for _, tt := range []struct {
		target load.Target
		want   string
		absent bool
	}{
		{load.Target{Server: plain, Protocol: "v2", Model: "nobody"}, "404 Not Found: ", false},
		{load.Target{Server: plain, Protocol: "predict", Model: "nobody"}, "404 Not Found: ", false},
		{load.Target{Server: grpc, Protocol: "grpc", Model: "nobody"}, "NotFound: ", false},
		{load.Target{Server: nobody, Protocol: "predict"}, "connection refused", true},
		{load.Target{Server: nobody, Protocol: "v2"}, "connection refused", true},
		{load.Target{Server: nobody, Protocol: "grpc"}, "connection refused", true},
	} {
		tt.target.Rows = 1
		_, err := tt.target.Dial(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || tt.absent != errors.Is(err, load.ErrUnreachable) {
			t.Errorf("%s at %s: %v", tt.target.Protocol, tt.target.Server, err)
		}
	}
}
