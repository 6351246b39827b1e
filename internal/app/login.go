package app

import (
	"html/template"
	"net/http"
	"strings"

	"serin/internal/keys"
)

// entrance is where a browser shows its token once, and gets a session for it. It
// is there whether keys are asked for or not, so that a link to it is never dead.
func (l *lock) entrance(mux *corridor) {
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { loginPage(w, http.StatusOK, "") })
	mux.Handle("POST /login", fromHere(l.login))
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

func (l *lock) login(w http.ResponseWriter, r *http.Request) {
	if l.guard == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostLogin)
	token := strings.TrimSpace(r.PostFormValue("token")) // of the form, and never of the address, which is logged
	if token == "" {
		loginPage(w, http.StatusUnprocessableEntity, "Give the token that serin token new has printed.")
		return
	}
	cookie, refusal := l.guard.Login(token, r.RemoteAddr, secure(r))
	if refusal != nil {
		loginPage(w, refusal.Status, refusal.Detail)
		return
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func loginPage(w http.ResponseWriter, status int, problem string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = loginForm.Execute(w, problem) // a client that has gone does not read its answer
}

// It has no style and no script, so that its policy need allow none.
var loginForm = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>serin: log in</title>
<main>
<h1>serin</h1>
<form method="post" action="/login">
<p><label for="token">Token</label></p>
<p><input id="token" name="token" type="password" size="50" required autofocus autocomplete="current-password">
<button>Log in</button></p>
{{with .}}<p role="alert">{{.}}</p>{{end}}
</form>
<p>The page can then do what the token's role allows, for twelve hours. The token is not kept.</p>
</main>
`))
