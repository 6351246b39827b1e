package rollout

import "time"

// Event is something that happened or was asked for. Which fields count
// depends on Kind; the rest are zero.
type Event struct {
	// Kind says what it is.
	Kind Kind
	// Actor is who asked, or "serin" where the process itself noticed something.
	Actor string
	// Reason is the actor's, in one line. A forced promotion must have one.
	Reason string
	// Version is the artifact (Install, Deploy).
	Version Version
	// Plan is what was asked for (Deploy).
	Plan Plan
	// Weight is the share that the canary is to get from now on (Reweigh).
	Weight Weight
	// Replica is who loads the canary first (Deploy); "" where there is one process.
	Replica string
	// Force overrides a quarantine (Deploy) or the judge (Promote).
	Force bool
	// Finding is the judge's at this moment (Rollback, Promote, PeriodOver,
	// Alert, Alarm).
	Finding Finding
	// Confirmed is true if the evidence is also strong enough for the process to
	// act by itself (Alarm).
	Confirmed bool
	// Elapsed is how much of the period has been observed (Resume).
	Elapsed time.Duration
	// Killed is true if the previous process ended without stopping (Resume).
	Killed bool
}

// Kind names an event, in the words of the journal.
type Kind string

const (
	// Install gives an empty model its first stable version.
	Install Kind = "install"
	// Deploy asks for a version, already stored by its digest, to become canary.
	Deploy Kind = "deploy"
	// Loaded reports that the canary is loaded, compatible and warm.
	Loaded Kind = "loaded"
	// LoadRefused reports that it is not; Reason says why.
	LoadRefused Kind = "refused"
	// Rollback takes the canary out. It never asks and is never refused while
	// there is one.
	Rollback Kind = "rollback"
	// Promote makes the canary stable.
	Promote Kind = "promote"
	// Drill switches the simulated slowdown on or off.
	Drill Kind = "drill"
	// PeriodOver reports that the plan's period has been observed.
	PeriodOver Kind = "period-over"
	// Alert reports the first finding by Welch's test, in this rollout, that
	// raised an alert.
	Alert Kind = "alert"
	// Alarm reports that the monitor, whose tests stay true however often it
	// looks, has shown that the canary is worse.
	Alarm Kind = "alarm"
	// Reweigh changes the canary's share of the requests.
	Reweigh Kind = "reweigh"
	// Resume reports a start of the process with a canary live.
	Resume Kind = "resume"
	// Crash reports that the canary took the previous process down.
	Crash Kind = "crash"
)

// Verdict is what the judge says of the evidence. Its zero value is
// Insufficient: no evidence is never success.
type Verdict string

const (
	// Insufficient means that the evidence cannot tell yet.
	Insufficient Verdict = ""
	// Pass means that nothing speaks against the canary.
	Pass Verdict = "pass"
	// Fail means that the canary is worse than the plan allows.
	Fail Verdict = "fail"
	// Invalid means that the evidence is not what it says it is, such as a split
	// other than the planned one. Nothing follows from it.
	Invalid Verdict = "invalid"
)

// String is the verdict's word; the zero value has one too.
func (v Verdict) String() string {
	if v == Insufficient {
		return "insufficient"
	}
	return string(v)
}

// MarshalText writes the word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the word; what it does not know is Insufficient.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch known := Verdict(text); known {
	case Pass, Fail, Invalid:
		*v = known
	default:
		*v = Insufficient
	}
	return nil
}

// Finding is a verdict with the sentence that explains it.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	// Sentence says it in plain words with its numbers.
	Sentence string `json:"sentence"`
}

// Effect is what the caller must do once the new state is committed. Each may
// be carried out again without harm.
type Effect string

const (
	// LoadCanary starts loading the canary; the answer is Loaded or LoadRefused.
	LoadCanary Effect = "load the canary"
	// Reroute compiles the routing table from the state and swaps it in.
	Reroute Effect = "swap the routing table"
)

// Refusal is an event that the law does not allow now.
type Refusal struct {
	// Code is stable and meant for programs.
	Code Code
	// Detail says what stands against it, in one sentence.
	Detail string
	// Next says what to do about it.
	Next string
}

func (r *Refusal) Error() string { return r.Detail + ". " + r.Next }

// Code names a kind of refusal.
type Code string

const (
	// NoCanary: there is nothing to roll back, promote or judge.
	NoCanary Code = "no_canary"
	// CanaryActive: one rollout at a time.
	CanaryActive Code = "canary_active"
	// CanaryLoading: the canary is not live yet.
	CanaryLoading Code = "canary_loading"
	// CanaryUnhealthy: the judge's finding is an alert, or an alarm is latched.
	CanaryUnhealthy Code = "canary_unhealthy"
	// EvidenceInsufficient: too little was observed to say anything.
	EvidenceInsufficient Code = "evidence_insufficient"
	// EvidenceInvalid: what was observed cannot be judged at all.
	EvidenceInvalid Code = "evidence_invalid"
	// WeightUnchanged: the canary has that share already.
	WeightUnchanged Code = "weight_unchanged"
	// WeightSettled: the share was changed as often as it may be.
	WeightSettled Code = "weight_settled"
	// ReasonMissing: an override says why, or it is none.
	ReasonMissing Code = "reason_missing"
	// Quarantined: the version took the process down before.
	Quarantined Code = "version_quarantined"
	// NoModel: nothing is installed yet.
	NoModel Code = "no_model"
	// Impossible: an event that cannot happen in this phase; a bug or a late
	// answer, never a user's mistake.
	Impossible Code = "impossible"
)
