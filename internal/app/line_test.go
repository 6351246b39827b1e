package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"serin/internal/api"
)

// twoModels is a configuration with churn, the default, and fraud.
func twoModels(t *testing.T) Config {
	t.Helper()
	c := configFor(t)
	c.Models = append(c.Models, Model{Name: "fraud", Path: "models/model_v2.joblib"})
	return c
}

// ask sends a row to a model and tells who answered.
func (r *running) ask(name string) (used string) {
	r.t.Helper()
	res, err := http.Post(r.url+"/models/"+name+"/predict", "application/json", strings.NewReader(row))
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		ModelUsed string `json:"model_used"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s, %v", name, res.Status, err)
	}
	return answer.ModelUsed
}

func (r *running) state(name string) api.State {
	r.t.Helper()
	s, err := r.client.For(name).State(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// TestEachModelHasItsOwnRollout: two canaries at once, each with its own share,
// and what is done to one leaves the other's table and evidence alone.
func TestEachModelHasItsOwnRollout(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	half, tenth := 0.5, 0.1
	for name, deploy := range map[string]api.DeployRequest{
		"churn": {ModelPath: "models/model_v2.joblib", Weight: &tenth},
		"fraud": {ModelPath: "models/model_v1.joblib", Weight: &half},
	} {
		if _, err := r.client.For(name).Deploy(t.Context(), deploy); err != nil {
			t.Fatal(err)
		}
	}
	canaries := map[string]int{}
	for range 100 {
		for _, name := range []string{"churn", "fraud"} {
			if r.ask(name) == "canary" {
				canaries[name]++
			}
		}
	}
	if canaries["churn"] != 10 || canaries["fraud"] != 50 {
		t.Errorf("canaries answered %v, want 10 and 50", canaries)
	}
	before := r.state("churn")
	if _, err := r.client.For("fraud").Rollback(t.Context(), api.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	after, fraud := r.state("churn"), r.state("fraud")
	if after.CanaryMetrics != before.CanaryMetrics || after.Generation != before.Generation || after.Phase != "canary" || after.CanaryMetrics.Canary.LatenciesMS.Count != 10 {
		t.Errorf("churn was %+v and is %+v", before, after)
	}
	if fraud.Phase != "idle" || fraud.Last == nil {
		t.Errorf("fraud is %+v", fraud)
	}
	for range 90 {
		if used := r.ask("fraud"); used != "stable" {
			t.Fatalf("%s answered for fraud", used)
		}
		r.ask("churn")
	}
	if got := r.state("churn").CanaryMetrics.Canary.LatenciesMS.Count; got != 19 {
		t.Errorf("churn's canary has %d observations, want 19", got)
	}
	if _, err := r.client.For("churn").Promote(t.Context(), api.PromoteRequest{Force: true, Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	list, err := r.client.Models(t.Context())
	if err != nil || len(list) != 2 || list[0].Stable.Name != "model_v2" || list[1].Stable.Name != "model_v2" || !list[0].Default {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestAnEmptyName is a client whose own variable was empty: the default model does
// not answer in the place of the one that was meant.
func TestAnEmptyName(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	res, err := http.Post(r.url+"/models//predict", "application/json", strings.NewReader(row))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("a prediction of the model without a name: %s", res.Status)
	}
}

// TestMetricsOfTwoModels: each has its own under the label, what belongs to the
// process is there once, and nobody's requests have no model.
func TestMetricsOfTwoModels(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	r.ask("churn")
	r.ask("fraud")
	r.ask("fraud")
	lost, err := http.Post(r.url+"/models/spam/predict", "application/json", strings.NewReader(row))
	if err != nil {
		t.Fatal(err)
	}
	lost.Body.Close()
	text := r.metrics()
	for _, want := range []string{
		`serin_predict_requests_total{code="200",model="churn",protocol="predict",role="stable",version="model_v1"} 1`,
		`serin_predict_requests_total{code="200",model="fraud",protocol="predict",role="stable",version="model_v2"} 2`,
		`serin_predict_requests_total{code="404",model="",protocol="predict",role="",version=""} 1`,
		`serin_canary_phase{model="fraud",phase="idle"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if n := strings.Count(text, "\nserin_build_info{"); n != 1 {
		t.Errorf("build_info is there %d times", n)
	}
}

func TestBadModels(t *testing.T) {
	t.Parallel()
	folder := func(files ...string) func(*Config) {
		return func(c *Config) {
			c.Models, c.Folder = nil, "many"
			data, err := os.ReadFile(filepath.Join(c.Root, "models/model_v1.joblib"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(c.Root, "many"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range files {
				text := data
				if strings.HasSuffix(name, ".md") {
					text = []byte("# Our models\n")
				}
				if err := os.WriteFile(filepath.Join(c.Root, "many", name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, tt := range []struct {
		name string
		with func(*Config)
		want string
	}{
		{"none", func(c *Config) { c.Models = nil }, "no model is named"},
		{"twice", func(c *Config) { c.Models = append(c.Models, c.Models[0]) }, "two models are called churn: give each a name of its own"},
		{"slash", func(c *Config) { c.Models[0].Name = "a/b" }, `"a/b" cannot be the name of a model: a name has 1 to 63 of`},
		{"colon", func(c *Config) { c.Models[0].Name = "a:predict" }, `cannot be the name of a model`},
		{"dots", func(c *Config) { c.Models[0].Name = ".." }, `cannot be the name of a model`},
		{"plan", func(c *Config) { p := c.Plan; p.Alpha = 2; c.Models[0].Plan = &p }, "model churn: alpha 2 is not between"},
		{"broken", func(c *Config) { c.Models = append(c.Models, Model{Name: "fraud", Path: "models/none"}) }, "model fraud: there is no file models/none"},
		{"no folder", func(c *Config) { c.Folder = "none" }, "the folder of models: "},
		{"outside", func(c *Config) { c.Folder = "/etc" }, "lies outside"},
		{"empty folder", folder(), "the folder many has no model files that can be served: put some there"},
		{"no models", folder("README.md"), "the folder many has no model files"},
		{"one stem", folder("a.joblib", "a.pkl"), "two models are called a: many/a.joblib and many/a.pkl; rename"},
		{"bad stem", folder("my model.joblib"), "the folder many has no model files that can be served"},
	} {
		c := configFor(t)
		tt.with(&c)
		err := Run(t.Context(), c, func(Ready) { t.Errorf("%s: started", tt.name) })
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestAFolderOfModels serves what is a model and passes over the rest. What the
// state directory knows beside it is told and left alone.
func TestAFolderOfModels(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	launch(t, c).stop()
	for name, text := range map[string]string{"README.md": "# Models\n", ".hidden": "x", "metrics.json": `{"auc": 0.9}`, "model_v1.joblib.golden.jsonl.bak": "{}\n"} {
		if err := os.WriteFile(filepath.Join(c.Root, "models", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.Models, c.Folder = nil, "models"
	ready := make(chan Ready, 1)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { ended <- Run(ctx, c, func(r Ready) { ready <- r }) }()
	select {
	case r := <-ready:
		var names []string
		for _, m := range r.Models {
			names = append(names, m.State.Model)
		}
		if !slices.Equal(names, []string{"model_v1", "model_v2"}) || !slices.Equal(r.Resting, []string{"churn"}) {
			t.Errorf("serves %v, and %v rest", names, r.Resting)
		}
		cancel(ErrAtOnce)
	case err := <-ended:
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestACrashOfOneOfSeveral: a canary that is alone in progress is to blame, whoever
// else is served. Of several nobody can say whose fault it was: all are taken out,
// and none is quarantined.
func TestACrashOfOneOfSeveral(t *testing.T) {
	t.Parallel()
	const report = "fatal error: stack overflow\n\ngoroutine 1 [running]:\n"
	for _, tt := range []struct {
		name      string
		live      []string
		reason    string
		mayReturn bool
	}{
		{"one", []string{"fraud"}, "the process crashed with this version as canary: fatal error: stack overflow", false},
		{"both", []string{"churn", "fraud"}, "the process crashed with canaries of churn and fraud in progress, and its report does not say whose fault it was; deploy one after the other: fatal error: stack overflow", true},
	} {
		c := twoModels(t)
		r := launch(t, c)
		for _, name := range tt.live {
			if _, err := r.client.For(name).Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v1.joblib"}); err != nil {
				t.Fatal(err)
			}
		}
		before := r.state("churn")
		r.stop()
		if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), []byte(report), 0o600); err != nil {
			t.Fatal(err)
		}
		r = launch(t, c)
		for _, name := range tt.live {
			if s := r.state(name); s.Phase != "idle" || s.Last == nil || s.Last.Reason != tt.reason {
				t.Errorf("%s: %s is %s, last %+v", tt.name, name, s.Phase, s.Last)
			}
			_, err := r.client.For(name).Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v1.joblib"})
			if (err == nil) != tt.mayReturn {
				t.Errorf("%s: %s deployed again: %v", tt.name, name, err)
			}
		}
		if len(tt.live) == 1 {
			if s := r.state("churn"); s.Generation != before.Generation {
				t.Errorf("%s: churn had no canary and is %+v", tt.name, s)
			}
		}
		r.stop()
	}
}

// TestACrashOfWhatIsNotNamed: a model that was loaded while the server ran is as
// suspect as those that were named, though the next start does not name it.
func TestACrashOfWhatIsNotNamed(t *testing.T) {
	t.Parallel()
	c := twoModels(t)
	launch(t, c).stop()
	c.Models = c.Models[:1]
	r := launch(t, c)
	r.is("/v2/repository/models/fraud/load", "", 200, "")
	for _, name := range []string{"churn", "fraud"} {
		if _, err := r.client.For(name).Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v1.joblib"}); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), []byte("fatal error: stack overflow\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = launch(t, c)
	defer r.stop()
	r.is("/v2/repository/models/fraud/load", "", 200, "")
	for _, name := range []string{"churn", "fraud"} {
		if s := r.state(name); s.Phase != "idle" || s.Last == nil || !strings.Contains(s.Last.Reason, "canaries of churn and fraud in progress") {
			t.Errorf("%s is %s, last %+v", name, s.Phase, s.Last)
		}
	}
}

// TestDeploysOfTwoModelsAtOnce: neither puts away what the other has stored and
// not committed yet, also where both store the same file.
func TestDeploysOfTwoModelsAtOnce(t *testing.T) {
	t.Parallel()
	r := launch(t, twoModels(t))
	defer r.stop()
	var both sync.WaitGroup
	for i, name := range []string{"churn", "fraud"} {
		client := r.client.For(name)
		both.Go(func() {
			for n := range 15 {
				path := fmt.Sprintf("models/model_v%d.joblib", 1+(n+i)%2)
				if _, err := client.Deploy(t.Context(), api.DeployRequest{ModelPath: path, Force: true}); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if _, err := client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	both.Wait()
	for _, name := range []string{"churn", "fraud"} {
		if used := r.ask(name); used != "stable" {
			t.Errorf("%s answered for %s", used, name)
		}
	}
}

// TestOneKillIsCountedOnceForAll: a model that cannot be loaded keeps the server
// from starting, again and again, and its neighbour's canary is not blamed for it.
func TestOneKillIsCountedOnceForAll(t *testing.T) {
	t.Parallel()
	c := twoModels(t)
	r := launch(t, c)
	if err := r.deploy("models/model_v2.joblib"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.For("fraud").Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v1.joblib"}); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := os.WriteFile(filepath.Join(c.Data, "crash.txt"), nil, 0o600); err != nil { // as a kill leaves it
		t.Fatal(err)
	}
	c.Models = append(c.Models, Model{Name: "spam", Path: "models/none.joblib"})
	for range 4 {
		if err := Run(t.Context(), c, func(Ready) { t.Error("started") }); err == nil || !strings.HasPrefix(err.Error(), "model spam: there is no file models/none.joblib") {
			t.Fatalf("%v", err)
		}
	}
	c.Models = c.Models[:2]
	r = launch(t, c)
	defer r.stop()
	for _, name := range []string{"churn", "fraud"} {
		if s := r.state(name); s.Phase != "canary" {
			t.Errorf("%s is %s, last %+v", name, s.Phase, s.Last)
		}
	}
}
