package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// schemeProxied is MLflow's own, for files that its server hands out.
	schemeProxied = "mlflow-artifacts"
	// mostAnswer is how much of an answer of MLflow's is read, in bytes, and of the
	// file that describes a model.
	mostAnswer = 1 << 20
)

// registered opens the file of a registered model:
//
//	models:/churn@champion --alias--> models:/churn/7 --> artifact_uri --> MLmodel --> the file
//
// MLflow's answers choose the place, so they are held against the sources like a
// reference; only what its server hands out itself comes with the leave for models:.
func (p *Porter) registered(ctx context.Context, r Reference) (from Reference, body io.ReadCloser, size int64, err error) {
	m, err := p.mlflow(r)
	if err != nil {
		return r, nil, 0, err
	}
	name, version, _ := strings.Cut(r.path, "/")
	if alias, is := strings.CutPrefix(version, "@"); is {
		var answer struct {
			Version struct {
				Version json.Number `json:"version"`
			} `json:"model_version"`
		}
		if err := m.ask(ctx, "registered-models/alias", url.Values{"name": {name}, "alias": {alias}}, &answer); err != nil {
			return r, nil, 0, err
		}
		version = answer.Version.Version.String()
		if version == "" || strings.Trim(version, "0123456789") != "" {
			return r, nil, 0, m.puzzling("it names no version for the alias")
		}
		r.path = name + "/" + version // what is remembered does not move
		m.of = r
	}
	var answer struct {
		Place string `json:"artifact_uri"`
	}
	if err := m.ask(ctx, "model-versions/get-download-uri", url.Values{"name": {name}, "version": {version}}, &answer); err != nil {
		return r, nil, 0, err
	}
	place, err := m.place(answer.Place)
	if err != nil {
		return r, nil, 0, m.puzzling(err.Error())
	}
	file, err := m.file(ctx, place)
	if err != nil {
		return r, nil, 0, err
	}
	body, size, err = m.open(ctx, file)
	return r, body, size, err
}

// mlflow is a tracking server, asked for one model.
type mlflow struct {
	*Porter

	of     Reference
	base   *url.URL
	client *http.Client
}

func (p *Porter) mlflow(r Reference) (*mlflow, error) {
	base, err := url.Parse(strings.TrimSuffix(p.env("MLFLOW_TRACKING_URI"), "/"))
	if err != nil || base.Host == "" || base.User != nil || base.Scheme != "http" && base.Scheme != schemeHTTPS {
		return nil, misset(r, "MLFLOW_TRACKING_URI", "the address of MLflow's tracking server, https://..., without a user")
	}
	return &mlflow{p, r, base, &http.Client{Transport: p.transport(operators), CheckRedirect: stay}}, nil
}

// request is one to the tracking server, and only there the token goes.
func (m *mlflow) request(ctx context.Context, path string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.base.String()+path, nil)
	if err != nil {
		return nil, broken(m.of, err)
	}
	if user := m.env("MLFLOW_TRACKING_USERNAME"); user != "" {
		req.SetBasicAuth(user, m.env("MLFLOW_TRACKING_PASSWORD"))
	} else if token := m.env("MLFLOW_TRACKING_TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// ask calls MLflow's REST API.
func (m *mlflow) ask(ctx context.Context, call string, with url.Values, answer any) error {
	req, err := m.request(ctx, "/api/2.0/mlflow/"+call+"?"+with.Encode())
	if err != nil {
		return err
	}
	body, _, err := get(m.client, req, m.of)
	if err != nil {
		return err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, mostAnswer))
	if err != nil {
		return broken(m.of, err)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return m.puzzling("it is no JSON")
	}
	return nil
}

func (m *mlflow) puzzling(why string) error {
	return &Refusal{Kind: Broken, Detail: fmt.Sprintf("what MLflow answers about %s is not understood: %s", m.of, why), Next: "Name the file itself by its address, or upload it."}
}

// place reads where MLflow says that a model's folder is.
func (m *mlflow) place(text string) (Reference, error) {
	if path, found := strings.CutPrefix(text, schemeProxied+":"); found {
		if after, has := strings.CutPrefix(path, "//"); has {
			host, rest, _ := strings.Cut(after, "/")
			if host != "" && host != m.base.Host {
				return Reference{}, fmt.Errorf("the files are at %s, and the tracking server is %s", host, m.base.Host)
			}
			path = rest
		}
		return Reference{scheme: schemeProxied}.join(strings.Trim(path, "/"))
	}
	if strings.HasPrefix(text, "/") {
		text = "file://" + text
	}
	r, err := parse(text)
	if err == nil && r.scheme == schemeModels {
		err = errors.New("it refers to another model")
	}
	return r, err
}

// open gets a file of the model.
func (m *mlflow) open(ctx context.Context, r Reference) (io.ReadCloser, int64, error) {
	if r.scheme != schemeProxied {
		if err := m.allow(r); err != nil {
			return nil, 0, err
		}
		_, body, size, err := m.begin(ctx, r)
		return body, size, err
	}
	req, err := m.request(ctx, "/api/2.0/mlflow-artifacts/artifacts/"+escaped(r.path))
	if err != nil {
		return nil, 0, err
	}
	return get(m.client, req, m.of)
}

// file finds the model's file by what MLmodel says of it.
func (m *mlflow) file(ctx context.Context, place Reference) (Reference, error) {
	about, err := place.join("MLmodel")
	if err != nil {
		return about, m.puzzling(err.Error())
	}
	body, _, err := m.open(ctx, about)
	if err != nil {
		return about, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, mostAnswer))
	if err != nil {
		return about, broken(m.of, err)
	}
	name, err := fileOf(text)
	if err != nil {
		return about, m.puzzling(err.Error())
	}
	file, err := place.join(name)
	if err != nil {
		return about, m.puzzling(err.Error())
	}
	return file, nil
}

// flavors are those of MLflow's that serin may read, and how each calls its file.
var flavors = []struct{ name, key string }{
	{"sklearn", "pickled_model"}, {"xgboost", "data"}, {"lightgbm", "data"}, {"catboost", "data"}, {"onnx", "data"},
}

// fileOf finds the name of the model's file in an MLmodel.
func fileOf(mlmodel []byte) (string, error) {
	var about struct {
		Flavors map[string]map[string]any `yaml:"flavors"`
	}
	if err := yaml.Unmarshal(mlmodel, &about); err != nil {
		return "", errors.New("its MLmodel is no YAML")
	}
	for _, flavor := range flavors {
		if name, is := about.Flavors[flavor.name][flavor.key].(string); is {
			return name, nil
		}
	}
	return "", errors.New("its MLmodel has no flavor sklearn, xgboost, lightgbm, catboost or onnx with a file")
}
