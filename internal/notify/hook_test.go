package notify

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func TestParseHook(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]struct {
		name, kind, address string
	}{
		"https://example.com/hook":                            {"example.com", "structured", "https://example.com"},
		"http://127.0.0.1:9000":                               {"127.0.0.1", "structured", "http://127.0.0.1:9000"},
		"ops=https://example.com/?to=https://other.example/":  {"ops", "structured", "https://example.com"},
		"binary:https://example.com/":                         {"example.com", "binary", "https://example.com"},
		"slack:team-1=https://hooks.slack.com/services/T/B/x": {"team-1", "slack", "https://hooks.slack.com"},
		"structured:a.b_c=http://[::1]:80/x":                  {"a.b_c", "structured", "http://[::1]:80"},
	} {
		h, err := ParseHook(given)
		if err != nil || h.Name != want.name || string(h.Kind) != want.kind || h.address() != want.address {
			t.Errorf("%s: %+v %v", given, h, err)
		}
	}
	for given, says := range map[string]string{
		"":                                "needs an address with http:// or https://",
		"ops=ftp://example.com":           "needs an address with http:// or https://",
		"=https://example.com":            "the name in front of = is empty",
		"teams:https://example.com":       `the kind "teams" is unknown`,
		"teams:ops=https://example.com":   `the kind "teams" is unknown`,
		"ops https://example.com":         `"ops " is in front of the address`,
		"a b=https://example.com":         `"a b" cannot be the name`,
		"https://":                        "is not a URL",
		"https://:80/":                    "is not a URL",
		"https://[::1]/":                  `"::1" cannot be the name`,
		"https://SECRET@exa mple.com/%zz": "is not a URL",
	} {
		if _, err := ParseHook(given); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, want %q", given, err, says)
		}
	}
}

// secretOf is a secret of so many bytes.
func secretOf(n int) string {
	return secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", n)))
}

func TestEquip(t *testing.T) {
	t.Parallel()
	hooks := []Hook{hookAt(t, "ops=https://a.example/"), hookAt(t, "https://b.example/")}
	got, err := Equip(hooks, "# both are signed\n"+secretOf(32)+"\n\n ops="+secretOf(24)+"\nops = "+secretOf(64)+"\n")
	if err != nil || len(got[0].Secrets) != 2 || len(got[0].Secrets[1]) != 64 || len(got[1].Secrets) != 1 || len(got[1].Secrets[0]) != 32 {
		t.Errorf("%v %+v", err, got)
	}
	if got, err := Equip(hooks, ""); err != nil || got[0].Secrets != nil || hooks[0].Secrets != nil {
		t.Errorf("%v %+v", err, got)
	}
	for name, tt := range map[string]struct {
		hooks         []Hook
		secrets, says string
	}{
		"two of a name": {append(hooks, hooks[0]), "", "two web hooks are called ops"},
		"too many":      {make([]Hook, most+1), "", "at most 20"},
		"for nobody":    {hooks, "opps=" + secretOf(32), `a secret for "opps", and no web hook of that name`},
		"too short":     {hooks, "\nops=" + secretOf(23), "line 2: a secret is whsec_"},
		"too long":      {hooks, secretOf(65), "line 1: a secret is"},
		"no base64":     {hooks, "whsec_hunter2!", "a secret is"},
		"no prefix":     {hooks, "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==", "a secret is"},
	} {
		_, err := Equip(tt.hooks, tt.secrets)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
}

// FuzzHook: whatever is given, there is a hook that can be told and named, or words.
func FuzzHook(f *testing.F) {
	for _, seed := range []string{"https://example.com", "slack:a=http://b/", "=:=https://", "a=b:https://c", "http://%"} {
		f.Add(seed, secretOf(24))
	}
	f.Fuzz(func(t *testing.T, given, secrets string) {
		h, err := ParseHook(given)
		if err != nil {
			return
		}
		if !nameable.MatchString(h.Name) || h.URL.Hostname() == "" {
			t.Errorf("%q is %+v", given, h)
		}
		if hooks, err := Equip([]Hook{h}, secrets); err == nil {
			for _, s := range hooks[0].Secrets {
				if len(s) < 24 || len(s) > 64 {
					t.Errorf("a secret of %d bytes", len(s))
				}
			}
		}
	})
}

// FuzzRetryAfter: a receiver's wish is never negative and never beyond its bound.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "90", "-1", "99999999999999999999", "Sun, 01 Mar 2026 12:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(seed)
	}
	now := time.Date(2026, 3, 1, 11, 59, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, wish string) {
		if got := retryAfter(wish, now); got < 0 || got > longestWish {
			t.Errorf("%q: %v", wish, got)
		}
	})
}

// FuzzMemo: what was saved is read back, or refused in words.
func FuzzMemo(f *testing.F) {
	f.Add([]byte(`{"position":3,"letters":[{"seq":2,"id":"msg_1","again":true}],"dropped":1}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := readMemo(data); err == nil && m != nil && len(m.bury(Letter{Seq: 1}).Letters) == 0 {
			t.Errorf("%+v keeps no letter", m)
		}
	})
}
