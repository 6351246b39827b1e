package web

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestPageLoadsNothingButItsOwn: every address in the page is served here, and
// nothing in it is inline.
func TestPageLoadsNothingButItsOwn(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Handler())
	defer server.Close()
	page := get(t, server.URL+"/")
	if got := page.Header.Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'self'") || strings.Contains(got, "unsafe") {
		t.Errorf("the policy is %q", got)
	}
	body := page.body
	addresses := regexp.MustCompile(`(?:src|href)="\./([^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(addresses) != 4 {
		t.Errorf("the page has %d addresses of its own, want two scripts, style and icon:\n%s", len(addresses), body)
	}
	for _, found := range addresses {
		asset := get(t, server.URL+"/"+found[1])
		if asset.StatusCode != http.StatusOK || !strings.Contains(asset.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %s, %q", found[1], asset.Status, asset.Header.Get("Cache-Control"))
		}
	}
	for name, inline := range map[string]string{"script": `<script[^>]*>[^<]`, "style": `<style|style=`, "handler": ` on[a-z]+=`, "another origin": `(?:src|href)="(?:https?:)?//`} {
		if found := regexp.MustCompile(inline).FindString(body); found != "" {
			t.Errorf("%s in the page: %q", name, found)
		}
	}
}

// TestWhatIsNotThere is not kept by anybody, and a folder is not shown.
func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Handler())
	defer server.Close()
	for _, path := range []string{"/assets/", "/assets", "/assets/index-00000000.js", "/nothing"} {
		if found := get(t, server.URL+path); found.StatusCode != http.StatusNotFound || found.Header.Get("Cache-Control") != "" {
			t.Errorf("%s: %s, %q", path, found.Status, found.Header.Get("Cache-Control"))
		}
	}
}

// TestDistIsSmall: the page is there at once, also over a slow line.
func TestDistIsSmall(t *testing.T) {
	t.Parallel()
	total := int64(0)
	err := fs.WalkDir(dist, ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		total += info.Size()
		return err
	})
	if err != nil || total == 0 || total > 150<<10 {
		t.Errorf("dist has %d bytes (%v), want some, and at most 150 kB even without compression", total, err)
	}
}

// TestDocsAreWholeAndCompressed: the page's files are served as they lie in the
// binary to who takes gzip, and otherwise unpacked.
func TestDocsAreWholeAndCompressed(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Docs())
	defer server.Close()
	page := get(t, server.URL+"/docs")
	if page.Header.Get("Content-Security-Policy") != policy || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Errorf("the page's head: %v", page.Header)
	}
	for _, found := range regexp.MustCompile(`(?:src|href)="(docs/[^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/"+found[1], http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "identity")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %s %v %v", found[1], res.Status, res.Header, err)
		}
		if packed := get(t, server.URL+"/"+found[1]); packed.body != string(plain) || len(plain) < 200 { // which the client unpacks
			t.Errorf("%s: %d bytes, and %d without gzip", found[1], len(packed.body), len(plain))
		}
	}
	for _, path := range []string{"/docs/", "/docs/nothing", "/docs/swagger-ui.css.gz", "/docs/../docs.go", "/docs/page.css/"} {
		if found := get(t, server.URL+path); found.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, found.Status)
		}
	}
}

type answer struct {
	*http.Response

	body string
}

func get(t *testing.T, url string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body strings.Builder
	if _, err := io.Copy(&body, res.Body); err != nil {
		t.Fatal(err)
	}
	return answer{res, body.String()}
}
