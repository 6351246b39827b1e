package fetch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync/atomic"
	"testing"
)

// The servers here answer as the real ones do for one file: what was tried against
// those is in docs/models.md.

// variables is an environment.
func variables(all map[string]string) func(string) string {
	return func(name string) string { return all[name] }
}

// TestObjectStores: what each is asked for, and as whom.
func TestObjectStores(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "somebody") // minio-go reads them itself
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	var asked atomic.Pointer[http.Request]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "location=" {
			asked.Store(r)
		}
		switch path.Base(r.URL.Path) {
		case "m.joblib":
			w.Header().Set("Last-Modified", "Mon, 23 Nov 2026 21:00:00 GMT")
			w.Header().Set("ETag", `"1"`)
			fmt.Fprint(w, "a model")
		case "secret":
			w.WriteHeader(http.StatusForbidden)
		default:
			w.Header().Set("X-Ms-Error-Code", "BlobNotFound")
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	env := variables(map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_REGION": "us-east-1", "STORAGE_EMULATOR_HOST": strings.TrimPrefix(s.URL, "http://"),
		"AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=http;AccountName=account;AccountKey=c2VjcmV0;BlobEndpoint=" + s.URL + "/account;",
	})
	for _, c := range []struct{ scheme, path, as string }{
		{"s3", "/models/a b/m.joblib", "AWS4-HMAC-SHA256 Credential=somebody/"},
		{"gs", "/storage/v1/b/models/o/a b/m.joblib", ""},
		{"azblob", "/account/models/a b/m.joblib", "SharedKey account:"},
	} {
		p := porter(t, Config{Sources: []string{c.scheme + "://models"}})
		p.env = env
		got, err := p.bring(t, c.scheme+"://models/a b/m.joblib", 100)
		if err != nil || got != "a model" {
			t.Errorf("%s: got %q, %v", c.scheme, got, err)
			continue
		}
		if r := asked.Load(); r.URL.Path != c.path || !strings.HasPrefix(r.Header.Get("Authorization"), c.as) {
			t.Errorf("%s: asked for %s as %q", c.scheme, r.URL, r.Header.Get("Authorization"))
		}
		_, err = p.bring(t, c.scheme+"://models/none", 100)
		refused(t, c.scheme, err, Missing, "there is no file")
		_, err = p.bring(t, c.scheme+"://models/secret", 100)
		refused(t, c.scheme, err, Denied, "may not read")
		_, err = p.bring(t, c.scheme+"://models/a b/m.joblib", 3)
		refused(t, c.scheme, err, TooLarge, "larger than 3 bytes")
		_, err = p.bring(t, c.scheme+"://others/m.joblib", 100)
		refused(t, c.scheme, err, Forbidden, "--artifact-source")
	}
}

// registry is an MLflow tracking server with one model, whose files are at a place.
func registry(t *testing.T, place, mlmodel string) (*Porter, *atomic.Int64) {
	t.Helper()
	var strangers atomic.Int64 // requests without the token
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" {
			strangers.Add(1)
		}
		switch q := r.URL.Query(); r.URL.Path {
		case "/api/2.0/mlflow/registered-models/alias":
			if q.Get("name") == "churn" && q.Get("alias") == "champion" {
				fmt.Fprint(w, `{"model_version": {"name": "churn", "version": "7"}}`)
				return
			}
			http.NotFound(w, r)
		case "/api/2.0/mlflow/model-versions/get-download-uri":
			if q.Get("name") == "churn" && q.Get("version") == "7" {
				fmt.Fprintf(w, `{"artifact_uri": %q}`, place)
				return
			}
			http.NotFound(w, r)
		case "/api/2.0/mlflow-artifacts/artifacts/1/m-1/MLmodel":
			fmt.Fprint(w, mlmodel)
		case "/api/2.0/mlflow-artifacts/artifacts/1/m-1/model.pkl":
			fmt.Fprint(w, "a model")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	p := porter(t, Config{Sources: []string{"models:/churn"}})
	p.env = variables(map[string]string{"MLFLOW_TRACKING_URI": s.URL, "MLFLOW_TRACKING_TOKEN": "sesame"})
	return p, &strangers
}

const mlmodel = "flavors:\n  python_function:\n    model_path: model.pkl\n  sklearn:\n    pickled_model: model.pkl\n"

// TestRegistry: a version and an alias; an answer of MLflow's opens no other door.
func TestRegistry(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"models:/churn/7", "models:/churn@champion"} {
		p, strangers := registry(t, "mlflow-artifacts:/1/m-1", mlmodel)
		r, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		parcel, err := p.Open(t.Context(), r, 100)
		if err != nil {
			t.Fatal(err)
		}
		if parcel.From.String() != "models:/churn/7" || parcel.From.Name() != "churn-7" {
			t.Errorf("it is from %s, called %s", parcel.From, parcel.From.Name())
		}
		parcel.Close()
		if got, err := p.bring(t, text, 100); got != "a model" || err != nil || strangers.Load() != 0 {
			t.Errorf("got %q, %v", got, err)
		}
	}
	for _, c := range []struct {
		text, place, mlmodel string
		kind                 Kind
		says                 string
	}{
		{"models:/churn/8", "", "", Missing, "there is no file"},
		{"models:/churn@challenger", "", "", Missing, "there is no file"},
		{"models:/fraud/7", "", "", Forbidden, "--artifact-source"},
		{"models:/churn/7", "s3://others/m-1", mlmodel, Forbidden, "s3://others/m-1/MLmodel"},
		{"models:/churn/7", "/etc", mlmodel, Forbidden, "file:///etc/MLmodel"},
		{"models:/churn/7", "https://169.254.169.254/m-1", mlmodel, Forbidden, "--artifact-source"},
		{"models:/churn/7", "mlflow-artifacts://elsewhere/1/m-1", mlmodel, Broken, "elsewhere"},
		{"models:/churn/7", "mlflow-artifacts:/1/../m-1", mlmodel, Broken, "names no file"},
		{"models:/churn/7", "models:/churn/6", mlmodel, Broken, "another model"},
		{"models:/churn/7", "dbfs:/m", mlmodel, Broken, "not understood"},
		{"models:/churn/7", "mlflow-artifacts:/1/m-1", strings.Replace(mlmodel, "pickled_model: model.pkl", "pickled_model: ../../secret", 1), Broken, "names no file"},
		{"models:/churn/7", "mlflow-artifacts:/1/m-1", "flavors: {spacy: {data: m}}", Broken, "no flavor"},
		{"models:/churn/7", "mlflow-artifacts:/1/m-1", "\t", Broken, "no YAML"},
	} {
		p, _ := registry(t, c.place, c.mlmodel)
		_, err := p.bring(t, c.text, 100)
		refused(t, c.text+" at "+c.place, err, c.kind, c.says)
	}
	p := porter(t, Config{Sources: []string{"models:/"}})
	_, err := p.bring(t, "models:/churn/7", 100)
	refused(t, "without a server", err, Broken, "MLFLOW_TRACKING_URI")
}

// FuzzMLmodel: whatever it says, the file is below the model's folder.
func FuzzMLmodel(f *testing.F) {
	for _, text := range []string{mlmodel, "flavors: {onnx: {data: ../m}}", "flavors: {xgboost: {data: /etc/passwd}}", "flavors: [1]", "flavors: {sklearn: {pickled_model: a%2fb}}"} {
		f.Add([]byte(text))
	}
	place := Reference{scheme: schemeProxied, path: "1/m-1"}
	f.Fuzz(func(t *testing.T, text []byte) {
		name, err := fileOf(text)
		if err != nil {
			return
		}
		if file, err := place.join(name); err == nil && (path.Clean(file.path) != file.path || !strings.HasPrefix(file.path, "1/m-1/")) {
			t.Fatalf("%q leads to %q", name, file.path)
		}
	})
}
