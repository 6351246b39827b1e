package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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
	"serin/internal/rollout"
	"serin/internal/train"
)

// running is a server in this process, with a state directory of its own.
type running struct {
	t      *testing.T
	config Config
	url    string
	client *api.Client
	cancel context.CancelCauseFunc
	ended  chan error
}

func configFor(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "models"), os.DirFS("../../models")); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Listen, c.Root, c.Data, c.Drain = "127.0.0.1:0", dir, filepath.Join(dir, "serin-data"), 0
	return c
}

func launch(t *testing.T, c Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	r := &running{t: t, config: c, cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan Ready, 1)
	go func() { r.ended <- Run(ctx, c, func(x Ready) { ready <- x }) }()
	select {
	case x := <-ready:
		r.url = x.URL
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

func (r *running) deploy(path string) error {
	_, err := r.client.Deploy(r.t.Context(), api.DeployRequest{ModelPath: path})
	return err
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

func TestBadModelFiles(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.MaxModelBytes = 1 << 20
	r := launch(t, c)
	defer r.stop()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(c.Root, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile(filepath.Join(c.Root, "models/model_v2.joblib"))
	if err != nil {
		t.Fatal(err)
	}
	write("empty.joblib", nil)
	write("cut.joblib", good[:len(good)/2])
	write("trailing.joblib", append(bytes.Clone(good), 0))
	write("hostile.joblib", []byte("cos\nsystem\n(S'touch pwned'\ntR."))
	huge, err := os.Create(filepath.Join(c.Root, "huge.joblib"))
	if err != nil {
		t.Fatal(err)
	}
	if err := huge.Truncate(10 << 30); err != nil { // sparse: takes no room
		t.Fatal(err)
	}
	huge.Close()
	outside := filepath.Join(t.TempDir(), "model.joblib")
	if err := os.WriteFile(outside, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(c.Root, "link.joblib")); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, code, detail string }{
		{"missing.joblib", "file_not_found", "there is no file missing.joblib"},
		{"empty.joblib", "model_refused", "empty.joblib"[:5]},
		{"cut.joblib", "model_refused", "cut is refused"},
		{"trailing.joblib", "model_refused", "trailing is refused"},
		{"hostile.joblib", "model_refused", "os.system"},
		{"models", "file_refused", "models is not a regular file"},
		{"huge.joblib", "file_refused", "huge.joblib is larger than 1048576 bytes"},
		{"../../../etc/passwd", "file_refused", "cannot be read"},
		{"/etc/passwd", "file_refused", "lies outside"},
		{"link.joblib", "file_refused", "cannot be read"},
		{"models/model_v2.joblib\x00", "file_refused", "cannot be read"},
	}
	for _, tt := range tests {
		err := r.deploy(tt.path)
		p, ok := errors.AsType[*api.Problem](err)
		if !ok || p.Code != tt.code || !strings.Contains(p.Detail, tt.detail) {
			t.Errorf("%s: %v, want %s with %q", tt.path, err, tt.code, tt.detail)
		}
		if used, version, err := r.predict(http.DefaultClient); used != "stable" || version != "model_v1" || err != nil {
			t.Errorf("after %s: %s %s %v", tt.path, used, version, err)
		}
	}
	if _, err := os.Stat(filepath.Join(c.Root, "pwned")); err == nil {
		t.Fatal("a model file was executed")
	}
	if err := r.deploy(filepath.Join(c.Root, "models/model_v2.joblib")); err != nil {
		t.Errorf("an absolute path inside: %v", err)
	}
}

func TestBadStarts(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	held := launch(t, configFor(t))
	defer held.stop()
	tests := []struct {
		name string
		with func(*Config)
		want string
	}{
		{"port taken", func(c *Config) { c.Listen = busy.Addr().String() }, "port taken"},
		{"everybody's address", func(c *Config) { c.Listen = "0.0.0.0:0" }, "not a loopback address"},
		{"any address", func(c *Config) { c.Listen = ":8000" }, "not a loopback address"},
		{"no port", func(c *Config) { c.Listen = "localhost" }, "write it like 127.0.0.1:8000"},
		{"no model", func(c *Config) { c.Model = "models/none.joblib" }, "there is no file models/none.joblib"},
		{"no root", func(c *Config) { c.Root = filepath.Join(c.Root, "none") }, "no such file or directory"},
		{"data is a file", func(c *Config) { c.Data = filepath.Join(c.Root, "models/model_v1.joblib") }, "cannot be used"},
		{"data not writable", func(c *Config) { c.Data = "/proc/serin-data" }, "cannot be used"},
		{"data held", func(c *Config) { c.Data = held.config.Data }, "is held by process"},
		{"alpha", func(c *Config) { c.Plan.Alpha = 1 }, "alpha 1 is not between"},
		{"at end", func(c *Config) { c.Plan.AtEnd = "explode" }, "hold, promote or rollback"},
		{"samples", func(c *Config) { c.Plan.MinSamples = 1 }, "at least 2"},
		{"slowdown", func(c *Config) { c.Slowdown = time.Hour }, "slowdown 1h0m0s"},
	}
	for _, tt := range tests {
		c := configFor(t)
		tt.with(&c)
		err := Run(t.Context(), c, func(Ready) { t.Errorf("%s: started", tt.name) })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestTheStateDirectoryGoesOn: files may go, names may change; what was
// decided stays.
func TestTheStateDirectoryGoesOn(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Promote(t.Context(), api.PromoteRequest{Force: true, Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := os.RemoveAll(filepath.Join(c.Root, "models")); err != nil {
		t.Fatal(err)
	}
	r = launch(t, c)
	defer r.stop()
	if used, version, err := r.predict(http.DefaultClient); used != "stable" || version != "model_v2" || err != nil {
		t.Errorf("%s %s %v", used, version, err)
	}
	kept, err := os.ReadDir(filepath.Join(c.Data, "artifacts"))
	if err != nil || len(kept) != 1 {
		t.Errorf("artifacts: %v, %v; only stable's is needed", kept, err)
	}
}

// TestADamagedStateDirectoryIsNotServed: whatever is wrong with it, it is told
// and left as it is.
func TestADamagedStateDirectoryIsNotServed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		harm func(dir string) error
		want string
	}{
		{"database gone", func(dir string) error { return os.Remove(filepath.Join(dir, "serin.db")) }, "damaged"},
		{"head gone", func(dir string) error { return os.Remove(filepath.Join(dir, "head.json")) }, "damaged"},
		{"database overwritten", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "serin.db"), bytes.Repeat([]byte("x"), 8192), 0o600)
		}, "damaged"},
		{"database cut", func(dir string) error { return os.Truncate(filepath.Join(dir, "serin.db"), 5000) }, "damaged"},
		{"stable's artifact changed", func(dir string) error {
			files, err := filepath.Glob(filepath.Join(dir, "artifacts", "*"))
			if err != nil || len(files) != 1 {
				return fmt.Errorf("%v %w", files, err)
			}
			return os.WriteFile(files[0], []byte("x"), 0o600)
		}, "loading stable model_v1"},
	}
	for _, tt := range tests {
		c := configFor(t)
		launch(t, c).stop()
		if err := tt.harm(c.Data); err != nil {
			t.Fatal(err)
		}
		err := Run(t.Context(), c, func(Ready) { t.Errorf("%s: started", tt.name) })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestACanaryMustFitStable: other features, other names, other classes.
func TestACanaryMustFitStable(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	defer r.stop()
	fit := func(file string, names []string, classes [2]any) {
		d := train.Dataset{Names: names, Classes: classes, Positive: []bool{false, true, false, true}}
		for i := range 4 * len(names) {
			d.X = append(d.X, float64(i*7%5))
		}
		m, err := train.Fit(d, train.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteFile(filepath.Join(c.Root, file)); err != nil {
			t.Fatal(err)
		}
	}
	seeds := []string{"tenure", "monthly_charges", "support_calls", "monthly_usage", "late_payments"}
	fit("narrow.joblib", seeds[:3], [2]any{int64(0), int64(1)})
	fit("renamed.joblib", append([]string{"age"}, seeds[1:]...), [2]any{int64(0), int64(1)})
	fit("words.joblib", seeds, [2]any{"leave", "stay"})
	for file, want := range map[string]string{
		"narrow.joblib":  "it expects 3 features, stable expects 5",
		"renamed.joblib": `its feature 0 is "age", stable's is "tenure"`,
		"words.joblib":   `it answers classes ["leave", "stay"], stable answers [0, 1]`,
	} {
		err := r.deploy(file)
		if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != "model_incompatible" || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
	if used, version, err := r.predict(http.DefaultClient); used != "stable" || version != "model_v1" || err != nil {
		t.Errorf("%s %s %v", used, version, err)
	}
}

// TestManyDeploysLeaveLittleBehind: neither artifacts nor meters grow with the
// number of versions that came and went.
func TestManyDeploysLeaveLittleBehind(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	defer r.stop()
	good, err := os.ReadFile(filepath.Join(c.Root, "models/model_v2.joblib"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		name := fmt.Sprintf("v%d.joblib", i)
		content := good
		if i%2 == 1 { // every other one is refused, each for other bytes
			content = append(bytes.Clone(good), byte(i))
		}
		if err := os.WriteFile(filepath.Join(c.Root, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if r.deploy(name) == nil {
			if _, err := r.client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept, err := os.ReadDir(filepath.Join(c.Data, "artifacts"))
	if err != nil || len(kept) > 3 {
		t.Errorf("%d artifacts, %v", len(kept), err)
	}
	res, err := http.Get(r.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if n := strings.Count(string(text), "serin_predict_duration_seconds_count"); err != nil || n > maxServed || n < 2 {
		t.Errorf("meters of %d versions, %v", n, err)
	}
}

// TestADumpOfGoroutinesIsNoCrash: SIGQUIT writes a report, too, and is somebody
// who wants to look.
func TestADumpOfGoroutinesIsNoCrash(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), []byte("SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = launch(t, c)
	defer r.stop()
	if s, err := r.client.State(t.Context()); err != nil || s.Phase != string(rollout.Live) {
		t.Errorf("%+v, %v", s.Rollout, err)
	}
}

func TestADrillEndsWhereDrillsAreOff(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.ToggleSlowdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()
	c.Drills = false
	r = launch(t, c)
	defer r.stop()
	for range 20 {
		if _, _, err := r.predict(http.DefaultClient); err != nil {
			t.Fatal(err)
		}
	}
	s, err := r.client.State(t.Context())
	if err != nil || s.CanaryMetrics.Canary.LatenciesMS.P50MS > 10 {
		t.Errorf("the canary is still slow: %+v, %v", s.CanaryMetrics, err)
	}
	if slow, err := r.client.ToggleSlowdown(t.Context()); err != nil || slow.SimulateSlowdown {
		t.Errorf("ending it: %+v, %v", slow, err)
	}
}

func TestACrashReportQuarantinesTheCanary(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	report := "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n\ngoroutine 7 [running]:\n"
	if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), []byte(report), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	r = launch(t, c)
	s, err := r.client.State(t.Context())
	if err != nil || s.Phase != string(rollout.Idle) {
		t.Errorf("%+v, %v", s, err)
	}
	deployed := r.deploy("models/model_v2.joblib")
	if p, ok := errors.AsType[*api.Problem](deployed); !ok || p.Code != "version_quarantined" || !strings.Contains(p.Detail, "stack") {
		t.Errorf("deploying it again: %v", deployed)
	}
	r.stop()
	if !strings.Contains(log.String(), "canary quarantined") {
		t.Errorf("nobody was told:\n%s", log.String())
	}
	if _, err := os.Stat(filepath.Join(c.Data, "crash.txt")); err == nil {
		t.Error("the report is still there after a clean stop")
	}
	r = launch(t, c) // and it is not held against the next one
	r.stop()
}

// TestNoRequestFailsWhenItStops: clients that look at readiness go away before
// the listener does, and everything that was sent is answered.
func TestNoRequestFailsWhenItStops(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.Drain = 300 * time.Millisecond
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
	res, err := http.Get(r.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "serin_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{
		`serin_predict_requests_total{code="200",model="churn",role="canary",version="model_v2"} 10`,
		`serin_predict_requests_total{code="200",model="churn",role="stable",version="model_v1"} 90`,
		`serin_predict_requests_total{code="422",model="churn",role="",version=""} 1`,
		`serin_predict_duration_seconds_count{model="churn",role="canary",version="model_v2"} 10`,
		`serin_predict_duration_seconds_bucket{model="churn",role="stable",version="model_v1",le="+Inf"} 90`,
		`serin_canary_phase{model="churn",phase="canary"} 1`,
		`serin_canary_verdict{model="churn",verdict="insufficient"} 1`,
		`serin_canary_traffic_ratio{kind="planned",model="churn"} 0.1`,
		`serin_canary_traffic_ratio{kind="observed",model="churn"} 0.1`,
		`serin_canary_samples{model="churn",role="canary"} 10`,
		`serin_canary_decisions_total{actor_kind="operator",decision="deploy",model="churn"} 1`,
		`serin_canary_decisions_total{actor_kind="serin",decision="loaded",model="churn"} 1`,
		`serin_build_info{`, `go_goroutines`, `process_cpu_seconds_total`,
	} {
		if !strings.Contains(string(text), want) {
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
		{"GET", "/predict", 405, "use POST"},
		{"PUT", "/healthz", 405, "use GET"},
		{"GET", "/", 404, "POST /predict"},
		{"GET", "/admin/", 404, "openapi.json"},
		{"DELETE", "/admin/state", 405, "use GET"},
		{"GET", "/admin/state", 200, `"stable_model_path":"models/model_v1.joblib","canary_model_path":null,"canary_start_time":null`},
	}
	for _, tt := range tests {
		req, _ := http.NewRequestWithContext(t.Context(), tt.method, r.url+tt.path, nil)
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

func TestHeadlines(t *testing.T) {
	t.Parallel()
	for report, want := range map[string]string{
		"":                                      "",
		"\n":                                    "",
		"panic: boom\n\ngoroutine 1 [running]:": "panic: boom",
		"noise\nfatal error: concurrent map read": "fatal error: concurrent map read",
		"something else\nmore":                    "something else",
	} {
		if got := headline(report); got != want {
			t.Errorf("%q: %q, want %q", report, got, want)
		}
	}
}
