//go:build linux && amd64

package single

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"serin/test/program"
)

// day is by how much clocks are set wrong here, in seconds.
const day = 24 * 60 * 60

// watched is what a rollout's health says of time.
type watched struct {
	Phase     string  `json:"phase"`
	Elapsed   float64 `json:"elapsed_seconds"`
	Remaining float64 `json:"remaining_seconds"`
	Look      int     `json:"monitor_look"`
}

// TestTheClockIsStepped by a day, in a serin's own process, forward and then back beyond
// where it was, with a canary live. It takes none of that for time that has passed: the
// rollout is observed for as long as it was, the next look comes, nobody is cut off and
// the lead stays where it is, predictions and decisions go on, and a process whose clock
// is right goes on from what was stored.
func TestTheClockIsStepped(t *testing.T) {
	t.Parallel()
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		steps(t)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		store := []string{"--store", postgresql(t).URL, "--isolation-timeout", "10s"}
		steps(t, append(store, "--replica-id", "wrong")...)
	})
}

func steps(t *testing.T, store ...string) {
	t.Helper()
	h := newHome(t, append(store, "--initial-delay", "0s", "--weight", "50%", "--duration", "1h", "--at-end", "rollback")...)
	s := h.trace(clockFlag)
	begun := time.Now()
	h.must(s.Server, deploy.path, deploy.body)
	other := s.Server // one whose clock is right
	if len(store) > 0 {
		other = h.beside("right")
	}
	for _, ahead := range []int64{day, -day} {
		before := h.watch(s.Server)
		if _, err := s.tell(order{Step: ahead}); err != nil {
			t.Fatal(err)
		}
		until(t, fmt.Sprintf("the clock is %d s ahead, and observed time passes as ever", ahead), func() bool {
			bothArms(h, s.Server)
			now := h.watch(s.Server)
			if most := time.Since(begun).Seconds() + 1; now.Elapsed < before.Elapsed || now.Elapsed > most || now.Phase != "canary" || now.Remaining < 3600-most {
				t.Fatalf("it was %+v, and %.0f s after the deploy it is %+v", before, most, now)
			}
			// Backward a look is waited for, too: they are ten observed seconds apart.
			return now.Elapsed > before.Elapsed+2 && (ahead > 0 || now.Look > 0)
		})
		h.must(s.Server, "/admin/toggle-slowdown", "{}") // a decision with that date
		if now := h.stands(other); now.String() != trial {
			t.Errorf("with the clock %d s ahead it is %s", ahead, now)
		}
	}
	seen, err := s.tell(order{Step: -day})
	if err != nil || seen.Clocks == 0 {
		t.Errorf("the server did not ask for the time: %+v %v", seen, err)
	}
	if len(store) > 0 {
		h.steppedBeside(s.Server, other)
	}
	h.must(s.Server, revert.path, revert.body)
	var told struct {
		Rollouts []struct {
			Ended time.Time `json:"ended"`
		} `json:"rollouts"`
	}
	if err := s.Admin(t.Context(), "rollouts", nil, &told); err != nil || len(told.Rollouts) != 1 || time.Since(told.Rollouts[0].Ended) < (day-60)*time.Second {
		t.Errorf("it was rolled back a day ago by its clock, and says %+v %v", told, err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	for _, word := range []string{"not heard", "has lost", "cannot be saved", "panic"} {
		if text := s.Errors.String(); strings.Contains(text, word) {
			t.Errorf("it complains:\n%s", text)
		}
	}
	r := h.start(binary(t))
	if now := h.stands(r); now.String() != alone {
		t.Errorf("after a restart it is %s", now)
	}
	h.must(r, deploy.path, deploy.body)
	if now := h.watch(r); now.Elapsed > 30 || now.Elapsed < 0 {
		t.Errorf("the next rollout begins as %+v", now)
	}
	if text, err := h.doctor(store[:min(2, len(store))]...); err != nil && len(store) > 0 { // a directory is the server's
		t.Errorf("%v\n%s", err, text)
	}
}

// beside starts another replica of the same store, in a home of its own.
func (h *home) beside(name string) *program.Server {
	h.t.Helper()
	o := newHome(h.t, h.flags...)
	s := o.start(binary(h.t), "--replica-id", name)
	until(h.t, "the other replica serves the canary", func() bool {
		own, err := s.Standing(h.t.Context(), "churn")
		return err == nil && own.Here == "" && own.Generation > 0
	})
	return s
}

// steppedBeside wants both replicas to live, to hear the store and to serve what was
// decided, by the word of each.
func (h *home) steppedBeside(replicas ...*program.Server) {
	h.t.Helper()
	for _, s := range replicas {
		var all struct {
			Replicas []struct {
				Name string `json:"name"`
				Live bool   `json:"live"`
			} `json:"replicas"`
		}
		if err := s.Admin(h.t.Context(), "replicas", nil, &all); err != nil {
			h.t.Fatal(err)
		}
		live := 0
		for _, r := range all.Replicas {
			if r.Live {
				live++
			}
		}
		own, err := s.Standing(h.t.Context(), "churn")
		if live != len(replicas) || err != nil || own.Here != "" {
			h.t.Errorf("%s knows of %+v and says of itself %+v %v", s.URL, all.Replicas, own, err)
		}
		bothArms(h, s)
	}
}

func (h *home) watch(s *program.Server) (now watched) {
	h.t.Helper()
	var raw json.RawMessage
	if err := s.Admin(h.t.Context(), "check-canary-health", nil, &raw); err != nil {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &now); err != nil {
		h.t.Fatal(err)
	}
	return now
}
