//go:build linux && amd64

package single

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"serin/test/program"
)

// TestFailover kills a primary with a synchronous standby while two replicas take
// decisions as fast as they can, and promotes the standby. No decision that was
// acknowledged is missing then, predictions do not notice, and decisions go on
// without a human step at any replica.
func TestFailover(t *testing.T) {
	t.Parallel()
	times := 1
	if every() {
		times = 10
	}
	for range times {
		failsOver(t)
	}
}

func failsOver(t *testing.T) {
	t.Helper()
	primary := postgresql(t, "synchronous_standby_names='standby'", "synchronous_commit=local")
	standby, err := primary.Standby(t.Context(), "synchronous_standby_names=''")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(); err != nil {
			t.Error(err)
		}
	})
	both := fmt.Sprintf("postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write", primary.Address, standby.Address)
	var homes []*home
	var replicas []*program.Server
	for i := range 2 {
		h := newHome(t, "--store", both, "--replica-id", fmt.Sprint("r", i), "--initial-delay", "0s", "--weight", "50%")
		homes, replicas = append(homes, h), append(replicas, h.start(binary(t)))
	}
	homes[0].must(replicas[0], deploy.path, deploy.body)

	acknowledged, ended := make(chan uint64), make(chan struct{})
	for i := range replicas {
		go decide(homes[i], replicas[i], acknowledged, ended)
	}
	var last, n uint64
	for n < 20 {
		last, n = max(last, <-acknowledged), n+1
	}
	if err := primary.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(ended)
	for range replicas { // each has one answer under way
		last = max(last, <-acknowledged)
	}
	for i, h := range homes {
		h.predicted(replicas[i])
	}
	if err := standby.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i, s := range replicas {
		until(t, "decisions are taken again", func() bool { return post(s, "/admin/toggle-slowdown", "{}").status == http.StatusOK })
		t.Logf("replica %d decides again %v after the promotion", i, time.Since(began))
		homes[i].predicted(s)
		if now := homes[i].stands(s); now.Generation <= last || now.String() != trial {
			t.Errorf("it is %s at generation %d, and %d was acknowledged before the primary died", now, now.Generation, last)
		}
	}
	if text, err := homes[0].doctor("--store", standby.URL); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	for _, s := range replicas { // before their store
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// decide takes one decision after the other and tells the generation of each that was
// acknowledged. The last one, which may have failed, is told as 0.
func decide(h *home, s *program.Server, acknowledged chan<- uint64, ended <-chan struct{}) {
	for {
		var generation uint64
		if a := post(s, "/admin/toggle-slowdown", "{}"); a.status == http.StatusOK {
			var now place
			if s.Admin(h.t.Context(), "state", nil, &now) == nil {
				generation = now.Generation
			}
		}
		select {
		case acknowledged <- generation:
		case <-ended:
			acknowledged <- generation
			return
		}
	}
}
