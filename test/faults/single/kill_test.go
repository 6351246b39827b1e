//go:build linux && amd64

package single

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// verb is an admin call, what must be so before it, and what it leads to.
type verb struct {
	name    string
	prepare []call
	call    call
	before  string
	after   string
}

type call struct{ path, body string }

var (
	deploy  = call{"/admin/deploy-canary", `{"model_path": "models/model_v2.joblib", "force": true, "reason": "a test"}`}
	promote = call{"/admin/promote-canary", `{"force": true, "reason": "a test"}`}
	revert  = call{"/admin/rollback-canary", `{}`}
	unload  = call{"/v2/repository/models/model_v2/unload", `{}`}
	load    = call{"/v2/repository/models/late/load", `{}`}
)

const (
	alone = "idle with model_v1 and no canary"
	trial = "canary with model_v1 and model_v2"
)

var verbs = []verb{
	{"deploy", nil, deploy, alone, trial},
	{"promote", []call{deploy}, promote, trial, "idle with model_v2 and no canary"},
	{"rollback", []call{deploy}, revert, trial, alone},
	{"load", nil, load, alone, alone}, // of a file that is new: it is installed
	{"unload", nil, unload, alone, alone},
}

// TestKilledAtEachStep kills a server before its n-th call that makes something
// durable or sends something, in each verb, for each n until the verb is through.
// What was acknowledged is there after a restart; what was not is there as a whole
// or not at all; and the verb works then. Without SERIN_FAULTS=all one n is drawn.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	shared := postgresql(t)
	for _, store := range []string{"directory", "PostgreSQL"} {
		for _, v := range verbs {
			t.Run(store+" "+v.name, func(t *testing.T) {
				t.Parallel()
				kills := 0
				for n := first(); ; n++ {
					var flags []string
					if store == "PostgreSQL" {
						flags = []string{"--store", fmt.Sprintf("%s&search_path=%s_%d", shared.URL, v.name, n), "--replica-id", "one"}
					}
					done, steps := v.killed(t, n, flags)
					if kills++; done && every() {
						t.Logf("killed before each of %d calls", kills-1)
						return
					}
					if !every() {
						t.Logf("killed before call %d; through: %v %v", n, done, steps)
						return
					}
				}
			})
		}
	}
}

// first is the call to begin with.
func first() int {
	if every() {
		return 1
	}
	return 1 + rand.IntN(12)
}

// killed plays a verb with a kill before its n-th call. It returns whether the verb
// was through before, and its calls.
func (v verb) killed(t *testing.T, n int, store []string) (through bool, steps []string) {
	t.Helper()
	h := newHome(t, append(store, "--model", "churn=models/model_v1.joblib", "--models", "models", "--initial-delay", "0s", "--weight", "50%")...)
	s := h.trace()
	for _, c := range v.prepare {
		h.must(s.Server, c.path, c.body)
	}
	if v.call == load {
		if err := os.Link(filepath.Join(h.folder, "models/model_v2.joblib"), filepath.Join(h.folder, "models/late.joblib")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.tell(order{Below: h.data(), Sockets: true, Durable: !every(), Kill: n}); err != nil {
		t.Fatal(err)
	}
	got := post(s.Server, v.call.path, v.call.body)
	if got.status != http.StatusOK && got.status != 0 {
		t.Fatalf("%s answers %d %s", v.name, got.status, got.text)
	}
	seen, err := s.tell(order{})
	through = err == nil && got.status == http.StatusOK
	_ = s.Stop() // which fails where it was killed

	r := h.start(binary(t))
	var now place
	until(t, "it has settled what was under way", func() bool { now = h.stands(r); return now.Phase != "loading" })
	switch {
	case got.status == http.StatusOK && now.String() != v.after:
		t.Errorf("killed before call %d after an acknowledgement, it is %s", n, now)
	case now.String() != v.before && now.String() != v.after:
		t.Errorf("killed before call %d, it is %s: neither before nor after", n, now)
	}
	h.predicted(r)
	if now.String() != v.after || v.before == v.after {
		h.must(r, v.call.path, v.call.body)
		if again := h.stands(r); again.String() != v.after {
			t.Errorf("killed before call %d and called again, it is %s", n, again)
		}
	}
	if text, err := h.doctor(store[:min(2, len(store))]...); err != nil {
		t.Errorf("killed before call %d: %v\n%s", n, err, text)
	}
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	return through, seen.Calls
}
