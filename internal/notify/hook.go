package notify

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Kind is how a hook is spoken to.
type Kind string

const (
	// Structured is CloudEvents' structured mode: all in the body.
	Structured Kind = "structured"
	// Binary is its binary mode: attributes in headers, the data in the body.
	Binary Kind = "binary"
	// Slack is what Slack's incoming web hooks take, and others that speak like it.
	Slack Kind = "slack"
)

// Hook is somebody who is told.
type Hook struct {
	// Name is under which it is remembered what the hook was told.
	Name string
	Kind Kind
	// URL is where it is; it may hold a secret.
	URL *url.URL
	// Secrets sign what is posted; nil for no signature. Several are for changing them.
	Secrets [][]byte
}

// address is the hook's without what may be a secret.
func (h *Hook) address() string { return h.URL.Scheme + "://" + h.URL.Host }

// nameable are names that need no escapes anywhere.
var nameable = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

var scheme = regexp.MustCompile(`https?://`)

// ParseHook reads [KIND:][NAME=]URL. Without a name it is that of the host.
func ParseHook(given string) (Hook, error) {
	failed := func(format string, args ...any) (Hook, error) {
		return Hook{}, fmt.Errorf(format+"; write it like https://example.com/hook, ops=https://example.com/hook or slack:team=https://hooks.slack.com/services/...", args...)
	}
	begins := scheme.FindStringIndex(given)
	if begins == nil {
		return failed("a web hook needs an address with http:// or https://")
	}
	h := Hook{Kind: Structured}
	before, address := given[:begins[0]], given[begins[0]:]
	if name, ok := strings.CutSuffix(before, "="); ok {
		before = ""
		if kind, own, ok := strings.Cut(name, ":"); ok {
			before, name = kind+":", own
		}
		if h.Name = name; name == "" {
			return failed("the name in front of = is empty")
		}
	}
	if kind, ok := strings.CutSuffix(before, ":"); ok {
		h.Kind, before = Kind(kind), ""
	}
	if h.Kind != Structured && h.Kind != Binary && h.Kind != Slack {
		return failed("the kind %q is unknown: it is structured, binary or slack", h.Kind)
	}
	if before != "" {
		return failed("%q is in front of the address: a name ends with = and a kind with :", before)
	}
	var err error
	// An error of Parse has the address in it, which may be a secret.
	if h.URL, err = url.Parse(address); err != nil || h.URL.Hostname() == "" {
		return failed("the address of a web hook is not a URL")
	}
	h.URL.Fragment, h.URL.RawFragment = "", ""
	if h.Name == "" {
		h.Name = h.URL.Hostname()
	}
	if !nameable.MatchString(h.Name) {
		return failed("%q cannot be the name of a web hook: up to 63 letters, digits, dots, dashes and underscores", h.Name)
	}
	return h, nil
}

// most is how many hooks there may be: each has a goroutine and a connection.
const most = 20

// Equip checks that hooks can be told apart, and gives each its secrets: of the
// lines of a text those that begin with NAME=, or else those that have no name. A
// secret is whsec_ and 24 to 64 bytes in base64, as Standard Webhooks has it.
func Equip(hooks []Hook, secrets string) ([]Hook, error) {
	if len(hooks) > most {
		return nil, fmt.Errorf("there are %d web hooks, and at most %d can be told", len(hooks), most)
	}
	own := map[string][][]byte{}
	for i, line := range strings.Split(secrets, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, secret, named := strings.Cut(line, "=")
		if strings.HasPrefix(line, secretPrefix) || !named { // base64 may end with =
			name, secret = "", line
		}
		key, err := readSecret(strings.TrimSpace(secret))
		if err != nil {
			return nil, fmt.Errorf("the secrets of web hooks, line %d: %w", i+1, err)
		}
		own[strings.TrimSpace(name)] = append(own[strings.TrimSpace(name)], key)
	}
	used := map[string]bool{"": true}
	var out []Hook
	for _, h := range hooks {
		if used[h.Name] {
			return nil, fmt.Errorf("two web hooks are called %s: give each a name of its own, like ops=https://example.com/hook", h.Name)
		}
		used[h.Name] = true
		if h.Secrets = own[h.Name]; h.Secrets == nil {
			h.Secrets = own[""]
		}
		out = append(out, h)
	}
	for name := range own {
		if !used[name] {
			return nil, fmt.Errorf("there is a secret for %q, and no web hook of that name", name)
		}
	}
	return out, nil
}

const secretPrefix = "whsec_"

// readSecret says what is wrong with a secret without showing it.
func readSecret(given string) ([]byte, error) {
	rest, ok := strings.CutPrefix(given, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("a secret is whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)")
	}
	return key, nil
}
