package sim

import (
	"fmt"
	"slices"
	"time"

	"serin/internal/rollout"
)

// Scenario is one kind of canary, and what it flies through.
type Scenario struct {
	// Plan is what the deploy asks for: weight, period, levels and margins.
	Plan rollout.Plan `json:"plan"`
	// Weights are the shares that an operator gives the canary later, each after
	// an equal part of the period: with two of them, after one third and two.
	Weights []rollout.Weight `json:"weights,omitempty"`
	// LookEvery is the time between two looks.
	LookEvery time.Duration `json:"look_every"`
	// Rate is how many requests arrive in a second, on average.
	Rate float64 `json:"rate"`
	// Baseline is how many requests stable has answered alone before the canary
	// goes live: its frozen reference. 0 is none, as after a deploy at start.
	Baseline int `json:"baseline"`
	// Law is how long predictions take.
	Law Law `json:"law"`
	// Errors is the share of requests that fail, in both arms.
	Errors float64 `json:"errors"`
	// Scores says whether answers have a score: a probability, the logistic of a
	// normal with mean -1 and standard deviation 1.
	Scores bool `json:"scores"`
	// Load slows both arms alike, and changes every 10 s.
	Load Wander `json:"load,omitzero"`
	// Rise makes everything slower steadily: at the end of the period each request
	// takes 1 + Rise times as long as at its begin.
	Rise float64 `json:"rise,omitempty"`
	// Sessions is the standard deviation of an effect on ln latency that about ten
	// requests in a row share; each of them is dealt to its arm by itself.
	Sessions float64 `json:"sessions,omitempty"`
	// Canary is what is wrong with the canary.
	Canary Fault `json:"canary,omitzero"`
	// EndWhen ends a run once all of these were reached: nothing more is to be
	// learned from it then. Empty flies every run to its end.
	EndWhen []Mark `json:"end_when,omitempty"`
}

// Wander is an autoregressive process of order one on ln latency: each 10 s
//
//	x' = Rho x + sqrt(1 - Rho²) SD z,  z standard normal
//
// so that its standard deviation is SD at all times.
type Wander struct {
	SD  float64 `json:"sd"`
	Rho float64 `json:"rho"`
}

// Fault is how the canary differs from stable; the zero value not at all.
type Fault struct {
	// Slowdown makes each of its latencies longer by this share: 0.1 is 10 %.
	Slowdown float64 `json:"slowdown,omitempty"`
	// Outliers is a share of its requests, beside the law's, that takes the law's
	// Factor times as long: a worse tail.
	Outliers float64 `json:"outliers,omitempty"`
	// Errors is a share of its requests that fails, beside the scenario's.
	Errors float64 `json:"errors,omitempty"`
	// Shift moves its scores by this many standard deviations.
	Shift float64 `json:"shift,omitempty"`
	// ColdStart makes its i-th request, from 0, take 1 + 2 exp(-i/20) times as long.
	ColdStart bool `json:"cold_start,omitempty"`
	// Disturbance is a noisy neighbour: a load that only the canary's process has.
	Disturbance Wander `json:"disturbance,omitzero"`
}

// Check says what is wrong with a scenario; nil if nothing is.
func (s *Scenario) Check() error {
	const most = 1e8 // requests in one run; more take minutes
	if err := s.Plan.Check(); err != nil {
		return err
	}
	if err := s.Law.check(); err != nil {
		return err
	}
	for i, w := range s.Weights {
		before := s.Plan.Weight
		if i > 0 {
			before = s.Weights[i-1]
		}
		if w == before {
			return fmt.Errorf("the weight %v is given twice in a row", w)
		}
	}
	switch {
	case s.LookEvery <= 0:
		return fmt.Errorf("the time between looks, %v, is not above 0", s.LookEvery)
	case !(s.Rate > 0):
		return fmt.Errorf("the rate of %v requests a second is not above 0", s.Rate)
	case s.Baseline < 0:
		return fmt.Errorf("a baseline of %d requests is negative", s.Baseline)
	case !(s.Rate*s.Plan.Period.Seconds()+float64(s.Baseline) <= most):
		return fmt.Errorf("%v requests a second for %v are more than the %g requests that one run may have", s.Rate, s.Plan.Period, most)
	case !share(s.Errors) || !share(s.Errors+s.Canary.Errors) || !share(s.Canary.Errors):
		return fmt.Errorf("the error rates %v and %v are not between 0 and 1", s.Errors, s.Errors+s.Canary.Errors)
	case !(s.Rise >= 0 && s.Rise <= 1000):
		return fmt.Errorf("a rise of the load by %v is not between 0 and 1000", s.Rise)
	case !(s.Sessions >= 0 && s.Sessions <= 3):
		return fmt.Errorf("the sessions' standard deviation %v is not between 0 and 3", s.Sessions)
	case s.Load.check() != nil:
		return fmt.Errorf("the load: %w", s.Load.check())
	}
	return s.Canary.check()
}

func (f *Fault) check() error {
	switch {
	case !(f.Slowdown > -1 && f.Slowdown <= 1000):
		return fmt.Errorf("a slowdown by %v is not above -1 and at most 1000", f.Slowdown)
	case !share(f.Outliers):
		return fmt.Errorf("the canary's share of outliers %v is not between 0 and 1", f.Outliers)
	case !(f.Shift >= -100 && f.Shift <= 100):
		return fmt.Errorf("a shift of the scores by %v is not between -100 and 100", f.Shift)
	case f.Disturbance.check() != nil:
		return fmt.Errorf("the disturbance: %w", f.Disturbance.check())
	}
	return nil
}

func (w Wander) check() error {
	if !(w.SD >= 0 && w.SD <= 3 && w.Rho >= 0 && w.Rho < 1) {
		return fmt.Errorf("sd %v is not between 0 and 3, or rho %v not between 0 and 1", w.SD, w.Rho)
	}
	return nil
}

// Strict takes out of a plan everything that makes alarms rarer: margins,
// floors and the initial delay. What is left is the bare tests at their level.
func Strict(p rollout.Plan) rollout.Plan {
	p.MinSlowdown, p.MinEffect, p.MinDrift, p.InitialDelay = 0, 0, 0, 0
	return p
}

// ends says whether a run that has reached these moments may end.
func (s *Scenario) ends(run *Run) bool {
	return len(s.EndWhen) > 0 && !slices.ContainsFunc(s.EndWhen, func(m Mark) bool { return !run.Reached(m) })
}
