package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// settle is how much observed serving time after a start shows that the
// process can live with its canary; restartLimit is the number of kills in a
// row, each before that, at which the canary is blamed.
const (
	settle       = time.Minute
	restartLimit = 3
)

// move is one legal event in one phase.
type move struct {
	// to are the phases that it may lead to.
	to []Phase
	// do changes the state, sets Phase to one of to, and returns the effects.
	do func(s *State, e Event, now time.Time) ([]Effect, error)
}

// moves is the law. A pair that is not here is refused by refuse.
var moves = map[Phase]map[Kind]move{
	Empty: {
		Install: {to: []Phase{Idle}, do: install},
	},
	Idle: {
		Deploy: {to: []Phase{Loading}, do: deploy},
		Drill:  {to: []Phase{Idle}, do: drill},
	},
	Loading: {
		Loaded:      {to: []Phase{Live}, do: goLive},
		LoadRefused: {to: []Phase{Idle}, do: refuseCanary},
		Rollback:    {to: []Phase{Idle}, do: abandon},
		Drill:       {to: []Phase{Loading}, do: drill},
		Crash:       {to: []Phase{Idle}, do: quarantine},
	},
	Live: {
		Rollback:   {to: []Phase{Idle}, do: rollBack},
		Promote:    {to: []Phase{Idle}, do: promote},
		Drill:      {to: []Phase{Live}, do: drill},
		PeriodOver: {to: []Phase{Due, Idle}, do: periodOver},
		Alert:      {to: []Phase{Live}, do: alert},
		Alarm:      {to: []Phase{Live, Idle}, do: alarm},
		Reweigh:    {to: []Phase{Live}, do: reweigh},
		Resume:     {to: []Phase{Live, Idle}, do: resume},
		Crash:      {to: []Phase{Idle}, do: quarantine},
	},
	Due: {
		Rollback: {to: []Phase{Idle}, do: rollBack},
		Promote:  {to: []Phase{Idle}, do: promote},
		Drill:    {to: []Phase{Due}, do: drill},
		Alert:    {to: []Phase{Due}, do: alert},
		Alarm:    {to: []Phase{Due, Idle}, do: alarm},
		Reweigh:  {to: []Phase{Due}, do: reweigh},
		Resume:   {to: []Phase{Due, Idle}, do: resume},
		Crash:    {to: []Phase{Idle}, do: quarantine},
	},
}

// Next applies an event. It returns the next state, one generation on, and
// what to do once that state is committed; or a *Refusal, and then nothing has
// changed.
func Next(s State, e Event, now time.Time) (State, []Effect, error) {
	m, legal := moves[s.Phase][e.Kind]
	if !legal {
		return s, nil, refuse(s, e)
	}
	next := s.clone()
	effects, err := m.do(&next, e, now)
	if err != nil {
		return s, nil, err
	}
	next.Generation++
	return next, effects, nil
}

func install(s *State, e Event, _ time.Time) ([]Effect, error) {
	s.Stable, s.Phase = e.Version, Idle
	return []Effect{Reroute}, nil
}

func deploy(s *State, e Event, now time.Time) ([]Effect, error) {
	before := s.Recall(e.Version.SHA256)
	if before != nil && before.Quarantined && !e.Force {
		return nil, &Refusal{
			Quarantined,
			fmt.Sprintf("%s is quarantined since %s: %s", e.Version.Name, before.At.UTC().Format(time.RFC3339), before.Reason),
			"Deploy a version with other content, or deploy this one again with force if you know that it is not to blame.",
		}
	}
	s.Rollouts++
	s.Rollout = &Rollout{
		ID:        fmt.Sprintf("r%d", s.Rollouts),
		Canary:    e.Version,
		Plan:      e.Plan,
		Weight:    e.Plan.Weight,
		Requested: now,
		Before:    before,
		Drilled:   s.Slowdown,
		By:        e.Replica,
	}
	s.Phase = Loading
	return []Effect{LoadCanary}, nil
}

func goLive(s *State, _ Event, now time.Time) ([]Effect, error) {
	s.Rollout.Started, s.Phase = now, Live
	return []Effect{Reroute}, nil
}

// abandon ends a rollout whose canary never got a request. It says nothing
// about the version, so nothing is remembered.
func abandon(s *State, e Event, now time.Time) ([]Effect, error) {
	return end(s, e, now), nil
}

// refuseCanary is abandon for a file that is no good: whatever was switched on
// before it was brought stays on.
func refuseCanary(s *State, e Event, now time.Time) ([]Effect, error) {
	slowdown := s.Slowdown
	effects := end(s, e, now)
	s.Slowdown = slowdown
	return effects, nil
}

func rollBack(s *State, e Event, now time.Time) ([]Effect, error) {
	s.remember(Past{SHA256: s.Rollout.Canary.SHA256, Rollout: s.Rollout.ID, At: now, Reason: because(s, e)})
	return end(s, e, now), nil
}

func quarantine(s *State, e Event, now time.Time) ([]Effect, error) {
	s.remember(Past{SHA256: s.Rollout.Canary.SHA256, Rollout: s.Rollout.ID, At: now, Reason: because(s, e), Quarantined: true})
	return end(s, e, now), nil
}

func promote(s *State, e Event, now time.Time) ([]Effect, error) {
	if e.Force {
		if strings.TrimSpace(e.Reason) == "" {
			return nil, &Refusal{ReasonMissing, "a forced promotion overrides the judge and needs a reason", `Give one, for example "reason": "latency was measured elsewhere".`}
		}
	} else if err := fitToPromote(s.Rollout.Alarm, e.Finding); err != nil {
		return nil, err
	}
	s.Stable = s.Rollout.Canary
	s.forget(s.Stable.SHA256)
	return end(s, e, now), nil
}

// fitToPromote wants a pass, and no alarm of before: a canary that was shown to
// be worse is not good because it looks better now.
func fitToPromote(latched *Latched, f Finding) error {
	const decide = "Roll back, or promote with force and a reason."
	switch {
	case latched != nil:
		return &Refusal{CanaryUnhealthy, fmt.Sprintf("an alarm was raised at %s: %s", latched.At.UTC().Format(time.RFC3339), latched.Sentence), decide}
	case f.Verdict == Pass:
		return nil
	case f.Verdict == Fail:
		return &Refusal{CanaryUnhealthy, f.Sentence, decide}
	case f.Verdict == Invalid:
		return &Refusal{EvidenceInvalid, f.Sentence, "Find out why, then roll back and deploy again, or promote with force and a reason."}
	default:
		return &Refusal{EvidenceInsufficient, f.Sentence, "Send more traffic and try again, or promote with force and a reason."}
	}
}

func drill(s *State, _ Event, _ time.Time) ([]Effect, error) {
	s.Slowdown = !s.Slowdown
	if s.Rollout != nil && s.Slowdown {
		s.Rollout.Drilled = true
	}
	return []Effect{Reroute}, nil
}

// periodOver follows the plan. A promotion by plan needs the same as one by
// hand; without it the split is held for somebody to decide.
func periodOver(s *State, e Event, now time.Time) ([]Effect, error) {
	switch s.Rollout.Plan.AtEnd {
	case PromoteAtEnd:
		if fitToPromote(s.Rollout.Alarm, e.Finding) == nil {
			return promote(s, e, now)
		}
	case RollbackAtEnd:
		return rollBack(s, e, now)
	}
	s.Phase = Due
	return nil, nil
}

func alert(s *State, e Event, _ time.Time) ([]Effect, error) {
	if s.Rollout.Alert != nil {
		return nil, &Refusal{Impossible, "this rollout has raised its alert already", "Nothing is to be done."}
	}
	finding := e.Finding
	s.Rollout.Alert = &finding
	return nil, nil
}

// alarm latches, and goes back to stable where the plan says so and the alarm is
// confirmed: then also if it was latched before, as unconfirmed.
func alarm(s *State, e Event, now time.Time) ([]Effect, error) {
	const goOn = "Nothing is to be done."
	r := s.Rollout
	switch {
	case e.Finding.Verdict != Fail:
		return nil, &Refusal{Impossible, fmt.Sprintf("a finding of %q is no alarm", e.Finding.Verdict), goOn}
	case e.Confirmed && r.Plan.OnAlarm == RollbackOnAlarm:
		return rollBack(s, e, now)
	case r.Alarm != nil:
		return nil, &Refusal{Impossible, "the alarm of this rollout is already latched", goOn}
	}
	r.Alarm = &Latched{e.Finding, now}
	return nil, nil
}

func reweigh(s *State, e Event, _ time.Time) ([]Effect, error) {
	r := s.Rollout
	switch {
	case !e.Weight.valid():
		return nil, &Refusal{Impossible, fmt.Sprintf("weight %v is not a share of the traffic", e.Weight), "Nothing was changed."}
	case e.Weight == r.Weight:
		return nil, &Refusal{WeightUnchanged, fmt.Sprintf("canary %s has %v of the requests already", r.Canary.Name, r.Weight), "Name another share."}
	case r.Reweighed >= maxReweighs:
		return nil, &Refusal{
			WeightSettled, fmt.Sprintf("the weight was changed %d times in rollout %s, which is as often as it may be", r.Reweighed, r.ID),
			"Promote or roll back; a rollout that is deployed anew may change it again.",
		}
	}
	r.Shares = append(r.Shares, r.Weight)
	r.Weight = e.Weight
	r.Reweighed++
	return []Effect{Reroute}, nil
}

// resume is the boot-loop breaker. Any start while the canary is live comes
// through here, before the canary is loaded again. A kill says little about
// the canary, so it may happen; but a process that is killed again and again
// before it has served for a minute goes on without it.
func resume(s *State, e Event, now time.Time) ([]Effect, error) {
	r := s.Rollout
	if e.Killed && e.Elapsed-r.ResumedAt < settle {
		r.Restarts++
	} else {
		r.Restarts = 0
	}
	r.ResumedAt = e.Elapsed
	if r.Restarts >= restartLimit {
		e.Reason = fmt.Sprintf("the process was killed %d times in a row within a minute of serving this version", r.Restarts)
		return quarantine(s, e, now)
	}
	return []Effect{Reroute}, nil
}

// end goes back to one version: whichever is Stable by now.
func end(s *State, e Event, now time.Time) []Effect {
	s.Last = &Ended{Rollout: s.Rollout.ID, Version: s.Rollout.Canary.Name, Event: e.Kind, Actor: e.Actor, At: now, Reason: because(s, e)}
	s.Rollout, s.Slowdown, s.Phase = nil, false, Idle
	return []Effect{Reroute}
}

// because is the sentence that Past keeps: the actor's reason, else what the
// judge has or had against the canary, else only who ended it.
func because(s *State, e Event) string {
	against := e.Finding
	if s.Rollout.Alarm != nil && against.Verdict != Fail {
		against = s.Rollout.Alarm.Finding
	}
	switch {
	case e.Reason != "":
		return e.Reason
	case against.Verdict == Fail && s.Rollout.Drilled:
		return against.Sentence + ", in a drill that slowed it down on purpose"
	case against.Verdict == Fail:
		return against.Sentence
	case e.Kind == Promote:
		return e.Finding.Sentence
	case e.Kind == PeriodOver:
		return "its period was over, and its plan said " + string(s.Rollout.Plan.AtEnd)
	default:
		return string(e.Kind) + " by " + e.Actor
	}
}

// refuse finds the sentence for an event that has no move.
func refuse(s State, e Event) *Refusal {
	const deployFirst = "Deploy one first: serin deploy FILE."
	needsLive := slices.Contains([]Kind{Promote, PeriodOver, Alert, Alarm, Reweigh}, e.Kind)
	switch {
	case s.Phase == Empty:
		return &Refusal{NoModel, "no model is installed yet", "Start serin serve with --model FILE."}
	case e.Kind == Deploy:
		return &Refusal{
			CanaryActive,
			fmt.Sprintf("canary %s is active in rollout %s", s.Rollout.Canary.Name, s.Rollout.ID),
			"Promote it or roll it back first; one rollout is judged at a time.",
		}
	case s.Phase == Loading && needsLive:
		return &Refusal{CanaryLoading, fmt.Sprintf("canary %s is still loading", s.Rollout.Canary.Name), "Wait until it is live, or roll back."}
	case s.Rollout == nil && (needsLive || e.Kind == Rollback):
		return &Refusal{NoCanary, "no canary is active", deployFirst}
	default:
		return &Refusal{Impossible, fmt.Sprintf("%s cannot happen while the model is %s", e.Kind, s.Phase), "This is a late answer or a bug in serin; nothing was changed."}
	}
}
