package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"serin/internal/api"
)

// running is a server in this process, with a state directory of its own.
type running struct {
	t      testing.TB
	config Config
	url    string
	admin  string // empty where control has no address of its own
	grpc   string
	client *api.Client
	cancel context.CancelCauseFunc
	ended  chan error
}

func configFor(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "models"), os.DirFS("../../models")); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Listen, c.Root, c.Data, c.Drain = "127.0.0.1:0", dir, filepath.Join(dir, "serin-data"), 0
	return c
}

func launch(t testing.TB, c Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &running{t: t, config: c, cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan Ready, 1)
	go func() { r.ended <- Run(ctx, c, func(x Ready) { ready <- x }) }()
	select {
	case x := <-ready:
		r.url, r.admin, r.grpc = x.URL, x.Admin, x.GRPC
	case err := <-r.ended:
		t.Fatalf("did not start: %v", err)
	}
	r.client, _ = api.NewClient(r.url, "test")
	t.Cleanup(func() {
		cancel(ErrAtOnce)
	})
	return r
}

func (r *running) stop() {
	r.t.Helper()
	r.cancel(ErrAtOnce)
	if err := <-r.ended; err != nil {
		r.t.Errorf("stopping: %v", err)
	}
}

// send sends a request and reads the answer to its end.
func (r *running) send(req *http.Request) (int, string) {
	r.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// metrics is what Prometheus would scrape.
func (r *running) metrics() string {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+"/metrics", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	_, text := r.send(req)
	return text
}

func (r *running) deploy(path string) error {
	_, err := r.client.Deploy(r.t.Context(), api.DeployRequest{ModelPath: path})
	return err
}

// TestPredictIsDescribedAsItAnswers: the one description that is not made from
// the handler's own types.
func TestPredictIsDescribedAsItAnswers(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	read := func(method, path, body string, into any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	var described struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct {
					Schema struct {
						Required   []string
						Properties map[string]any
					}
				}
			}
		}
	}
	read(http.MethodGet, "/openapi.json", "", &described)
	schema := described.Paths["/predict"]["post"].Responses["200"].Content["application/json"].Schema
	var answer map[string]any
	read(http.MethodPost, "/predict", row, &answer)
	for _, key := range schema.Required {
		if _, ok := answer[key]; !ok {
			t.Errorf("%s is described as always there, and is not in %v", key, answer)
		}
	}
	for key := range answer {
		if _, ok := schema.Properties[key]; !ok {
			t.Errorf("%s is not described", key)
		}
	}
}

const row = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1]}`

func (r *running) predict(client *http.Client) (used, version string, err error) {
	res, err := client.Post(r.url+"/predict", "application/json", strings.NewReader(row))
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", "", err
	}
	var answer struct {
		ModelUsed    string `json:"model_used"`
		ModelVersion string `json:"model_version"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || res.StatusCode != http.StatusOK {
		return "", "", fmt.Errorf("%s: %s", res.Status, body)
	}
	return answer.ModelUsed, answer.ModelVersion, nil
}

// TestExactSplitFrom32Clients: 1,000 requests at 10 % are exactly 100 canary
// predictions, over HTTP, from 32 clients at once.
func TestExactSplitFrom32Clients(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	var sent, canary, stable atomic.Int64
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			for sent.Add(1) <= 1000 {
				used, version, err := r.predict(http.DefaultClient)
				switch {
				case err != nil:
					t.Error(err)
				case used == "canary" && version == "model_v2":
					canary.Add(1)
				case used == "stable" && version == "model_v1":
					stable.Add(1)
				default:
					t.Errorf("%s answered as %s", version, used)
				}
			}
		})
	}
	clients.Wait()
	if canary.Load() != 100 || stable.Load() != 900 {
		t.Errorf("canary %d, stable %d", canary.Load(), stable.Load())
	}
	h, err := r.client.Check(t.Context())
	if err != nil || h.Samples.Canary != 100 || h.Samples.Stable != 900 {
		t.Errorf("observed %+v, %v", h.Samples, err)
	}
}

// TestNoRequestFailsWhenItStops: clients that look at readiness go away before
// the listener does, and everything that was sent is answered.
func TestNoRequestFailsWhenItStops(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.Drain = 2 * time.Second // longer than a busy machine keeps a client from its next step
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for {
				res, err := client.Get(r.url + "/readyz")
				if err != nil {
					t.Errorf("readiness: %v", err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					return // told to leave, and leaves
				}
				if _, _, err := r.predict(client); err != nil {
					t.Errorf("prediction: %v", err)
					return
				}
				if answered.Add(1) == 200 {
					r.cancel(context.Canceled) // as SIGTERM does
				}
			}
		})
	}
	clients.Wait()
	if err := <-r.ended; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if answered.Load() < 200 {
		t.Errorf("%d answered", answered.Load())
	}
}

// TestSwapsUnderLoad: not one prediction fails or comes from nowhere while
// canaries come and go.
func TestSwapsUnderLoad(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	stop := make(chan struct{})
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := r.predict(http.DefaultClient); err != nil {
					t.Error(err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for i := range 20 {
		if err := r.deploy("models/model_v2.joblib"); err != nil {
			t.Fatal(err)
		}
		var err error
		if i%2 == 0 {
			_, err = r.client.Rollback(t.Context(), api.RollbackRequest{})
		} else {
			_, err = r.client.Promote(t.Context(), api.PromoteRequest{Force: true, Reason: "test"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	clients.Wait()
	if answered.Load() == 0 {
		t.Error("nothing was answered meanwhile")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, _, err := r.predict(http.DefaultClient); err != nil {
			t.Fatal(err)
		}
	}
	bad, err := http.Post(r.url+"/predict", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	bad.Body.Close()
	text := r.metrics()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "serin_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		`serin_predict_requests_total{code="200",model="churn",protocol="predict",role="canary",version="model_v2"} 10`,
		`serin_predict_requests_total{code="200",model="churn",protocol="predict",role="stable",version="model_v1"} 90`,
		`serin_predict_requests_total{code="422",model="churn",protocol="predict",role="",version=""} 1`,
		`serin_predict_duration_seconds_count{model="churn",protocol="predict",role="canary",version="model_v2"} 10`,
		`serin_predict_duration_seconds_bucket{model="churn",protocol="predict",role="stable",version="model_v1",le="+Inf"} 90`,
		`serin_canary_phase{model="churn",phase="canary"} 1`,
		`serin_canary_verdict{model="churn",verdict="insufficient"} 1`,
		`serin_canary_traffic_ratio{kind="planned",model="churn"} 0.1`,
		`serin_canary_traffic_ratio{kind="observed",model="churn"} 0.1`,
		`serin_canary_samples{model="churn",role="canary"} 10`,
		`serin_canary_decisions_total{actor_kind="operator",decision="deploy",model="churn"} 1`,
		`serin_canary_decisions_total{actor_kind="serin",decision="loaded",model="churn"} 1`,
		`serin_build_info{`, `go_goroutines`, `process_cpu_seconds_total`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestEveryPathAnswersAndIsDescribed(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	tests := []struct {
		method, path string
		want         int
		contains     string
	}{
		{"GET", "/healthz", 200, `{"status":"ok"}`},
		{"GET", "/readyz", 200, `{"status":"ready"}`},
		{"GET", "/openapi.json", 200, `"/admin/deploy-canary"`},
		{"GET", "/openapi.json", 200, `"/predict"`},
		{"GET", "/predict", 405, "use POST"},
		{"PUT", "/healthz", 405, "use GET"},
		{"GET", "/", 200, `{"status":"alive"}`},
		{"GET", "/ text/html,*/*;q=0.8", 200, "<title>serin</title>"},
		{"GET", "/nothing", 404, "POST /predict"},
		{"GET", "/admin/", 404, "openapi.json"},
		{"DELETE", "/admin/state", 405, "use GET"},
		{"GET", "/admin/state", 200, `"stable_model_path":"models/model_v1.joblib","canary_model_path":null,"canary_start_time":null`},
	}
	for _, tt := range tests {
		path, accept, _ := strings.Cut(tt.path, " ")
		req, _ := http.NewRequestWithContext(t.Context(), tt.method, r.url+path, nil)
		req.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != tt.want || !strings.Contains(string(body), tt.contains) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, res.StatusCode, body)
		}
	}
}
