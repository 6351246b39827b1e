package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestNobodyIsAnsweredUnderAForeignName: a page whose name server says that it is
// here (DNS rebinding) can neither predict nor look, at any path.
func TestNobodyIsAnsweredUnderAForeignName(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	c.AllowedHosts = []string{"models.example"}
	r := launch(t, c)
	defer r.stop()
	ask := func(method, path, host string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, r.url+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	for _, door := range doors {
		if status, body := ask(http.MethodPost, door.path, "evil.example:8000"); status != http.StatusForbidden || !strings.HasPrefix(body, door.shape) || !strings.Contains(body, "--allowed-host") {
			t.Errorf("%s: %d %s", door.path, status, body)
		}
		for _, host := range []string{"localhost", "127.0.0.1:1", "models.example"} {
			if status, body := ask(http.MethodPost, door.path, host); status == http.StatusForbidden {
				t.Errorf("%s of %s: %s", door.path, host, body)
			}
		}
	}
	for _, path := range []string{"/", "/metrics", "/readyz", "/ping", "/v2", "/v1/models", "/openapi.json", "/admin/state", "/nowhere"} {
		if status, body := ask(http.MethodGet, path, "evil.example"); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
