package keys

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Guard decides who comes in: the one choke point of HTTP and gRPC. Make one with
// NewGuard.
type Guard struct {
	ring     *Ring
	standard string // the default model
	now      func() time.Time
	log      *slog.Logger
	tries    *tries
	sealed   sealed
	links    links
}

// NewGuard makes the guard of a server with a default model. The clock says when
// keys expire; the log is told of those who were refused, not more often than they
// may try.
func NewGuard(ring *Ring, standard string, now func() time.Time, log *slog.Logger) *Guard {
	return &Guard{ring: ring, standard: standard, now: now, log: log, tries: newTries(), sealed: newSeal()}
}

// Proof is what a request brings to show who sends it.
type Proof struct {
	// Authorization are the values of the header, or of gRPC's metadata.
	Authorization []string
	// Session is a browser's cookie, "" for none.
	Session string
	// Certificates are the client's, verified, its own first.
	Certificates []*x509.Certificate
	// Address is where it comes from, as IP:PORT.
	Address string
}

// Refusal is why a request is not let in.
type Refusal struct {
	// Status is HTTP's: 401 for who is not known, 403 for who may not, 429 for who
	// was wrong too often.
	Status int
	// Detail says what is missing and what to do.
	Detail string
}

func (r *Refusal) Error() string { return r.Detail }

func refuse(status int, format string, args ...any) *Refusal {
	return &Refusal{status, fmt.Sprintf(format, args...)}
}

// Admit lets a request in, or says why not. The model is the name that it has in
// its path; a rule about another one does not look at it. What is open to everybody
// has no key.
func (g *Guard) Admit(p *Proof, rule Rule, model string) (*Key, *Refusal) {
	k, refusal := g.Identify(p, rule)
	if k == nil {
		return nil, refusal
	}
	return k, g.May(k, rule, model)
}

// Identify is Admit where the model is not known yet: May must follow.
func (g *Guard) Identify(p *Proof, rule Rule) (*Key, *Refusal) {
	if rule.Open() {
		return nil, nil
	}
	k, refusal := g.whose(p)
	if refusal == nil && k.rights&rule.need == 0 {
		return nil, g.May(k, rule, "")
	}
	return k, refusal
}

// May tells whether a key opens a route for a model.
func (g *Guard) May(k *Key, rule Rule, model string) *Refusal {
	if k.rights&rule.need == 0 {
		return refuse(http.StatusForbidden, "The key %s may not do this: it takes %s. Ask who keeps the keys for another role.", k.Name, rule.need.words())
	}
	switch rule.of {
	case all:
		if !k.Everything() {
			return refuse(http.StatusForbidden, "The key %s is for %s, and this is about every model: use a key with models=*.", k.Name, strings.Join(k.models, ", "))
		}
	case standard:
		return g.of(k, g.standard)
	case named:
		return g.of(k, cmp.Or(model, g.standard)) // a message without a name means the default model
	}
	return nil
}

func (g *Guard) of(k *Key, model string) *Refusal {
	if k.covers(model) {
		return nil
	}
	return refuse(http.StatusForbidden, "The key %s is for %s, and not for the model that is asked for.", k.Name, strings.Join(k.models, ", "))
}

// words are for people: the smallest role that has one of the rights.
func (r Right) words() string {
	switch {
	case r&Predict != 0 && r&Read != 0:
		return "the role predictor or viewer"
	case r&Predict != 0:
		return "the role predictor"
	case r&Read != 0:
		return "the role viewer or deployer"
	case r&Release != 0:
		return "the role deployer"
	default:
		return "the role admin"
	}
}

// whose finds the key. What is said in a header goes before a certificate, and
// that before a cookie: who sends a wrong token is told so.
func (g *Guard) whose(p *Proof) (k *Key, refusal *Refusal) {
	at := g.now()
	switch {
	case len(p.Authorization) > 1:
		return nil, refuse(http.StatusUnauthorized, "There are two Authorization headers: send one.")
	case len(p.Authorization) == 1:
		token, ok := tokenOf(p.Authorization[0])
		if ok {
			k = g.ring.token(token)
		}
	case len(p.Certificates) > 0 && g.ring.certificate(p.Certificates[0]) != nil:
		k = g.ring.certificate(p.Certificates[0])
	case p.Session != "":
		if k = g.sealed.open(p.Session, g.ring, at); k == nil { // nobody guesses one, so it is not counted as a wrong token
			return nil, refuse(http.StatusUnauthorized, "The session is over: log in again at /login.")
		}
	default:
		return nil, refuse(http.StatusUnauthorized, "This server asks for a token: send the header Authorization: Bearer TOKEN, or for the command line set SERIN_TOKEN_FILE.")
	}
	if k != nil && (k.expires.IsZero() || at.Before(k.expires)) {
		return k, nil
	}
	return nil, g.wrong(p.Address, k, at)
}

// wrong counts who was refused, and says it to the log while that is not too often.
func (g *Guard) wrong(address string, k *Key, at time.Time) *Refusal {
	if !g.tries.another(address, at) {
		return refuse(http.StatusTooManyRequests, "Too many wrong tokens came from this address: wait a minute. A right one is taken at any time.")
	}
	if k != nil {
		g.log.Warn("an expired key was refused", "key", k.Name, "from", address)
		return refuse(http.StatusUnauthorized, "The key %s has expired: ask who keeps the keys for another one.", k.Name)
	}
	g.log.Warn("a wrong token was refused", "from", address)
	return refuse(http.StatusUnauthorized, "The token is not known here: it is wrong, or was taken out of the server's keys.")
}

// longestToken bounds what is hashed, in bytes.
const longestToken = 512

// tokenOf takes the token out of a header: after Bearer, or as the password of
// Basic, which is what clients send that know nothing but an address with a name
// and a password in it.
func tokenOf(header string) (token string, ok bool) {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.Trim(value, " ")
	if len(value) > longestToken {
		return "", false
	}
	if strings.EqualFold(scheme, "Bearer") {
		return value, value != ""
	}
	if !strings.EqualFold(scheme, "Basic") {
		return "", false
	}
	text, err := base64.StdEncoding.DecodeString(value)
	_, token, found := strings.Cut(string(text), ":")
	return token, err == nil && found && token != ""
}

// HTTP is Admit for an HTTP request. A cookie is worth nothing on the request of a
// page from elsewhere, which a browser sends it with: a page on another port of
// this host, say.
func (g *Guard) HTTP(r *http.Request, rule Rule, model string) (*Key, *Refusal) {
	p := Proof{Authorization: r.Header["Authorization"], Address: r.RemoteAddr}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		p.Certificates = r.TLS.PeerCertificates
	}
	if len(p.Authorization) == 0 {
		if p.Session = sessionOf(r); p.Session != "" && foreign(r) {
			return nil, refuse(http.StatusForbidden, "This call comes from a page of another origin, and a session is good for pages of this server only.")
		}
	}
	return g.Admit(&p, rule, model)
}

type lasting struct{}

// Lasting is the context of a request that was let in and whose body may come for
// hours: in it, Still asks again.
func (g *Guard) Lasting(r *http.Request, rule Rule, model string) context.Context {
	return context.WithValue(r.Context(), lasting{}, func() *Refusal {
		_, refusal := g.HTTP(r, rule, model)
		return refusal
	})
}

// Still tells why who sends a lasting request would no longer be let in; nil if he
// would, or where nobody is asked.
func Still(ctx context.Context) *Refusal {
	if again, ok := ctx.Value(lasting{}).(func() *Refusal); ok {
		return again()
	}
	return nil
}

var crossOrigin = http.NewCrossOriginProtection()

// foreign tells whether a page from elsewhere has made the browser send this. A GET
// is no exception: what it reads is for nobody else.
func foreign(r *http.Request) bool {
	unsafe := *r
	unsafe.Method = http.MethodPost
	return crossOrigin.Check(&unsafe) != nil
}
