package keys

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A session is a sentence that only this process can have written: the key's name,
// until when, and which keys' lines it is of. It takes no memory here, it does not
// have the token in it, and it ends with the key, with its token, with the hour, or
// with the process.
//
//	ci.1767225600.9f86d081884c7d65.MAC

// sessionTime is how long a browser need not show its token again.
const sessionTime = 12 * time.Hour

// sealed writes and reads sessions.
type sealed struct{ secret []byte }

func newSeal() sealed {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	return sealed{secret}
}

func (s sealed) mac(text string) string {
	m := hmac.New(sha256.New, s.secret)
	_, _ = m.Write([]byte(text)) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func (s sealed) write(k *Key, until time.Time) string {
	text := fmt.Sprintf("%s.%d.%s", k.Name, until.Unix(), k.print())
	return text + "." + s.mac(text)
}

// print is a fingerprint of what proves the key: another token or certificate is
// another key.
func (k *Key) print() string {
	all := sha256.New()
	for _, h := range k.hashes {
		_, _ = all.Write(h[:])
	}
	for _, c := range k.certs {
		fmt.Fprintf(all, "%q", c)
	}
	return hex.EncodeToString(all.Sum(nil)[:8])
}

// open returns the key of a session that is still good, or nil.
func (s sealed) open(session string, ring *Ring, now time.Time) *Key {
	i := strings.LastIndexByte(session, '.')
	if i < 0 || len(session) > longestToken || subtle.ConstantTimeCompare([]byte(s.mac(session[:i])), []byte(session[i+1:])) != 1 {
		return nil
	}
	// A name may have dots in it, what is behind it has none.
	parts := strings.Split(session[:i], ".")
	n := len(parts)
	if n < 3 {
		return nil
	}
	until, err := strconv.ParseInt(parts[n-2], 10, 64)
	k := ring.now.Load().byName[strings.Join(parts[:n-2], ".")]
	if err != nil || now.Unix() >= until || k == nil || k.print() != parts[n-1] {
		return nil
	}
	return k
}

// Login is a session's cookie for a token that is right. Secure is true where the
// browser came by TLS.
func (g *Guard) Login(token, address string, secure bool) (*http.Cookie, *Refusal) {
	k, refusal := g.whose(&Proof{Authorization: []string{"Bearer " + token}, Address: address})
	if refusal != nil {
		return nil, refusal
	}
	return cookie(g.sealed.write(k, g.now().Add(sessionTime)), int(sessionTime.Seconds()), secure), nil
}

// Logout is the cookie that takes a session away.
func Logout(secure bool) *http.Cookie { return cookie("", -1, secure) }

// The browser keeps a cookie of the first name to this host, its whole host, and
// TLS; without TLS it would not take one.
const (
	secureName = "__Host-serin"
	plainName  = "serin"
)

func cookie(value string, age int, secure bool) *http.Cookie {
	name := plainName
	if secure {
		name = secureName
	}
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode} //nolint:gosec // without TLS no browser keeps one that is Secure
}

func sessionOf(r *http.Request) string {
	if len(r.Header["Cookie"]) == 0 {
		return ""
	}
	for _, name := range []string{secureName, plainName} {
		if c, err := r.Cookie(name); err == nil && c.Value != "" {
			return c.Value
		}
	}
	return ""
}
