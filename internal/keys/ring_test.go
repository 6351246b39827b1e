package keys

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func hashOf(token string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(token))) }

func TestLines(t *testing.T) {
	t.Parallel()
	h := hashOf("a")
	for line, want := range map[string]string{
		"ci role=deployer models=churn,fraud expires=2027-01-01 sha256=" + h:                                "",
		"edge role=predictor,viewer models=* cert=dns:edge.example,uri:spiffe://example/edge # the gateway": "",
		"ci role=deployer models=* sha256=" + h + "," + hashOf("b"):                                         "",
		"role=admin models=* sha256=" + h:                                                                   "begin with a name",
		"serin role=admin models=* sha256=" + h:                                                             "which is not serin",
		"ci models=* sha256=" + h:                                                                           "no role=",
		"ci role= models=* sha256=" + h:                                                                     "a role is",
		"ci role=root models=* sha256=" + h:                                                                 "a role is",
		"ci role=admin sha256=" + h:                                                                         "no models=",
		"ci role=admin models= sha256=" + h:                                                                 "models' names",
		"ci role=admin models=churn, sha256=" + h:                                                           "models' names",
		"ci role=admin models=*,churn sha256=" + h:                                                          "models' names",
		"ci role=admin models=*":                                                                            "neither sha256= nor cert=",
		"ci role=admin models=* sha256=" + h[:63]:                                                           "64 hexadecimal digits",
		"ci role=admin models=* sha256=serin_secret":                                                        "64 hexadecimal digits",
		"ci role=admin models=* cert=edge":                                                                  "name of the certificate",
		"ci role=admin models=* cert=ip:10.0.0.1":                                                           "name of the certificate",
		"ci role=admin models=* expires=tomorrow sha256=" + h:                                               "2027-01-31",
		"ci role=admin role=viewer models=* sha256=" + h:                                                    "role= twice",
		"ci role=admin models=* serin_secret":                                                               "none of role=",
		"ci role=admin models=* sha256=" + h + "\nci role=viewer models=* sha256=" + hashOf("b"):            "line 2: the name ci is there already",
		"ci role=admin models=* sha256=" + h + "\nme role=viewer models=* sha256=" + h:                      "line 2: me has the token of ci",
		"ci role=admin models=* cert=cn:a\nme role=viewer models=* cert=cn:a":                               "line 2: me has the certificate of ci",
		"# nothing\n\n": "has no keys",
	} {
		_, err := Open("", line)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", line, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", line, err, want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("the error shows what may be a token: %v", err)
		}
	}
}

// TestMint: what is minted is a line that opens for the token, and has it not.
func TestMint(t *testing.T) {
	t.Parallel()
	token, line, err := Mint("ci", "deployer", "churn,fraud", "2027-01-01")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, token) || len(token) != len(prefix)+43 {
		t.Errorf("token %q, line %q", token, line)
	}
	r, err := Open("", line)
	if err != nil {
		t.Fatal(err)
	}
	if k := r.token(token); k == nil || k.Name != "ci" || k.rights != Read|Release || !slices.Equal(k.models, []string{"churn", "fraud"}) {
		t.Errorf("%+v", k)
	}
	again, _, _ := Mint("ci", "deployer", "churn", "")
	if again == token {
		t.Error("two tokens are the same")
	}
	for _, wrong := range [][4]string{{"", "admin", "*", ""}, {"a b", "admin", "*", ""}, {"a", "root", "*", ""}, {"a", "admin", "", ""}, {"a", "admin", "*", "soon"}, {"a\nb", "admin", "*", ""}} {
		if _, line, err := Mint(wrong[0], wrong[1], wrong[2], wrong[3]); err == nil {
			t.Errorf("%q is minted: %s", wrong, line)
		}
	}
}

// TestReload: the keys of a new file are in force at once, those of a broken one
// never, and it is said once.
func TestReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	put := func(text string) {
		t.Helper()
		next := path + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	line := func(token string) string { return "ci role=admin models=* sha256=" + hashOf(token) + "\n" }
	put(line("one"))
	r, err := Open(path, "env role=viewer models=* sha256="+hashOf("env"))
	if err != nil {
		t.Fatal(err)
	}
	is := func(what string, changed bool, wrong string, tokens ...string) {
		t.Helper()
		did, err := r.Reload()
		if did != changed || (err != nil) != (wrong != "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: changed %v, %v", what, did, err)
		}
		for _, token := range []string{"one", "two", "env"} {
			if (r.token(token) != nil) != slices.Contains(tokens, token) {
				t.Errorf("%s: token %s: %v", what, token, r.token(token))
			}
		}
	}
	is("as it was", false, "", "one", "env")
	put(line("two"))
	is("another", true, "", "two", "env")
	put("ci role=root")
	is("broken", false, "line 1", "two", "env")
	is("broken still", false, "", "two", "env")
	put("")
	is("no key but the environment's", true, "", "env")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	is("gone", false, "no such file", "env")
	is("gone still", false, "", "env")
	put(line("one"))
	is("back", true, "", "one", "env")
	if err := os.Chmod(path, 0o606); err != nil {
		t.Fatal(err)
	}
	is("writable by everybody", false, "chmod o-w", "one", "env")
}

func TestCovers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	some := (&Key{models: []string{"churn"}}).In(ctx)
	every := (&Key{}).In(ctx)
	for _, tt := range []struct {
		ctx   context.Context
		model string
		want  bool
	}{{ctx, "fraud", true}, {every, "fraud", true}, {some, "churn", true}, {some, "fraud", false}, {some, "", false}} {
		if Covers(tt.ctx, tt.model) != tt.want {
			t.Errorf("%v", tt)
		}
	}
}

// FuzzLines: no text panics, and what is taken opens for nobody without a hash or
// a certificate, and gives rights that a role gives.
func FuzzLines(f *testing.F) {
	h := hashOf("a")
	for _, seed := range []string{
		"ci role=deployer models=churn,fraud expires=2027-01-01 sha256=" + h,
		"edge role=predictor,viewer models=* cert=dns:edge.example,uri:spiffe://e/e#x\n# more\n\n a role=admin models=* sha256=" + h,
		"=", "a =", "a role", "a role=,", "a sha256=" + h + ",", "a\x00 role=admin", "a role=admin models=* cert=cn:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse(text, "keys")
		if err != nil {
			return
		}
		if s.byHash[digest{}] != nil && !strings.Contains(text, strings.Repeat("0", 64)) {
			t.Error("no token opens")
		}
		for _, k := range s.byName {
			if k.rights == 0 || len(k.hashes)+len(k.certs) == 0 || k.models != nil && len(k.models) == 0 {
				t.Errorf("%+v", k)
			}
		}
	})
}
