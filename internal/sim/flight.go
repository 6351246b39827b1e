package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
	"serin/internal/route"
)

// flight is one run in progress. It is used again for the next run, so that its
// memory is not asked for again.
type flight struct {
	scenario *Scenario
	monitor  *judge.Monitor
	source   rand.PCG
	random   *rand.Rand
	weather  weather

	state   rollout.State
	table   *route.Table
	arms    struct{ stable, canary route.Arm }
	trail   *record.Trail
	stable  record.Arm // cumulative, as a gauge's snapshot
	canary  record.Arm
	flying  []request // started and not ended
	now     time.Duration
	arrival time.Duration // of the next request
	nth     int           // requests that the canary has got
	run     Run
}

// request is one that has not ended yet.
type request struct {
	end     time.Duration
	latency time.Duration
	score   float64
	canary  bool
	failed  bool
}

// window is how often the trail is told what was observed, and how often the
// weather changes. The canary goes live at time 0; time before it is negative.
const window = 10 * time.Second

// epoch is when every canary of the simulator goes live.
var epoch = time.Unix(0, 0).UTC()

func newFlight(s *Scenario) *flight {
	f := &flight{scenario: s, monitor: judge.NewMonitor(s.Plan)}
	f.random = rand.New(&f.source)
	f.arms.stable.Role, f.arms.canary.Role = route.Stable, route.Canary
	return f
}

// fly carries out one run.
func (f *flight) fly(seed, number uint64) (Run, error) {
	f.source.Seed(seed, number)
	f.state, f.run, f.nth, f.flying = rollout.State{Model: "sim"}, Run{}, 0, f.flying[:0]
	f.weather.begin(f.scenario, f.random)
	if err := f.happens(rollout.Event{Kind: rollout.Install, Actor: "sim", Version: rollout.Version{Name: "v1", SHA256: "1"}}); err != nil {
		return Run{}, err
	}
	reference := f.baseline()
	for _, e := range []rollout.Event{
		{Kind: rollout.Deploy, Actor: "sim", Version: rollout.Version{Name: "v2", SHA256: "2"}, Plan: f.scenario.Plan},
		{Kind: rollout.Loaded, Actor: "sim"},
	} {
		if err := f.happens(e); err != nil {
			return Run{}, err
		}
	}
	f.trail = record.NewTrail(record.Evidence{}, uint32(f.state.Rollout.Weight), reference, f.scenario.Plan.InitialDelay)
	if err := f.observe(); err != nil {
		return Run{}, fmt.Errorf("run %d, %v after its canary went live: %w", number, f.now, err)
	}
	return f.run, nil
}

// happens gives an event to the law and does what it asks for.
func (f *flight) happens(e rollout.Event) error {
	next, effects, err := rollout.Next(f.state, e, epoch.Add(f.now))
	if err != nil {
		return fmt.Errorf("the law refuses %s: %w", e.Kind, err)
	}
	f.state = next
	for _, effect := range effects {
		if effect == rollout.Reroute {
			f.table = &route.Table{Stable: &f.arms.stable}
			if f.state.Phase.Split() {
				f.table.Canary, f.table.Split = &f.arms.canary, route.NewSplit(f.state.Rollout.Weight, f.random.Uint64())
			}
		}
	}
	return nil
}

// baseline lets stable answer alone until the reference is full, and returns
// it; nil where none is wanted. Afterwards it is time 0 and the gauges are empty.
func (f *flight) baseline() *record.Arm {
	f.stable, f.canary = record.Arm{}, record.Arm{}
	f.now, f.arrival = 0, f.gap()
	wanted := uint64(f.scenario.Baseline)
	for f.stable.Started < wanted {
		f.traffic(f.now+window, wanted-f.stable.Started)
		f.weather.change(f.random, 0)
	}
	f.now, f.arrival = 0, f.gap()
	if wanted == 0 {
		return nil
	}
	f.land(math.MaxInt64) // the last ones are waited for
	reference := f.stable
	f.stable = record.Arm{}
	return &reference
}

// observe is the period of a canary, look by look.
func (f *flight) observe() error {
	s := f.scenario
	look, part := s.LookEvery, s.Plan.Period/time.Duration(len(s.Weights)+1)
	for weights := s.Weights; f.now < s.Plan.Period; {
		until := min(f.now-f.now%window+window, look, s.Plan.Period)
		if len(weights) > 0 {
			until = min(until, part*time.Duration(len(s.Weights)-len(weights)+1))
		}
		f.traffic(until, math.MaxUint64)
		f.trail.Update(&f.stable, &f.canary, f.now)
		if f.now%window == 0 {
			f.weather.change(f.random, f.now)
		}
		if f.now == look {
			look += s.LookEvery
			if err := f.look(); err != nil {
				return err
			}
			if !f.state.Phase.Split() {
				f.run.Outcome = RolledBack
				return nil
			}
			if s.ends(&f.run) {
				f.run.Outcome = Stopped
				return nil
			}
		}
		if len(weights) > 0 && f.now == part*time.Duration(len(s.Weights)-len(weights)+1) {
			if err := f.happens(rollout.Event{Kind: rollout.Reweigh, Actor: "sim", Weight: weights[0]}); err != nil {
				return err
			}
			if err := f.trail.Reweigh(uint32(weights[0])); err != nil {
				return fmt.Errorf("changing the weight: %w", err)
			}
			weights = weights[1:]
		}
	}
	return f.end()
}

// end is the end of the period: the law's last word.
func (f *flight) end() error {
	evidence := f.trail.Evidence()
	found := f.monitor.Judge(&evidence)
	if err := f.happens(rollout.Event{Kind: rollout.PeriodOver, Actor: "sim", Finding: found.Finding}); err != nil {
		return err
	}
	switch {
	case f.state.Phase == rollout.Due && f.state.Rollout.Alarm != nil:
		f.run.Outcome = HeldAlarmed
	case f.state.Phase == rollout.Due:
		f.run.Outcome = Held
	case f.state.Phase == rollout.Idle && f.state.Stable.Name == "v2":
		f.run.Outcome = Promoted
	case f.state.Phase == rollout.Idle:
		f.run.Outcome = RolledBack
	default:
		return errors.New("the period is over and the canary still on trial")
	}
	return nil
}

// traffic lets requests arrive until a time, or until there were as many as
// may, and ends those that are done by then.
func (f *flight) traffic(until time.Duration, most uint64) {
	f.now = until
	f.land(until)
	scale, canarys := f.scenario.Law.scale()*f.weather.shared, f.weather.canary
	for ; f.arrival <= until && most > 0; most-- {
		r, factor := request{score: math.NaN(), canary: f.table.Pick() == &f.arms.canary}, scale*f.weather.session(f.random)
		if r.canary {
			factor *= canarys * f.fault()
			f.canary.Started++
		} else {
			f.stable.Started++
		}
		f.answer(&r)
		r.latency = time.Duration(min(factor*f.scenario.Law.draw(f.random), math.MaxInt64/2))
		if r.end = f.arrival + r.latency; r.end <= until {
			f.finish(&r)
		} else {
			f.flying = append(f.flying, r)
		}
		f.arrival += f.gap()
	}
}

// gap is the time between two arrivals of a Poisson process.
func (f *flight) gap() time.Duration {
	return time.Duration(f.random.ExpFloat64() / f.scenario.Rate * float64(time.Second))
}

// fault is the factor on the latency of the canary's next request, beside that
// which all of its requests share.
func (f *flight) fault() float64 {
	c, factor := &f.scenario.Canary, 1.0
	if c.ColdStart {
		factor += 2 * math.Exp(-float64(f.nth)/20)
	}
	if c.Outliers > 0 && f.random.Float64() < c.Outliers {
		factor *= f.scenario.Law.Factor
	}
	f.nth++
	return factor
}

// answer is what a request will be answered: nothing, or a score.
func (f *flight) answer(r *request) {
	s := f.scenario
	errors, mean := s.Errors, -1.0
	if r.canary {
		errors += s.Canary.Errors
		mean += s.Canary.Shift
	}
	if errors > 0 && f.random.Float64() < errors {
		r.failed = true
	} else if s.Scores {
		r.score = 1 / (1 + math.Exp(-mean-f.random.NormFloat64()))
	}
}

// land ends the requests that are done by a time.
func (f *flight) land(by time.Duration) {
	still := f.flying[:0]
	for i := range f.flying {
		if f.flying[i].end <= by {
			f.finish(&f.flying[i])
		} else {
			still = append(still, f.flying[i])
		}
	}
	f.flying = still
}

func (f *flight) finish(r *request) {
	arm := &f.stable
	if r.canary {
		arm = &f.canary
	}
	if r.failed {
		arm.Failures++
	} else {
		arm.Observe(r.latency, r.score)
	}
}
