package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"sync"
	"time"
)

// A link logs a browser in that somebody opens beside his command line: in it is a
// code that is good once, for minutes, and for the key that it was made with. The
// process has its hash only.

const (
	// linkTime is how long a code is good.
	linkTime = 5 * time.Minute
	// mostLinks bounds those of a key that nobody has used yet; its oldest makes room.
	mostLinks = 10
)

// links are the codes that nobody has used, the oldest first.
type links struct {
	mu  sync.Mutex
	all []link
}

type link struct {
	code  digest
	name  string // of the key, and its print
	print string
	until time.Time
}

// Link makes a code for the key that a request was let in with, and says until when
// it is good; "" where nobody was asked for a key.
func (g *Guard) Link(ctx context.Context) (code string, until time.Time) {
	k, asked := ctx.Value(holder{}).(*Key)
	if !asked {
		return "", time.Time{}
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	code, until = base64.RawURLEncoding.EncodeToString(secret), g.now().Add(linkTime)
	g.links.mu.Lock()
	defer g.links.mu.Unlock()
	mine, oldest := 0, 0
	for i, l := range slices.Backward(g.links.all) {
		if l.name == k.Name {
			mine, oldest = mine+1, i
		}
	}
	if mine >= mostLinks {
		g.links.all = slices.Delete(g.links.all, oldest, oldest+1)
	}
	g.links.all = append(g.links.all, link{sha256.Sum256([]byte(code)), k.Name, k.print(), until})
	return code, until
}

// LoginByLink is Login with the code of a link, which is good no more.
func (g *Guard) LoginByLink(code, address string, secure bool) (*http.Cookie, *Refusal) {
	at := g.now()
	l, found := g.links.take(sha256.Sum256([]byte(code[:min(len(code), longestToken)])))
	if !found {
		if !g.tries.another(address, at) {
			return nil, refuse(http.StatusTooManyRequests, "Too many wrong codes came from this address: wait a minute.")
		}
		return nil, refuse(http.StatusUnauthorized, "The link was used already, or is of another process of the server: make another with serin token link.")
	}
	k := g.ring.now.Load().byName[l.name]
	if !at.Before(l.until) || k == nil || k.print() != l.print || !k.expires.IsZero() && !at.Before(k.expires) {
		return nil, refuse(http.StatusUnauthorized, "The link is too old, or its key is no longer good: make another with serin token link.")
	}
	return cookie(g.sealed.write(k, at.Add(sessionTime)), int(sessionTime.Seconds()), secure), nil
}

func (l *links) take(code digest) (link, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, one := range l.all {
		if one.code == code {
			l.all = append(l.all[:i:i], l.all[i+1:]...)
			return one, true
		}
	}
	return link{}, false
}
