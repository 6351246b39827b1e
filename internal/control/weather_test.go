package control

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"serin/internal/rollout"
)

// TestWeather lets three replicas live through what may happen to them: wires cut
// and mended, answers lost, commands at any of them and at once, shares that
// change, and time. When the sky clears all serve the same, each rollout has ended
// once at most, and what was counted is every request of the rollout in progress,
// once.
func TestWeather(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			harbour(t, 3, func(w *fleetWorld) { weather(w, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func weather(w *fleetWorld, rng *rand.Rand) {
	sent := map[string]int{} // by rollout
	for step := range 60 {
		s := w.ships[rng.IntN(3)]
		switch rng.IntN(8) {
		case 0:
			s.link.set(rng.IntN(2) == 0, rng.IntN(3) == 0)
		case 1:
			s.link.set(false, false)
		case 2:
			w.atOnce(rng, fmt.Sprintf("v%d", step+2))
		case 3:
			_ = s.weigh(rollout.Weight(1 + rng.IntN(9000))) // it may be refused
		default:
			for _, s := range w.ships {
				if s.cars.trial != "" && strings.Contains(s.cars.routes(), "and") {
					s.cars.traffic(3, 0)
					sent[s.cars.trial] += 3
				}
			}
		}
		pass(time.Duration(rng.IntN(20_000)) * time.Millisecond)
	}
	for _, s := range w.ships {
		s.link.set(false, false)
	}
	pass(15 * time.Second)
	state := w.shore.state
	for i, s := range w.ships {
		if got := s.cars.routes(); got != w.ships[0].cars.routes() || s.Peek().State.Generation != state.Generation {
			w.t.Errorf("replica %d routes to %s at generation %d of %d", i+1, got, s.Peek().State.Generation, state.Generation)
		}
	}
	ended := map[string]int{}
	for _, e := range w.shore.journal {
		if e.State.Rollout == nil && e.Rollout != "" {
			ended[e.Rollout]++
		}
	}
	for id, n := range ended {
		if n > 1 {
			w.t.Errorf("rollout %s has ended %d times", id, n)
		}
	}
	if !state.Phase.Split() {
		return
	}
	h, err := w.ships[0].Check(w.t.Context())
	if want := uint64(sent[state.Rollout.ID]); err != nil || h.Result.Stable.Count != want || h.Result.Canary.Count != want {
		w.t.Errorf("%d and %d requests of %s are counted, want %d: %v", h.Result.Stable.Count, h.Result.Canary.Count, state.Rollout.ID, want, err)
	}
}

// atOnce gives two commands to two replicas.
func (w *fleetWorld) atOnce(rng *rand.Rand, path string) {
	var all sync.WaitGroup
	for range 2 {
		s, kind := w.ships[rng.IntN(3)], []rollout.Kind{rollout.Deploy, rollout.Deploy, rollout.Rollback, rollout.Drill}[rng.IntN(4)]
		all.Go(func() { _, _ = s.do(kind, path) }) // it may be refused
	}
	all.Wait()
}
