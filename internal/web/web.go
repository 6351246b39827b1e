// Package web is the window: the dashboard, embedded in the binary. It is one
// page and its assets; what it shows and what it does go over the admin HTTP,
// from the browser, as any other client's calls do. Beside it is a page that
// describes the API (docs.go).
//
//	ui/src --make web--> dist --go:embed--> Handler --> browser --> GET /admin/live
//	                                                         \----> POST /admin/...
//
// What may not happen: a request to another origin; an inline script or style; a
// name of a model, a feature or a person that is markup; a page of somebody else
// that frames this one, for a rollback is one press.
//
// Terms: dist is what `make web` builds from ui, and it is committed, so that
// building serin needs no Node.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// policy lets the page load what this server serves, and nothing else.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'"

// Handler serves the page at /, its assets below /assets/, and at /storybook.html
// every view of it from canned data.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil { // cannot happen: the name is fixed
		return http.NotFoundHandler()
	}
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if info, err := fs.Stat(files, name); name != "" && (err != nil || info.IsDir()) {
			http.NotFound(w, r) // and may be there tomorrow, so nobody is told to keep it
			return
		}
		h := w.Header()
		protect(h)
		h.Set("Cache-Control", "no-cache")
		if strings.HasPrefix(r.URL.Path, "/assets/") { // their names have a digest of what is in them
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		serve.ServeHTTP(w, r)
	})
}

// protect says what a page may load, and who may have it in a frame or a window.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}
