package gatehouse

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"serin/internal/keys"
)

// Entrance is where a browser shows its token once, and gets a session for it. It
// is there whether keys are asked for or not, so that a link to it is never dead.
func (l *Lock) Entrance(mux *Corridor) {
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { loginPage(w, http.StatusOK, "") })
	mux.Handle("POST /login", fromHere(l.login))
	mux.Handle("POST /login/link", fromHere(l.link))
	mux.Handle("POST /logout", fromHere(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, keys.Logout(secure(r)))
		http.Redirect(w, r, "/login", http.StatusSeeOther)
	}))
}

// fromHere keeps pages from elsewhere from logging somebody in or out.
func fromHere(next http.HandlerFunc) http.Handler {
	return http.NewCrossOriginProtection().Handler(next)
}

// secure tells whether the browser is at the other end of TLS, here or at a proxy
// that says so: a cookie that is called secure on a lie is not kept, and no more.
func secure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// mostLogin bounds the form, in bytes.
const mostLogin = 4 << 10

func (l *Lock) login(w http.ResponseWriter, r *http.Request) {
	if l.guard == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostLogin)
	// Of the form, and never of the address, which is logged.
	token, login := strings.TrimSpace(r.PostFormValue("token")), l.guard.Login
	if code := r.PostFormValue("code"); code != "" {
		token, login = code, l.guard.LoginByLink
	}
	if token == "" {
		loginPage(w, http.StatusUnprocessableEntity, "Give the token that serin token new has printed.")
		return
	}
	cookie, refusal := login(token, r.RemoteAddr, secure(r))
	if refusal != nil {
		loginPage(w, refusal.Status, refusal.Detail)
		return
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// link answers with a path that logs a browser in once. A session makes none, also
// beside a certificate that may be nobody's, or who has stolen one would have it for
// ever.
func (l *Lock) link(w http.ResponseWriter, r *http.Request) {
	if l.guard == nil {
		l.refuse(w, r, http.StatusConflict, "This server asks nobody for a key: open its address in a browser.")
		return
	}
	if len(r.Header["Authorization"]) == 0 && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.Header["Cookie"]) > 0) {
		l.refuse(w, r, http.StatusForbidden, "A session makes no links: send a token.")
		return
	}
	code, until := l.guard.Link(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = fmt.Fprintf(w, `{"path":"/login#code=%s","expires":"%s"}`, code, until.UTC().Format(time.RFC3339)) // a client that has gone does not read it
}

func loginPage(w http.ResponseWriter, status int, problem string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src '"+scriptHash+"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = loginForm.Execute(w, problem) // a client that has gone does not read its answer
}

// loginScript takes the code of a link, which is behind the # of the address: no
// server is sent that, and no log has it. It waits for a click, for the link may be
// somebody else's, who wants the work of others done in his name. It is the one script
// that the page's policy allows, and without it the token is typed.
const loginScript = `const take=()=>{const code=new URLSearchParams(location.hash.slice(1)).get("code");if(code){history.replaceState(null,"","/login");const form=document.forms[0];form.code.value=code;form.token.required=false;form.token.type="hidden";document.querySelector("label").textContent="A link has brought you here. Log in if you have made it yourself, by serin token link.";form.querySelector("button").focus()}};addEventListener("hashchange",take);take()`

var scriptHash = func() string {
	sum := sha256.Sum256([]byte(loginScript))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

// It has no style, so that its policy need allow none.
var loginForm = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>serin: log in</title>
<main>
<h1>serin</h1>
<form method="post" action="/login">
<input name="code" type="hidden">
<p><label for="token">Token</label></p>
<p><input id="token" name="token" type="password" size="50" required autofocus autocomplete="current-password">
<button>Log in</button></p>
{{with .}}<p role="alert">{{.}}</p>{{end}}
</form>
<p>The page can then do what the token's role allows, for twelve hours. The token is not kept.</p>
</main>
<script>` + loginScript + `</script>
`))
