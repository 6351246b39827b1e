package gatehouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"serin/internal/keys"
)

// Lock asks whoever comes for a key, and shows the way to those who have none. The
// zero lock asks nobody.
type Lock struct {
	guard  *keys.Guard
	refuse Refuse
	open   []string // patterns that the settings open to everybody
}

// Refuse answers a request that is not let in, in the words of its protocol.
type Refuse func(w http.ResponseWriter, r *http.Request, status int, detail string)

// let lets a request in, in the name of its key, or answers it, and then it has no
// name: what its client says of itself is no actor where keys are asked for. The
// model is the name in its path.
func (l *Lock) let(w http.ResponseWriter, r *http.Request, rule keys.Rule, model string) (*keys.Key, bool) {
	k, refusal := l.guard.HTTP(r, rule, model)
	if refusal == nil {
		return k, true
	}
	r.Header.Del("Serin-Actor")
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
	l.refuse(w, r, refusal.Status, refusal.Detail)
	return nil, false
}

// The predictions that do not go through the mux.
var (
	ruleOfDefault, _ = keys.HTTPRule("POST /predict")
	ruleOfNamed, _   = keys.HTTPRule("POST /models/{model}/predict")
)

// Predicts lets a prediction in, of the default model where the name is empty, or
// answers it. The request that it returns is the one to go on with: a body that may
// last is asked again who sends it.
func (l *Lock) Predicts(w http.ResponseWriter, r *http.Request, model string) (*http.Request, bool) {
	if l.guard == nil {
		return r, true
	}
	rule := ruleOfNamed
	if model == "" {
		rule = ruleOfDefault
	}
	if _, ok := l.let(w, r, rule, model); !ok {
		return nil, false
	}
	if ct := r.Header["Content-Type"]; len(ct) > 0 && ct[0] != "application/json" { // rarely
		r = r.WithContext(l.guard.Lasting(r, rule, model))
	}
	return r, true
}

// on is the lock of one route. Who comes in acts in the name of his key, whatever
// he says himself.
func (l *Lock) on(rule keys.Rule, next http.Handler) http.Handler {
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
			ctx, leave := l.while(r, k, rule, model)
			defer leave()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// endless are the answers that last for as long as a page is open.
func endless(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/live") }

// while is a context that ends with the key that let a request in: it was taken out,
// it has expired, the session that it opened is over, or it is for something else
// now, which the answer has not been cut to. Leave must be called.
func (l *Lock) while(r *http.Request, k *keys.Key, rule keys.Rule, model string) (ctx context.Context, leave func()) {
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
				if now, refusal := l.guard.HTTP(same, rule, model); refusal != nil || !now.Same(k) {
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

// Corridor is a mux with a lock on each of its paths: what the table of keys has no
// rule for is not put on it, and is an error. Make one with NewCorridor.
type Corridor struct {
	http.ServeMux

	lock     *Lock
	patterns *[]string
	unknown  []error
}

// NewCorridor makes one, whose patterns are added to a list: that of all corridors
// which lead to the same place.
func NewCorridor(l *Lock, patterns *[]string) *Corridor {
	return &Corridor{lock: l, patterns: patterns}
}

// Handle puts a handler behind its lock.
func (d *Corridor) Handle(pattern string, next http.Handler) {
	rule, known := keys.HTTPRule(pattern)
	if !known {
		d.unknown = append(d.unknown, fmt.Errorf("the route %q has no rule: give it a row in the table of internal/keys/route.go", pattern))
		return
	}
	if slices.Contains(d.lock.open, pattern) {
		rule = keys.Rule{}
	}
	*d.patterns = append(*d.patterns, pattern)
	d.ServeMux.Handle(pattern, d.lock.on(rule, next))
}

// HandleFunc is Handle.
func (d *Corridor) HandleFunc(pattern string, next func(http.ResponseWriter, *http.Request)) {
	d.Handle(pattern, http.HandlerFunc(next))
}

// Err is what was not put on it.
func (d *Corridor) Err() error { return errors.Join(d.unknown...) }
