package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/api"
)

const (
	wrongV2 = `{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 1}` + "\n\n" + `{"features": [0, 0, 0, 0, 0], "probabilities": [0.5, 0.5]}` + "\n"
)

func (r *running) artifacts() int {
	r.t.Helper()
	kept, err := os.ReadDir(filepath.Join(r.config.Data, "artifacts"))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(kept)
}

func writeGolden(t *testing.T, c Config, model, lines string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.Root, model+goldenSuffix), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestGoldenPredictions: a canary serves only if it reproduces those that lie
// beside it, says how many there were, and is held to them again at each start.
func TestGoldenPredictions(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	const v2 = "models/model_v2.joblib"
	writeGolden(t, c, v2, wrongV2)
	r := launch(t, c)
	err := r.deploy(v2)
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || p.Code != "model_refused" || !strings.Contains(p.Detail, "golden predictions, line 3: probabilities[0] is 0.") || !strings.Contains(p.Detail, "should be 0.5") {
		t.Fatalf("wrong golden predictions: %v", err)
	}
	if n := r.artifacts(); n != 1 {
		t.Errorf("%d artifacts after a refusal, and only stable's is needed", n)
	}
	writeGolden(t, c, v2, `{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 1}`+"\n\n"+`{"features": [-9, -9, -9, -9, 9], "prediction": 1}`)
	change, err := r.client.Deploy(t.Context(), api.DeployRequest{ModelPath: v2})
	if err != nil || change.Rollout.Canary.GoldenRows != 2 || len(change.Rollout.Canary.Golden) != 64 || !strings.Contains(change.Message, "its golden predictions are reproduced, 2 in all") {
		t.Fatalf("%+v, %v", change, err)
	}
	if n := r.artifacts(); n != 3 {
		t.Errorf("%d artifacts: stable, canary and its golden predictions are needed", n)
	}
	r.stop()
	again := launch(t, c)
	if s, err := again.client.State(t.Context()); err != nil || s.Rollout == nil || s.Rollout.Canary.GoldenRows != 2 {
		t.Errorf("after a restart: %+v, %v", s.Rollout, err)
	}
	if _, err := again.client.Promote(t.Context(), api.PromoteRequest{Force: true, Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	again.stop()
	for range 2 { // a start prunes, and the next one reads what it left
		stable := launch(t, c)
		if s, err := stable.client.State(t.Context()); err != nil || s.Stable.GoldenRows != 2 || stable.artifacts() != 2 {
			t.Errorf("as stable: %+v, %v", s.Stable, err)
		}
		stable.stop()
	}
}

func TestGoldenPredictionsOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	writeGolden(t, c, c.Models[0].Path, wrongV2)
	if err := Run(t.Context(), c, func(Ready) { t.Error("started") }); err == nil || !strings.Contains(err.Error(), "golden predictions, line 3") {
		t.Errorf("%v", err)
	}
}

func TestGoldenFilesThatAreNone(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	r := launch(t, c)
	defer r.stop()
	const v2 = "models/model_v2.joblib"
	beside := filepath.Join(c.Root, v2+goldenSuffix)
	for _, tt := range []struct {
		make func() error
		want string
	}{
		{func() error { return os.Mkdir(beside, 0o700) }, "is not a regular file"},
		{func() error { return os.WriteFile(beside, make([]byte, maxGolden+1), 0o600) }, "is larger than"},
		{func() error { return os.WriteFile(beside, nil, 0o600) }, "the file has no line"},
		{func() error { return os.WriteFile(beside, []byte("features,prediction\n"), 0o600) }, "line 1"},
	} {
		if err := tt.make(); err != nil {
			t.Fatal(err)
		}
		if err := r.deploy(v2); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
		if err := os.RemoveAll(beside); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.deploy(v2); err != nil {
		t.Errorf("without a file: %v", err)
	}
}

// TestLostGoldenPredictions: the advice names the file that is lost, not the model's.
func TestLostGoldenPredictions(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	writeGolden(t, c, "models/model_v1.joblib", `{"features": [-9, -9, -9, -9, 9], "prediction": 1}`)
	r := launch(t, c)
	s, err := r.client.State(t.Context())
	if err != nil || len(s.Stable.Golden) != 64 {
		t.Fatalf("%+v, %v", s, err)
	}
	r.stop()
	if err := os.Remove(filepath.Join(c.Data, "artifacts", s.Stable.Golden)); err != nil {
		t.Fatal(err)
	}
	err = Run(t.Context(), c, func(Ready) { t.Error("started") })
	if err == nil || !strings.Contains(err.Error(), "the golden predictions of model_v1") || !strings.Contains(err.Error(), "Copy a file whose SHA-256 is "+s.Stable.Golden) {
		t.Errorf("%v, want the digest %s", err, s.Stable.Golden)
	}
}
