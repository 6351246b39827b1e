package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"weak"

	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/rollout"
)

// twoModels are churn, the default with a live canary, and fraud, which is idle.
func twoModels(t *testing.T) (churn, fraud *scripted, server *httptest.Server) {
	t.Helper()
	churn, fraud = &scripted{health: live()}, &scripted{health: live()}
	fraud.health.State.Model = "fraud"
	mux := http.NewServeMux()
	Register(mux, func() []Model {
		return []Model{{"churn", true, churn, churn, plan, nil, nil}, {"fraud", false, fraud, fraud, plan, nil, nil}}
	}, "test", 1<<20)
	server = httptest.NewServer(Guard(mux))
	t.Cleanup(server.Close)
	return churn, fraud, server
}

// TestEachCallByName: every call reaches the model that is named, and no other.
func TestEachCallByName(t *testing.T) {
	t.Parallel()
	churn, fraud, server := twoModels(t)
	client, err := NewClient(server.URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	commands := map[rollout.Kind]func(*Client) (string, error){
		rollout.Deploy: func(c *Client) (string, error) {
			done, err := c.Deploy(ctx, DeployRequest{ModelPath: "m.joblib"})
			return done.Model, err
		},
		rollout.Rollback: func(c *Client) (string, error) {
			done, err := c.Rollback(ctx, RollbackRequest{})
			return done.Model, err
		},
		rollout.Promote: func(c *Client) (string, error) { done, err := c.Promote(ctx, PromoteRequest{}); return done.Model, err },
		rollout.Reweigh: func(c *Client) (string, error) {
			done, err := c.Reweigh(ctx, WeightRequest{Weight: 0.5})
			return done.Model, err
		},
		rollout.Drill: func(c *Client) (string, error) { _, err := c.ToggleSlowdown(ctx); return "", err },
	}
	for kind, do := range commands {
		for name, called := range map[string]*scripted{"": churn, "churn": churn, "fraud": fraud} {
			churn.asked, fraud.asked = control.Command{}, control.Command{}
			answered, err := do(client.For(name))
			if err != nil || called.asked.Kind != kind || churn.asked.Kind == kind && fraud.asked.Kind == kind {
				t.Errorf("%s of %q: %v, churn was asked for %q and fraud for %q", kind, name, err, churn.asked.Kind, fraud.asked.Kind)
			}
			if answered != "" && answered != called.health.State.Model {
				t.Errorf("%s of %q is answered for %s", kind, name, answered)
			}
		}
	}
	upload := DeployRequest{ModelPath: "m.joblib", Model: strings.NewReader("abc"), Size: 3}
	if _, err := client.For("fraud").Deploy(ctx, upload); err != nil || fraud.asked.Source.Model == nil {
		t.Errorf("an upload: %v, %+v", err, fraud.asked.Source)
	}
	if h, err := client.For("fraud").Check(ctx); err != nil || h.Model != "fraud" {
		t.Errorf("check: %s %v", h.Model, err)
	}
	if s, err := client.For("fraud").State(ctx); err != nil || s.Model != "fraud" {
		t.Errorf("state: %s %v", s.Model, err)
	}
	fraud.past = []judge.Case{{Name: "look 1", Plan: plan}}
	n := 0
	if err := client.For("fraud").Cases(ctx, "r1", func(judge.Case) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("cases: %d %v", n, err)
	}
	list, err := client.Models(ctx)
	if err != nil || len(list) != 2 || list[0].Model != "churn" || !list[0].Default || list[1].Default || list[1].Status != "alert" || list[1].Requests.Canary != 20 {
		t.Errorf("list: %+v %v", list, err)
	}
}

func TestAnUnknownModel(t *testing.T) {
	t.Parallel()
	_, _, server := twoModels(t)
	client, err := NewClient(server.URL, "test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.For("spam").State(t.Context())
	if p, ok := errors.AsType[*Problem](err); !ok || p.Status != http.StatusNotFound || p.Code != codeModel || p.Detail != "there is no model spam. This server has churn, fraud." || p.Exit() != ExitUsage {
		t.Errorf("%v", err)
	}
	_, err = client.For("spam").Deploy(t.Context(), DeployRequest{ModelPath: "m", Model: strings.NewReader("abc"), Size: 3})
	if p, ok := errors.AsType[*Problem](err); !ok || p.Code != codeModel {
		t.Errorf("an upload: %v", err)
	}
}

// TestBothFormsAreDescribed: each call is in the description once for the default
// model and once by name, and only the latter has the name as a parameter.
func TestBothFormsAreDescribed(t *testing.T) {
	t.Parallel()
	_, _, server := twoModels(t)
	res, err := http.Get(server.URL + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var described struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&described); err != nil {
		t.Fatal(err)
	}
	ids, pairs := map[string]string{}, 0
	for path, methods := range described.Paths {
		for method, op := range methods {
			if other := ids[op.OperationID]; other != "" {
				t.Errorf("%s and %s are both called %s", path, other, op.OperationID)
			}
			ids[op.OperationID] = path
			wants := strings.Contains(path, "{model}")
			has := false
			for _, p := range op.Parameters {
				has = has || p.Name == "model" && p.In == "path"
			}
			if wants != has {
				t.Errorf("%s: it has the parameter model: %v", path, has)
			}
			if name, of := strings.CutPrefix(path, "/admin/"); of && !wants && name != "models" && name != "replicas" && !strings.HasPrefix(name, "webhooks") { // which are about all models
				pairs++
				if _, ok := described.Paths[byName(path)][method]; !ok {
					t.Errorf("%s is not described by name", path)
				}
			}
		}
	}
	if pairs < 8 {
		t.Errorf("only %d calls are described", pairs)
	}
}

// TestAModelThatIsUnloadedIsLetGo: once no page shows it any more, so that its
// memory is free.
func TestAModelThatIsUnloadedIsLetGo(t *testing.T) {
	t.Parallel()
	p := &scripted{health: live()}
	left := weak.Make(p)
	served := []Model{{"churn", true, p, p, plan, nil, nil}}
	here := newRoll(func() []Model { return served }, "test")
	shown, problem := here.find(t.Context(), "churn")
	if problem != nil {
		t.Fatal(problem)
	}
	runtime.GC()
	if again, _ := here.find(t.Context(), "churn"); again.live != shown.live {
		t.Error("a page that is open has no part in what another one is told")
	}
	runtime.KeepAlive(shown)
	served = nil
	runtime.GC()
	if left.Value() != nil {
		t.Error("it is held")
	}
	runtime.KeepAlive(here)
}
