package app

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"serin/internal/infer"
	"serin/internal/route"
)

// TestEveryCallIsDescribed walks the paths of the protocols, and every call of the
// description: there is nothing that one has and the other has not.
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

	mux := http.NewServeMux()
	protocols := infer.NewHandler(new(route.Switch), infer.DefaultLimits(), slog.New(slog.DiscardHandler)).Protocols("churn", "", func() bool { return true })
	protocols.Register(mux)
	protocols.Manage(mux, new(yard), func(h http.Handler) http.Handler { return h })
	patterns := patternsOf(mux)
	if len(patterns) < 20 {
		t.Fatalf("only %d patterns were found: %v", len(patterns), patterns)
	}
	for pattern := range patterns {
		method, path, named := strings.Cut(pattern, " ")
		if !named { // of what there is not
			continue
		}
		if strings.HasPrefix(path, "/v1/models/") && method == http.MethodPost {
			path += ":predict"
		}
		if !described[method+" "+path] {
			t.Errorf("%s is served and not described", pattern)
		}
	}
	for call := range described {
		method, path, _ := strings.Cut(call, " ")
		path = strings.NewReplacer("{model}", "churn", "{version}", "model_v1", "{label}", "stable", "{id}", "1").Replace(path)
		if strings.HasPrefix(path, "/admin/") || strings.HasSuffix(path, "/unload") || strings.Contains(path, "/gate/") { // which huma has made of what is served, or does something
			continue
		}
		req, _ := http.NewRequest(method, r.url+path, strings.NewReader("{}"))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusMethodNotAllowed {
			t.Errorf("%s is described and answers %s", call, res.Status)
		}
	}
}

// patternsOf are the patterns of a mux, which it tells nobody: they are read from
// its index. A Go that keeps them elsewhere fails the test above.
func patternsOf(mux *http.ServeMux) map[string]bool {
	found := map[string]bool{}
	index := reflect.ValueOf(mux).Elem().FieldByName("index")
	lists := []reflect.Value{index.FieldByName("multis")}
	for _, key := range index.FieldByName("segments").MapKeys() {
		lists = append(lists, index.FieldByName("segments").MapIndex(key))
	}
	for _, list := range lists {
		for i := range list.Len() {
			found[list.Index(i).Elem().FieldByName("str").String()] = true
		}
	}
	return found
}
