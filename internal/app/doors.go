package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"serin/internal/infer"
	"serin/internal/keys"
)

// lock asks whoever comes for a key, and shows the way to those who have none. The
// zero lock asks nobody.
type lock struct {
	guard     *keys.Guard
	protocols *infer.Protocols // for the words of a refusal
}

// let lets a request in, in the name of its key, or answers it. The model is the
// name in its path.
func (l *lock) let(w http.ResponseWriter, r *http.Request, rule keys.Rule, model string) (*keys.Key, bool) {
	k, refusal := l.guard.HTTP(r, rule, model)
	if refusal == nil {
		return k, true
	}
	switch refusal.Status {
	case http.StatusUnauthorized:
		if r.URL.Path == "/" && strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(w, r, "/login", http.StatusSeeOther)
			return nil, false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="serin"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(60))
	}
	l.protocols.Refuse(w, r, refusal.Status, refusal.Detail)
	return nil, false
}

// The predictions that do not go through the mux.
var (
	ruleOfDefault, _ = keys.HTTPRule("POST /predict")
	ruleOfNamed, _   = keys.HTTPRule("POST /models/{model}/predict")
)

// opens is let for those: nobody after it asks who it was.
func (l *lock) opens(w http.ResponseWriter, r *http.Request, rule keys.Rule, model string) bool {
	if l.guard == nil {
		return true
	}
	_, ok := l.let(w, r, rule, model)
	return ok
}

// on is the lock of one route. Who comes in acts in the name of his key, whatever
// he says himself.
func (l *lock) on(rule keys.Rule, next http.Handler) http.Handler {
	if l.guard == nil || rule.Open() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		model := r.PathValue("model")
		if name, _, verb := strings.Cut(model, ":"); verb { // V1 has one behind the name, and reads it likewise
			model = cmp.Or(name, model)
		}
		k, ok := l.let(w, r, rule, model)
		if !ok {
			return
		}
		r = r.WithContext(k.In(r.Context()))
		r.Header["Serin-Actor"] = []string{k.Name}
		if endless(r) {
			ctx, leave := l.while(r, rule, model)
			defer leave()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// endless are the answers that last for as long as a page is open.
func endless(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/live") }

// while is a context that ends with the key: it was taken out, it has expired, or
// the session that it opened is over. Leave must be called.
func (l *lock) while(r *http.Request, rule keys.Rule, model string) (ctx context.Context, leave func()) {
	ctx, end := context.WithCancel(r.Context())
	same := r.Clone(ctx)
	var asking sync.WaitGroup
	asking.Go(func() {
		tick := time.NewTicker(filesEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, refusal := l.guard.HTTP(same, rule, model); refusal != nil {
					end()
				}
			}
		}
	})
	return ctx, func() {
		end()
		asking.Wait()
	}
}

// corridor is a mux with a lock on each of its paths: what the table of keys has no
// rule for is not put on it, and is an error.
type corridor struct {
	http.ServeMux

	lock     *lock
	patterns *[]string // of all corridors that lead to the same place
	unknown  []error
}

// Handle puts a handler behind its lock.
func (d *corridor) Handle(pattern string, next http.Handler) {
	rule, known := keys.HTTPRule(pattern)
	if !known {
		d.unknown = append(d.unknown, fmt.Errorf("the route %q has no rule: give it a row in the table of internal/keys/route.go", pattern))
		return
	}
	*d.patterns = append(*d.patterns, pattern)
	d.ServeMux.Handle(pattern, d.lock.on(rule, next))
}

// HandleFunc is Handle.
func (d *corridor) HandleFunc(pattern string, next func(http.ResponseWriter, *http.Request)) {
	d.Handle(pattern, http.HandlerFunc(next))
}

func (d *corridor) err() error { return errors.Join(d.unknown...) }
