package app

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"serin/internal/api"
	"serin/internal/train"
)

// prepare fills the root with files that no deploy may accept.
func prepare(t *testing.T, c Config) {
	t.Helper()
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
	if err := syscall.Mkfifo(filepath.Join(c.Root, "pipe.joblib"), 0o600); err != nil {
		t.Fatal(err)
	}
	names := []string{"tenure", "monthly_charges", "support_calls", "monthly_usage", "late_payments"}
	wild := train.Model{Names: names, Classes: [2]any{int64(0), int64(1)}, Coef: []float64{1e308, -1e308, 0, 0, 0}, C: 1, Iterations: 1}
	if err := wild.WriteFile(filepath.Join(c.Root, "wild.joblib")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(c.Data, filepath.Join(c.Root, "shortcut")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("serin-data", "artifacts"), filepath.Join(c.Root, "inner")); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "model.joblib")
	if err := os.WriteFile(outside, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(c.Root, "link.joblib")); err != nil {
		t.Fatal(err)
	}
}

func TestBadModelFiles(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.MaxModelBytes = 1 << 20
	r := launch(t, c)
	defer r.stop()
	prepare(t, c)
	tests := []struct{ path, code, detail string }{
		{"missing.joblib", "file_not_found", "there is no file missing.joblib"},
		{"empty.joblib", "model_refused", "empty.joblib"[:5]},
		{"cut.joblib", "model_refused", "cut is refused"},
		{"trailing.joblib", "model_refused", "trailing is refused"},
		{"hostile.joblib", "model_refused", "os.system"},
		{"models", "file_refused", "models is not a regular file"},
		{"pipe.joblib", "file_refused", "pipe.joblib is not a regular file"},
		{"wild.joblib", "model_refused", "no number for a row as ordinary as"},
		{"serin-data/serin.db", "file_refused", "lies in the state directory"},
		{"models/../serin-data/serin.db", "file_refused", "lies in the state directory"},
		{"shortcut/serin.db", "file_refused", "lies in the state directory"},
		{"inner/../serin.db", "file_refused", "lies in the state directory"},
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
			res, err := http.Post(r.url+"/v1/models/churn/labels/canary:predict", "application/json", strings.NewReader(`{"instances": [[0.5, 1.2, 0.8, 0.3, 1.1]]}`))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if _, err := r.client.Rollback(t.Context(), api.RollbackRequest{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept, err := os.ReadDir(filepath.Join(c.Data, "artifacts"))
	if err != nil || len(kept) > 3 {
		t.Errorf("%d artifacts, %v", len(kept), err)
	}
	if n := strings.Count(r.metrics(), "serin_predict_duration_seconds_count"); n > maxServed || n < 2 {
		t.Errorf("meters of %d versions", n)
	}
}

// TestOneBadFile: what cannot be served is said, once for as long as it stays the same
// file, and keeps nobody from the others; and a file that stays the same is not opened.
func TestOneBadFile(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	good, err := os.ReadFile(filepath.Join(c.Root, "models/model_v1.joblib"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(c.Root, "models", name) }
	write := func(name string, text []byte, when time.Time) {
		t.Helper()
		if err := errors.Join(os.WriteFile(at(name), text, 0o600), os.Chtimes(at(name), when, when)); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-time.Hour)
	write("my model.joblib", good, then)
	write("page.joblib", []byte("<!doctype html><html>no model</html>"), then)
	write("metrics.json", []byte(`{"auc": 0.9}`), then)
	root, err := os.OpenRoot(c.Root)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	var f folder
	for range 3 {
		found, err := f.models(root, "models", log)
		if err != nil || len(found) != 2 || found[0].Name != "model_v1" || found[1].Name != "model_v2" {
			t.Fatalf("%v %v", found, err)
		}
	}
	for _, want := range []string{`level=WARN msg="a file in the folder of models cannot be served by its name: rename it`, `file="models/my model.joblib"`, `level=WARN msg="a file in the folder of models is called like one`, "file=models/page.joblib", `level=INFO msg="no model" file=models/metrics.json`} {
		if strings.Count(said.String(), want) != 1 {
			t.Errorf("%s is not said once:\n%s", want, said.String())
		}
	}
	// Of the same size and time it is the same file, whatever is in it: nobody looks.
	write("page.joblib", good[:36], then)
	if found, _ := f.models(root, "models", log); len(found) != 2 {
		t.Errorf("a file that stays the same was opened: %v", found)
	}
	write("page.joblib", good[:36], then.Add(time.Second))
	if found, _ := f.models(root, "models", log); len(found) != 3 {
		t.Errorf("a file that has changed was not looked at: %v", found)
	}
	// A server starts with it, too.
	c.Models, c.Folder = nil, "models"
	if err := os.Remove(at("page.joblib")); err != nil {
		t.Fatal(err)
	}
	r := launch(t, c)
	defer r.stop()
	r.is("/models/model_v2/predict", row, 200, "")
}
