package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"serin/internal/trace"
)

// Guard lets only those admin calls through that no page from elsewhere has sent,
// open in the browser of somebody at this machine. What gives it away is the Origin
// of the request; its Host, where a name server lies (DNS rebinding), is looked at
// before, for every path.
func Guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A look counts, so here even a GET is nothing for pages from elsewhere.
		unsafe := *r
		unsafe.Method = http.MethodPost
		if crossOrigin.Check(&unsafe) != nil {
			forbid(w, fmt.Sprintf("This call comes from a page of another origin (%q). Call from the command line, or from a page of this server.", r.Header.Get("Origin")))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func forbid(w http.ResponseWriter, detail string) {
	writeProblem(w, codeForbidden, detail)
}

// MethodNotAllowed answers for a path that exists, called by another method.
func MethodNotAllowed(allow string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		writeProblem(w, codeMethod, fmt.Sprintf("%s cannot be called by %s: use %s.", r.URL.Path, r.Method, allow))
	})
}

// NotFound answers for a path that does not exist; the hint says what does.
func NotFound(hint string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, codeNotFound, "There is nothing at this path. "+hint)
	})
}

// writeProblem answers with an error that no handler of this room made.
func writeProblem(w http.ResponseWriter, code, detail string) {
	p := problem(code, detail)
	p.RequestID = trace.ID(w.Header())
	body, err := json.Marshal(p)
	if err != nil { // cannot happen: strings and a number
		http.Error(w, detail, p.Status)
		return
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}
