// Package rollout is the law: what a rollout is, and which moves are legal.
//
// A rollout is one attempt to replace a model's stable version by a canary.
// The whole of its life is one pure function,
//
//	Next(state, event, now) -> state, effects, or a refusal
//
// and one table (moves.go) that says for every phase which events are legal
// and where they may lead. The picture in docs/rollout.md is generated from
// that table, and a test walks every (phase, event) pair.
//
//	empty --install--> idle --deploy--> loading --loaded--> canary --period-over--> due
//	                    ^                  |                   |                     |
//	                    +---- refused, rollback, promote, crash: back to one version +
//
// What may not happen:
//
//   - Two stable versions, or none after the first was installed.
//   - A canary that gets requests before it was loaded, checked and warmed.
//   - A promotion without a finding of "pass", or after an alarm, unless somebody
//     forces it and says why.
//   - A rollback that nobody asked for or planned: after an alarm only one that
//     is confirmed, under a plan that says rollback.
//   - A rollback that is refused while a canary is loading or live.
//
// Nothing here reads a clock, a file or a random number: the caller commits
// the returned state first and carries out the effects afterwards, so a crash
// between the two is repaired by carrying them out again from the state.
//
// Terms: version, arm, rollout, verdict and decision are used as in
// ARCHITECTURE.md. A finding is a verdict with its sentence, as the judge gave
// it at the moment of an event. An alert is one look's by Welch's test and may be
// gone at the next; an alarm is the monitor's, whose tests hold over all looks,
// and is latched for the rest of the rollout.
package rollout
