package web

import (
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// docs is the interactive description of the API: Swagger UI, as scripts/swagger-ui
// brings it, and a page that starts it.
//
//go:embed docs
var docs embed.FS

// Docs serves that page at /docs, its files below, and at /docs/errors what each
// error means, which is where the type of an error leads. What is large lies
// compressed in the binary and goes out as it lies there, so that it takes no
// memory, neither while nobody looks nor while somebody does.
func Docs() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		switch name {
		case "docs":
			name = "docs/index.html"
		case "docs/errors":
			name = "docs/errors.html"
		}
		if file, err := docs.Open(name); err == nil && fs.ValidPath(name) && path.Ext(name) != ".gz" {
			defer file.Close()
			if info, err := file.Stat(); err == nil && !info.IsDir() {
				head(w, name)
				_, _ = io.Copy(w, file)
				return
			}
		}
		file, err := docs.Open(name + ".gz")
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer file.Close()
		head(w, name)
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.Copy(w, file)
			return
		}
		plain, err := gzip.NewReader(file)
		if err != nil { // cannot happen: a test reads it
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.Copy(w, plain) //nolint:gosec // it is ours, and no bomb
	})
}

// head says what a file is, and what a page of it may do.
func head(w http.ResponseWriter, name string) {
	protect(w.Header())
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	w.Header().Set("Cache-Control", "no-cache")
}
