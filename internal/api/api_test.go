package api

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/rollout"
)

var plan = rollout.Plan{
	Weight: 1000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond,
	OnAlarm: rollout.HoldOnAlarm, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2,
}

// scripted is a pilot that answers as it is told; what it is asked is kept.
type scripted struct {
	health control.Health
	err    error
	asked  control.Command
	past   []judge.Case
	broken error // after the past
	// journal is newest first.
	journal []control.Entry
}

func (s *scripted) Cases(_ context.Context, _ string, yield func(judge.Case) error) error {
	for _, c := range s.past {
		if err := yield(c); err != nil {
			return err
		}
	}
	return s.broken
}

func (s *scripted) Do(_ context.Context, c control.Command) (control.Health, error) {
	s.asked = c
	return s.health, s.err
}
func (s *scripted) Check(context.Context) (control.Health, error) { return s.health, s.err }
func (s *scripted) Peek() control.Health                          { return s.health }
func (s *scripted) Gauges() control.Gauges                        { return control.Gauges{} }
func (s *scripted) Looks(context.Context, string, uint64, int) ([]control.Look, error) {
	return nil, nil
}
func (s *scripted) Recent(_ context.Context, before uint64, limit int) ([]control.Entry, error) {
	newer := slices.IndexFunc(s.journal, func(e control.Entry) bool { return before == 0 || e.Seq < before })
	if newer < 0 {
		return nil, s.broken
	}
	return s.journal[newer:min(newer+limit, len(s.journal))], s.broken
}

func live() control.Health {
	r := &rollout.Rollout{ID: "r1", Canary: rollout.Version{Name: "model_v2", Path: "models/model_v2.joblib"}, Plan: plan, Weight: plan.Weight, Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	h := control.Health{
		State:   rollout.State{Model: "churn", Phase: rollout.Live, Stable: rollout.Version{Name: "model_v1", Path: "models/model_v1.joblib"}, Rollout: r},
		Rollout: r, Elapsed: 20 * time.Minute, Look: 3,
	}
	h.Result = judge.Result{Finding: rollout.Finding{Verdict: rollout.Fail, Sentence: "the canary is 20 ms slower"}, Test: "welch", PValue: 1e-9}
	h.Result.Stable.Count, h.Result.Canary.Count = 180, 20
	return h
}

func serve(t *testing.T, p *scripted) *httptest.Server {
	mux := http.NewServeMux()
	Register(mux, func() []Model { return []Model{{"churn", true, p, p, plan, nil, nil}} }, "test", 1<<20)
	server := httptest.NewServer(Guard(mux))
	t.Cleanup(server.Close)
	return server
}

// TestEveryCodeHasAnOutcome reads the constants from the two rooms' sources, so
// that a new code cannot be forgotten in the table.
func TestEveryCodeHasAnOutcome(t *testing.T) {
	t.Parallel()
	found := 0
	for file, typ := range map[string]string{"../rollout/event.go": "Code", "../control/control.go": "FaultCode"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typ {
				return true
			}
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if o, ok := outcomes[code]; err != nil || !ok || o.status < 400 || o.exit == ExitOK {
				t.Errorf("%s.%s = %q has no outcome", file, spec.Names[0].Name, code)
			}
			found++
			return true
		})
	}
	if found < 15 {
		t.Errorf("found only %d codes", found)
	}
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	server := serve(t, &scripted{health: live()})
	tests := []struct{ name, contentType, body, want string }{
		{"no body", "", "", "400 request body is required: send a JSON object; GET /openapi.json describes it."},
		{"form", "application/x-www-form-urlencoded", "model_path=x", "415 body: send JSON with the header Content-Type: application/json."},
		{"not JSON", "application/json", "model_path", "400 body: the body is not one JSON value: invalid character 'm' at start of value."},
		{"cut short", "application/json", `{"model_path": "a"`, "400 body: the body is not one JSON value: unexpected EOF after offset 18."},
		{"two values", "application/json", `{"model_path": "a"} {}`, "400 body: the body is not one JSON value: invalid character '{' after top-level value after offset 20."},
		{"doubled", "application/json", `{"model_path": "a", "model_path": "b"}`, `400 body: the body is not one JSON value: duplicate object member name "model_path".`},
		{"array", "application/json", `["a"]`, "422 body: expected object."},
		{"null", "application/json", `{"model_path": null}`, "422 body.model_path: expected string."},
		{"number", "application/json", `{"model_path": 7}`, "422 body.model_path: expected string."},
		{"empty", "application/json", `{"model_path": ""}`, "422 body.model_path: expected length >= 1."},
		{"unknown field", "application/json", `{"model_path": "a", "wieght": 1}`, "422 body.wieght: unexpected property."},
		{"other case", "application/json", `{"model_path": "a", "Weight": 1}`, `422 body: unknown object member name "Weight".`},
		{"weight", "application/json", `{"model_path": "a", "weight": 1.5}`, "422 body.weight: expected number <= 1."},
		{"tiny weight", "application/json", `{"model_path": "a", "weight": 1e-9}`, "422 body.weight 1e-09 is not a share of the traffic: use 0.0001 (0.01%) to 1 (100%)."},
		{"duration", "application/json", `{"model_path": "a", "duration": "soon"}`, `422 body.duration: "soon" is not a duration; write it like 1h, 90m or 30s.`},
		{"odd delay", "application/json", `{"model_path": "a", "policy": {"initial_delay": "soon"}}`, `422 body.policy.initial_delay: "soon" is not a duration; write it like 1h, 90m or 30s.`},
		{"tolerance below the slowdown", "application/json", `{"model_path": "a", "policy": {"tolerance": 0.01}}`, `422 body.policy: min_slowdown 0.02 is not from 0 to below the tolerance, 0.01.`},
		{"negative duration", "application/json", `{"model_path": "a", "duration": "-1h"}`, `422 body.duration: "-1h" is not a duration; write it like 1h, 90m or 30s.`},
		{"policy", "application/json", `{"model_path": "a", "policy": {"at_end": "x"}}`, `422 body.policy.at_end: expected value to be one of "hold, promote, rollback".`},
		{"large", "application/json", `{"model_path": "` + strings.Repeat("a", maxBody) + `"}`, "413 the body is larger than 65536 bytes."},
	}
	for _, tt := range tests {
		res, err := http.Post(server.URL+"/admin/deploy-canary", tt.contentType, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		p := problemIn(t, res)
		if got := strconv.Itoa(res.StatusCode) + " " + p.Detail; got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if p.Code != codeInvalid || p.Exit() != ExitUsage {
			t.Errorf("%s: code %s, exit %d", tt.name, p.Code, p.Exit())
		}
	}
}

func problemIn(t *testing.T, res *http.Response) *Problem {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	p := &Problem{}
	if err := json.Unmarshal(body, p); err != nil || p.Status != res.StatusCode || p.Title == "" || res.Header.Get("Content-Type") != problemType {
		t.Fatalf("not a problem document: %s %s", res.Header.Get("Content-Type"), body)
	}
	return p
}

func TestDeployPassesTheWholePlanOn(t *testing.T) {
	t.Parallel()
	pilot := &scripted{health: live()}
	server := serve(t, pilot)
	body := `{"model_path": "m.joblib", "weight": 0.25, "duration": "90m", "force": true, "reason": "because",
		"policy": {"at_end": "promote", "min_samples": 50, "alpha": 0.01, "min_effect_ms": 2.5,
			"on_alarm": "rollback", "min_slowdown": 0.05, "tolerance": 0.2, "min_drift": 0.1, "initial_delay": "30s"}}`
	req, _ := http.NewRequest(http.MethodPost, server.URL+"/admin/deploy-canary", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Serin-Actor", "ana")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(err, res)
	}
	res.Body.Close()
	want := control.Command{
		Kind: rollout.Deploy, Actor: "ana", Reason: "because", Source: control.Source{Path: "m.joblib"}, Force: true,
		Plan: rollout.Plan{
			Weight: 2500, Period: 90 * time.Minute, AtEnd: rollout.PromoteAtEnd, MinSamples: 50, Alpha: 0.01, MinEffect: 2500 * time.Microsecond,
			OnAlarm: rollout.RollbackOnAlarm, MinSlowdown: 0.05, Tolerance: 0.2, MinDrift: 0.1, InitialDelay: 30 * time.Second,
		},
	}
	if diff := cmp.Diff(want, pilot.asked); diff != "" {
		t.Error(diff)
	}
}

// TestTheBodyOfACheckIsFlatAndWhole: a gate tests keys without asking whether
// they are there.
func TestTheBodyOfACheckIsFlatAndWhole(t *testing.T) {
	t.Parallel()
	keys := func(h control.Health) map[string]bool {
		data, err := json.Marshal(healthOf(h, plan))
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(data, &body); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for k, v := range body {
			if v == nil {
				t.Errorf("%s is null", k)
			}
			found[k] = true
		}
		return found
	}
	idle := control.Health{State: rollout.State{Model: "churn", Phase: rollout.Idle}}
	loading := live()
	loading.State.Phase, loading.Result = rollout.Loading, judge.Result{}
	with, without := keys(live()), keys(idle)
	if diff := cmp.Diff(with, without); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(with, keys(loading)); diff != "" {
		t.Error(diff)
	}
	for k := range strings.FieldsSeq("alert_triggered alert_source status verdict p_value t_statistic degrees_of_freedom stable_avg_latency_ms canary_avg_latency_ms samples min_samples look") {
		if !with[k] {
			t.Errorf("%s is missing", k)
		}
	}
	if h := healthOf(idle, plan); h.Verdict != "none" || h.Status != "no_canary" || h.PValue != 1 || h.MinSamples != 20 {
		t.Errorf("without a canary: %+v", h)
	}
	if h := healthOf(loading, plan); h.Verdict != "insufficient" || h.Status != "insufficient_data" {
		t.Errorf("while it loads: %+v", h)
	}
	if h := healthOf(live(), plan); !h.AlertTriggered || h.AlertSource != "welch" || h.Status != "alert" || h.RemainingS != 2400 {
		t.Errorf("with an alert: %+v", h)
	}
}

// stuck is a pilot whose loop waits for its disk.
type stuck struct{ scripted }

func (s *stuck) Check(ctx context.Context) (control.Health, error) {
	<-ctx.Done()
	return control.Health{}, ctx.Err()
}

func TestACheckIsAnsweredEvenWhenTheLoopIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []Pilot{&scripted{health: live(), err: errors.New("gone")}, &stuck{scripted{health: live()}}} {
			h := &handlers{pilot: p, plan: plan}
			got, err := h.check(t.Context(), nil)
			if err != nil || got.Body.Status != "alert" {
				t.Errorf("%+v, %v", got, err)
			}
		}
	})
}

// TestABadByteInAFilesNameIsNoPanic: whatever a file is called, or names, the
// client gets its answer.
func TestABadByteInAFilesNameIsNoPanic(t *testing.T) {
	t.Parallel()
	h := live()
	h.State.Stable.Path = "models/m\xff.joblib"
	server := serve(t, &scripted{health: h, err: &control.Fault{Code: control.ModelRefused, Detail: "it names \xff\xfe.system", Next: "Do not."}})
	client, err := NewClient(server.URL, "ana")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.State(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = client.Deploy(t.Context(), DeployRequest{ModelPath: "x"})
	if p, ok := errors.AsType[*Problem](err); !ok || p.Exit() != ExitRefused {
		t.Errorf("%v", err)
	}
}

func TestARefusedPromotionCarriesTheVerdict(t *testing.T) {
	t.Parallel()
	server := serve(t, &scripted{health: live(), err: &rollout.Refusal{Code: rollout.CanaryUnhealthy, Detail: "slow", Next: "Roll back."}})
	client, err := NewClient(server.URL, "ana")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Promote(t.Context(), PromoteRequest{})
	p, ok := errors.AsType[*Problem](err)
	if !ok || p.Status != http.StatusConflict || p.Exit() != ExitRegression || p.Health == nil || p.Health.PValue != 1e-9 {
		t.Errorf("%#v", err)
	}
}

func TestOptionalBodiesMayBeMissing(t *testing.T) {
	t.Parallel()
	server := serve(t, &scripted{health: live()})
	for _, path := range []string{"rollback-canary", "promote-canary", "toggle-slowdown"} {
		res, err := http.Post(server.URL+"/admin/"+path, "", nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("%s: %v %v", path, err, res)
		}
		res.Body.Close()
	}
}

func TestAToggleTakesNoGarbage(t *testing.T) {
	t.Parallel()
	server := serve(t, &scripted{health: live()})
	for body, want := range map[string]int{"": 200, "{}": 200, "garbage": 400, "[]": 422, `{"on": true}`: 422} {
		res, err := http.Post(server.URL+"/admin/toggle-slowdown", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%q: %d, want %d", body, res.StatusCode, want)
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	server := serve(t, &scripted{health: live()})
	tests := []struct {
		name, host, header, value string
		want                      int
	}{
		{"as it is", "", "", "", 200},
		{"another origin", "localhost:8000", "Origin", "http://evil.example", 403},
		{"the same origin", "localhost:8000", "Origin", "http://localhost:8000", 200},
		{"another site", "", "Sec-Fetch-Site", "cross-site", 403},
		{"no origin of its own", "", "Origin", "null", 403},
	}
	for i, tt := range append(tests, tests...) {
		method, path := http.MethodPost, "/admin/rollback-canary"
		if i >= len(tests) { // a look counts, too
			method, path = http.MethodGet, "/admin/check-canary-health"
		}
		req, _ := http.NewRequest(method, server.URL+path, nil)
		if tt.host != "" {
			req.Host = tt.host
		}
		if tt.header != "" {
			req.Header.Set(tt.header, tt.value)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, res.StatusCode, tt.want)
		}
		if tt.want == 403 {
			problemIn(t, res)
		}
		res.Body.Close()
	}
}

func TestMethodsAndPaths(t *testing.T) {
	t.Parallel()
	server := serve(t, &scripted{health: live()})
	for path, allow := range map[string]string{"deploy-canary": "POST", "rollback-canary": "POST", "check-canary-health": "GET", "state": "GET"} {
		req, _ := http.NewRequest(http.MethodDelete, server.URL+"/admin/"+path, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if problemIn(t, res); res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != allow {
			t.Errorf("%s: %d, allow %q", path, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	res, err := http.Get(server.URL + "/admin/nothing")
	if err != nil {
		t.Fatal(err)
	}
	if problemIn(t, res); res.StatusCode != http.StatusNotFound {
		t.Errorf("%d", res.StatusCode)
	}
}

// TestAServerThatDoesNotAnswer: nobody waits for ever at night. Time is faked.
func TestAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, err := NewClient("serin.test:8000", "ana")
		if err != nil {
			t.Fatal(err)
		}
		client.http.Transport = silent{}
		begun := time.Now()
		_, err = client.State(t.Context())
		if took := time.Since(begun); took != patience || ExitOf(err) != ExitUnreachable || !strings.Contains(err.Error(), "did not answer in 10s") {
			t.Errorf("after %v: %v", took, err)
		}
	})
}

// silent is a server that takes a request and says nothing.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestClientWithoutAServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	client, err := NewClient(server.URL, "ana")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.State(t.Context()); err == nil || !strings.Contains(err.Error(), "is it a serin server?") {
		t.Errorf("another server: %v", err)
	}
	server.Close()
	if _, err := client.State(t.Context()); err == nil || !strings.Contains(err.Error(), "Start one with serin serve") {
		t.Errorf("no server: %v", err)
	}
	for _, bad := range []string{"", "ftp://x", "http://", "http://a b"} {
		if _, err := NewClient(bad, ""); err == nil {
			t.Errorf("address %q accepted", bad)
		}
	}
}
