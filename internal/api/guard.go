package api

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Guard lets only those admin calls through that mean this server. A page from
// elsewhere, open in the browser of somebody at this machine, can send requests
// to loopback. What gives it away is the Origin of the request, or, if its name
// server answers with a loopback address (DNS rebinding), the Host.
//
// hosts are names that the server is called by beside the loopback ones.
func Guard(hosts []string, next http.Handler) http.Handler {
	known := append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)
	crossOrigin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r.Host)
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, host) }) {
			forbid(w, fmt.Sprintf("This server is not called %q. Use http://localhost or 127.0.0.1, or start serin serve with --allowed-host %s.", host, host))
			return
		}
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

func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	if n := len(hostport); n > 2 && hostport[0] == '[' && hostport[n-1] == ']' {
		return hostport[1 : n-1]
	}
	return hostport
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
	body, err := json.Marshal(p)
	if err != nil { // cannot happen: strings and a number
		http.Error(w, detail, p.Status)
		return
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}
