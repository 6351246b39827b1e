package sim

import (
	"math"
	"math/rand/v2"
	"time"
)

// weather is what disturbs latencies, as factors; it changes every window.
type weather struct {
	scenario *Scenario
	// shared is on all requests, canary on the canary's beside it.
	shared, canary float64
	// load and own are the processes behind them, burst the session's factor.
	load, own, burst float64
}

// sessionLength is how many requests in a row belong to a session, on average.
const sessionLength = 10

func (w *weather) begin(s *Scenario, r *rand.Rand) {
	*w = weather{scenario: s, load: s.Load.first(r), own: s.Canary.Disturbance.first(r), burst: 1}
	w.apply(0)
}

// change is the next window's weather; the period began so long ago.
func (w *weather) change(r *rand.Rand, ago time.Duration) {
	w.load, w.own = w.scenario.Load.next(w.load, r), w.scenario.Canary.Disturbance.next(w.own, r)
	w.apply(ago)
}

func (w *weather) apply(ago time.Duration) {
	s := w.scenario
	w.shared = math.Exp(w.load) * (1 + s.Rise*float64(ago)/float64(s.Plan.Period))
	w.canary = math.Exp(w.own) * (1 + s.Canary.Slowdown)
}

// session is the factor of the session that the next request belongs to.
func (w *weather) session(r *rand.Rand) float64 {
	if sd := w.scenario.Sessions; sd > 0 && r.Float64() < 1.0/sessionLength {
		w.burst = math.Exp(sd * r.NormFloat64())
	}
	return w.burst
}

// first draws from the stationary law.
func (w Wander) first(r *rand.Rand) float64 {
	if w.SD == 0 {
		return 0
	}
	return w.SD * r.NormFloat64()
}

func (w Wander) next(x float64, r *rand.Rand) float64 {
	if w.SD == 0 {
		return 0
	}
	return w.Rho*x + math.Sqrt(1-w.Rho*w.Rho)*w.SD*r.NormFloat64()
}
