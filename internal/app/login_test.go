package app

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestLogin: a browser without a session is led to where it gets one, for a token
// that is right, in a form of this very page; and then does what the token's role
// allows.
func TestLogin(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	held := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	type reply struct {
		status int
		header http.Header
	}
	do := func(method, path, from string, form url.Values) reply {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html,*/*")
		req.Header.Set("Sec-Fetch-Site", from)
		if form != nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return reply{res.StatusCode, res.Header}
	}
	is := func(what string, got reply, status int, location string) {
		t.Helper()
		if got.status != status || got.header.Get("Location") != location {
			t.Errorf("%s: %d to %q", what, got.status, got.header.Get("Location"))
		}
	}
	token := func(name string) url.Values { return url.Values{"token": {held[name]}} }
	is("no session", do("GET", "/", "none", nil), 303, "/login")
	is("no session, below", do("GET", "/admin/state", "same-origin", nil), 401, "")
	page := do("GET", "/login", "none", nil)
	is("the page", page, 200, "")
	if policy := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'sha256-") || !strings.Contains(policy, "; form-action 'self'") {
		t.Errorf("the page's policy is %q", policy)
	}
	is("a wrong token", do("POST", "/login", "same-origin", token("wrong")), 401, "")
	is("an expired token", do("POST", "/login", "same-origin", token("expired")), 401, "")
	is("no token", do("POST", "/login", "same-origin", url.Values{}), 422, "")
	is("a token in the address", do("POST", "/login?token="+held["viewer"], "same-origin", url.Values{}), 422, "")
	is("a huge form", do("POST", "/login", "same-origin", url.Values{"token": {strings.Repeat("x", 1<<20)}}), 422, "")
	is("a form of another page", do("POST", "/login", "cross-site", token("viewer")), 403, "")
	is("still no session", do("GET", "/", "none", nil), 303, "/login")
	is("a right token", do("POST", "/login", "same-origin", token("viewer")), 303, "/")
	is("the dashboard", do("GET", "/", "same-origin", nil), 200, "")
	is("what it shows", do("GET", "/admin/state", "same-origin", nil), 200, "")
	is("what a viewer may not", do("POST", "/admin/rollback-canary", "same-origin", nil), 403, "")
	is("a page of another port", do("GET", "/admin/state", "same-site", nil), 403, "")
	is("a page of another port, the metrics", do("GET", "/openapi.json", "same-site", nil), 403, "")
	is("another token", do("POST", "/login", "same-origin", token("deployer")), 303, "/")
	is("what a deployer may, without a canary", do("POST", "/admin/rollback-canary", "same-origin", nil), 409, "")
	is("the same from another page", do("POST", "/admin/rollback-canary", "cross-site", nil), 403, "")
	is("a page of another site logs out", do("POST", "/logout", "cross-site", nil), 403, "")
	is("a link of a session", do("POST", "/login/link", "same-origin", nil), 403, "")
	is("log out", do("POST", "/logout", "same-origin", nil), 303, "/login")
	is("logged out", do("GET", "/", "none", nil), 303, "/login")
	// A link is good once, and not in the address that a server is sent.
	code := r.codeOfLink(held["viewer"])
	is("a code in the address", do("POST", "/login?code="+code, "same-origin", url.Values{}), 422, "")
	is("a code of another page", do("POST", "/login", "cross-site", url.Values{"code": {code}}), 403, "")
	is("a code", do("POST", "/login", "same-origin", url.Values{"code": {code}}), 303, "/")
	is("the dashboard by a link", do("GET", "/", "same-origin", nil), 200, "")
	is("what a viewer may not, by a link", do("POST", "/admin/rollback-canary", "same-origin", nil), 403, "")
	is("a code again", do("POST", "/login", "same-origin", url.Values{"code": {code}}), 401, "")
}

// TestNoLoginWithoutKeys: where nobody is asked for a key, the page leads back.
func TestNoLoginWithoutKeys(t *testing.T) {
	t.Parallel()
	r := launch(t, configFor(t))
	defer r.stop()
	if status, text := r.knock(r.url, "POST", "/login", "", ""); status != 303 {
		t.Errorf("%d %s", status, text)
	}
}

// codeOfLink makes a link, and takes out of it what logs in.
func (r *running) codeOfLink(token string) string {
	r.t.Helper()
	status, text := r.knock(r.url, http.MethodPost, "/login/link", token, "")
	var made struct {
		Path    string
		Expires time.Time
	}
	err := json.Unmarshal([]byte(text), &made)
	path, code, found := strings.Cut(made.Path, "#code=")
	if err != nil || status != http.StatusOK || path != "/login" || !found || time.Until(made.Expires) > 6*time.Minute {
		r.t.Fatalf("a link: %d %s (%v)", status, text, err)
	}
	return code
}
