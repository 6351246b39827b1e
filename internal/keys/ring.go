package keys

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Key is one line of the file: somebody, and what he may do. Nobody changes it.
type Key struct {
	// Name is who acts, in the journal.
	Name string

	rights  Right
	models  []string // nil for every one
	expires time.Time
	hashes  []digest
	certs   []subjectName
}

type digest = [sha256.Size]byte

// subjectName is a name in a certificate: its kind (dns, uri, email or cn) and
// what it says.
type subjectName struct{ kind, name string }

// covers tells whether a model is in the key's scope.
func (k *Key) covers(model string) bool { return k.models == nil || slices.Contains(k.models, model) }

// Everything tells whether every model is in the key's scope.
func (k *Key) Everything() bool { return k.models == nil }

// Same tells whether a key allows the same to the same name: the line that it is
// made from was read again, and may be another one.
func (k *Key) Same(other *Key) bool {
	return k.Name == other.Name && k.rights == other.rights && slices.Equal(k.models, other.models)
}

type holder struct{}

// In is a context that says who asks.
func (k *Key) In(ctx context.Context) context.Context { return context.WithValue(ctx, holder{}, k) }

// Covers tells whether who asks may know of a model. Where no key is asked for,
// everybody may.
func Covers(ctx context.Context, model string) bool {
	k, asked := ctx.Value(holder{}).(*Key)
	return !asked || k.covers(model)
}

// Who is the name of who asks, and his rights. Where no key is asked for he has
// every right, and no name.
func Who(ctx context.Context) (name string, rights Right) {
	if k, asked := ctx.Value(holder{}).(*Key); asked {
		return k.Name, k.rights
	}
	return "", anyRight
}

// Ring is all keys in force. They change at once when their file does.
type Ring struct {
	path  string
	lines string // that were given beside the file
	now   atomic.Pointer[set]

	mu   sync.Mutex
	read []byte // of the file, last
}

type set struct {
	byHash map[digest]*Key
	byCert map[subjectName]*Key
	byName map[string]*Key
}

// Open reads the keys of a file, and of lines that are written like it; either may
// be empty, but not both.
func Open(path, lines string) (*Ring, error) {
	r := &Ring{path: path, lines: lines}
	text, err := r.file()
	if err != nil {
		return nil, err
	}
	return r, r.use(text)
}

// longest bounds the file, in bytes: some 5,000 keys.
const longest = 1 << 20

func (r *Ring) file() ([]byte, error) {
	if r.path == "" {
		return nil, nil
	}
	info, err := os.Stat(r.path)
	if err != nil {
		return nil, fmt.Errorf("the file of keys: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return nil, fmt.Errorf("the file of keys, %s, can be written by everybody on this machine: run chmod o-w %[1]s", r.path)
	}
	if info.Size() > longest {
		return nil, fmt.Errorf("the file of keys, %s, is larger than %d bytes", r.path, longest)
	}
	text, err := os.ReadFile(r.path)
	if err != nil {
		return nil, fmt.Errorf("the file of keys: %w", err)
	}
	return text, nil
}

func (r *Ring) use(text []byte) error {
	r.read = text
	next, err := parse(string(text), cmp.Or(r.path, "keys"))
	if err == nil && r.lines != "" {
		err = next.add(r.lines, "the keys of the environment")
	}
	if err == nil && len(next.byName) == 0 {
		err = fmt.Errorf("%s has no keys: nobody could call the server; make one with serin token new", cmp.Or(r.path, "the keys"))
	}
	if err != nil {
		return err
	}
	r.now.Store(next)
	return nil
}

// Reload reads the file again and tells whether other keys are in force now. With
// an error those before it stay; the same broken file is an error once.
func (r *Ring) Reload() (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text, err := r.file()
	if err != nil {
		text = []byte("\x00" + err.Error()) // so that it is said once
	}
	if bytes.Equal(text, r.read) {
		return false, nil
	}
	if err != nil {
		r.read = text
		return false, err
	}
	if err := r.use(text); err != nil {
		return false, err
	}
	return true, nil
}

// token finds the key of a token.
func (r *Ring) token(token string) *Key {
	var text [longestToken]byte // so that nothing is allocated
	return r.now.Load().byHash[sha256.Sum256(text[:copy(text[:], token)])]
}

// certificate finds the key of a certificate that was verified: the one that has
// one of its names. Where two keys have, it is nobody's.
func (r *Ring) certificate(c *x509.Certificate) (found *Key) {
	known := r.now.Load().byCert
	for n := range namesOf(c) {
		if k := known[n]; k != nil {
			if found != nil && found != k {
				return nil
			}
			found = k
		}
	}
	return found
}

func namesOf(c *x509.Certificate) func(func(subjectName) bool) {
	return func(yield func(subjectName) bool) {
		for _, n := range c.DNSNames {
			if !yield(subjectName{"dns", n}) {
				return
			}
		}
		for _, u := range c.URIs {
			if !yield(subjectName{"uri", u.String()}) {
				return
			}
		}
		for _, n := range c.EmailAddresses {
			if !yield(subjectName{"email", n}) {
				return
			}
		}
		if c.Subject.CommonName != "" {
			yield(subjectName{"cn", c.Subject.CommonName})
		}
	}
}

func parse(text, where string) (*set, error) {
	s := &set{byHash: map[digest]*Key{}, byCert: map[subjectName]*Key{}, byName: map[string]*Key{}}
	return s, s.add(text, where)
}

// add reads lines. An error says in which one it is, and never what a value is: it
// may be a token that somebody has put there by mistake.
func (s *set) add(text, where string) error {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		k, err := keyOf(fields)
		if err == nil {
			err = s.take(k)
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", where, number, err)
		}
	}
	return nil
}

func (s *set) take(k *Key) error {
	if s.byName[k.Name] != nil {
		return fmt.Errorf("the name %s is there already: a key has one line, which may have two hashes (sha256=OLD,NEW)", k.Name)
	}
	s.byName[k.Name] = k
	for _, h := range k.hashes {
		if other := s.byHash[h]; other != nil {
			return fmt.Errorf("%s has the token of %s", k.Name, other.Name)
		}
		s.byHash[h] = k
	}
	for _, c := range k.certs {
		if other := s.byCert[c]; other != nil {
			return fmt.Errorf("%s has the certificate of %s", k.Name, other.Name)
		}
		s.byCert[c] = k
	}
	return nil
}

var (
	// names of keys look the same in the journal, in a log and in a header.
	names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$`)
	// models are named as the server has it.
	modelNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
)

// itself acts in the journal, too.
const itself = "serin"

func keyOf(fields []string) (*Key, error) {
	k := &Key{Name: fields[0]}
	if !names.MatchString(k.Name) || k.Name == itself {
		return nil, errors.New("it must begin with a name of 1 to 63 letters, digits, '.', '_', '@' and '-', which is not serin")
	}
	seen := map[string]bool{}
	for _, field := range fields[1:] {
		what, value, _ := strings.Cut(field, "=")
		read := readers[what]
		if read == nil {
			return nil, fmt.Errorf("%s has something that is none of role=, models=, expires=, sha256= and cert=", k.Name)
		}
		if seen[what] {
			return nil, fmt.Errorf("%s has %s= twice: give one, with commas", k.Name, what)
		}
		seen[what] = true
		if err := read(k, value); err != nil {
			return nil, fmt.Errorf("%s: %s=: %w", k.Name, what, err)
		}
	}
	switch {
	case k.rights == 0:
		return nil, fmt.Errorf("%s has no role=: give predictor, viewer, deployer or admin", k.Name)
	case !seen["models"]:
		return nil, fmt.Errorf("%s has no models=: give their names with commas, or * for all", k.Name)
	case len(k.hashes)+len(k.certs) == 0:
		return nil, fmt.Errorf("%s has neither sha256= nor cert=: nobody could be known by it", k.Name)
	}
	return k, nil
}

var readers = map[string]func(*Key, string) error{
	"role": func(k *Key, value string) error {
		for role := range strings.SplitSeq(value, ",") {
			if roles[role] == 0 {
				return errors.New("a role is predictor, viewer, deployer or admin")
			}
			k.rights |= roles[role]
		}
		return nil
	},
	"models": func(k *Key, value string) error {
		if value == "*" {
			return nil
		}
		k.models = strings.Split(value, ",")
		for _, m := range k.models {
			if !modelNames.MatchString(m) {
				return errors.New("give the models' names with commas, or * for all")
			}
		}
		return nil
	},
	"expires": func(k *Key, value string) (err error) {
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if k.expires, err = time.Parse(layout, value); err == nil {
				return nil
			}
		}
		return errors.New("write it like 2027-01-31 or 2027-01-31T12:00:00Z; from then on it is refused")
	},
	"sha256": func(k *Key, value string) error {
		for text := range strings.SplitSeq(value, ",") {
			h, err := hex.DecodeString(text)
			if err != nil || len(h) != sha256.Size {
				return errors.New("give the SHA-256 of the token as 64 hexadecimal digits; serin token new prints the line")
			}
			k.hashes = append(k.hashes, digest(h))
		}
		return nil
	},
	"cert": func(k *Key, value string) error {
		for text := range strings.SplitSeq(value, ",") {
			kind, name, _ := strings.Cut(text, ":")
			if !slices.Contains([]string{"dns", "uri", "email", "cn"}, kind) || name == "" {
				return errors.New("give a name of the certificate like dns:edge.example, uri:spiffe://example/edge, email:edge@example or cn:edge")
			}
			k.certs = append(k.certs, subjectName{kind, name})
		}
		return nil
	},
}

// prefix is how tokens begin, so that those who search for secrets find them.
const prefix = "serin_"

// Mint makes a token, and the line for the file, which has its hash. The token is
// nowhere else. Roles and models are lists with commas, expires may be empty.
func Mint(name, role, models, expires string) (token, line string, err error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // it never fails
	token = prefix + base64.RawURLEncoding.EncodeToString(secret)
	line = fmt.Sprintf("%s role=%s models=%s", name, role, models)
	if expires != "" {
		line += " expires=" + expires
	}
	line += fmt.Sprintf(" sha256=%x", sha256.Sum256([]byte(token)))
	if _, err := keyOf(strings.Fields(line)); err != nil {
		return "", "", err
	}
	return token, line, nil
}
