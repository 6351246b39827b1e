package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"serin/internal/keys"
)

// tokens are a key of every role for the model churn, and one for all models.
type tokens map[string]string

// keysFor writes a file of keys for a server of two models.
func keysFor(t *testing.T, c *Config) tokens {
	t.Helper()
	all, lines := tokens{"nobody": "", "wrong": "serin_wrong"}, ""
	add := func(name, role, models, expires string) {
		token, line, err := keys.Mint(name, role, models, expires)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = token
		lines += line + "\n"
	}
	for _, role := range []string{"viewer", "predictor", "deployer", "admin"} {
		add(role, role, "churn", "")
	}
	add("ghosts", "admin", "ghost", "") // a model that there is not
	add("owner", "admin", "*", "")
	add("expired", "admin", "*", "2020-01-01")
	c.Admission.Keys = filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(c.Admission.Keys, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Models = []Model{{Name: "churn", Path: "models/model_v1.joblib"}, {Name: "fraud", Path: "models/model_v1.joblib"}}
	return all
}

// knock sends a request with a token and returns the status and the start of the
// answer, which may have no end.
func (r *running) knock(base, method, path, token, body string) (int, string) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	way := http.DefaultTransport
	if file, socket := strings.CutPrefix(base, "unix:"); socket {
		base = "http://localhost"
		own := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", file)
		}}
		defer own.CloseIdleConnections()
		way = own
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := way.RoundTrip(req) // which follows nobody elsewhere
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text := make([]byte, 300)
	n, _ := io.ReadFull(res.Body, text)
	return res.StatusCode, string(text[:n])
}

// roleFor is what the walk expects, said once more in other words than the table's:
// the roles that open a route, and whether it is about every model.
func roleFor(method, path string) (roles []string, everyModel bool) {
	is := func(expression string) bool { return regexp.MustCompile(`^(` + expression + `)$`).MatchString(path) }
	switch {
	case is(`/healthz|/readyz|/ping|/health|/v2/health/(live|ready)|/login|/logout`):
		return []string{"nobody"}, false
	case is(`/login/link`):
		return []string{"viewer", "predictor", "deployer", "admin"}, false
	case is(`/v2/repository/models/[^/]+/(load|unload)`):
		return []string{"admin"}, false
	case is(`/admin/(models/[^/]+/)?(deploy-canary|rollback-canary|promote-canary|canary-weight|toggle-slowdown)`):
		return []string{"deployer", "admin"}, false
	case is(`/admin/webhooks/.*/replay`):
		return []string{"admin"}, true
	case is(`/metrics|/admin/replicas|/admin/webhooks`):
		return []string{"viewer", "deployer", "admin"}, true
	case is(`/v2/repository/index|/v1/models`):
		return []string{"viewer", "predictor", "deployer", "admin"}, true
	case is(`(/models/[^/]+)?/(predict|invocations)|/v2/models/.*/infer`), method == http.MethodPost && is(`/v1/models/[^/]+(/versions/[^/]+|/labels/[^/]+)?`):
		return []string{"predictor", "admin"}, false
	case is(`/(assets|docs)/.*`):
		return []string{"viewer", "deployer", "admin"}, false
	case is(`(/models/[^/]+)?/signature|/version|/v2|/v[12]/models/.*|.*/nothing`):
		return []string{"viewer", "predictor", "deployer", "admin"}, false
	default:
		return []string{"viewer", "deployer", "admin"}, false
	}
}

// requestsOf are requests that a pattern takes, for a model.
func requestsOf(pattern, model string) (methods []string, path string) {
	method, path, named := strings.Cut(pattern, " ")
	methods = []string{method}
	if !named {
		methods, path = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}, pattern
	}
	if method == http.MethodGet {
		methods = append(methods, http.MethodHead)
	}
	path = strings.NewReplacer("{model}", model, "{version}", "model_v1", "{label}", "stable", "{rollout}", "r-1", "{name}", "hook", "{$}", "").Replace(path)
	if path != "/" && strings.HasSuffix(path, "/") || pattern == "/" {
		path += "nothing"
	}
	return methods, path
}

// TestTheWalk asks every route that is served, by every method that gets there,
// with every kind of key: nobody comes in whom the table does not let in, and with
// wrong keys nothing changes.
func TestTheWalk(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]string{"one address": "", "control apart": "127.0.0.1:0", "a socket, metrics for all": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := configFor(t)
			c.AdminListen = apart
			if c.Admission.OpenMetrics = strings.HasPrefix(name, "a socket"); c.Admission.OpenMetrics {
				c.Listen = "unix:" + filepath.Join(shortDir(t), "serin.sock")
			}
			held := keysFor(t, &c)
			front, inside := patterns(t, c)
			c.Data += "-too"
			r := launch(t, c)
			defer r.stop()
			control := r.url
			if apart != "" {
				control = r.admin
			}
			if len(inside) < 60 || apart != "" && len(front) < 20 {
				t.Fatalf("only %d and %d patterns were found", len(inside), len(front))
			}
			before := r.standing(control, held["owner"])
			for _, who := range []string{"nobody", "wrong", "expired", "viewer", "predictor", "deployer", "admin"} {
				for base, patterns := range map[string][]string{r.url: front, control: inside} {
					r.walk(base, who, held[who], patterns)
				}
				if after := r.standing(control, held["owner"]); who != "deployer" && who != "admin" && after != before {
					t.Errorf("%s has changed the state:\n%s\n%s", who, before, after)
				}
			}
		})
	}
}

// shortDir is a folder for a socket, whose name has a hundred bytes at most.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "serin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// patterns are those of the corridors that a server of these settings has.
func patterns(t *testing.T, c Config) (front, inside []string) {
	t.Helper()
	y, _ := behindDoors(t, &c)
	protocols := y.standard.front.Protocols("churn", "", func() bool { return true })
	h, err := routes(&c, y, protocols, prometheus.NewRegistry(), new(gate), c.Admission.Lock(nil, protocols.Refuse))
	if err != nil {
		t.Fatal(err)
	}
	defer h.endPages()
	return h.outside, h.inside
}

// standing is what must not change: the state of the models.
func (r *running) standing(control, token string) string {
	r.t.Helper()
	text := ""
	for _, model := range []string{"churn", "fraud"} {
		_, state := r.knock(control, http.MethodGet, "/admin/models/"+model+"/state", token, "")
		text += state[:min(len(state), 200)] + "\n"
	}
	return text
}

func (r *running) walk(base, who, token string, patterns []string) {
	r.t.Helper()
	unknown := slices.Contains([]string{"nobody", "wrong", "expired"}, who)
	for _, pattern := range patterns {
		for _, model := range []string{"churn", "fraud"} {
			methods, path := requestsOf(pattern, model)
			if strings.HasSuffix(path, "/unload") && !unknown && model == "churn" && who == "admin" {
				continue // it is let in, and churn would be gone
			}
			for _, method := range methods {
				roles, every := roleFor(method, path)
				if reads := method == http.MethodGet || method == http.MethodHead; path == "/metrics" && reads && r.config.Admission.OpenMetrics {
					roles, every = []string{"nobody"}, false
				}
				status, text := r.knock(base, method, path, token, "{}")
				refused := status == http.StatusUnauthorized || status == http.StatusTooManyRequests || status == http.StatusForbidden || text == "" && status == http.StatusSeeOther
				open := roles[0] == "nobody"
				may := open || slices.Contains(roles, who) && !every && (model == "churn" || !strings.Contains(pattern, "{model}"))
				if refused == may && !(open && status == http.StatusSeeOther) {
					r.t.Errorf("%s: %s %s (%s): %d %s", who, method, path, pattern, status, text)
				}
				if unknown && !open && status == http.StatusForbidden {
					r.t.Errorf("%s is told more than that he is unknown: %s %s: %s", who, method, path, text)
				}
			}
		}
	}
}

// TestTricks: what has opened other servers.
func TestTricks(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	held := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	raw := func(request string) (status int, text string) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = io.WriteString(conn, request)
		method, _, _ := strings.Cut(request, " ")
		res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		body := make([]byte, 200)
		n, _ := io.ReadFull(res.Body, body)
		return res.StatusCode, string(body[:n])
	}
	line := func(method, target, headers string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n", method, target, headers)
	}
	for _, target := range []string{
		"/admin/state", "//admin/state", "/./admin/state", "/predict/../admin/state", "/admin/../admin/state", "/healthz/../admin/state", "/assets/../admin/state", "/admin//state", "/admin/state/",
		"/%61dmin/state", "/admin%2fstate", "/admin%2Fstate", "/healthz%2f..%2fadmin%2fstate", "/healthz/..%2fadmin/state", "/admin/state?token=" + held["owner"], "/admin/state?access_token=" + held["owner"], "/admin/state;/healthz", "/admin/state%00",
		"http://localhost/admin/state", "http://x:" + held["owner"] + "@localhost/admin/state", "/Admin/state", "/admin/state#/healthz", "*", "/admin/models/churn/state", "/login/../admin/state", "/readyz/../metrics", "//metrics", "/v2/health/live/../../repository/index",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND", "get", "G\x00T"} {
			status, text := raw(line(method, target, ""))
			if status/100 == 2 && target != "*" || strings.Contains(text, "model_v1") {
				t.Errorf("%s %s: %d %s", method, target, status, text)
			}
		}
	}
	token := held["owner"]
	for name, headers := range map[string]string{
		"a wrong header and a right one": "Authorization: Bearer x\r\nAuthorization: Bearer " + token,
		"a right header and a wrong one": "Authorization: Bearer " + token + "\r\nAuthorization: Bearer x",
		"two in one":                     "Authorization: Bearer x, Bearer " + token,
		"an underscore":                  "Authorization_: Bearer " + token,
		"a proxy's":                      "Proxy-Authorization: Bearer " + token,
		"a forwarded one":                "X-Forwarded-Authorization: Bearer " + token,
		"another user":                   "X-Forwarded-User: owner\r\nRemote-User: owner\r\nSerin-Actor: owner",
		"a forwarded address":            "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1",
		"another method":                 "X-HTTP-Method-Override: GET\r\nX-Original-URL: /healthz\r\nX-Rewrite-URL: /healthz",
		"a space before the colon":       "Authorization : Bearer " + token,
		"a folded line":                  "X: y\r\n Authorization: Bearer " + token,
		"a websocket":                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + token,
		"h2c":                            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
		"a cookie that is a token":       "Cookie: serin=" + token + "; __Host-serin=" + token,
		"a trailer":                      "Trailer: Authorization",
	} {
		if status, text := raw(line("GET", "/admin/state", headers+"\r\n")); status/100 == 2 || status == http.StatusSwitchingProtocols {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if status, text := raw(line("GET", "/admin/state", "Authorization: Bearer "+token+"\r\n")); status != http.StatusOK {
		t.Errorf("the token itself: %d %s", status, text)
	}
}

// TestScopes: a key is for churn, whatever else the request says.
func TestScopes(t *testing.T) {
	t.Parallel()
	c := configFor(t)
	held := keysFor(t, &c)
	r := launch(t, c)
	defer r.stop()
	for _, tt := range [][3]string{
		{"POST", "/gate/advance", `{"metadata":{"model":"fraud"}}`},
		{"POST", "/models/churn/gate/advance", `{"metadata":{"model":"fraud"}}`},
		{"GET", "/admin/models/%66raud/state", ""},
		{"GET", "/admin/models/churn%2f..%2ffraud/state", ""},
		{"POST", "/models/fraud/predict", row},
		{"POST", "/models/%66raud/predict", row},
		{"POST", "/v1/models/fraud:predict", `{"instances":[[1,1,1,1,1]]}`},
		{"POST", "/v1/models/fraud%3Apredict", `{"instances":[[1,1,1,1,1]]}`},
		{"POST", "/v2/models/fraud/infer", `{}`},
		{"POST", "/v2/models/fraud:churn/infer", `{}`},
		{"POST", "/v2/repository/models/fraud/unload", ``},
	} {
		if status, text := r.knock(r.url, tt[0], tt[1], held["admin"], tt[2]); status != http.StatusForbidden && status != http.StatusNotFound && status != http.StatusBadRequest || strings.Contains(text, `"fraud"`) || strings.Contains(text, "model_v1") {
			t.Errorf("%v: %d %s", tt, status, text)
		}
	}
	if _, text := r.knock(r.url, "GET", "/admin/models", held["viewer"], ""); strings.Contains(text, "fraud") || !strings.Contains(text, "churn") {
		t.Errorf("the list for churn's viewer: %s", text)
	}
	// What is not there is told from what is another's by nobody.
	for _, path := range []string{"/models/%s/predict", "/v1/models/%s:predict", "/v2/models/%s/infer", "/models/%s/invocations", "/v2/repository/models/%s/load", "/admin/models/%s/rollback-canary"} {
		said := map[string]string{}
		for _, model := range []string{"ghost", "nothing", "fraud", "churn"} {
			status, text := r.knock(r.url, "POST", fmt.Sprintf(path, model), held["ghosts"], "{}")
			if status/100 != 4 || model == "ghost" && strings.Contains(text, "churn") || strings.Contains(text, "fraud") {
				t.Errorf("%s of %s: %d %s", path, model, status, text)
			}
			id := regexp.MustCompile(`"request_id":"[^"]*"`)
			said[model] = fmt.Sprint(status) + id.ReplaceAllString(text, "")
		}
		if said["nothing"] != said["fraud"] || said["churn"] != said["fraud"] {
			t.Errorf("%s says %q", path, said)
		}
	}
	if status, text := r.knock(r.url, "POST", "/v1/models", held["ghosts"], "{}"); strings.Contains(text, "churn") {
		t.Errorf("a path that there is not: %d %s", status, text)
	}
}
