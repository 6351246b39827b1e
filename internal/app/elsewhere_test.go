package app

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"serin/internal/api"
)

// TestFilesFromElsewhere: a model starts with one, and releases another, pinned; what
// is not covered, not there, or not what was meant changes nothing.
func TestFilesFromElsewhere(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("../../models")); err != nil {
		t.Fatal(err)
	}
	v1, v2 := "file://"+folder+"/model_v1.joblib", "file://"+folder+"/model_v2.joblib"
	c.Models[0].Path, c.Artifacts.Sources = v1, []string{"file://" + folder}
	golden := `{"features": [0.5, 1.2, 0.8, 0.3, 1.1], "prediction": 1}` + "\n"
	if err := os.WriteFile(filepath.Join(folder, "model_v2.joblib.golden.jsonl"), []byte(golden), 0o600); err != nil {
		t.Fatal(err)
	}
	r := launch(t, c)
	digest := digestOf(r.readModel("models/model_v2.joblib"))
	for path, want := range map[string]string{
		"file:///etc/passwd":                        "file_refused",
		"s3://models/m":                             "file_refused",
		"http://models.example.com/m":               "file_refused",
		"file://" + folder + "/../m":                "file_refused",
		"file://" + folder + "/none":                "file_not_found",
		v2 + "#sha256=" + strings.Repeat("0", 64):   "file_differs",
		v2 + "#sha256=" + strings.Repeat("0", 63):   "file_refused",
		"file://" + folder + "/model_v2.joblib%00m": "file_refused",
	} {
		err := r.deploy(path)
		if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
	change, err := r.client.Deploy(t.Context(), api.DeployRequest{ModelPath: v2 + "#sha256=" + digest, SHA256: digest})
	if err != nil || change.Rollout.Canary.Path != v2 || change.Rollout.Canary.SHA256 != digest || change.Rollout.Canary.GoldenRows != 1 {
		t.Fatalf("got %+v, %v", change.Rollout, err)
	}
	r.stop()

	// Copies that are gone are fetched again, and must be the same.
	artifacts := filepath.Join(c.Data, "artifacts")
	lose := func() {
		t.Helper()
		if err := os.Remove(filepath.Join(artifacts, digest)); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	r = launch(t, c)
	if used, _, err := r.predict(http.DefaultClient); used == "" || err != nil {
		t.Errorf("got %s, %v", used, err)
	}
	if _, err := os.Stat(filepath.Join(artifacts, digest)); err != nil {
		t.Error(err)
	}
	r.stop()
	lose()
	if err := os.WriteFile(filepath.Join(folder, "model_v2.joblib"), r.readModel("models/model_v1.joblib"), 0o600); err != nil {
		t.Fatal(err)
	}
	r = launch(t, c)
	defer r.stop()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/admin/rollouts", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if _, text := r.send(req); !strings.Contains(text, "the file that was meant is "+digest) {
		t.Errorf("got %s", text)
	}
}

// TestAddressThatIsAlmostTooLong has no room for the name of its golden predictions.
func TestAddressThatIsAlmostTooLong(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	long := t.TempDir()
	c.Artifacts.Sources = []string{"file://" + long}
	for len(long) < 3800 {
		long += "/" + strings.Repeat("x", 200)
	}
	long += "/" + strings.Repeat("x", 4090-len("file://"+long+"//model_v2.joblib"))
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	r := launch(t, c)
	defer r.stop()
	if err := os.WriteFile(long+"/model_v2.joblib", r.readModel("models/model_v2.joblib"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := r.deploy("file://" + long + "/model_v2.joblib")
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != "file_refused" || !strings.Contains(p.Detail, "4096 bytes") {
		t.Errorf("got %v", err)
	}
}
