package api

import (
	"fmt"
	"io"
	"time"

	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// DeployRequest asks for a canary.
type DeployRequest struct {
	ModelPath    string   `json:"model_path" minLength:"1" maxLength:"4096" example:"models/model_v2.joblib" doc:"The file, as the server sees it."`
	SHA256       string   `json:"sha256,omitempty" pattern:"^[0-9a-f]{64}$" doc:"What the SHA-256 of the file must be; the deploy is refused if it is another."`
	GoldenSHA256 string   `json:"golden_sha256,omitempty" pattern:"^[0-9a-f]{64}$" doc:"What that of the golden predictions beside it must be."`
	Weight       *float64 `json:"weight,omitempty" exclusiveMinimum:"0" maximum:"1" example:"0.1" doc:"The canary's share of the requests."`
	Duration     string   `json:"duration,omitempty" example:"1h" doc:"How long the canary is observed, in serving time."`
	Policy       *Policy  `json:"policy,omitempty" doc:"What a verdict needs and what follows the end of the period."`
	Force        bool     `json:"force,omitempty" doc:"Deploy a version that is quarantined."`
	Reason       string   `json:"reason,omitempty" maxLength:"1000" doc:"Why; goes into the journal."`

	// Model is a file that a client sends instead of naming one: Size bytes, called
	// as the end of ModelPath. Golden are golden predictions, nil if there are none.
	Model  io.Reader `json:"-"`
	Size   int64     `json:"-"`
	Golden []byte    `json:"-"`
}

// Policy is the part of a plan that says how a rollout is judged.
type Policy struct {
	AtEnd       string   `json:"at_end,omitempty" enum:"hold,promote,rollback" doc:"What happens when the period is over."`
	MinSamples  *uint64  `json:"min_samples,omitempty" minimum:"2" maximum:"1000000000" doc:"The fewest observations per arm that are judged."`
	Alpha       *float64 `json:"alpha,omitempty" exclusiveMinimum:"0" exclusiveMaximum:"1" doc:"The level of Welch's two-sided test at one look, and of the monitor's tests over all looks together."`
	MinEffectMS *float64 `json:"min_effect_ms,omitempty" minimum:"0" maximum:"1000000" doc:"A smaller difference of latencies raises neither alert nor alarm."`
	OnAlarm     string   `json:"on_alarm,omitempty" enum:"hold,rollback" doc:"What follows a confirmed alarm of the monitor."`
	MinSlowdown *float64 `json:"min_slowdown,omitempty" minimum:"0" maximum:"10" example:"0.02" doc:"The smallest slowdown that is worth an alarm, as a share of stable's latency."`
	Tolerance   *float64 `json:"tolerance,omitempty" exclusiveMinimum:"0" maximum:"10" example:"0.1" doc:"The slowdown that a pass must rule out, as a share of stable's latency."`
	MinDrift    *float64 `json:"min_drift,omitempty" minimum:"0" doc:"The smallest population stability index of the scores that is worth an alarm."`
	// The name is Argo Rollouts'.
	InitialDelay string `json:"initial_delay,omitempty" example:"2m" doc:"How long a canary settles before the monitor judges its latencies."`
}

// PromoteRequest may override the judge.
type PromoteRequest struct {
	Force  bool   `json:"force,omitempty" doc:"Promote whatever the verdict is; needs a reason."`
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why; goes into the journal."`
}

// RollbackRequest may say why.
type RollbackRequest struct {
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why; goes into the journal."`
}

// WeightRequest changes the canary's share of the requests.
type WeightRequest struct {
	Weight float64 `json:"weight" exclusiveMinimum:"0" maximum:"1" example:"0.25" doc:"The canary's share of the requests from now on."`
	Reason string  `json:"reason,omitempty" maxLength:"1000" doc:"Why; goes into the journal."`
}

// Slowdown is the state of the drill.
type Slowdown struct {
	SimulateSlowdown bool `json:"simulate_slowdown" doc:"Whether canary predictions are slowed down on purpose."`
}

// Change is the answer to a command that was carried out.
type Change struct {
	Message string   `json:"message" doc:"What was done, in one sentence."`
	Model   string   `json:"model"`
	Phase   string   `json:"phase" doc:"Where the model stands now: idle, loading, canary, due."`
	Stable  version  `json:"stable"`
	Rollout *attempt `json:"rollout" doc:"The attempt that the command was about."`
}

// version is one artifact.
type version struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size_bytes"`
	// The names of the fields are those of rollout.Version.
	Golden     string `json:"golden_sha256,omitempty" doc:"SHA-256 of the golden predictions that came with it."`
	GoldenRows int    `json:"golden_rows,omitzero" doc:"How many golden predictions it reproduces."`
}

// attempt is one rollout: to replace stable.
type attempt struct {
	ID         string     `json:"id"`
	Canary     version    `json:"canary"`
	Weight     float64    `json:"weight"`
	PeriodS    float64    `json:"period_seconds"`
	ElapsedS   float64    `json:"elapsed_seconds" doc:"Observed serving time."`
	RemainingS float64    `json:"remaining_seconds"`
	Started    *time.Time `json:"started" doc:"When the canary went live."`
	AtEnd      string     `json:"at_end"`
	Before     *before    `json:"before" doc:"Set if this version was tried before and did not make it."`
}

// before tells of an earlier attempt with the same version.
type before struct {
	Rollout     string    `json:"rollout"`
	At          time.Time `json:"at"`
	Reason      string    `json:"reason"`
	Quarantined bool      `json:"quarantined"`
}

// Health is the verdict on the canary. Every key is always present, and every
// number is a number, so that a gate can test it without asking first; without
// evidence p is 1 and the rest 0. Only within monitor, what cannot be said yet
// is null.
type Health struct {
	Model              string  `json:"model"`
	AlertTriggered     bool    `json:"alert_triggered"`
	AlertSource        string  `json:"alert_source" enum:"none,welch,monitor,both" doc:"Which rule says so: the seed's at this look, the monitor, which has latched an alarm, or both."`
	Status             string  `json:"status" enum:"no_canary,insufficient_data,healthy,alert"`
	Verdict            string  `json:"verdict" enum:"none,insufficient,pass,fail" doc:"Of the seed's rule at this look."`
	Finding            string  `json:"finding" doc:"What raises the alert, or else this verdict, in one sentence."`
	PValue             float64 `json:"p_value" doc:"Two-sided, of Welch's t-test; valid for one look."`
	LogPValue          float64 `json:"log_p_value" doc:"Natural logarithm of the p-value, for those too small for a float."`
	TStatistic         float64 `json:"t_statistic"`
	DegreesOfFreedom   float64 `json:"degrees_of_freedom"`
	StableAvgLatencyMS float64 `json:"stable_avg_latency_ms"`
	CanaryAvgLatencyMS float64 `json:"canary_avg_latency_ms"`
	DifferenceMS       float64 `json:"difference_ms"`
	LowerMS            float64 `json:"difference_lower_ms"`
	UpperMS            float64 `json:"difference_upper_ms"`
	Samples            struct {
		Stable uint64 `json:"stable"`
		Canary uint64 `json:"canary"`
	} `json:"samples" doc:"Observations per arm."`
	MinSamples       uint64  `json:"min_samples"`
	Alpha            float64 `json:"alpha"`
	MinEffectMS      float64 `json:"min_effect_ms"`
	Look             uint64  `json:"look" doc:"Which look at this rollout this is."`
	Phase            string  `json:"phase"`
	Rollout          string  `json:"rollout"`
	StableVersion    string  `json:"stable_version"`
	CanaryVersion    string  `json:"canary_version"`
	Weight           float64 `json:"weight"`
	CanaryStartTime  string  `json:"canary_start_time" doc:"RFC 3339, empty without a live canary."`
	ElapsedS         float64 `json:"elapsed_seconds"`
	RemainingS       float64 `json:"remaining_seconds"`
	SimulateSlowdown bool    `json:"simulate_slowdown"`
	Drilled          bool    `json:"drilled" doc:"The canary was slowed down on purpose during this rollout."`
	MonitorVerdict   string  `json:"monitor_verdict" enum:"none,insufficient,pass,fail,invalid" doc:"Of the monitor, whose tests stay true however often it looks."`
	MonitorFinding   string  `json:"monitor_finding"`
	MonitorLook      uint64  `json:"monitor_look" doc:"Number of the monitor's last look that is stored; 0 until the first one after a start."`
	AlarmTime        string  `json:"alarm_time" doc:"When the monitor latched its alarm, RFC 3339; empty without one."`
	// The monitor's numbers, in one place.
	Monitor judge.Judgement `json:"monitor"`
}

// State is the application's state in the seed's words. The lists of latencies
// are summaries here, because their memory must not grow with the traffic.
type State struct {
	StableModelPath string     `json:"stable_model_path"`
	CanaryModelPath *string    `json:"canary_model_path"`
	CanaryStartTime *time.Time `json:"canary_start_time"`
	CanaryMetrics   struct {
		Stable latencies `json:"stable"`
		Canary latencies `json:"canary"`
	} `json:"canary_metrics" doc:"The latencies of both arms."`
	AlertStatus      *Health  `json:"alert_status" doc:"The verdict as of now; asking here is not counted as a look."`
	SimulateSlowdown bool     `json:"simulate_slowdown"`
	Model            string   `json:"model"`
	Phase            string   `json:"phase"`
	Generation       uint64   `json:"generation"`
	Stable           version  `json:"stable"`
	Rollout          *attempt `json:"rollout"`
	Last             *last    `json:"last" doc:"How the latest rollout ended."`
}

// last is how a rollout ended.
type last struct {
	Rollout string    `json:"rollout"`
	Version string    `json:"version"`
	Event   string    `json:"event"`
	Actor   string    `json:"actor"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// latencies summarise one arm.
type latencies struct {
	LatenciesMS judge.Summary `json:"latencies_ms"`
}

func versionOf(v rollout.Version) version { return version(v) }

func rolloutOf(h control.Health) *attempt {
	r := h.Rollout
	if r == nil {
		return nil
	}
	out := &attempt{
		ID: r.ID, Canary: versionOf(r.Canary), Weight: r.Weight.Fraction(), PeriodS: r.Plan.Period.Seconds(),
		ElapsedS: h.Elapsed.Seconds(), RemainingS: remaining(h).Seconds(), AtEnd: string(r.Plan.AtEnd),
	}
	if !r.Started.IsZero() {
		out.Started = &r.Started
	}
	if b := r.Before; b != nil {
		out.Before = &before{b.Rollout, b.At, b.Reason, b.Quarantined}
	}
	return out
}

func remaining(h control.Health) time.Duration {
	if h.Rollout == nil {
		return 0
	}
	return max(0, h.Rollout.Plan.Period-h.Elapsed)
}

// healthOf is the flat body of a check. The plan is the one in force, or
// without a canary the one that a deploy would get.
func healthOf(h control.Health, defaults rollout.Plan) Health {
	plan, r := defaults, h.Result
	out := Health{
		Model: h.State.Model, AlertSource: "none", Status: "no_canary", Verdict: "none", Finding: "no canary is active",
		PValue: 1, Phase: string(h.State.Phase), StableVersion: h.State.Stable.Name, SimulateSlowdown: h.State.Slowdown,
		MonitorVerdict: "none", MonitorFinding: "no canary is active", Monitor: h.Watch.Judgement,
	}
	if a := h.State.Rollout; a != nil {
		plan = a.Plan
		out.Rollout, out.CanaryVersion, out.Weight = a.ID, a.Canary.Name, a.Weight.Fraction()
		out.Status, out.Verdict, out.Finding = "insufficient_data", r.Verdict.String(), "the canary is still loading"
	}
	out.MinSamples, out.Alpha, out.MinEffectMS = plan.MinSamples, plan.Alpha, plan.MinEffect.Seconds()*1e3
	if len(out.Monitor.Signals) == 0 { // not looked yet: the numbers are there all the same, and so is an alarm of before
		known := out.Monitor.Finding
		if out.Monitor = judge.NewMonitor(plan).Judge(new(record.Evidence)); known.Sentence != "" {
			out.Monitor.Finding = known
		}
	}
	if !h.State.Phase.Split() {
		return out
	}
	out.Finding, out.Look = r.Sentence, h.Look
	out.CanaryStartTime = h.State.Rollout.Started.UTC().Format(time.RFC3339Nano)
	out.ElapsedS, out.RemainingS = h.Elapsed.Seconds(), remaining(h).Seconds()
	if r.Verdict == rollout.Pass {
		out.Status = "healthy"
	}
	out.MonitorVerdict, out.MonitorFinding, out.MonitorLook = out.Monitor.Verdict.String(), out.Monitor.Sentence, h.Watch.Number
	if h.Watch.Verdict == rollout.Invalid {
		out.Status, out.Finding = "insufficient_data", h.Watch.Sentence
	}
	out.raise(h.State.Rollout.Alarm, r, h.Watch)
	if out.Drilled = h.State.Rollout.Drilled; out.Drilled {
		out.Finding += "; this includes a drill that slows the canary down on purpose"
	}
	out.PValue, out.LogPValue, out.TStatistic, out.DegreesOfFreedom = r.PValue, r.LogPValue, r.TStatistic, r.DegreesOfFreedom
	out.StableAvgLatencyMS, out.CanaryAvgLatencyMS = r.Stable.MeanMS, r.Canary.MeanMS
	out.DifferenceMS, out.LowerMS, out.UpperMS = r.DifferenceMS, r.LowerMS, r.UpperMS
	out.Samples.Stable, out.Samples.Canary = r.Stable.Count, r.Canary.Count
	return out
}

// raise sets the alert, if a rule says so. An alarm of the monitor that could
// not be latched yet is one all the same.
func (h *Health) raise(alarm *rollout.Latched, r judge.Result, w control.Watch) {
	welch, monitor := r.Verdict == rollout.Fail, alarm != nil || w.Verdict == rollout.Fail
	switch {
	case monitor && welch:
		h.AlertSource = "both"
	case monitor:
		h.AlertSource, h.Finding = "monitor", w.Sentence
	case welch:
		h.AlertSource = "welch"
	default:
		return
	}
	h.AlertTriggered, h.Status = true, "alert"
	if alarm != nil {
		h.AlarmTime = alarm.At.UTC().Format(time.RFC3339Nano)
		if !welch {
			h.Finding = fmt.Sprintf("%s (at %s)", alarm.Sentence, alarm.At.UTC().Format(time.RFC3339))
		}
	}
}

func stateOf(h control.Health) State {
	out := State{
		StableModelPath: h.State.Stable.Path, SimulateSlowdown: h.State.Slowdown,
		Model: h.State.Model, Phase: string(h.State.Phase), Generation: h.State.Generation,
		Stable: versionOf(h.State.Stable), Rollout: rolloutOf(h),
	}
	if l := h.State.Last; l != nil {
		out.Last = &last{l.Rollout, l.Version, string(l.Event), l.Actor, l.At, l.Reason}
	}
	out.CanaryMetrics.Stable.LatenciesMS, out.CanaryMetrics.Canary.LatenciesMS = h.Result.Stable, h.Result.Canary
	if out.Rollout != nil {
		out.CanaryModelPath, out.CanaryStartTime = &out.Rollout.Canary.Path, out.Rollout.Started
		health := healthOf(h, h.Rollout.Plan)
		out.AlertStatus = &health
	}
	return out
}
