package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"serin/internal/api"
)

// TestKilledInTheMiddleOfACanary: the same canary, weight, time and evidence
// come back, although the files of both models are gone.
func TestKilledInTheMiddleOfACanary(t *testing.T) {
	t.Parallel()
	dir := workplace(t)
	steps := filepath.Join(t.TempDir(), "steps")
	s := child(t, dir, "SERIN_TEST_STEPS="+steps).mustBeReady()
	if _, err := s.client.Deploy(t.Context(), api.DeployRequest{ModelPath: "models/model_v2.joblib"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.ToggleSlowdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.traffic(200)
	if _, err := s.client.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.state()
	// Two saves after the last request: the second began after it.
	seen := saves(t, steps)
	eventually(t, "saving the evidence", func() bool { return saves(t, steps) >= seen+2 })
	s.kill()
	if err := os.RemoveAll(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	s = child(t, dir).mustBeReady()
	after := s.state()
	if after.Phase != "canary" || after.Rollout.ID != before.Rollout.ID || after.Rollout.Weight != 0.1 || !after.SimulateSlowdown {
		t.Errorf("came back as %+v", after)
	}
	if got, want := after.CanaryMetrics, before.CanaryMetrics; got != want {
		t.Errorf("evidence %+v, was %+v", got, want)
	}
	if after.AlertStatus.Look != 1 || after.Rollout.ElapsedS < before.Rollout.ElapsedS {
		t.Errorf("look %d, elapsed %v, was %v", after.AlertStatus.Look, after.Rollout.ElapsedS, before.Rollout.ElapsedS)
	}
	s.traffic(10)
	if got := s.state().CanaryMetrics.Canary.LatenciesMS.Count; got != 21 {
		t.Errorf("%d canary observations, want 21: a block of ten begins afresh", got)
	}
}

func saves(t *testing.T, steps string) int {
	t.Helper()
	text, err := os.ReadFile(steps)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "evidence: durable")
}

// deed is one acknowledged change in the life of the test's canaries, and what
// the state looks like after it.
type deed struct {
	name string
	do   func(*server) error
	then string
}

func look(s api.State) string {
	canary := "-"
	if s.CanaryModelPath != nil {
		canary = filepath.Base(*s.CanaryModelPath)
	}
	return fmt.Sprintf("%s %s %s drill=%v", s.Phase, filepath.Base(s.StableModelPath), canary, s.SimulateSlowdown)
}

var life = []deed{
	{"start", func(*server) error { return nil }, "idle model_v1.joblib - drill=false"},
	{"deploy", deployV2, "canary model_v1.joblib model_v2.joblib drill=false"},
	{"slowdown", func(s *server) error { _, err := s.client.ToggleSlowdown(s.t.Context()); return err }, "canary model_v1.joblib model_v2.joblib drill=true"},
	{"rollback", func(s *server) error {
		_, err := s.client.Rollback(s.t.Context(), api.RollbackRequest{})
		return err
	}, "idle model_v1.joblib - drill=false"},
	{"deploy again", deployV2, "canary model_v1.joblib model_v2.joblib drill=false"},
	{"promote", func(s *server) error {
		_, err := s.client.Promote(s.t.Context(), api.PromoteRequest{Force: true, Reason: "the test wants it"})
		return err
	}, "idle model_v2.joblib - drill=false"},
}

func deployV2(s *server) error {
	_, err := s.client.Deploy(s.t.Context(), api.DeployRequest{ModelPath: "models/model_v2.joblib", Force: true})
	return err
}

// TestKilledAtEveryDurableStep plays that life once to count the durable steps,
// then once for each step with SIGKILL at it. What was acknowledged must be
// there; what was under way is there wholly or not at all.
func TestKilledAtEveryDurableStep(t *testing.T) {
	t.Parallel()
	steps := filepath.Join(t.TempDir(), "steps")
	s := child(t, workplace(t), "SERIN_TEST_STEPS="+steps).mustBeReady()
	if done := play(s); done != len(life) {
		t.Fatalf("ended after %d of %d changes\n%s", done, len(life), s.out)
	}
	s.kill()
	text, err := os.ReadFile(steps)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(strings.ReplaceAll(strings.ReplaceAll(string(text), " ", "_"), "\n", " "))
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "evidence") })
	if len(names) < 40 {
		t.Fatalf("only %d durable steps: %v", len(names), names)
	}
	for i, name := range names {
		t.Run(fmt.Sprintf("%d_%s", i+1, name), func(t *testing.T) {
			t.Parallel()
			killedAt(t, i+1)
		})
	}
}

// play does one thing after the other and returns how many were acknowledged.
func play(s *server) int {
	for i, d := range life {
		if s.url == "" || d.do(s) != nil {
			return i
		}
		if _, err := s.client.State(s.t.Context()); err != nil {
			return i + 1
		}
	}
	return len(life)
}

func killedAt(t *testing.T, step int) {
	dir := workplace(t)
	victim := child(t, dir, fmt.Sprintf("SERIN_TEST_KILL_AT=%d", step))
	done := play(victim)
	if done == len(life) {
		t.Errorf("step %d was not reached", step)
		victim.kill()
	}
	<-victim.gone
	s := child(t, dir).mustBeReady()
	got := look(s.state())
	// A start that was killed is made up for by the next start.
	allowed := []string{life[max(done-1, 0)].then}
	if done < len(life) {
		allowed = append(allowed, life[done].then)
	}
	if !slices.Contains(allowed, got) {
		t.Errorf("after %d acknowledged changes: %s, want one of %q\n%s", done, got, allowed, s.out)
	}
	// Whatever came back is in working order.
	if s.state().Rollout != nil {
		if _, err := s.client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
			t.Error(err)
		}
	}
	if err := deployV2(s); err != nil {
		t.Error(err)
	}
	s.traffic(10)
}
