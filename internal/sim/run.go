package sim

import (
	"time"

	"serin/internal/judge"
)

// Mark is something that a run may reach at one of its looks.
type Mark int

// The signals of the monitor come twice: with their own part of alpha, as the
// monitor judges them, and alone, as if the whole of alpha were theirs.
const (
	// SeedAlarm: Welch's test, asked again at each look, says that the canary is
	// slower. SeedPass: it says that nothing speaks against it.
	SeedAlarm Mark = iota
	SeedPass
	// Alarm: the monitor raises one, by a named signal or over all.
	Alarm
	// Confirmed: one on which the process may act by itself.
	Confirmed
	// Pass: the monitor's verdict is that the canary is fine.
	Pass
	// NotSlower: the evidence that the canary is less than tolerated slower has
	// reached its level, whatever else is missing or was found.
	NotSlower
	// Invalid: the split is not what was planned.
	Invalid
	// Overall: the average of the signals.
	Overall
	LatencyShape
	LatencyCentre
	LatencyTail
	MoreErrors
	ScoreDrift
	LatencyShapeAlone
	LatencyCentreAlone
	LatencyTailAlone
	MoreErrorsAlone
	ScoreDriftAlone
	// Slow: the windows of 60 s, which must agree before an alarm about latency is
	// confirmed.
	Slow
	markCount
)

var markNames = [markCount]string{
	"seed_alarm", "seed_pass", "alarm", "confirmed", "pass", "not_slower", "invalid", judge.Overall,
	judge.LatencyShape, judge.LatencyCentre, judge.LatencyP99, judge.Errors, judge.ScoreDrift,
	judge.LatencyShape + "_alone", judge.LatencyCentre + "_alone", judge.LatencyP99 + "_alone", judge.Errors + "_alone", judge.ScoreDrift + "_alone",
	"latency_centre_60s",
}

// String is the mark's word.
func (m Mark) String() string { return markNames[m] }

// MarshalText writes the word.
func (m Mark) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Moment is the look at which something was reached first.
type Moment struct {
	// Look counts from 1; 0 means never.
	Look uint64
	// Canary is how many canary requests had been answered by then.
	Canary uint64
	// At is how long the canary had been live.
	At time.Duration
}

// Run is what became of one canary.
type Run struct {
	// First says when each mark was reached.
	First [markCount]Moment
	// End is the last look.
	End Moment
	// Outcome is where the law has left the rollout.
	Outcome Outcome
}

// Reached says whether the run has come to a mark.
func (r *Run) Reached(m Mark) bool { return r.First[m].Look > 0 }

// Outcome is how a run ended.
type Outcome string

const (
	// Held: the period is over and somebody has to decide; no alarm was raised.
	Held Outcome = "held"
	// HeldAlarmed is Held with an alarm latched.
	HeldAlarmed Outcome = "held_with_alarm"
	// Promoted: the plan has made the canary stable.
	Promoted Outcome = "promoted"
	// RolledBack: the plan has taken the canary out, at an alarm or at the end.
	RolledBack Outcome = "rolled_back"
	// Stopped: the run was ended before its period, see Scenario.EndWhen.
	Stopped Outcome = "stopped"
)
