package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"serin/test/postgres"
	"serin/test/program"
)

// TestFaults is a short run of the program: one round. The bound is wide, because
// other tests take the machine meanwhile.
func TestFaults(t *testing.T) {
	t.Parallel()
	r, err := fly(t.Context(), settings{duration: time.Second, storm: 10 * time.Second, seed: 26, rate: 50, bound: 5 * time.Second, isolation: 15 * time.Second}, t.Output())
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("SERIN_TEST_FULL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.print(t.Output())
	if !r.Held {
		t.Errorf("%v: %s", errBroken, r.broken())
	}
	if r.Rollouts < 1 || len(r.Audits) != 1 || r.Audits[0].Answered[1] == 0 || len(r.Schedule) < 3 || r.Predictions < 300 {
		t.Errorf("little was tried: %d rollouts, %+v, %d faults, %d predictions", r.Rollouts, r.Audits, len(r.Schedule), r.Predictions)
	}
}

// TestABrokenPromiseIsExplained: the file that is kept has the promise and the seed, and what
// happened in the order of time.
func TestABrokenPromiseIsExplained(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	journal, operations := good()
	w := &world{
		settings: settings{seed: 7}, operations: operations, faults: []fault{{held, 1, 2500 * time.Millisecond, 6500 * time.Millisecond}},
		predictions: []prediction{{sent: 3500 * time.Millisecond, got: 4 * time.Second, version: "v1", canary: true}}, reads: []reading{{got: 4500 * time.Millisecond, generation: 4}},
	}
	r := &report{Seed: 7, Promises: []promise{{Name: "nothing breaks", N: 1}, {"nobody is late", 2, "somebody was"}}}
	var err error
	if r.Kept, err = w.keep(r, journal); err != nil {
		t.Fatal(err)
	}
	if said := r.broken(); !strings.Contains(said, "seed 7: nobody is late: somebody was\n") || !strings.HasSuffix(said, r.Kept) || strings.Contains(said, "nothing breaks") {
		t.Errorf("it says %s", said)
	}
	text, err := os.ReadFile(r.Kept)
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, want := range []string{"FAIL  nobody is late", "seed:7", "a asks replica 0 to deploy v1", "journal row 3: loaded", "fault begins at replica 1", "b asks replica 0 to rollback", "prediction at replica 0", "b is answered carried out after 1s", "shows generation 4", "fault is over", "y is answered refused"} {
		next := strings.Index(string(text), want)
		if next <= at {
			t.Fatalf("%q is not there, or too early:\n%s", want, text)
		}
		at = next
	}
}

func TestTheSeedDecides(t *testing.T) {
	t.Parallel()
	draw := func(seed uint64) (all []plan) {
		s := newSchedule(seed)
		for range 50 {
			all = append(all, s.process(time.Second), ofStore(s.stores, time.Second), ofStore(s.audits, time.Second))
		}
		return all
	}
	a, b, c := draw(1), draw(1), draw(2)
	same := 0
	kinds := map[string]bool{}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%+v and %+v follow from one seed", a[i], b[i])
		}
		if a[i] == c[i] {
			same++
		}
		kinds[a[i].kind] = true
	}
	if same > 0 || len(kinds) != 11 {
		t.Errorf("%d of %d are the same for another seed, and there are %d kinds", same, len(a), len(kinds))
	}
}

// row makes an entry of a journal.
func row(seq int64, at time.Duration, event, actor, rollout, stable, canary, phase string) entry {
	e := entry{seq: seq, at: at, event: event, actor: actor, rollout: rollout}
	e.state.Generation, e.state.Phase, e.state.Stable.Name = uint64(seq), phase, stable
	if canary != "" {
		e.state.Rollout = &struct {
			ID     string  `json:"id"`
			Canary release `json:"canary"`
		}{rollout, release{canary}}
	}
	return e
}

// good is a journal with what operators were answered about it: v1 is deployed and
// rolled back, v2 deployed and promoted. What happens in second n is at n seconds.
func good() ([]entry, []operation) {
	const s = time.Second
	journal := []entry{
		row(1, 0, "install", "serin", "", first, "", "idle"),
		row(2, 1*s, "deploy", "a", "r1", first, "v1", "loading"), row(3, 2*s, "loaded", "serin", "r1", first, "v1", "canary"),
		row(4, 3*s, "rollback", "b", "r1", first, "", "idle"),
		row(5, 5*s, "deploy", "c", "r2", first, "v2", "loading"), row(6, 6*s, "loaded", "serin", "r2", first, "v2", "canary"),
		row(7, 7*s, "promote", "d", "r2", "v2", "", "idle"),
	}
	operations := []operation{
		{Actor: "a", Kind: "deploy", Version: "v1", call: 1 * s, ret: 2 * s, outcome: carried, stable: first, canary: "v1", rollout: "r1"},
		{Actor: "b", Kind: "rollback", call: 3 * s, ret: 4 * s, outcome: carried, stable: first, canary: "v1", rollout: "r1"},
		{Actor: "c", Kind: "deploy", Version: "v2", call: 5 * s, ret: 6 * s, outcome: carried, stable: first, canary: "v2", rollout: "r2"},
		{Actor: "x", Kind: "deploy", Version: "v3", replica: 1, call: 6 * s, ret: 6 * s, outcome: refused, code: "canary_active"},
		{Actor: "d", Kind: "promote", call: 7 * s, ret: 8 * s, outcome: carried, stable: "v2", canary: "v2", rollout: "r2"},
		{Actor: "y", Kind: "rollback", call: 9 * s, ret: 9 * s, outcome: refused, code: "no_canary"},
	}
	return journal, operations
}

// TestBrokenPromisesAreSeen breaks each promise in turn.
func TestBrokenPromisesAreSeen(t *testing.T) {
	t.Parallel()
	order := func(j []entry, o []operation) string {
		return strings.TrimSuffix(string(linearizable(o, j, time.Minute)), string(porcupine.Ok))
	}
	all := map[string]func([]entry, []operation) string{
		"walk": func(j []entry, _ []operation) string { return short(walk(j)) },
		"lost": func(j []entry, o []operation) string { return short(lost(j, o)) }, "order": order,
	}
	for _, c := range []struct {
		name, by string
		spoil    func(j []entry, o []operation) ([]entry, []operation)
	}{
		{"nothing", "", func(j []entry, o []operation) ([]entry, []operation) { return j, o }},
		{"a rollback that did not come", "order", func(j []entry, o []operation) ([]entry, []operation) { return j, append(o[:1:1], o[2:]...) }},
		{"a rollback that nobody knows of, and may have been", "", func(j []entry, o []operation) ([]entry, []operation) {
			o[1] = operation{Actor: "b", Kind: "rollback", call: o[1].call, ret: o[1].ret}
			return j, o
		}},
		{"another version was promoted", "order", func(j []entry, o []operation) ([]entry, []operation) { o[4].stable = "v1"; return j, o }},
		{"a refusal that knows too much", "order", func(j []entry, o []operation) ([]entry, []operation) { o[5].code = "canary_active"; return j, o }},
		{"an acknowledged row is gone", "lost", func(j []entry, o []operation) ([]entry, []operation) { j[3].actor = "z"; return j, o }},
		{"what was refused was done", "lost", func(j []entry, o []operation) ([]entry, []operation) { j[3].actor = "y"; return j, o }},
		{"rows in another order", "lost", func(j []entry, o []operation) ([]entry, []operation) { o[0].call, o[0].ret = 20e9, 21e9; return j, o }},
		{"two decisions for one rollout", "walk", func(j []entry, o []operation) ([]entry, []operation) {
			return append(j, row(8, 9e9, "rollback", "y", "r2", "v2", "", "idle")), o
		}},
		{"a stable version out of nowhere", "walk", func(j []entry, o []operation) ([]entry, []operation) { j[3].state.Stable.Name = "v1"; return j, o }},
		{"a generation left out", "walk", func(j []entry, o []operation) ([]entry, []operation) { return append(j[:3:3], j[4:]...), o }},
	} {
		j, o := c.spoil(good())
		seen := map[string]string{}
		for name, check := range all {
			seen[name] = check(j, o)
		}
		if c.by == "" && seen["walk"]+seen["lost"]+seen["order"] != "" || c.by != "" && seen[c.by] == "" {
			t.Errorf("%s: should be seen by %q: %q", c.name, c.by, seen)
		}
	}
}

func TestStaleAnswersAreSeen(t *testing.T) {
	t.Parallel()
	const s = time.Second
	j, o := good()
	replicas := []*replica{{name: "a"}, {name: "b"}}
	for _, c := range []struct {
		p    prediction
		want bool
	}{
		{prediction{sent: 2 * s, got: 2 * s, canary: true, version: "v1"}, true},
		{prediction{sent: 2 * s, got: 2 * s, version: first}, true},
		{prediction{sent: 5 * s, got: 5 * s, canary: true, version: "v1"}, true},    // within the bound
		{prediction{sent: 5*s + 1, got: 6 * s, canary: true, version: "v1"}, false}, // acknowledged at 4 s
		{prediction{sent: 20 * s, got: 20 * s, canary: true, version: "v1", replica: 1}, true},
		{prediction{sent: 40 * s, got: 40 * s, canary: true, version: "v1", replica: 1}, false}, // cut off, too long
		{prediction{sent: 40 * s, got: 40 * s, version: first, replica: 1}, true},               // as long as it likes
		{prediction{sent: 9*s + 1, got: 10 * s, version: first}, false},
		{prediction{sent: 1 * s, got: 1 * s, canary: true, version: "v2"}, false}, // before it was there
		{prediction{sent: 6 * s, got: 6 * s, version: "v2"}, false},               // before it was stable
		{prediction{sent: 7 * s, got: 8 * s, version: "v2"}, true},
	} {
		w := &world{settings: settings{bound: s, isolation: 10 * s}, replicas: replicas, faults: []fault{{held, 1, 4 * s, 60 * s}}}
		broken, _, _ := w.stale(forces(j, o), []prediction{c.p})
		if (broken == nil) != c.want {
			t.Errorf("%+v: %q", c.p, broken)
		}
	}
	w := &world{replicas: replicas}
	two := []prediction{{sent: 1, got: 1, version: first, answer: 0.5}, {sent: 1, got: 1, version: first, answer: 0.6}}
	if broken, _, _ := w.stale(forces(j, o), two); broken == nil {
		t.Error("one version gave two answers, and nobody saw it")
	}
	if inTurn([]reading{{generation: 2}, {generation: 3}, {life: 1, generation: 2}}) != nil || inTurn([]reading{{generation: 3}, {generation: 2}}) == nil {
		t.Error("what replicas show is judged wrongly")
	}
}

// TestWhoIsExcused: a reset is, where the replica was stopped and the connection was new, and
// silent for five seconds, of which some may have passed before the stop.
func TestWhoIsExcused(t *testing.T) {
	t.Parallel()
	const s, reset = time.Second, "read: connection reset by peer"
	w := &world{replicas: []*replica{{}, {}}, faults: []fault{{stopped, 1, 5 * s, 9900 * time.Millisecond}}}
	for _, c := range []struct {
		p       prediction
		excused bool
	}{
		{prediction{sent: 5100 * time.Millisecond, got: 9900 * time.Millisecond, replica: 1, first: true, silent: 300 * time.Millisecond, failed: reset}, true},
		{prediction{sent: 5100 * time.Millisecond, got: 9900 * time.Millisecond, replica: 1, first: true, failed: reset}, false},
		{prediction{sent: 5100 * time.Millisecond, got: 9900 * time.Millisecond, replica: 1, silent: s, failed: reset}, false},
		{prediction{sent: 5100 * time.Millisecond, got: 9900 * time.Millisecond, first: true, silent: s, failed: reset}, false},
		{prediction{sent: 5100 * time.Millisecond, got: 9900 * time.Millisecond, replica: 1, first: true, silent: s, failed: "503"}, false},
	} {
		w.predictions = []prediction{c.p}
		r := &report{}
		if broken := w.failures(r); (len(broken) == 0) != c.excused || (r.Overslept == 1) != c.excused {
			t.Errorf("%+v: %v", c.p, broken)
		}
	}
}

func TestMiscountedVerdictsAreSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a               audit
		misses, exceeds bool
	}{
		{audit{Answered: [2]uint64{5, 5}, Judged: [2]uint64{5, 5}}, false, false},
		{audit{Answered: [2]uint64{5, 5}, Judged: [2]uint64{4, 5}}, true, false},
		{audit{Answered: [2]uint64{5, 5}, Judged: [2]uint64{4, 5}, Lost: [2]uint64{1, 0}}, false, false},
		{audit{Answered: [2]uint64{5, 5}, Judged: [2]uint64{5, 6}}, false, true},
		{audit{Answered: [2]uint64{5, 5}, Judged: [2]uint64{5, 6}, Open: 1}, false, false},
		{audit{Answered: [2]uint64{5, 5}, Judged: [2]uint64{6, 6}, Open: 1}, false, true},
	} {
		if c.a.misses() != c.misses || c.a.exceeds() != c.exceeds {
			t.Errorf("%+v: too few %v, too many %v", c.a, c.a.misses(), c.a.exceeds())
		}
	}
	// By hand: means 2 and 6 ms, variances 1 and 4 (n-1), three of each.
	var all []prediction
	for _, ms := range []int64{1, 2, 3, 4, 6, 8} {
		all = append(all, prediction{latency: ms * 1e6, canary: ms > 3})
	}
	v := welch(all)
	if v.Samples.Stable != 3 || v.StableMS != 2 || v.CanaryMS != 6 || v.Difference != 4 || v.T < 3.0983 || v.T > 3.0984 || v.DF < 2.941 || v.DF > 2.942 {
		t.Errorf("%+v", v)
	}
}

// TestANewConnection: a connection that the transport opened for one request and kept for
// another is new to the one that is first to ask on it.
func TestANewConnection(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	var asked, opened atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 { // the last on the first connection
			w.Header().Set("Connection", "close")
		}
		<-hold
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(s.Close)
	opening, let, never := make(chan struct{}, 3), make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(never) })
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		opening <- struct{}{}
		switch opened.Add(1) {
		case 1:
		case 2: // it is there after its request went out on the first
			<-let
		default:
			<-never
		}
		return dial(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	var p [3]prediction
	var failed [3]error
	send := func(i int) func() {
		return func() {
			failed[i] = ask(t.Context(), &http.Client{Transport: transport}, &program.Server{URL: s.URL}, &p[i])
		}
	}
	var wg sync.WaitGroup
	wg.Go(send(0))
	<-opening
	wg.Go(send(1))
	<-opening
	close(hold)
	wg.Wait()
	close(let)
	send(2)()
	if err := errors.Join(failed[:]...); err != nil {
		t.Fatal(err)
	}
	if !p[0].first || p[1].first || !p[2].first {
		t.Errorf("new connections: %+v", p)
	}
}
