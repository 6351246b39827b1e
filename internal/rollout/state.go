package rollout

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"
)

// State is everything that must survive about one model. It is a value: Next
// never changes the one that it is given.
type State struct {
	// Model is the name of the prediction service, "churn".
	Model string `json:"model"`
	// Generation counts committed events. A commit names the generation that it
	// was made from, and the store accepts each generation once.
	Generation uint64 `json:"generation"`
	// Phase is where the model stands.
	Phase Phase `json:"phase"`
	// Stable is the version that answers every request which the canary does not.
	Stable Version `json:"stable"`
	// Rollout is the attempt in progress; nil in Empty and Idle.
	Rollout *Rollout `json:"rollout,omitempty"`
	// Rollouts counts the attempts so far, also those whose canary never loaded.
	Rollouts uint64 `json:"rollouts"`
	// Slowdown is the drill: canary predictions are slowed down on purpose. It
	// ends with the rollout.
	Slowdown bool `json:"simulate_slowdown"`
	// Last is how the latest attempt ended; nil before the first has.
	Last *Ended `json:"last,omitempty"`
	// Past remembers versions that did not make it, oldest first, so that
	// deploying one again can say so. See Recall.
	Past []Past `json:"past,omitempty"`
}

// Phase is where a model stands.
type Phase string

const (
	// Empty has no version at all: a fresh state directory.
	Empty Phase = ""
	// Idle has a stable version that answers everything.
	Idle Phase = "idle"
	// Loading has a canary that is being opened, checked against stable and
	// warmed. It gets no request. Found at start, it means that the process ended
	// while it loaded.
	Loading Phase = "loading"
	// Live has a canary that gets its share of the requests.
	Live Phase = "canary"
	// Due is Live with the period over: the split stays, and somebody has to
	// decide.
	Due Phase = "due"
)

// Split says whether requests are divided between stable and a canary.
func (p Phase) Split() bool { return p == Live || p == Due }

// Version is one artifact of a model. Two versions are the same if their
// SHA256 is, whatever their files are called.
type Version struct {
	// Name is the file's name without its extension: "model_v1".
	Name string `json:"name"`
	// Path is the file as the operator named it: "models/model_v1.joblib", or the address
	// that it was fetched from: "s3://bucket/churn/7.onnx".
	Path string `json:"path"`
	// SHA256 is the digest of the bytes, in lower-case hexadecimal.
	SHA256 string `json:"sha256"`
	// Size is the number of bytes.
	Size int64 `json:"size"`
	// Golden is the SHA-256 of the golden predictions that came with the file, and
	// GoldenRows how many there are; "" and 0 if none came. The version serves only
	// while it reproduces them.
	Golden     string `json:"golden,omitempty"`
	GoldenRows int    `json:"golden_rows,omitzero"`
}

// Elsewhere tells whether Path is an address, from which the file can be fetched again.
func (v Version) Elsewhere() bool { return Elsewhere(v.Path) }

// Elsewhere tells whether what an operator calls a file is an address of it, and not a path.
func Elsewhere(path string) bool { return address.MatchString(path) }

// address is how one begins; an upload's path has no slash behind its colon.
var address = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:/`)

// Elsewhere tells whether the file with a digest can be fetched where it came from.
func (s *State) Elsewhere(digest string) bool {
	return s.Stable.SHA256 == digest && s.Stable.Elsewhere() || s.Rollout != nil && s.Rollout.Canary.SHA256 == digest && s.Rollout.Canary.Elsewhere()
}

// Rollout is one attempt to replace stable.
type Rollout struct {
	// ID names the attempt among all of this model's: "r7".
	ID string `json:"id"`
	// Canary is the version on trial.
	Canary Version `json:"canary"`
	// Plan is what was agreed at the start; it does not change during the rollout.
	Plan Plan `json:"plan"`
	// Weight is the canary's share of the requests now. It begins as the plan's;
	// Reweighed counts how often it was changed, maxReweighs at most.
	Weight    Weight `json:"weight"`
	Reweighed int    `json:"reweighed,omitempty"`
	// Shares are those that the canary had before, in order.
	Shares []Weight `json:"shares,omitempty"`
	// By is the replica that loads the canary first, where several share the store:
	// the others load it once it is live, so that a file which ends the process that
	// opens it ends one.
	By string `json:"by,omitempty"`
	// Requested is when the deploy was accepted.
	Requested time.Time `json:"requested"`
	// Started is when the canary went live; zero while it loads.
	Started time.Time `json:"started,omitzero"`
	// Before tells that this version was tried before; nil when it was not.
	Before *Past `json:"before,omitempty"`
	// Drilled is true if the canary was slowed down on purpose at any time: its
	// latencies are not its own then.
	Drilled bool `json:"drilled,omitempty"`
	// Alert is the first finding of this rollout that raised an alert. It is one
	// look's, and a later look may find otherwise.
	Alert *Finding `json:"alert,omitempty"`
	// Alarm is the monitor's first alarm. It stays: what was shown once under
	// tests that hold at every look is not taken back by later looks.
	Alarm *Latched `json:"alarm,omitempty"`
	// Restarts counts the starts in a row after which the process was killed
	// within settle of observed serving time.
	Restarts int `json:"restarts,omitempty"`
	// ResumedAt is how much of the period was over at the last such start.
	ResumedAt time.Duration `json:"resumed_at,omitempty"`
}

// Latched is an alarm that has been raised and stays raised.
type Latched struct {
	Finding
	// At is when.
	At time.Time `json:"at"`
}

// maxReweighs bounds how often the share may be changed in one rollout, since
// the evidence of each share is kept apart for as long as the rollout lasts.
const maxReweighs = 30

// Plan is what a deploy asks for.
type Plan struct {
	// Weight is the canary's share of the requests at the start.
	Weight Weight `json:"weight"`
	// Period is how long the canary is observed, in serving time.
	Period time.Duration `json:"period"`
	// AtEnd says what happens when the period is over.
	AtEnd AtEnd `json:"at_end"`
	// MinSamples is the fewest observations per arm from which a verdict is made.
	MinSamples uint64 `json:"min_samples"`
	// Alpha is the level, between 0 and 1, of Welch's two-sided test at one look,
	// and of all of the monitor's tests together over all of its looks.
	Alpha float64 `json:"alpha"`
	// MinEffect is the smallest difference of mean latencies that anybody cares
	// about; a smaller one raises neither alert nor alarm however significant it is.
	MinEffect time.Duration `json:"min_effect"`
	// OnAlarm says what follows a confirmed alarm.
	OnAlarm OnAlarm `json:"on_alarm"`
	// MinSlowdown is the smallest slowdown that is worth an alarm, as a share of
	// stable's latency: with 0.02 the monitor must refute that the canary takes at
	// most 1.02 times as long. From 0 on, and below Tolerance.
	MinSlowdown float64 `json:"min_slowdown"`
	// Tolerance is the slowdown that a pass must rule out, as a share of stable's
	// latency: with 0.10 the monitor must refute that the canary takes at least
	// 1.10 times as long. At most 10.
	Tolerance float64 `json:"tolerance"`
	// InitialDelay is how long a canary settles, in serving time, before the
	// monitor judges its latencies: a cold one is slow for its first requests. Errors
	// and scores count from the first request on, and so does the seed's rule.
	InitialDelay time.Duration `json:"initial_delay"`
	// MinDrift is the smallest population stability index between the arms'
	// scores that is worth an alarm. From 0 on; 0.2 is commonly called large.
	MinDrift float64 `json:"min_drift"`
}

// maxTolerance is a canary that takes eleven times as long: no limit any more.
const maxTolerance = 10

// Check says what is wrong with a plan, in one sentence that names the field;
// nil if nothing is.
func (p Plan) Check() error {
	const leastAlpha = 1e-12 // below it 1 - alpha, the confidence, is rounded to 1
	switch {
	case !p.Weight.valid():
		return fmt.Errorf("weight %v is not a share of the traffic", p.Weight)
	case p.Period <= 0:
		return fmt.Errorf("duration %v is not above 0", p.Period)
	case p.AtEnd != Hold && p.AtEnd != PromoteAtEnd && p.AtEnd != RollbackAtEnd:
		return fmt.Errorf("at_end %q is unknown: hold, promote or rollback", p.AtEnd)
	case p.MinSamples < 2:
		return fmt.Errorf("min_samples %d are too few for Welch's test: at least 2", p.MinSamples)
	case !(p.Alpha >= leastAlpha && p.Alpha < 1):
		return fmt.Errorf("alpha %v is not between %v and 1", p.Alpha, leastAlpha)
	case p.MinEffect < 0:
		return fmt.Errorf("min_effect %v is negative", p.MinEffect)
	case p.OnAlarm != HoldOnAlarm && p.OnAlarm != RollbackOnAlarm:
		return fmt.Errorf("on_alarm %q is unknown: hold or rollback", p.OnAlarm)
	case !(p.Tolerance > 0 && p.Tolerance <= maxTolerance):
		return fmt.Errorf("tolerance %v is not above 0 and at most %v: write 0.1 for 10 %%", p.Tolerance, maxTolerance)
	case !(p.MinSlowdown >= 0 && p.MinSlowdown < p.Tolerance):
		return fmt.Errorf("min_slowdown %v is not from 0 to below the tolerance, %v", p.MinSlowdown, p.Tolerance)
	case p.InitialDelay < 0:
		return fmt.Errorf("initial_delay %v is negative", p.InitialDelay)
	case !(p.MinDrift >= 0 && p.MinDrift <= math.MaxFloat64):
		return fmt.Errorf("min_drift %v is not a number from 0 on", p.MinDrift)
	}
	return nil
}

// AtEnd is what a rollout's plan says about the end of its period.
type AtEnd string

const (
	// Hold keeps the split and waits for an operator. It is the default.
	Hold AtEnd = "hold"
	// PromoteAtEnd makes the canary stable if the judge's finding at that moment
	// is a pass and no alarm is latched, and holds otherwise.
	PromoteAtEnd AtEnd = "promote"
	// RollbackAtEnd takes the canary out whatever was found: a trial run.
	RollbackAtEnd AtEnd = "rollback"
)

// OnAlarm is what a rollout's plan says about a confirmed alarm.
type OnAlarm string

const (
	// HoldOnAlarm latches the alarm, keeps the split and waits for an operator. It
	// is the default.
	HoldOnAlarm OnAlarm = "hold"
	// RollbackOnAlarm takes the canary out.
	RollbackOnAlarm OnAlarm = "rollback"
)

// Ended is how an attempt ended.
type Ended struct {
	// Rollout and Version name the attempt and its canary.
	Rollout string `json:"rollout"`
	Version string `json:"version"`
	// Event is what ended it: Rollback, Promote, LoadRefused, PeriodOver, Alarm,
	// Crash or Resume.
	Event Kind `json:"event"`
	// Actor is who did, At when, Reason why.
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Past is a version that did not make it.
type Past struct {
	// SHA256 is the version's digest.
	SHA256 string `json:"sha256"`
	// Rollout is the attempt in which it happened.
	Rollout string `json:"rollout"`
	// At is when.
	At time.Time `json:"at"`
	// Reason is why, in one sentence.
	Reason string `json:"reason"`
	// Quarantined is true for a version that took the process down; it is
	// deployed again only by force.
	Quarantined bool `json:"quarantined,omitempty"`
}

// maxPast bounds State.Past; the oldest rolled-back version is forgotten
// first, and a quarantined one only when there is nothing else to forget.
const maxPast = 100

// Recall returns what is remembered of a version; nil when it is unknown.
func (s *State) Recall(sha256 string) *Past {
	for i := range slices.Backward(s.Past) {
		if s.Past[i].SHA256 == sha256 {
			past := s.Past[i]
			return &past
		}
	}
	return nil
}

// remember replaces whatever was known of the version.
func (s *State) remember(past Past) {
	s.forget(past.SHA256)
	s.Past = append(s.Past, past)
	if len(s.Past) > maxPast {
		oldest := max(0, slices.IndexFunc(s.Past, func(p Past) bool { return !p.Quarantined }))
		s.Past = slices.Delete(s.Past, oldest, oldest+1)
	}
}

func (s *State) forget(sha256 string) {
	s.Past = slices.DeleteFunc(s.Past, func(p Past) bool { return p.SHA256 == sha256 })
}

// clone copies everything that Next may change.
func (s State) clone() State {
	s.Past = slices.Clone(s.Past)
	if s.Rollout != nil {
		r := *s.Rollout
		r.Shares = slices.Clone(r.Shares)
		s.Rollout = &r
	}
	return s
}
