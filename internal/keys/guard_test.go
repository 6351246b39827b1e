package keys

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// stand is a guard at a clock that a test turns.
type stand struct {
	*Guard

	clock time.Time
	log   strings.Builder
}

func standing(t testing.TB, lines string) *stand {
	t.Helper()
	ring, err := Open("", lines)
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{clock: noon}
	s.Guard = NewGuard(ring, "churn", func() time.Time { return s.clock }, slog.New(slog.NewTextHandler(&s.log, nil)))
	return s
}

var keyring = strings.Join([]string{
	"pat role=predictor models=churn sha256=" + hashOf("pat"),
	"vic role=viewer models=churn sha256=" + hashOf("vic"),
	"dee role=deployer models=churn sha256=" + hashOf("dee"),
	"ann role=admin models=churn sha256=" + hashOf("ann"),
	"all role=admin models=* sha256=" + hashOf("all"),
	"old role=admin models=* expires=2026-06-01T12:00:00Z sha256=" + hashOf("old"),
	"edge role=predictor models=* cert=dns:edge.example",
	"cron role=viewer models=* cert=cn:cron",
}, "\n")

func bearer(token string) *Proof {
	return &Proof{Authorization: []string{"Bearer " + token}, Address: "10.0.0.1:1"}
}

// TestMatrix: every right, every scope, every role. What is not said here is denied.
func TestMatrix(t *testing.T) {
	t.Parallel()
	may := map[string]string{ // by token: the routes that it opens, with the model churn
		"pat": "predict default, predict, metadata, server",
		"vic": "metadata, server, state default, state, some",
		"dee": "metadata, server, state default, state, some, deploy",
		"ann": "predict default, predict, metadata, server, state default, state, some, deploy, load",
		"all": "predict default, predict, metadata, server, state default, state, some, deploy, load, metrics, index",
	}
	routes := map[string]string{
		"predict default": "POST /predict", "predict": "POST /models/{model}/predict", "metadata": "GET /v2/models/{model}", "server": "GET /v2",
		"state default": "GET /admin/state", "state": "GET /admin/models/{model}/state", "some": "GET /admin/models",
		"deploy": "POST /admin/models/{model}/deploy-canary", "load": "POST /v2/repository/models/{model}/load",
		"metrics": "GET /metrics", "index": "POST /v2/repository/index",
	}
	s := standing(t, keyring)
	for token, opens := range may {
		for name, pattern := range routes {
			rule, known := HTTPRule(pattern)
			if !known {
				t.Fatalf("%s is not in the table", pattern)
			}
			for _, model := range []string{"churn", "fraud"} {
				named := strings.Contains(pattern, "{model}")
				want := strings.Contains(", "+opens+", ", ", "+name+", ") && (!named || model == "churn" || token == "all")
				k, refusal := s.Admit(bearer(token), rule, model)
				if (refusal == nil) != want || want && k.Name != token {
					t.Errorf("%s, %s of %s: %v, want in: %v", token, name, model, refusal, want)
				}
				if refusal != nil && refusal.Status != http.StatusForbidden {
					t.Errorf("%s, %s of %s: %d", token, name, model, refusal.Status)
				}
			}
		}
	}
}

func TestProofs(t *testing.T) {
	t.Parallel()
	s := standing(t, keyring)
	rule, _ := HTTPRule("POST /predict")
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	cert := func(c x509.Certificate) []*x509.Certificate {
		return []*x509.Certificate{&c, {DNSNames: []string{"edge.example"}}}
	}
	edge := cert(x509.Certificate{DNSNames: []string{"other.example", "edge.example"}})
	for name, tt := range map[string]struct {
		proof Proof
		want  string // a name, or a part of what is said
	}{
		"a token":                       {Proof{Authorization: []string{"Bearer pat"}}, "pat"},
		"another case":                  {Proof{Authorization: []string{"bEARER  pat "}}, "pat"},
		"a password":                    {Proof{Authorization: []string{basic("anybody:pat")}}, "pat"},
		"a password without a name":     {Proof{Authorization: []string{basic(":pat")}}, "pat"},
		"nothing":                       {Proof{}, "asks for a token"},
		"an empty header":               {Proof{Authorization: []string{""}}, "not known"},
		"no token":                      {Proof{Authorization: []string{"Bearer "}}, "not known"},
		"no scheme":                     {Proof{Authorization: []string{"pat"}}, "not known"},
		"another scheme":                {Proof{Authorization: []string{"Token pat"}}, "not known"},
		"a wrong token":                 {Proof{Authorization: []string{"Bearer PAT"}}, "not known"},
		"a token and more":              {Proof{Authorization: []string{"Bearer pat, Bearer all"}}, "not known"},
		"a hash":                        {Proof{Authorization: []string{"Bearer " + hashOf("pat")}}, "not known"},
		"half a password":               {Proof{Authorization: []string{basic("pat")}}, "not known"},
		"not base64":                    {Proof{Authorization: []string{"Basic :pat"}}, "not known"},
		"a long token":                  {Proof{Authorization: []string{"Bearer " + strings.Repeat("x", longestToken+1)}}, "not known"},
		"two headers":                   {Proof{Authorization: []string{"Bearer wrong", "Bearer pat"}}, "two Authorization"},
		"an expired token":              {Proof{Authorization: []string{"Bearer old"}}, "old has expired"},
		"a certificate":                 {Proof{Certificates: edge}, "edge"},
		"a certificate and a token":     {Proof{Certificates: edge, Authorization: []string{"Bearer pat"}}, "pat"},
		"a wrong token, a certificate":  {Proof{Certificates: edge, Authorization: []string{"Bearer x"}}, "not known"},
		"an unknown certificate":        {Proof{Certificates: cert(x509.Certificate{DNSNames: []string{"evil.example"}})}, "asks for a token"},
		"a name of another kind":        {Proof{Certificates: cert(x509.Certificate{Subject: pkix.Name{CommonName: "edge.example"}})}, "asks for a token"},
		"names of two keys":             {Proof{Certificates: cert(x509.Certificate{DNSNames: []string{"edge.example"}, Subject: pkix.Name{CommonName: "cron"}})}, "asks for a token"},
		"a session that nobody has had": {Proof{Session: "pat.99999999999.0.x"}, "session is over"},
	} {
		s.tries = newTries()
		k, refusal := s.Admit(&tt.proof, rule, "")
		switch {
		case refusal == nil && k.Name != tt.want:
			t.Errorf("%s: came in as %s", name, k.Name)
		case refusal != nil && (!strings.Contains(refusal.Detail, tt.want) || refusal.Status != http.StatusUnauthorized):
			t.Errorf("%s: %d %s", name, refusal.Status, refusal.Detail)
		}
	}
}

// TestTries: who is wrong again and again is told to wait, and not heard in the log;
// a right token is taken meanwhile, and others are not held to account.
func TestTries(t *testing.T) {
	t.Parallel()
	s := standing(t, keyring)
	rule, _ := HTTPRule("POST /predict")
	try := func(token, address string) int {
		_, refusal := s.Admit(&Proof{Authorization: []string{"Bearer " + token}, Address: address}, rule, "")
		if refusal == nil {
			return 200
		}
		return refusal.Status
	}
	for i := range burst {
		if got := try("x", "[2001:db8::1]:7"); got != 401 {
			t.Fatalf("try %d: %d", i, got)
		}
	}
	lines := strings.Count(s.log.String(), "\n")
	for _, tt := range []struct {
		token, address string
		want           int
	}{
		{"x", "[2001:db8::1]:8", 429}, {"x", "[2001:db8::ffff]:7", 429}, {"pat", "[2001:db8::1]:7", 200}, {"x", "[2001:db8:0:1::1]:7", 401}, {"x", "10.0.0.1:1", 401},
	} {
		if got := try(tt.token, tt.address); got != tt.want {
			t.Errorf("%s from %s: %d, want %d", tt.token, tt.address, got, tt.want)
		}
	}
	if n := strings.Count(s.log.String(), "\n") - lines; n != 2 {
		t.Errorf("the log has %d more lines: %s", n, s.log.String())
	}
	s.clock = s.clock.Add(pause)
	if a, b := try("x", "[2001:db8::1]:7"), try("x", "[2001:db8::1]:7"); a != 401 || b != 429 {
		t.Errorf("after a pause: %d, then %d", a, b)
	}
	s.clock = s.clock.Add(-time.Hour) // a clock that is set back lends nobody more
	if got := try("x", "[2001:db8::1]:7"); got != 429 {
		t.Errorf("after the clock was set back: %d", got)
	}
	if strings.Contains(s.log.String(), "Bearer") {
		t.Error("the log has what was sent")
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	s := standing(t, keyring)
	rule, _ := HTTPRule("GET /admin/state")
	cookie, refusal := s.Login("vic", "10.0.0.1:1", true)
	if refusal != nil || !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || cookie.Name != "__Host-serin" || cookie.Path != "/" || strings.Contains(cookie.Value, hashOf("vic")) {
		t.Fatalf("%v %v", cookie, refusal)
	}
	ask := func(g *Guard, value string, header ...string) string {
		r := httptest.NewRequest(http.MethodGet, "https://serin.example/admin/state", http.NoBody)
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: value})
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		k, refusal := g.HTTP(r, rule, "")
		if refusal != nil {
			return refusal.Detail
		}
		return k.Name
	}
	is := func(what, got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", what, got)
		}
	}
	is("a session", ask(s.Guard, cookie.Value), "vic")
	is("its own page", ask(s.Guard, cookie.Value, "Sec-Fetch-Site", "same-origin"), "vic")
	is("the address bar", ask(s.Guard, cookie.Value, "Sec-Fetch-Site", "none"), "vic")
	is("another port", ask(s.Guard, cookie.Value, "Sec-Fetch-Site", "same-site"), "another origin")
	is("another site", ask(s.Guard, cookie.Value, "Sec-Fetch-Site", "cross-site"), "another origin")
	is("an old browser elsewhere", ask(s.Guard, cookie.Value, "Origin", "https://evil.example"), "another origin")
	is("a token beside it", ask(s.Guard, cookie.Value, "Authorization", "Bearer dee"), "dee")
	is("a wrong token beside it", ask(s.Guard, cookie.Value, "Authorization", "Bearer x"), "not known")
	parts := strings.Split(cookie.Value, ".")
	is("another name", ask(s.Guard, strings.Replace(cookie.Value, "vic", "all", 1)), "over")
	is("a longer time", ask(s.Guard, parts[0]+".9999999999."+parts[2]+"."+parts[3]), "over")
	is("no seal", ask(s.Guard, strings.Join(parts[:3], ".")), "over")
	is("another process", ask(standing(t, keyring).Guard, cookie.Value), "over")
	other := standing(t, strings.Replace(keyring, hashOf("vic"), hashOf("vic2"), 1))
	other.sealed = s.sealed
	is("another token", ask(other.Guard, cookie.Value), "over")
	one, two := &Key{certs: []subjectName{{"cn", "a"}}}, &Key{certs: []subjectName{{"cn", "b"}}}
	if one.print() == two.print() {
		t.Error("another certificate is the same key")
	}
	s.clock = noon.Add(sessionTime)
	is("afterwards", ask(s.Guard, cookie.Value), "over")
	if c := Logout(true); c.MaxAge >= 0 || c.Value != "" || c.Name != cookie.Name {
		t.Errorf("logout: %v", c)
	}
	if _, refusal := s.Login("x", "10.0.0.1:1", true); refusal == nil || refusal.Status != http.StatusUnauthorized {
		t.Errorf("a wrong token logs in: %v", refusal)
	}
}

// TestATokenCostsNothingElse: the way of a prediction allocates nothing here.
func TestATokenCostsNothingElse(t *testing.T) {
	token, line, err := Mint("pat", "predictor", "churn", "2100-01-01")
	if err != nil {
		t.Fatal(err)
	}
	s := standing(t, line)
	rule, _ := HTTPRule("POST /predict")
	r := httptest.NewRequest(http.MethodPost, "http://localhost/predict", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	if n := testing.AllocsPerRun(100, func() {
		if _, refusal := s.HTTP(r, rule, ""); refusal != nil {
			t.Fatal(refusal)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkToken(b *testing.B) {
	token, line, err := Mint("pat", "predictor", "churn", "2100-01-01")
	if err != nil {
		b.Fatal(err)
	}
	s := standing(b, line)
	rule, _ := HTTPRule("POST /predict")
	r := httptest.NewRequest(http.MethodPost, "http://localhost/predict", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.HTTP(r, rule, "")
	}
}
