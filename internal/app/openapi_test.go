package app

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"serin/internal/infer"
	"serin/internal/route"
)

// static are the files of the pages, and how one comes to them, which are no calls.
var static = []string{"GET /login", "POST /login", "POST /login/link", "POST /logout", "GET /assets/", "GET /storybook.html", "GET /docs/"}

// TestEveryCallIsDescribed holds the description against the paths that are served:
// there is nothing that one has and the other has not.
func TestEveryCallIsDescribed(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	res, err := http.Get(r.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, methods := range document.Paths {
		for method := range methods {
			described[strings.ToUpper(method)+" "+path] = true
		}
	}

	c, y := configFor(t), &yard{}
	y.standard.front = infer.NewHandler(new(route.Switch), infer.DefaultLimits(), c.Log)
	protocols := y.standard.front.Protocols("churn", "", func() bool { return true })
	all, err := routes(&c, y, protocols, prometheus.NewRegistry(), new(gate), c.Admission.Lock(nil, protocols.Refuse))
	if err != nil {
		t.Fatal(err)
	}
	defer all.endPages()
	served := map[string]bool{}
	for _, pattern := range all.inside {
		method, path, named := strings.Cut(pattern, " ")
		if !named || slices.Contains(static, pattern) { // of what there is not
			continue
		}
		if strings.HasPrefix(path, "/v1/models/") && method == http.MethodPost {
			path += ":predict"
		}
		served[method+" "+strings.TrimSuffix(path, "{$}")] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(served)), slices.Sorted(maps.Keys(described))); diff != "" || len(served) < 60 {
		t.Errorf("%d calls; - is served and not described, + is described and not served:\n%s", len(served), diff)
	}
}

// TestEveryExampleIsAnswered sends each request that the description proposes, as it
// is: of every protocol, and of each of two models with rows of their own.
func TestEveryExampleIsAnswered(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.Models = append(c.Models, Model{Name: "mixed", Path: "columns-dense.joblib"})
	corpus, err := zip.OpenReader("../model/format/testdata/corpus/texts-sklearn-1.9.1.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer corpus.Close()
	file, err := fs.ReadFile(corpus, "columns-dense.joblib")
	if err == nil {
		err = os.WriteFile(filepath.Join(c.Root, "columns-dense.joblib"), file, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := launch(t, c)
	defer r.stop()
	var document struct {
		Paths map[string]struct {
			Post struct {
				RequestBody struct {
					Content map[string]struct {
						Examples map[string]struct{ Value json.RawMessage }
					}
				}
			}
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/openapi.json", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if _, text := r.send(req); json.Unmarshal([]byte(text), &document) != nil {
		t.Fatal(text)
	}
	sent := 0
	for path, item := range document.Paths {
		for name, example := range item.Post.RequestBody.Content["application/json"].Examples {
			path := strings.NewReplacer("{model}", url.PathEscape(name), "/versions/{version}", "/versions/stable", "{label}", "stable").Replace(path)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, bytes.NewReader(example.Value))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if status, text := r.send(req); status != http.StatusOK {
				t.Errorf("%s %s: %d %s", path, example.Value, status, text)
			}
			sent++
		}
	}
	if sent != 16 {
		t.Errorf("%d examples were sent", sent)
	}
}

// TestTheDescriptionHidesModels: who has a key for some models reads no features of
// others.
func TestTheDescriptionHidesModels(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	held := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	for name, shown := range map[string]bool{"viewer": false, "owner": true} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/openapi.json", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+held[name])
		if status, text := r.send(req); status != http.StatusOK || !strings.Contains(text, "A row of churn") || strings.Contains(text, "A row of fraud") != shown {
			t.Errorf("%s: %d, and the model is shown: %v", name, status, !shown)
		}
	}
}
