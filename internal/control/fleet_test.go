package control

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/rollout"
)

func TestARollbackAtOneReplicaIsInForceOnAll(t *testing.T) {
	t.Parallel()
	harbour(t, 3, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		w.want("install deploy loaded", "v1 and v2", "v1", "v1")
		pass(time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2", "v1 and v2")
		w.must(2, rollout.Rollback, "")
		pass(time.Second)
		w.want("install deploy loaded rollback", "v1", "v1", "v1")
		w.must(1, rollout.Deploy, "v3")
		pass(time.Second)
		w.traffic(30, 0)
		w.must(2, rollout.Promote, "")
		pass(time.Second)
		w.want("install deploy loaded rollback deploy loaded promote", "v3", "v3", "v3")
		if got := w.ships[0].Peek().State; got.Generation != 7 || got.Stable.Name != "v3" {
			t.Errorf("replica 1 stands at %+v", got)
		}
	})
}

func TestACommitIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &fleetWorld{t: t, shore: &shore{rows: map[string]Row{}, replicas: map[string]Replica{}}}
		for range 3 {
			s := &ship{link: &link{shore: w.shore}, cars: &garage{baseline: usual()}}
			w.ships = append(w.ships, s)
			w.board(s, Start{})
		}
		w.must(0, rollout.Deploy, "v2")
		synctest.Wait()
		w.want("install deploy loaded", "v1 and v2", "v1 and v2", "v1 and v2")
		w.must(1, rollout.Rollback, "")
		synctest.Wait()
		w.want("install deploy loaded rollback", "v1", "v1", "v1")
		for _, s := range w.ships {
			s.halt()
		}
	})
}

// TestTheVerdictIsOverAllReplicas also counts those that died.
func TestTheVerdictIsOverAllReplicas(t *testing.T) {
	t.Parallel()
	harbour(t, 3, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(2 * time.Second)
		sent := 0
		for second := range 30 {
			sent += w.traffic(3, 30*time.Millisecond)
			pass(time.Second)
			if second == 12 {
				w.ships[0].kill() // it leads
				w.ships[0].cars = &garage{}
			}
		}
		h, err := w.ships[2].Check(w.t.Context())
		if err != nil || h.Result.Stable.Count != uint64(sent) || h.Result.Canary.Count != uint64(sent) || h.Result.Verdict != rollout.Fail || h.Look != 1 {
			t.Errorf("%d and %d observations, want %d; %s, look %d: %v", h.Result.Stable.Count, h.Result.Canary.Count, sent, h.Result.Verdict, h.Look, err)
		}
		// Nobody led for a lease and a beat, and the first leader saved its time with its last look.
		if h.Elapsed < 32*time.Second-6*time.Second-watchEvery || h.Elapsed > 32*time.Second {
			t.Errorf("%v of the period in 32 s, of which nobody led for 6", h.Elapsed)
		}
		pass(time.Second)
		if h, _ = w.ships[1].Check(w.t.Context()); h.Look != 2 || h.Result.Canary.Count != uint64(sent) {
			t.Errorf("look %d at replica 2 over %d", h.Look, h.Result.Canary.Count)
		}
		w.must(1, rollout.Rollback, "")
		pass(time.Second)
		last := w.shore.journal[len(w.shore.journal)-1]
		if stable, canary := last.Evidence.Total(); stable.Count != uint64(sent) || canary.Count != uint64(sent) || !strings.Contains(w.shore.events(), "alert") {
			t.Errorf("the decision was made from %d and %d observations: %s", stable.Count, canary.Count, w.shore.events())
		}
	})
}

// TestTwoDecideAtOnce: one is first, and the other one hears that.
func TestTwoDecideAtOnce(t *testing.T) {
	t.Parallel()
	harbour(t, 3, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(time.Second)
		w.traffic(30, 0)
		var told [3]error
		var all sync.WaitGroup
		for i, s := range w.ships {
			kind := []rollout.Kind{rollout.Promote, rollout.Rollback, rollout.Rollback}[i]
			all.Go(func() { _, told[i] = s.do(kind, "") })
		}
		all.Wait()
		pass(2 * time.Second)
		ended := 0
		for i, err := range told {
			if err == nil {
				ended++
			} else if code(err) != "no_canary" {
				t.Errorf("replica %d: %v", i+1, err)
			}
		}
		if events := w.shore.events(); ended != 1 || len(strings.Fields(events)) != 4 {
			t.Errorf("%d decisions: %s", ended, events)
		}
		for i, s := range w.ships {
			if got := s.cars.routes(); strings.Contains(got, "and") || got != w.ships[0].cars.routes() {
				t.Errorf("replica %d routes to %s", i+1, got)
			}
		}
	})
}

// TestARollbackGetsThrough while the others change the share all the time.
func TestARollbackGetsThrough(t *testing.T) {
	t.Parallel()
	harbour(t, 3, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(time.Second)
		var all sync.WaitGroup
		for i := range 2 {
			all.Go(func() {
				for n := range 10 {
					_ = w.ships[i].weigh(rollout.Weight(1000*(i+1) + n))
				}
			})
		}
		all.Go(func() { w.must(2, rollout.Rollback, "") })
		all.Wait()
		pass(time.Second)
		if events := w.shore.events(); strings.Count(events, "rollback") != 1 || strings.Contains(events, "rollback reweigh") {
			t.Errorf("journal: %s", events)
		}
	})
}

// TestAShareChangesWhileOneReplicaIsCutOff: what it deals by the old share is the
// old share's, also when it is told late, and the split is not called wrong.
func TestAShareChangesWhileOneReplicaIsCutOff(t *testing.T) {
	t.Parallel()
	harbour(t, 3, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(2 * time.Second)
		w.traffic(50, 0)
		pass(2 * time.Second)
		w.ships[1].link.set(true, false)
		if err := w.ships[2].weigh(9000); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		for range 20 {
			for i, s := range w.ships {
				stable := 1
				if i == 1 { // half and half, as it knows it
					stable = 5
				}
				for k := range 10 {
					arm := s.cars.canary
					if k < stable {
						arm = s.cars.stable
					}
					arm.Begin()
					arm.Observe(100*time.Millisecond, 0.5)
				}
			}
			pass(time.Second)
		}
		w.ships[1].link.set(false, false)
		pass(3 * time.Second)
		h, err := w.ships[0].Check(w.t.Context())
		if err != nil || h.Watch.Verdict == rollout.Invalid {
			t.Errorf("%v: %s", err, h.Watch.Sentence)
		}
		pass(watchEvery + time.Second) // it is saved with the next look
		e := w.shore.memory.evidence
		var by []string
		counts := map[uint32][2]uint64{}
		for _, s := range e.Stages {
			by = append(by, fmt.Sprint(s.Share))
			c := counts[s.Share]
			counts[s.Share] = [2]uint64{c[0] + s.Stable.Count, c[1] + s.Canary.Count}
		}
		want := map[uint32][2]uint64{5000: {150 + 100, 150 + 100}, 9000: {40, 360}}
		if !maps.Equal(counts, want) {
			t.Errorf("stages of %s hold %v, want %v", strings.Join(by, ", "), counts, want)
		}
	})
}

func TestACutOffReplicaServesStableOnly(t *testing.T) {
	t.Parallel()
	harbour(t, 3, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(2 * time.Second)
		cut := w.ships[1]
		sent := w.traffic(20, 0)
		pass(2 * time.Second)
		cut.link.set(true, false)
		sent += w.traffic(20, 0)
		pass(time.Minute)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2", "v1 and v2")
		if _, err := cut.do(rollout.Rollback, ""); code(err) != string(StoreDown) {
			t.Errorf("a rollback that the store never hears: %v", err)
		}
		pass(time.Minute + 2*time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1", "v1 and v2")
		if _, err := cut.do(rollout.Promote, ""); code(err) != string(StoreDown) || !strings.Contains(err.Error(), "stable only") {
			t.Errorf("while it is cut off: %v", err)
		}
		if h := cut.Peek(); !strings.Contains(h.Here, "stable only") || h.State.Rollout == nil {
			t.Errorf("it says %q of itself", h.Here)
		}
		cut.link.set(false, false)
		pass(2 * time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2", "v1 and v2")
		sent += w.traffic(20, 0)
		pass(time.Second)
		if h, err := cut.Check(w.t.Context()); err != nil || h.Result.Canary.Count != uint64(sent) || h.Here != "" {
			t.Errorf("%d observations, want %d; %q: %v", h.Result.Canary.Count, sent, h.Here, err)
		}
		cut.link.set(true, false)
		w.must(0, rollout.Rollback, "")
		pass(3 * time.Minute)
		cut.link.set(false, false)
		pass(2 * time.Second)
		w.want("install deploy loaded rollback", "v1", "v1", "v1")
	})
}

// TestAnAnswerIsLost: a commit that nobody heard of is found, and followed.
func TestAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(time.Second)
		w.shore.tear()
		if _, err := w.ships[1].do(rollout.Rollback, ""); !strings.Contains(err.Error(), "not known") {
			t.Errorf("told: %v", err)
		}
		pass(time.Second)
		w.want("install deploy loaded rollback", "v1", "v1")
		w.ships[1].link.set(false, true) // what it counts arrives, and it does not hear so
		if _, err := w.ships[1].do(rollout.Drill, ""); code(err) != string(StoreDown) {
			t.Errorf("without an answer: %v", err)
		}
		w.ships[1].link.set(false, false)
		w.shore.tear()
		if _, err := w.ships[1].do(rollout.Deploy, "v3"); !strings.Contains(err.Error(), "not known") {
			t.Errorf("told: %v", err)
		}
		pass(3 * time.Second)
		w.want("install deploy loaded rollback deploy loaded", "v1 and v3", "v1 and v3")
	})
}

func TestACanaryThatOneReplicaCannotLoad(t *testing.T) {
	t.Parallel()
	harbour(t, 1, func(w *fleetWorld) {
		refuse := map[string]error{"v2": &Fault{Code: StoreDown, Detail: "its copy cannot be read", Next: "Look."}}
		odd := w.launch(Start{}, refuse)
		w.must(0, rollout.Deploy, "v2")
		pass(2 * time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1")
		if h := odd.Peek(); !strings.Contains(h.Here, "its copy cannot be read") {
			t.Errorf("it says %q of itself", h.Here)
		}
		pass(2 * time.Second)
		w.shore.mu.Lock()
		told := w.shore.replicas["replica-2"].Status
		w.shore.mu.Unlock()
		var status map[string]standing
		if err := json.Unmarshal(told, &status); err != nil || status["churn"].Here == "" {
			t.Errorf("it tells the others %s: %v", told, err)
		}
		odd.cars.mu.Lock()
		delete(refuse, "v2")
		odd.cars.mu.Unlock()
		pass(bringAgain + 2*time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
	})
}

// TestAVersionIsTriedMoreAndMoreSeldom where it cannot be loaded; another one is not kept
// waiting for it.
func TestAVersionIsTriedMoreAndMoreSeldom(t *testing.T) {
	t.Parallel()
	harbour(t, 1, func(w *fleetWorld) {
		odd := w.launch(Start{}, map[string]error{"v2": &Fault{Code: StoreDown, Detail: "its copy cannot be read", Next: "Look."}})
		w.must(0, rollout.Deploy, "v2")
		tries := func() (n int) {
			odd.cars.mu.Lock()
			defer odd.cars.mu.Unlock()
			for _, name := range odd.cars.loads {
				if name == "v2" {
					n++
				}
			}
			return n
		}
		pass(10 * time.Minute)
		if n := tries(); n < 6 || n > 9 {
			t.Errorf("tried %d times in ten minutes", n)
		}
		pass(40 * time.Minute)
		if n := tries(); n < 13 || n > 18 {
			t.Errorf("tried %d times in fifty minutes", n)
		}
		odd.link.set(true, false) // it hears of both at once
		w.must(0, rollout.Rollback, "")
		w.must(0, rollout.Deploy, "v3")
		odd.link.set(false, false)
		pass(3 * time.Second)
		w.want("install deploy loaded rollback deploy loaded", "v1 and v3", "v1 and v3")
	})
}

// TestACanaryThatIsNotMissingAnyMore: what could not be loaded is no trouble once it is
// rolled back.
func TestACanaryThatIsNotMissingAnyMore(t *testing.T) {
	t.Parallel()
	harbour(t, 1, func(w *fleetWorld) {
		odd := w.launch(Start{}, map[string]error{"v2": &Fault{Code: StoreDown, Detail: "its copy cannot be read", Next: "Look."}})
		w.must(0, rollout.Deploy, "v2")
		pass(2 * time.Second)
		if h := odd.Peek(); h.Here == "" {
			t.Error("it says that it serves what was decided")
		}
		w.must(0, rollout.Rollback, "")
		pass(2 * time.Second)
		w.want("install deploy loaded rollback", "v1", "v1")
		if h := odd.Peek(); h.Here != "" {
			t.Errorf("after the rollback it says %q of itself", h.Here)
		}
	})
}

// TestAReplicaThatDiesWhileItLoads: nobody else opens that file.
func TestAReplicaThatDiesWhileItLoads(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		driver := w.launch(Start{}, nil)
		driver.cars.hold = make(chan struct{})
		go func() { _, _ = driver.do(rollout.Deploy, "v2") }()
		pass(10 * time.Second)
		w.want("install deploy", "v1", "v1", "v1")
		if got := w.ships[1].cars.loads; !slices.Equal(got, []string{"v1"}) {
			t.Errorf("another replica has loaded %v", got)
		}
		driver.kill()
		pass(leaseOfTest + goneAfter + 2*attendEvery)
		w.want("install deploy crash", "v1", "v1")
		state := w.ships[0].Peek().State
		if past := state.Recall("v2"); past == nil || !past.Quarantined {
			t.Errorf("remembered: %+v", past)
		}
	})
}

// TestAStoreThatForgotIsNotBelieved: neither while a replica runs, nor at its start.
func TestAStoreThatForgotIsNotBelieved(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(2 * time.Second)
		known := w.ships[1].Peek().State
		older := rollout.State{Model: "churn", Generation: 1, Phase: rollout.Idle, Stable: known.Stable}
		w.shore.memory.mu.Lock()
		before := w.shore.memory.state
		w.shore.memory.state = older
		w.shore.memory.mu.Unlock()
		pass(2 * time.Second)
		for i, s := range w.ships {
			if _, err := s.do(rollout.Rollback, ""); code(err) != string(StoreDown) || !strings.Contains(err.Error(), "older") {
				t.Errorf("replica %d: %v", i+1, err)
			}
		}
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
		w.launch(Start{Last: &known}, nil)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2", "v1")
		pass(2*time.Minute + 2*time.Second)
		w.want("install deploy loaded", "v1", "v1", "v1")
		w.shore.memory.mu.Lock()
		w.shore.memory.state = before
		w.shore.memory.mu.Unlock()
		pass(2 * time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2", "v1 and v2")
		w.shore.mu.Lock()
		w.shore.forgot = true // another store, as far along
		w.shore.mu.Unlock()
		if _, err := w.ships[0].do(rollout.Rollback, ""); code(err) != string(StoreDown) || !strings.Contains(err.Error(), "serin doctor") {
			t.Errorf("in another store: %v", err)
		}
	})
}

// TestAStartWithoutTheStore serves what was stable, and goes on when it is heard.
func TestAStartWithoutTheStore(t *testing.T) {
	t.Parallel()
	harbour(t, 1, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		pass(time.Second)
		known := w.ships[0].Peek().State
		late := &ship{link: &link{shore: w.shore, mute: true, cut: true}, cars: &garage{baseline: usual()}}
		w.ships = append(w.ships, late)
		w.board(late, Start{Last: &known})
		pass(5 * time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1")
		if _, err := late.do(rollout.Rollback, ""); code(err) != string(StoreDown) {
			t.Errorf("without the store: %v", err)
		}
		late.link.set(false, false)
		pass(2 * time.Second)
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
	})
}

func TestWhoIsToBlame(t *testing.T) {
	t.Parallel()
	live := rollout.State{Phase: rollout.Live, Rollout: &rollout.Rollout{ID: "r7", By: "a/1"}}
	loading, other := live, live
	loading.Phase = rollout.Loading
	other.Rollout = &rollout.Rollout{ID: "r6"}
	tests := map[string]struct {
		state rollout.State
		start Start
		want  rollout.Kind
	}{
		"a fresh replica":                  {live, Start{}, ""},
		"a fresh one that was killed":      {live, Start{Killed: true, Crash: "panic"}, ""},
		"it crashed":                       {live, Start{Last: &live, Killed: true, Crash: "panic"}, rollout.Crash},
		"it crashed, of two canaries":      {live, Start{Last: &live, Killed: true, Crash: "panic", Suspects: []string{"a", "b"}}, rollout.Rollback},
		"it crashed in an earlier rollout": {live, Start{Last: &other, Killed: true, Crash: "panic"}, ""},
		"it was killed":                    {live, Start{Last: &live, Killed: true, Kills: 2}, ""},
		"it was killed again and again":    {live, Start{Last: &live, Killed: true, Kills: 3}, rollout.Crash},
		"it was killed while it loaded":    {loading, Start{Last: &loading, Was: "a/1", Killed: true}, rollout.Crash},
		"it stopped while it loaded":       {loading, Start{Last: &loading, Was: "a/1"}, rollout.LoadRefused},
		"another one loads":                {loading, Start{Last: &loading, Was: "b/1", Killed: true, Crash: "panic"}, ""},
		"there is no rollout":              {rollout.State{Phase: rollout.Idle}, Start{Last: &live, Killed: true, Crash: "panic"}, ""},
	}
	for name, tt := range tests {
		if e, found := blame(&tt.state, tt.start); found != (tt.want != "") || found && e.Kind != tt.want {
			t.Errorf("%s: %s, %v", name, cmp.Or(e.Kind, "nothing"), found)
		}
	}
}

// TestWhatCannotBeAddedUp: evidence that stands still ends no period, and promotes
// nothing.
func TestWhatCannotBeAddedUp(t *testing.T) {
	t.Parallel()
	harbour(t, 2, func(w *fleetWorld) {
		p := plan
		p.Period, p.AtEnd = time.Minute, rollout.PromoteAtEnd
		c := Command{Kind: rollout.Deploy, Actor: "ana", Source: Source{Path: "v2"}, Plan: p}
		if _, err := w.ships[0].Do(w.t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			pass(time.Second)
			w.traffic(50, 0)
		}
		if h := w.ships[0].Peek(); h.Result.Verdict != rollout.Pass {
			t.Fatalf("%s", h.Result.Verdict)
		}
		odd := Row{Model: "churn", Rollout: w.ships[0].Peek().Rollout.ID, Replica: "newer", Epoch: 1, Data: []byte("another code")}
		w.shore.mu.Lock()
		w.shore.rows[odd.Replica] = odd
		w.shore.mu.Unlock()
		for range 120 {
			pass(time.Second)
			w.traffic(50, 200*time.Millisecond)
		}
		w.want("install deploy loaded", "v1 and v2", "v1 and v2")
		w.shore.mu.Lock()
		delete(w.shore.rows, odd.Replica)
		w.shore.mu.Unlock()
		pass(time.Minute)
		if h := w.ships[0].Peek(); h.State.Phase != rollout.Due || h.Elapsed < p.Period || h.Elapsed > 2*p.Period {
			t.Errorf("when all is added up again: %s after %v, %s", h.State.Phase, h.Elapsed, w.shore.events())
		}
	})
}

// TestMuchToSay: a replica that has more to say of itself than the store takes is
// heard all the same.
func TestMuchToSay(t *testing.T) {
	t.Parallel()
	harbour(t, 1, func(w *fleetWorld) {
		w.launch(Start{}, map[string]error{"v2": errors.New(strings.Repeat("no ", mostStatus))})
		w.must(0, rollout.Deploy, "v2")
		pass(5 * time.Second)
		w.shore.mu.Lock()
		defer w.shore.mu.Unlock()
		if r := w.shore.replicas["replica-2"]; time.Since(r.Heard) > 2*beatEvery || len(r.Status) > mostStatus {
			t.Errorf("%d bytes, heard %v ago", len(r.Status), time.Since(r.Heard))
		}
	})
}

// TestACrashReportThatIsNoText, as after a power failure, is no reason not to start:
// PostgreSQL keeps nothing but text.
func TestACrashReportThatIsNoText(t *testing.T) {
	t.Parallel()
	harbour(t, 1, func(w *fleetWorld) {
		w.must(0, rollout.Deploy, "v2")
		known := w.ships[0].Peek().State
		w.launch(Start{Last: &known, Killed: true, Crash: "panic: \xff\x00"}, nil)
		if last := w.shore.journal[len(w.shore.journal)-1]; last.Event != rollout.Crash || !strings.HasSuffix(last.Reason, "panic: ??") {
			t.Errorf("%s: %q", last.Event, last.Reason)
		}
	})
}

// TestWhatIsBeingLoaded is said from the first moment on: nobody takes a replica for one
// that serves the canary before it does.
func TestWhatIsBeingLoaded(t *testing.T) {
	t.Parallel()
	harbour(t, 1, func(w *fleetWorld) {
		late := &ship{link: &link{shore: w.shore}, cars: &garage{baseline: usual(), hold: make(chan struct{})}}
		w.ships = append(w.ships, late)
		w.board(late, Start{})
		pass(beatEvery / 2)
		w.must(0, rollout.Deploy, "v2")
		synctest.Wait() // it has heard of that, and its next second has not come
		if h := late.Peek(); !h.State.Phase.Split() || h.Here == "" {
			t.Errorf("in %s it says %q of itself", h.State.Phase, h.Here)
		}
		close(late.cars.hold)
		synctest.Wait()
		if h := late.Peek(); h.Here != "" || late.cars.routes() != "v1 and v2" {
			t.Errorf("%q, %s", h.Here, late.cars.routes())
		}
	})
}
