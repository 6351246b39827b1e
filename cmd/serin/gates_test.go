package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"go.yaml.in/yaml/v3"

	"serin/internal/api"
)

// The examples of docs/gates.md, read out of the document and followed by the
// rules of who reads them, as they are in the sources of Argo Rollouts 1.9,
// Flagger and Kayenta: against a real server, through two rollouts.

// example is the code block of a kind that has a text in it.
func example(t *testing.T, kind, has string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/gates.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(m[1], has) {
			return m[1]
		}
	}
	t.Fatalf("docs/gates.md has no %s with %q", kind, has)
	return ""
}

// decodeYAML takes no field that the reader does not have.
func decodeYAML(t *testing.T, text string, to any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(to); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

type metadata struct{ Name string }

// analysis is Argo's AnalysisTemplate, as far as the example goes.
type analysis struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
		Args    []metadata
		Metrics []argoMetric
	}
}

type argoMetric struct {
	Name, Interval          string
	FailureLimit            int    `yaml:"failureLimit"`
	ConsecutiveSuccessLimit int    `yaml:"consecutiveSuccessLimit"`
	InconclusiveLimit       int    `yaml:"inconclusiveLimit"`
	ConsecutiveErrorLimit   int    `yaml:"consecutiveErrorLimit"`
	SuccessCondition        string `yaml:"successCondition"`
	FailureCondition        string `yaml:"failureCondition"`
	Provider                struct {
		Web struct {
			URL      string
			JSONPath string `yaml:"jsonPath"`
		}
	}
}

// measure takes one measurement as Argo's web metric does: another status than 2xx
// and an expression that cannot be evaluated are errors, and what is neither a
// success nor a failure is inconclusive. Both conditions are set here.
func (m *argoMetric) measure(t *testing.T, url, version string) string {
	t.Helper()
	if m.Provider.Web.JSONPath != "{$}" {
		t.Fatalf("jsonPath %q is not followed here", m.Provider.Web.JSONPath)
	}
	res, err := http.Get(strings.NewReplacer("http://serin:8000", url, "{{args.version}}", version).Replace(m.Provider.Web.URL))
	if err != nil {
		return "Error"
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	var result any
	if err != nil || res.StatusCode < 200 || res.StatusCode >= 300 || json.Unmarshal(body, &result) != nil {
		return "Error"
	}
	holds := func(condition string) (bool, error) {
		env := map[string]any{
			"result": result, "isNaN": math.IsNaN, "isInf": func(x float64) bool { return math.IsInf(x, 0) },
			"isNil": func(x any) bool { return x == nil }, "asFloat": func(x any) float64 { return x.(float64) },
		}
		program, err := expr.Compile(condition, expr.Env(env))
		if err != nil {
			return false, err
		}
		out, err := expr.Run(program, env)
		yes, isBool := out.(bool)
		if err == nil && !isBool {
			err = fmt.Errorf("%v is no bool", out)
		}
		return yes, err
	}
	success, err1 := holds(m.SuccessCondition)
	failure, err2 := holds(m.FailureCondition)
	switch {
	case errors.Join(err1, err2) != nil:
		t.Errorf("%v in %s", errors.Join(err1, err2), body)
		return "Error"
	case failure:
		return "Failed"
	case !success:
		return "Inconclusive"
	default:
		return "Successful"
	}
}

// assess is what a run comes to after its measurements; "" while it goes on.
func (m *argoMetric) assess(measured []string) string {
	count, inRow := map[string]int{}, map[string]int{}
	for _, phase := range measured {
		count[phase]++
		n := inRow[phase] + 1
		inRow = map[string]int{phase: n}
	}
	switch {
	case count["Failed"] > m.FailureLimit:
		return "Failed"
	case count["Inconclusive"] > m.InconclusiveLimit:
		return "Inconclusive"
	case inRow["Error"] > m.ConsecutiveErrorLimit:
		return "Error"
	case m.ConsecutiveSuccessLimit > 0 && inRow["Successful"] >= m.ConsecutiveSuccessLimit:
		return "Successful"
	default:
		return ""
	}
}

// flagger is Flagger's Canary, as far as the example goes.
type flagger struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   metadata
	Spec       struct {
		Analysis struct {
			Interval   string
			Threshold  int
			MaxWeight  int `yaml:"maxWeight"`
			StepWeight int `yaml:"stepWeight"`
			Webhooks   []flaggerHook
		}
	}
}

type flaggerHook struct {
	Name, Type, URL string
	Metadata        map[string]string
}

// call is what Flagger does: a status up to 202 is a yes.
func (h *flaggerHook) call(t *testing.T, url string) (yes bool, line string) {
	t.Helper()
	payload, err := json.Marshal(map[string]any{"name": "churn", "namespace": "prod", "phase": "Progressing", "checksum": "85d557f47b", "metadata": h.Metadata})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(strings.Replace(h.URL, "http://serin:8000", url, 1), "application/json", bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || bytes.Count(body, []byte("\n")) != 1 {
		t.Errorf("%s is not one line: %q %v", h.URL, body, err)
	}
	return res.StatusCode <= 202, strings.TrimSpace(string(body))
}

func TestTheGatesOfTheDocument(t *testing.T) {
	t.Parallel()
	var argo analysis
	decodeYAML(t, example(t, "yaml", "AnalysisTemplate"), &argo)
	var canary flagger
	decodeYAML(t, example(t, "yaml", "flagger.app"), &canary)
	if len(argo.Spec.Metrics) != 1 || argo.Spec.Args[0].Name != "version" || len(canary.Spec.Analysis.Webhooks) != 3 {
		t.Fatalf("%+v\n%+v", argo, canary)
	}
	metric := &argo.Spec.Metrics[0]
	s := child(t, workplace(t)).mustBeReady()
	ask := func(when, wantArgo, wantFlagger string) {
		t.Helper()
		if got := metric.measure(t, s.url, "model_v2"); got != wantArgo {
			t.Errorf("%s: Argo measures %s; want %s", when, got, wantArgo)
		}
		open, lines := "", ""
		for _, hook := range canary.Spec.Analysis.Webhooks {
			yes, line := hook.call(t, s.url)
			if lines += hook.Name + ": " + line + "\n"; yes {
				open += " " + hook.Type
			}
		}
		if strings.TrimSpace(open) != wantFlagger {
			t.Errorf("%s: Flagger hears yes to %q; want %q\n%s", when, open, wantFlagger, lines)
		}
	}
	ask("before it is deployed", "Inconclusive", "")
	s.traffic(150)
	request := api.DeployRequest{ModelPath: "models/model_v2.joblib", Policy: &api.Policy{InitialDelay: "0s"}}
	deploy := func() {
		t.Helper()
		if _, err := s.client.Deploy(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	deploy()
	ask("while there is nothing against it", "Inconclusive", "confirm-traffic-increase")
	if _, err := s.client.ToggleSlowdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.traffic(100)
	if _, err := s.client.Reweigh(t.Context(), api.WeightRequest{Weight: 0.5}); err != nil {
		t.Fatal(err)
	}
	s.traffic(20)
	eventually(t, "an alarm", func() bool { return s.state().AlertStatus.AlarmTime != "" })
	ask("after an alarm", "Failed", "rollback")
	if look := s.state().AlertStatus.Look; look != 0 {
		t.Errorf("the gates have counted as %d looks", look)
	}
	if _, err := s.client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
		t.Fatal(err)
	}
	ask("after the rollback", "Failed", "rollback")
	deploy()
	ask("when it is tried again", "Inconclusive", "confirm-traffic-increase")
	if _, err := s.client.Promote(t.Context(), api.PromoteRequest{Force: true, Reason: "measured elsewhere"}); err != nil {
		t.Fatal(err)
	}
	ask("after it is promoted", "Successful", "confirm-traffic-increase confirm-promotion")
	s.kill()
	if got := metric.measure(t, s.url, "model_v2"); got != "Error" {
		t.Errorf("without a server Argo measures %s", got)
	}
}

// TestWhatArgoMakesOfTheMeasurements holds the example's limits against Argo's
// rules: not enough evidence never ends in success.
func TestWhatArgoMakesOfTheMeasurements(t *testing.T) {
	t.Parallel()
	var argo analysis
	decodeYAML(t, example(t, "yaml", "AnalysisTemplate"), &argo)
	waiting := strings.Fields(strings.Repeat("Inconclusive ", 60))
	for _, tt := range []struct {
		measured []string
		want     string
	}{
		{nil, ""},
		{waiting, ""},
		{append(waiting, "Inconclusive"), "Inconclusive"},
		{append(waiting, "Successful"), "Successful"},
		{append(waiting, "Failed"), "Failed"},
		{strings.Fields("Error Error Error Inconclusive Error"), ""},
		{strings.Fields(strings.Repeat("Error ", 11)), "Error"},
	} {
		if got := argo.Spec.Metrics[0].assess(tt.measured); got != tt.want {
			t.Errorf("after %v: %q; want %q", tt.measured, got, tt.want)
		}
	}
}

// TestTheJudgeOfTheDocument sends the document's canary configuration as Kayenta
// does, and reads the answer as Kayenta does.
func TestTheJudgeOfTheDocument(t *testing.T) {
	t.Parallel()
	s := child(t, workplace(t)).mustBeReady()
	config := example(t, "json", `"configVersion"`)
	for _, tt := range []struct{ latency, errors, want string }{
		{"[10, 11, 12, 10, 11, 13, 12, 11]", `["NaN", 0, 0, 0]`, "Pass 100"},
		{"[30, 31, 32, 30, 31, 33, 32, 31]", `[0, 0, 0, 0]`, "Fail 0"},
		{"[10, 11, 12, 10, 11, 13, 12, 11]", `[3, 4, 5, 3, 6, 4, 5, 4]`, "Fail 60"},
	} {
		request := `{"canaryConfig": ` + config + `, "scoreThresholds": {"pass": 95, "marginal": 75}, "metricSetPairList": [
			{"name": "latency", "id": "1", "tags": {}, "scopes": {}, "values": {"experiment": ` + tt.latency + `, "control": [11, 10, 12, 11, 13, 10, 11, 12]}},
			{"name": "errors", "id": "2", "tags": {}, "scopes": {}, "values": {"experiment": ` + tt.errors + `, "control": [0, 0, "NaN", 0, 0, 0, 0, 0]}}]}`
		res, err := http.Post(s.url+"/judge", "application/json; charset=UTF-8", strings.NewReader(request))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var answer struct {
			JudgeName string `json:"judgeName"`
			Results   []struct {
				Name, ID, Classification string
				Groups                   []string
			}
			GroupScores []struct {
				Name  string
				Score float64
			} `json:"groupScores"`
			Score struct {
				Score          float64
				Classification string
			}
		}
		if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK || answer.JudgeName == "" || len(answer.Results) != 2 || len(answer.GroupScores) != 2 {
			t.Fatalf("%s %v %+v", res.Status, err, answer)
		}
		if got := fmt.Sprintf("%s %g", answer.Score.Classification, answer.Score.Score); got != tt.want {
			t.Errorf("latency %s, errors %s: %s; want %s\n%+v", tt.latency, tt.errors, got, tt.want, answer)
		}
	}
}
