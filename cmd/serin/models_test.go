package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/cmd/serin/term"
	"serin/internal/api"
)

// twoModels serves churn, the default, and fraud in a process of its own.
func twoModels(t *testing.T, dir string, env ...string) *server {
	t.Helper()
	return start(t, selfProgram(t), dir, append(env, "SERIN_TEST_AS_PROGRAM=1"), "--listen", "127.0.0.1:0", "--drain", "0s",
		"--model", "churn=models/model_v1.joblib", "--model", "fraud=models/model_v2.joblib").mustBeReady()
}

// ask sends n rows to a model.
func (s *server) ask(name string, n int) {
	s.t.Helper()
	for range n {
		res, err := http.Post(s.url+"/models/"+name+"/predict", "application/json", strings.NewReader(exampleRow))
		if err != nil {
			s.t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			s.t.Fatalf("%s: %s", name, res.Status)
		}
	}
}

// TestTwoModelsByTheCommandLine plays two rollouts at once with the commands.
func TestTwoModelsByTheCommandLine(t *testing.T) {
	t.Parallel()
	s := twoModels(t, workplace(t))
	do := func(want api.ExitCode, says string, args ...string) string {
		t.Helper()
		code, out, errs := command(append(args, "--server", s.url)...)
		if code != want || !strings.Contains(out+errs, says) {
			t.Errorf("serin %s: exit %d\n%s%s, want %d and %q", strings.Join(args, " "), code, out, errs, want, says)
		}
		return out
	}
	do(api.ExitOK, "canary model_v2 is live with 10% of the requests", "deploy", "models/model_v2.joblib")
	do(api.ExitOK, "canary model_v1 is live with 50% of the requests", "deploy", "models/model_v1.joblib", "-m", "fraud", "--weight", "50%")
	s.ask("churn", 100)
	s.ask("fraud", 100)
	do(api.ExitOK, "churn (default)  canary  model_v1  model_v2  10%    90 and 10  insufficient_data\nfraud            canary  model_v2  model_v1  50%    50 and 50  ", "status")
	do(api.ExitOK, "model   fraud, canary", "status", "--model", "fraud")
	var list []api.Standing
	if out := do(api.ExitOK, "", "status", "--output", "json"); json.Unmarshal([]byte(out), &list) != nil || len(list) != 2 || list[1].Model != "fraud" {
		t.Errorf("%s", out)
	}
	do(api.ExitOK, "gets 25% of the requests now", "weight", "25%", "--model", "fraud")
	do(api.ExitOK, "are slowed down", "slowdown", "on", "--model", "fraud")
	do(api.ExitInconclusive, "insufficient_data", "check")
	do(api.ExitOK, "deploy by ", "explain", "r1", "--model", "fraud", "--all")
	do(api.ExitOK, "canary model_v1 is rolled back; model_v2 answers every request", "rollback", "--model", "fraud")
	do(api.ExitOK, "model_v2 is stable now", "promote", "--force", "--reason", "test", "--model", "churn")
	do(api.ExitConflict, "", "rollback", "--model", "fraud")
	do(api.ExitUsage, "there is no model spam. This server has churn, fraud.", "status", "--model", "spam")
	res, err := http.Post(s.url+"/v2/repository/models/churn/unload", "", nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	do(api.ExitOK, "model   fraud, idle", "status") // the only one, and not the default
	if res, err = http.Post(s.url+"/v2/repository/models/churn/load", "", nil); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	do(api.ExitOK, "churn (default)  idle   model_v2  -       -      -         -\nfraud            idle   model_v2", "status")
}

// TestKilledWithTwoCanaries: both come back, each with its own weight and evidence.
func TestKilledWithTwoCanaries(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	steps := filepath.Join(t.TempDir(), "steps")
	s := twoModels(t, dir, "SERIN_TEST_STEPS="+steps)
	quarter := 0.25
	if _, err := s.client.Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v2.joblib"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.For("fraud").Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v1.joblib", Weight: &quarter}); err != nil {
		t.Fatal(err)
	}
	s.ask("churn", 100)
	s.ask("fraud", 40)
	before := map[string]api.State{}
	for _, name := range []string{"churn", "fraud"} {
		state, err := s.client.For(name).State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before[name] = state
	}
	// Two saves of each after its last request: the second began after it.
	seen := saves(t, steps)
	eventually(t, "saving the evidence", func() bool { return saves(t, steps) >= seen+6 })
	s.kill()
	s = twoModels(t, dir)
	for name, was := range before {
		is, err := s.client.For(name).State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if is.Phase != "canary" || is.Rollout.ID != was.Rollout.ID || is.Rollout.Weight != was.Rollout.Weight || is.CanaryMetrics != was.CanaryMetrics {
			t.Errorf("%s was %+v and came back as %+v", name, was, is)
		}
	}
	if n := before["fraud"].CanaryMetrics.Canary.LatenciesMS.Count; n != 10 {
		t.Errorf("fraud's canary had %d observations, want 10", n)
	}
	s.ask("churn", 10)
	s.ask("fraud", 4)
	if err := deployV2(s); err == nil {
		t.Error("churn took a second canary")
	}
}

// TestAFileOfSettings serves the models that it names, each with its own plan.
func TestAFileOfSettings(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	text := `listen: 127.0.0.1:0
drain: 0s
weight: 5%
models:
  churn: {path: models/model_v1.joblib, weight: 20%, duration: 30m}
  fraud: {path: models/model_v2.joblib}
`
	if err := os.WriteFile(filepath.Join(dir, "serin.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, selfProgram(t), dir, []string{"SERIN_TEST_AS_PROGRAM=1", "SERIN_CONFIG=serin.yaml"}, "--duration", "2h").mustBeReady()
	for name, want := range map[string]struct{ weight, period float64 }{"churn": {0.2, 1800}, "fraud": {0.05, 7200}} {
		done, err := s.client.For(name).Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v2.joblib"})
		if err != nil {
			t.Fatal(err)
		}
		if done.Rollout.Weight != want.weight || done.Rollout.PeriodS != want.period {
			t.Errorf("%s: %+v", name, done.Rollout)
		}
	}
}

// TestModelsTwiceInAFile: a list of models and a mapping of them are not mixed, and
// none is passed over.
func TestModelsTwiceInAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "serin.yaml")
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:0\nmodel: churn=a.joblib\nmodels:\n  fraud: {path: b.joblib}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said strings.Builder
	code := run([]string{"serve", "--config", path, "--print-config"}, term.Console{Out: &out, Err: &said})
	if code != api.ExitUsage || !strings.Contains(said.String(), path+":2: model and the mapping of models are both there") {
		t.Errorf("%d %s%s", code, out.String(), said.String())
	}
}
