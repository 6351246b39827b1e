package main

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// rolloutState is a model's state as operators can tell it apart.
type rolloutState struct{ stable, canary string }

// crash is what serin decides by itself: it ends a rollout.
const crash = "ended by serin"

// decidesWithin is how long after the time in its row a decision may be durable.
const decidesWithin = 30 * time.Second

// linearizable says whether operators' answers fit any order in which one operation
// after the other is carried out, each between its call and its answer. Whether an
// operation was carried out whose answer does not say so is read in the journal, and so is
// what serin decided by itself: with each of them open the search would not end.
func linearizable(operations []operation, journal []entry, limit time.Duration) porcupine.CheckResult {
	history := make([]porcupine.Operation, 0, len(operations))
	add := func(o operation, from, to time.Duration) {
		history = append(history, porcupine.Operation{Input: o, Call: int64(from), Output: o, Return: int64(to)})
	}
	written := map[string]int{}
	for i := range journal {
		if e := &journal[i]; i > 0 && e.actor == "serin" && journal[i-1].state.Rollout != nil && e.state.Rollout == nil {
			add(settled(journal, i, operation{Kind: crash}), e.at, durableAt(journal, i))
		}
		written[journal[i].actor] = i
	}
	for i := range operations {
		o := &operations[i]
		switch row, found := written[o.Actor]; {
		case o.outcome == unknown || o.code == "rolled_back_while_loading":
			if found {
				add(settled(journal, row, *o), o.call, max(o.call, durableAt(journal, row)))
			}
		case o.outcome == carried, o.outcome == refused && !vague(o, operations):
			add(*o, o.call, o.ret)
		}
	}
	result, _ := porcupine.CheckOperationsVerbose(porcupine.Model{
		Init: func() any { return rolloutState{stable: first} },
		Step: func(state, _, output any) (bool, any) {
			s, known := state.(rolloutState)
			o, answered := output.(operation)
			if !known || !answered {
				return false, state
			}
			return step(s, &o)
		},
	}, history, limit)
	return result
}

// settled is an operation as its row in the journal tells of it.
func settled(journal []entry, row int, o operation) operation {
	o.outcome, o.code, o.stable, o.rollout = carried, "", journal[row].state.Stable.Name, journal[row].rollout
	if row > 0 && o.Kind != "deploy" {
		o.canary = journal[row-1].canary()
	}
	return o
}

// durableAt is until when a row was durable at the latest: until the next one was
// decided from it.
func durableAt(journal []entry, row int) time.Duration {
	if row+1 < len(journal) {
		return journal[row+1].at
	}
	return journal[row].at + decidesWithin
}

// vague says that a refusal tells nothing of the state: a deploy is refused, too, while
// another one at the same replica reads its file.
func vague(o *operation, operations []operation) bool {
	if o.code == "canary_active" {
		for i := range operations {
			other := &operations[i]
			if other != o && other.Kind == "deploy" && other.replica == o.replica && other.call <= o.ret && o.call <= other.ret {
				return true
			}
		}
	}
	return o.code != "canary_active" && o.code != "no_canary" && o.code != "canary_loading"
}

// step is the state in which an operation with this answer leaves one; it is illegal if
// the operation cannot have been answered so.
func step(s rolloutState, o *operation) (legal bool, after rolloutState) {
	switch {
	case o.code == "no_canary", o.Kind == "rollback" && o.rollout == "" && o.outcome == carried: // the latter of a deploy that had read its file only
		return s.canary == "", s
	case o.outcome == refused:
		return s.canary != "", s
	case o.Kind == "deploy":
		return s.canary == "" && o.stable == s.stable, rolloutState{s.stable, o.Version}
	case o.Kind == "promote":
		return s.canary != "" && o.canary == s.canary && o.stable == s.canary, rolloutState{s.canary, ""}
	default:
		return s.canary != "" && o.canary == s.canary && o.stable == s.stable, rolloutState{s.stable, ""}
	}
}

// force is which versions were in force, from when until when.
type force struct {
	rolloutState
	from, to time.Duration
	split    bool
}

const never = time.Duration(1 << 62)

// forces are the states of the journal, each from when its event was begun until the
// next one was durable: when that was acknowledged, or when something was decided
// from it, or as late as it can have been.
func forces(journal []entry, operations []operation) (all []force) {
	acknowledged := map[string]time.Duration{}
	for i := range operations {
		if o := &operations[i]; o.outcome == carried {
			acknowledged[o.Actor] = o.ret
		}
	}
	for i := range journal {
		e := &journal[i]
		all = append(all, force{rolloutState{e.state.Stable.Name, e.canary()}, e.at, never, e.state.Phase == "canary" || e.state.Phase == "due"})
	}
	durable := never // of all events up to this one, at the latest
	for i := len(journal) - 1; i > 0; i-- {
		e := &journal[i]
		durable = min(durable, e.at+decidesWithin)
		if i+1 < len(journal) { // which was decided from it
			durable = min(durable, journal[i+1].at)
		}
		if at, known := acknowledged[e.actor]; known {
			durable = min(durable, at)
		}
		all[i-1].to = durable
	}
	return all
}

// allows says whether the state names this version as this arm.
func (f *force) allows(p *prediction) bool {
	if p.canary {
		return f.split && p.version == f.canary
	}
	return p.version == f.stable
}

// stale finds answers by versions that were not in force any more. Late is the longest
// time after which one still was by a replica that no fault kept from the store; n is
// how many answers came after their version had been replaced.
func (w *world) stale(all []force, predictions []prediction) (broken []string, late time.Duration, n int) {
	of := map[string][]*force{}
	for i := range all {
		f := &all[i]
		of[f.stable] = append(of[f.stable], f)
		if f.canary != "" {
			of[f.canary] = append(of[f.canary], f)
		}
	}
	answers := map[string]float64{}
	for i := range predictions {
		p := &predictions[i]
		if p.failed != "" {
			continue
		}
		if known, found := answers[p.version]; found && known != p.answer {
			broken = append(broken, fmt.Sprintf("%s answers %v and %v", p.version, known, p.answer))
		}
		answers[p.version] = p.answer
		end := time.Duration(-1)
		for _, f := range of[p.version] {
			if f.allows(p) && f.from <= p.got {
				end = max(end, f.to)
			}
		}
		over := p.sent - end
		switch {
		case end < 0:
			broken = append(broken, fmt.Sprintf("%s answered at %v by %s, which was never in force so", w.replicas[p.replica].name, p.got, p.version))
		case over <= 0:
		case !w.deaf(p.replica, end, p.sent):
			n, late = n+1, max(late, over)
			if over > w.bound {
				broken = append(broken, fmt.Sprintf("%s answered by %s (canary: %v), asked %v after that was replaced", w.replicas[p.replica].name, p.version, p.canary, over))
			}
		case p.canary && over > w.isolation+recovers+w.stood(p.replica, end, p.sent):
			broken = append(broken, fmt.Sprintf("%s, cut off, answered by the canary %s, asked %v after it was replaced", w.replicas[p.replica].name, p.version, over))
		}
	}
	return broken, late, n
}

// recovers is how long a replica may take to hear the store again after a fault: a
// statement on a dead connection ends after five seconds, and then there is a beat.
const recovers = 7 * time.Second

// deaf says whether a fault kept a replica from the store at any time between.
func (w *world) deaf(replica int, from, to time.Duration) bool {
	for _, f := range w.faults {
		if (f.Replica == replica || f.Replica == -1 || f.Kind == pgKilled || f.Kind == pgCrash || f.Kind == pgFrozen) && f.From <= to && from <= w.hears(f.To) {
			return true
		}
	}
	return false
}

// hears is when replicas heard the store again after a fault: when all were seen to, or
// as late as they may.
func (w *world) hears(healed time.Duration) time.Duration {
	latest := healed + recovers
	for _, at := range w.calms {
		if at >= healed {
			latest = min(latest, at)
		}
	}
	return latest
}

// stood is for how long at most a replica's process was stopped between.
func (w *world) stood(replica int, from, to time.Duration) (sum time.Duration) {
	for _, f := range w.faults {
		if f.Kind == stopped && f.Replica == replica && f.From <= to && from <= f.To {
			sum += f.To - f.From
		}
	}
	return sum
}
