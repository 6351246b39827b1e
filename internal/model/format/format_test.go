package format

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"serin/internal/model"
)

// zipOf is an archive of empty files.
func zipOf(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestRefusals: what people hand over that is no model of serin's is refused by
// what it is, with what to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, data, reason, next string }{
		{"nothing", "", "the file is empty", "Copy it again"},
		{"LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "a Git LFS pointer", "git lfs pull"},
		{"HTML", "\ufeff\n<!DOCTYPE html><html><body>Log in</body></html>", "an HTML page", "Download the file again"},
		{"XML", `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`, "XML", "Download the file again"},
		{"PMML", `<?xml version="1.0"?><PMML xmlns="http://www.dmg.org/PMML-4_4">`, "PMML", "PMML is out"},
		{"text", "customer,tenure\n1,2\n", "plain text", "joblib.dump"},
		{"Python", "import joblib\n", "plain text", "joblib.dump"},
		{"MLmodel", "artifact_path: model\nflavors:\n", "MLmodel", "model.pkl"},
		{"JSON", `{"error": "not found"}`, "JSON, but no model", "joblib.dump"},
		{"LightGBM dump", `{"name":"tree","version":"v4"}`, "dump_model", "save_model"},
		{"XGBoost dump", "[\n  { \"nodeid\": 0, \"depth\": 0", "dump_model", "save_model"},
		{"CatBoost binary", "CBM1\x00\x00", "cbm", `format="json"`},
		{"old XGBoost", "CONFIG-offset:\x00\x01", "ends in the middle", "model.json"},
		{"old XGBoost, struct", strings.Repeat("\x00", 136) + "\x0f\x00\x00\x00\x00\x00\x00\x00binary:logistic" + strings.Repeat("\x00", 20), "its booster is", "model.json"},
		{"HDF5", "\x89HDF\r\n\x1a\n\x00", "HDF5", "tf2onnx"},
		{"safetensors", "\x40\x00\x00\x00\x00\x00\x00\x00" + `{"__metadata__":{}`, "safetensors", "torch.onnx.export"},
		{"old PyTorch", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "PyTorch older than 1.6", "torch.onnx.export"},
		{"PyTorch", zipOf(t, "archive/data.pkl", "archive/data/0"), "a PyTorch file", "torch.onnx.export"},
		{"Keras", zipOf(t, "metadata.json", "config.json", "model.weights.h5"), "a Keras model", "tf2onnx"},
		{"npz", zipOf(t, "arr_0.npy"), "npz", "joblib.dump"},
		{"MLflow folder", zipOf(t, "model/MLmodel", "model/model.pkl"), "a model's folder", "Unpack"},
		{"zipped joblib", zipOf(t, "model.joblib"), "a zip archive with a model in it", "Unpack"},
		{"other zip", zipOf(t, "readme"), "does not know", "Unpack"},
		{"half a zip", zipOf(t, "model.joblib")[:40], "cut or damaged", "Copy it again"},
		{"npy", "\x93NUMPY\x01\x00", "npy", "joblib.dump"},
		{"tflite", "\x1c\x00\x00\x00TFL3", "TensorFlow Lite", "ONNX"},
		{"gzipped JSON", gzipped(t, `{"learner": {}}`), "compressed with gzip", "gunzip"},
		{"gzipped tar", gzipped(t, strings.Repeat("\x00", 257)+"ustar\x00"), "tar", "Unpack"},
		{"R", "RDX3\n", "R object", "ONNX"},
		{"a pickle that calls", "cos\nsystem\n(S'touch pwned'\ntR.", "os.system", ""},
		{"a gzipped pickle that calls", gzipped(t, "cos\nsystem\n(S'touch pwned'\ntR."), "os.system", ""},
		{"a pickle of a list", "(lp0\n.", "", ""},
		{"noise", "\xff\xfe\xfd\xfc", "", ""},
	}
	for _, tt := range tests {
		p, err := Open(strings.NewReader(tt.data), Options{})
		refusal, ok := errors.AsType[*model.Refusal](err)
		if !ok || p != nil {
			t.Errorf("%s: not refused: %v", tt.name, err)
			continue
		}
		if !strings.Contains(refusal.Reason, tt.reason) || !strings.Contains(refusal.Next, tt.next) || refusal.Next == "" {
			t.Errorf("%s: %q, want %q and %q", tt.name, refusal, tt.reason, tt.next)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../../../models/model_v1.joblib")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := Open(f, Options{})
	if err != nil || p.Signature().Features[0].Name != "tenure" {
		t.Errorf("%v, %v", p, err)
	}
}

func TestTroubleIsNotARefusal(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	for _, head := range []string{"", "PK\x03\x04", "\x80\x04"} {
		_, err := Open(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), Options{})
		if _, refused := errors.AsType[*model.Refusal](err); refused || !errors.Is(err, broken) {
			t.Errorf("%q: %v", head, err)
		}
	}
}

// TestAPanicIsAnError, and neither a refusal nor the end of the process.
func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(io.Reader) (any, error){
		"open":     func(r io.Reader) (any, error) { p, err := Open(r, Options{}); return p, err },
		"describe": func(r io.Reader) (any, error) { d, err := Describe(r, Options{}); return d, err },
	} {
		_, err := read(bomb{})
		bug, ok := errors.AsType[*Panic](err)
		if !ok || err.Error() != "serin's reader panics: boom" || !bytes.Contains(bug.Stack, []byte("bomb")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type bomb struct{}

func (bomb) Read([]byte) (int, error) { panic("boom") }

// FuzzOpen: any bytes end in a model or a refusal.
func FuzzOpen(f *testing.F) {
	model1, err := os.ReadFile("../../../models/model_v1.joblib")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(model1), "{\"learner\":{}}", "{L\x00\x00\x00\x00\x00\x00\x00\x07learner", "tree\nversion=v4\n", "\x08\x08\x12\x00", "PK\x03\x04", "<pmml>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Open(bytes.NewReader(data), Options{})
		if _, refused := errors.AsType[*model.Refusal](err); refused == (p != nil) {
			t.Fatalf("%v, %v", p, err)
		}
	})
}
