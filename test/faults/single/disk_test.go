//go:build linux && amd64

package single

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"serin/test/program"
)

// ailment is a way in which a disk fails.
type ailment struct {
	name  string
	errno syscall.Errno
	spare []string // what still works
	says  string   // the word that must be in an answer
}

var ailments = []ailment{
	{"full", syscall.ENOSPC, []string{"fsync", "fdatasync", "rename", "unlink"}, "the store's disk is full. Free some space."},
	{"read-only", syscall.EROFS, nil, "read-only. Mount it"},
	{"failing to sync", syscall.EIO, []string{"write", "pwrite", "open", "mkdir", "rename", "unlink", "link", "ftruncate", "fallocate"}, "input/output errors. Look at the disk"},
}

// TestTheDiskFails in the middle of a rollout, below the state directory. Predictions
// go on by both arms; a decision is refused with the reason, or made where the store is
// elsewhere; and all goes on without a restart once the disk works. Nothing that
// was acknowledged is gone then, and nothing refused is there.
func TestTheDiskFails(t *testing.T) {
	t.Parallel()
	for _, a := range ailments {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.strikes(t)
		})
		t.Run(a.name+", with PostgreSQL", func(t *testing.T) {
			t.Parallel()
			a.strikesAReplica(t)
		})
	}
}

func (a ailment) begins(h *home, s *traced) {
	h.t.Helper()
	if _, err := s.tell(order{Below: h.data(), Fail: a.errno, Spare: a.spare}); err != nil {
		h.t.Fatal(err)
	}
}

func (a ailment) ends(h *home, s *traced) {
	h.t.Helper()
	seen, err := s.tell(order{})
	if err != nil {
		h.t.Fatal(err)
	}
	if !slices.ContainsFunc(seen.Calls, func(name string) bool { return !slices.Contains(a.spare, name) }) {
		h.t.Errorf("no call has failed: %v", seen.Calls)
	}
}

// bothArms wants predictions from stable and from the canary.
func bothArms(h *home, s *program.Server) {
	h.t.Helper()
	used := map[string]int{}
	for range 50 {
		used[h.predicted(s)]++
	}
	if used["stable"] != 25 || used["canary"] != 25 {
		h.t.Errorf("half of the requests are the canary's, and these answered: %v", used)
	}
}

func (a ailment) strikes(t *testing.T) {
	t.Helper()
	h := newHome(t, "--initial-delay", "0s", "--weight", "50%")
	s := h.trace()
	h.must(s.Server, deploy.path, deploy.body)
	a.begins(h, s)
	for _, c := range []call{promote, revert, {"/admin/toggle-slowdown", `{}`}} {
		got := post(s.Server, c.path, c.body)
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.text, a.says) {
			t.Errorf("%s on such a disk: %d %s", c.path, got.status, got.text)
		}
		bothArms(h, s.Server)
	}
	a.ends(h, s)
	until(t, "decisions are made again", func() bool { // or it turns out that the first one was made
		got := post(s.Server, promote.path, promote.body)
		return got.status == http.StatusOK || got.status == http.StatusConflict
	})
	h.endsWell(s, "idle with model_v2 and no canary")
}

// endsWell stops a server, starts it again, and has its state verified.
func (h *home) endsWell(s *traced, want string, store ...string) {
	h.t.Helper()
	if now := h.stands(s.Server); now.String() != want {
		h.t.Errorf("it is %s, want %s", now, want)
	}
	if err := s.Stop(); err != nil {
		h.t.Error(err)
	}
	r := h.start(binary(h.t))
	if now := h.stands(r); now.String() != want {
		h.t.Errorf("after a restart it is %s, want %s", now, want)
	}
	if text, err := h.doctor(store...); err != nil {
		h.t.Errorf("%v\n%s", err, text)
	}
}

// strikesAReplica takes the disk of a replica, whose store is elsewhere: it decides as
// before, and what it could not write of the last known state it writes later.
func (a ailment) strikesAReplica(t *testing.T) {
	t.Helper()
	store := []string{"--store", postgresql(t).URL}
	h := newHome(t, append(store, "--initial-delay", "0s", "--weight", "50%", "--replica-id", "one")...)
	s := h.trace()
	h.must(s.Server, deploy.path, deploy.body)
	a.begins(h, s)
	bothArms(h, s.Server)
	h.must(s.Server, revert.path, revert.body)
	h.predicted(s.Server)
	a.ends(h, s)
	h.must(s.Server, deploy.path, deploy.body)
	h.must(s.Server, promote.path, promote.body)
	h.endsWell(s, "idle with model_v2 and no canary", store...)
}
