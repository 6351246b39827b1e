package rollout

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	phases = []Phase{Empty, Idle, Loading, Live, Due}
	kinds  = []Kind{Install, Deploy, Loaded, LoadRefused, Rollback, Promote, Drill, PeriodOver, Alert, Alarm, Reweigh, Resume, Crash}

	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	v1   = Version{Name: "model_v1", Path: "models/model_v1.joblib", SHA256: strings.Repeat("1", 64), Size: 900}
	v2   = Version{Name: "model_v2", Path: "models/model_v2.joblib", SHA256: strings.Repeat("2", 64), Size: 901}
	plan = Plan{
		Weight: 1000, Period: time.Hour, AtEnd: Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond,
		OnAlarm: HoldOnAlarm, InitialDelay: time.Minute, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2,
	}
	pass = Finding{Verdict: Pass, Sentence: "the canary is not slower"}
	fail = Finding{Verdict: Fail, Sentence: "the canary is slower"}
)

// in returns a state that stands in the phase.
func in(p Phase) State {
	s := State{Model: "churn", Phase: p}
	if p == Empty {
		return s
	}
	s.Generation, s.Stable = 1, v1
	if p != Idle {
		s.Rollouts = 1
		s.Rollout = &Rollout{ID: "r1", Canary: v2, Plan: plan, Weight: plan.Weight, Requested: noon}
	}
	if p.Split() {
		s.Rollout.Started = noon
	}
	return s
}

// ok returns an event of the kind that nothing but the phase could stop.
func ok(k Kind) Event {
	e := Event{Kind: k, Actor: "ana", Version: v2, Plan: plan, Weight: 2500, Finding: pass}
	if k == Alarm {
		e.Finding = fail
	}
	return e
}

// TestEveryPair walks the whole law. A pair that is missing here fails.
func TestEveryPair(t *testing.T) {
	t.Parallel()
	want := map[Phase]map[Kind]string{
		Empty: {
			Install: "idle [swap the routing table]",
			Deploy:  "no_model", Loaded: "no_model", LoadRefused: "no_model", Rollback: "no_model", Promote: "no_model",
			Drill: "no_model", PeriodOver: "no_model", Alert: "no_model", Alarm: "no_model", Reweigh: "no_model",
			Resume: "no_model", Crash: "no_model",
		},
		Idle: {
			Deploy:   "loading [load the canary]",
			Drill:    "idle [swap the routing table]",
			Rollback: "no_canary", Promote: "no_canary", PeriodOver: "no_canary", Alert: "no_canary", Alarm: "no_canary", Reweigh: "no_canary",
			Install: "impossible", Loaded: "impossible", LoadRefused: "impossible", Resume: "impossible", Crash: "impossible",
		},
		Loading: {
			Loaded:      "canary [swap the routing table]",
			LoadRefused: "idle [swap the routing table]",
			Rollback:    "idle [swap the routing table]",
			Crash:       "idle [swap the routing table]",
			Drill:       "loading [swap the routing table]",
			Deploy:      "canary_active",
			Promote:     "canary_loading", PeriodOver: "canary_loading", Alert: "canary_loading", Alarm: "canary_loading", Reweigh: "canary_loading",
			Install: "impossible", Resume: "impossible",
		},
		Live: {
			Rollback:   "idle [swap the routing table]",
			Promote:    "idle [swap the routing table]",
			Crash:      "idle [swap the routing table]",
			Drill:      "canary [swap the routing table]",
			Resume:     "canary [swap the routing table]",
			PeriodOver: "due []",
			Alert:      "canary []",
			Alarm:      "canary []",
			Reweigh:    "canary [swap the routing table]",
			Deploy:     "canary_active",
			Install:    "impossible", Loaded: "impossible", LoadRefused: "impossible",
		},
		Due: {
			Rollback: "idle [swap the routing table]",
			Promote:  "idle [swap the routing table]",
			Crash:    "idle [swap the routing table]",
			Drill:    "due [swap the routing table]",
			Resume:   "due [swap the routing table]",
			Alert:    "due []",
			Alarm:    "due []",
			Reweigh:  "due [swap the routing table]",
			Deploy:   "canary_active",
			Install:  "impossible", Loaded: "impossible", LoadRefused: "impossible", PeriodOver: "impossible",
		},
	}
	for _, p := range phases {
		for _, k := range kinds {
			before := in(p)
			next, effects, err := Next(before, ok(k), noon)
			got := fmt.Sprintf("%s %v", next.Phase, effects)
			if refusal, ok := errors.AsType[*Refusal](err); ok {
				got = string(refusal.Code)
				if refusal.Detail == "" || refusal.Next == "" {
					t.Errorf("%q + %s: the refusal does not say what is wrong and what to do: %+v", p, k, refusal)
				}
				if diff := cmp.Diff(before, next); diff != "" {
					t.Errorf("%q + %s is refused and yet changed the state:\n%s", p, k, diff)
				}
			} else if next.Generation != before.Generation+1 {
				t.Errorf("%q + %s: generation %d after %d", p, k, next.Generation, before.Generation)
			}
			if got != want[p][k] {
				t.Errorf("%q + %s = %s, want %s", p, k, got, want[p][k])
			}
			if diff := cmp.Diff(in(p), before); diff != "" {
				t.Errorf("%q + %s changed the state that it was given:\n%s", p, k, diff)
			}
		}
	}
}

func TestPromoteNeedsAPassOrAReason(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		alarmed bool
		event   Event
		want    Code
	}{
		{"pass", false, Event{Finding: pass}, ""},
		{"fail", false, Event{Finding: fail}, CanaryUnhealthy},
		{"invalid", false, Event{Finding: Finding{Verdict: Invalid}}, EvidenceInvalid},
		{"no evidence", false, Event{}, EvidenceInsufficient},
		{"a verdict that nobody knows", false, Event{Finding: Finding{Verdict: "fine"}}, EvidenceInsufficient},
		{"forced without a reason", false, Event{Force: true, Reason: "  "}, ReasonMissing},
		{"forced", false, Event{Force: true, Reason: "measured elsewhere", Finding: fail}, ""},
		{"pass after an alarm", true, Event{Finding: pass}, CanaryUnhealthy},
		{"no evidence after an alarm", true, Event{}, CanaryUnhealthy},
		{"forced without a reason after an alarm", true, Event{Force: true}, ReasonMissing},
		{"forced after an alarm", true, Event{Force: true, Reason: "measured elsewhere"}, ""},
	}
	for _, tt := range tests {
		tt.event.Kind = Promote
		before := in(Live)
		if tt.alarmed {
			before = step(t, before, ok(Alarm))
		}
		next, _, err := Next(before, tt.event, noon)
		var refusal *Refusal
		if errors.As(err, &refusal); refusal != nil != (tt.want != "") || refusal != nil && refusal.Code != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if tt.want == "" && (next.Stable != v2 || next.Rollout != nil) {
			t.Errorf("%s: stable is %s, rollout %v", tt.name, next.Stable.Name, next.Rollout)
		}
		if tt.want == CanaryUnhealthy && tt.alarmed && refusal.Detail != "an alarm was raised at 2026-11-23T12:00:00Z: the canary is slower" {
			t.Errorf("%s: %s", tt.name, refusal.Detail)
		}
	}
}

func TestPeriodOverFollowsThePlan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		atEnd   AtEnd
		alarmed bool
		verdict Verdict
		phase   Phase
		stable  Version
	}{
		{Hold, false, Pass, Due, v1},
		{PromoteAtEnd, false, Pass, Idle, v2},
		{PromoteAtEnd, false, Fail, Due, v1},
		{PromoteAtEnd, false, Invalid, Due, v1},
		{PromoteAtEnd, false, Insufficient, Due, v1},
		{PromoteAtEnd, true, Pass, Due, v1},
		{RollbackAtEnd, false, Pass, Idle, v1},
		{RollbackAtEnd, true, Pass, Idle, v1},
	}
	for _, tt := range tests {
		s := in(Live)
		if tt.alarmed {
			s = step(t, s, ok(Alarm))
		}
		s.Rollout.Plan.AtEnd = tt.atEnd
		next, _, err := Next(s, Event{Kind: PeriodOver, Finding: Finding{Verdict: tt.verdict}}, noon)
		if err != nil || next.Phase != tt.phase || next.Stable != tt.stable {
			t.Errorf("%s with %s, alarmed %v: %s on %s, %v", tt.atEnd, tt.verdict, tt.alarmed, next.Phase, next.Stable.Name, err)
		}
	}
}

func TestARolledBackVersionMayComeAgainAndIsRemembered(t *testing.T) {
	t.Parallel()
	s := step(t, in(Live), Event{Kind: Rollback, Actor: "ana", Finding: Finding{Fail, "the canary is 20 ms slower"}})
	s = step(t, s, ok(Deploy))
	want := &Past{SHA256: v2.SHA256, Rollout: "r1", At: noon, Reason: "the canary is 20 ms slower"}
	if diff := cmp.Diff(want, s.Rollout.Before); diff != "" {
		t.Error(diff)
	}
	s = step(t, step(t, s, ok(Loaded)), ok(Promote))
	if s.Recall(v2.SHA256) != nil {
		t.Error("a promoted version is still held against itself")
	}
}

func TestACrashQuarantinesUntilForced(t *testing.T) {
	t.Parallel()
	for _, p := range []Phase{Loading, Live, Due} {
		s := step(t, in(p), Event{Kind: Crash, Actor: "serin", Reason: "stack overflow"})
		if s.Stable != v1 || s.Rollout != nil {
			t.Fatalf("after a crash in %s: %+v", p, s)
		}
		var refusal *Refusal
		if _, _, err := Next(s, ok(Deploy), noon); !errors.As(err, &refusal) || refusal.Code != Quarantined {
			t.Errorf("deploying again after a crash in %s: %v", p, err)
		}
		forced := ok(Deploy)
		forced.Force = true
		if s = step(t, s, forced); !s.Rollout.Before.Quarantined {
			t.Error("the forced deploy does not say that the version was quarantined")
		}
	}
}

func TestBootLoopBreaker(t *testing.T) {
	t.Parallel()
	type start struct {
		elapsed time.Duration
		killed  bool
	}
	tests := []struct {
		name   string
		starts []start
		want   Phase
	}{
		{"one kill", []start{{30 * time.Minute, true}}, Live},
		{"kills far apart", []start{{10 * time.Minute, true}, {20 * time.Minute, true}, {30 * time.Minute, true}, {40 * time.Minute, true}}, Live},
		{"after long service, then twice at once", []start{{10 * time.Minute, true}, {10 * time.Minute, true}, {10*time.Minute + time.Second, true}}, Live},
		{"after long service, then three times at once", []start{{10 * time.Minute, true}, {10 * time.Minute, true}, {10*time.Minute + time.Second, true}, {11 * time.Minute, true}}, Idle},
		{"kills from the first second on", []start{{0, true}, {0, true}, {0, true}}, Idle},
		{"a clean stop in between", []start{{0, true}, {0, true}, {0, false}, {0, true}, {0, true}}, Live},
	}
	for _, tt := range tests {
		s := in(Live)
		for _, start := range tt.starts {
			s = step(t, s, Event{Kind: Resume, Actor: "serin", Elapsed: start.elapsed, Killed: start.killed})
		}
		if s.Phase != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, s.Phase, tt.want)
		}
		if past := s.Recall(v2.SHA256); tt.want == Idle && (past == nil || !past.Quarantined) {
			t.Errorf("%s: not quarantined: %+v", tt.name, past)
		}
	}
}

func TestARefusedFileLeavesADrillAsItWas(t *testing.T) {
	t.Parallel()
	s := step(t, step(t, step(t, in(Idle), ok(Drill)), ok(Deploy)), ok(LoadRefused))
	if !s.Slowdown {
		t.Error("the drill was switched off by a file that was refused")
	}
}

func TestWhatIsRememberedOfARollback(t *testing.T) {
	t.Parallel()
	now := Finding{Fail, "the canary is 20 ms slower now"}
	confirmed := Event{Kind: Alarm, Actor: "serin", Finding: now, Confirmed: true}
	tests := []struct {
		before []Kind
		event  Event
		want   string
	}{
		{nil, Event{Kind: Rollback, Actor: "ana", Reason: "a hunch", Finding: fail}, "a hunch"},
		{nil, Event{Kind: Rollback, Actor: "ana", Finding: fail}, "the canary is slower"},
		{nil, Event{Kind: Rollback, Actor: "ana", Finding: pass}, "rollback by ana"},
		{nil, Event{Kind: Rollback, Actor: "ana", Finding: Finding{Invalid, "the split is off"}}, "rollback by ana"},
		{[]Kind{Drill, Drill}, Event{Kind: Rollback, Actor: "ana", Finding: fail}, "the canary is slower, in a drill that slowed it down on purpose"},
		{nil, Event{Kind: PeriodOver, Actor: "serin", Finding: pass}, "its period was over, and its plan said rollback"},
		{nil, confirmed, "the canary is 20 ms slower now"},
		{[]Kind{Alarm}, confirmed, "the canary is 20 ms slower now"},
		{[]Kind{Alarm}, Event{Kind: Rollback, Actor: "ana", Finding: pass}, "the canary is slower"},
		{[]Kind{Alarm}, Event{Kind: Rollback, Actor: "ana", Finding: now}, "the canary is 20 ms slower now"},
		{[]Kind{Alarm}, Event{Kind: PeriodOver, Actor: "serin", Finding: pass}, "the canary is slower"},
		{[]Kind{Drill, Alarm}, Event{Kind: Rollback, Actor: "ana"}, "the canary is slower, in a drill that slowed it down on purpose"},
	}
	for _, tt := range tests {
		s := in(Live)
		s.Rollout.Plan.AtEnd, s.Rollout.Plan.OnAlarm = RollbackAtEnd, RollbackOnAlarm
		for _, k := range tt.before {
			s = step(t, s, ok(k))
		}
		s = step(t, s, tt.event)
		if s.Last == nil || s.Last.Reason != tt.want || s.Last.Rollout != "r1" || s.Last.Version != "model_v2" || s.Last.Event != tt.event.Kind || !s.Last.At.Equal(noon) {
			t.Errorf("%+v: last is %+v", tt.event, s.Last)
		}
		if past := s.Recall(v2.SHA256); past == nil || past.Reason != tt.want {
			t.Errorf("%+v: remembered %+v, want %q", tt.event, past, tt.want)
		}
	}
}

func TestAnAlarmLatchesAndRollsBackOnlyConfirmedAndByPlan(t *testing.T) {
	t.Parallel()
	raise := func(verdict Verdict, confirmed bool) Event {
		return Event{Kind: Alarm, Actor: "serin", Finding: Finding{verdict, "the canary is slower"}, Confirmed: confirmed}
	}
	tests := []struct {
		name    string
		plan    OnAlarm
		alarms  []Event
		phase   Phase // "" where the last alarm is refused
		latched bool
	}{
		{"held", HoldOnAlarm, []Event{raise(Fail, false)}, Live, true},
		{"held, confirmed", HoldOnAlarm, []Event{raise(Fail, true)}, Live, true},
		{"held, again", HoldOnAlarm, []Event{raise(Fail, false), raise(Fail, false)}, "", true},
		{"held, again and confirmed", HoldOnAlarm, []Event{raise(Fail, false), raise(Fail, true)}, "", true},
		{"unconfirmed", RollbackOnAlarm, []Event{raise(Fail, false)}, Live, true},
		{"unconfirmed, again", RollbackOnAlarm, []Event{raise(Fail, false), raise(Fail, false)}, "", true},
		{"confirmed", RollbackOnAlarm, []Event{raise(Fail, true)}, Idle, false},
		{"confirmed later", RollbackOnAlarm, []Event{raise(Fail, false), raise(Fail, true)}, Idle, false},
		{"a pass", RollbackOnAlarm, []Event{raise(Pass, true)}, "", false},
		{"nothing", RollbackOnAlarm, []Event{raise(Insufficient, true)}, "", false},
		{"invalid", RollbackOnAlarm, []Event{raise(Invalid, true)}, "", false},
	}
	for _, tt := range tests {
		s := in(Live)
		s.Rollout.Plan.OnAlarm = tt.plan
		last := len(tt.alarms) - 1
		for _, e := range tt.alarms[:last] {
			s = step(t, s, e)
		}
		next, _, err := Next(s, tt.alarms[last], noon.Add(time.Hour))
		refusal, refused := errors.AsType[*Refusal](err)
		if refused != (tt.phase == "") || refused && refusal.Code != Impossible || !refused && next.Phase != tt.phase {
			t.Errorf("%s: %s, %v", tt.name, next.Phase, err)
			continue
		}
		if latched := next.Rollout != nil && next.Rollout.Alarm != nil; latched != tt.latched {
			t.Errorf("%s: latched is %v", tt.name, latched)
		}
		if last > 0 && tt.latched && !next.Rollout.Alarm.At.Equal(noon) {
			t.Errorf("%s: the second alarm replaced the first", tt.name)
		}
		if next.Phase == Idle && (next.Stable != v1 || next.Recall(v2.SHA256) == nil || next.Last.Event != Alarm) {
			t.Errorf("%s: %+v", tt.name, next)
		}
	}
}

func TestReweigh(t *testing.T) {
	t.Parallel()
	to := func(w Weight) Event { return Event{Kind: Reweigh, Actor: "ana", Weight: w} }
	refused := func(s State, w Weight) Code {
		_, _, err := Next(s, to(w), noon)
		if refusal, ok := errors.AsType[*Refusal](err); ok {
			return refusal.Code
		}
		return ""
	}
	deployed := step(t, step(t, in(Idle), ok(Deploy)), ok(Loaded))
	if r := deployed.Rollout; r.Weight != plan.Weight || r.Reweighed != 0 {
		t.Fatalf("a rollout begins with %v after %d changes, the plan says %v", r.Weight, r.Reweighed, plan.Weight)
	}
	for _, p := range []Phase{Live, Due} {
		s := step(t, in(p), to(2500))
		if s.Rollout.Weight != 2500 || s.Rollout.Reweighed != 1 || !slices.Equal(s.Rollout.Shares, []Weight{plan.Weight}) || s.Rollout.Plan != plan || s.Phase != p {
			t.Errorf("in %s: %+v", p, s.Rollout)
		}
		for weight, want := range map[Weight]Code{2500: WeightUnchanged, 0: Impossible, -1: Impossible, whole + 1: Impossible, whole: "", 1000: ""} {
			if got := refused(s, weight); got != want {
				t.Errorf("in %s, %v after 25%%: refused with %q, want %q", p, weight, got, want)
			}
		}
		for i := range maxReweighs - 1 {
			s = step(t, s, to(Weight(i+1)))
		}
		if got := refused(s, 5000); got != WeightSettled {
			t.Errorf("in %s, change %d: %q", p, maxReweighs+1, got)
		}
	}
}

func TestADrillEndsWithItsRollout(t *testing.T) {
	t.Parallel()
	for _, end := range []Kind{Rollback, Promote, Crash} {
		s := step(t, in(Live), ok(Drill))
		if !s.Slowdown {
			t.Fatal("the drill did not start")
		}
		if s = step(t, s, ok(end)); s.Slowdown {
			t.Errorf("the drill goes on after %s", end)
		}
	}
}

// TestRandomHistories checks what may never happen over random sequences.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := State{Model: "churn"}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			e := ok(rapid.SampledFrom(kinds).Draw(t, "kind"))
			e.Version.SHA256 = fmt.Sprintf("%064d", rapid.IntRange(1, 200).Draw(t, "version"))
			e.Plan.AtEnd = rapid.SampledFrom([]AtEnd{Hold, PromoteAtEnd, RollbackAtEnd}).Draw(t, "at end")
			e.Plan.OnAlarm = rapid.SampledFrom([]OnAlarm{HoldOnAlarm, RollbackOnAlarm}).Draw(t, "on alarm")
			e.Finding.Verdict = rapid.SampledFrom([]Verdict{Insufficient, Pass, Fail, Invalid}).Draw(t, "verdict")
			e.Weight = Weight(rapid.IntRange(0, 3).Draw(t, "weight"))
			e.Killed = rapid.Bool().Draw(t, "killed")
			e.Confirmed = rapid.Bool().Draw(t, "confirmed")
			next, _, err := Next(s, e, noon)
			if err != nil {
				continue
			}
			if next.Phase == Empty || next.Stable.SHA256 == "" {
				t.Fatalf("%s lost the stable version: %+v", e.Kind, next)
			}
			if (next.Rollout != nil) != (next.Phase != Idle) {
				t.Fatalf("%s: phase %s with rollout %v", e.Kind, next.Phase, next.Rollout)
			}
			if s.Phase != Empty && next.Stable != s.Stable && (s.Rollout == nil || next.Stable != s.Rollout.Canary || e.Finding.Verdict != Pass) {
				t.Fatalf("%s made %v stable without a pass", e.Kind, next.Stable)
			}
			checkAlarmAndWeight(t, s, e, next)
			if !slices.Contains(moves[s.Phase][e.Kind].to, next.Phase) {
				t.Fatalf("%q + %s led to %s, which the table does not say", s.Phase, e.Kind, next.Phase)
			}
			if len(next.Past) > maxPast {
				t.Fatalf("%d versions remembered", len(next.Past))
			}
			s = next
		}
	})
}

// checkAlarmAndWeight holds one step against what alarms and weights may do.
func checkAlarmAndWeight(t *rapid.T, before State, e Event, after State) {
	was, is := before.Rollout, after.Rollout
	if e.Kind == Alarm && is == nil && (!e.Confirmed || was.Plan.OnAlarm != RollbackOnAlarm || e.Finding.Verdict != Fail) {
		t.Fatalf("an alarm that is confirmed=%v with %s rolled back under %q", e.Confirmed, e.Finding.Verdict, was.Plan.OnAlarm)
	}
	if was != nil && was.Alarm != nil && after.Stable != before.Stable {
		t.Fatalf("%s made a canary stable that an alarm was latched against", e.Kind)
	}
	if is == nil {
		return
	}
	if !is.Weight.valid() || is.Reweighed > maxReweighs || len(is.Shares) != is.Reweighed {
		t.Fatalf("%s: weight %d after %d changes", e.Kind, is.Weight, is.Reweighed)
	}
	if was == nil {
		return
	}
	if was.Alarm != nil && *is.Alarm != *was.Alarm {
		t.Fatalf("%s: the alarm %+v became %+v", e.Kind, was.Alarm, is.Alarm)
	}
	if is.Alarm != nil && is.Alarm.Verdict != Fail {
		t.Fatalf("%s latched %+v", e.Kind, is.Alarm)
	}
	if (is.Weight != was.Weight) != (e.Kind == Reweigh) || is.Plan != was.Plan {
		t.Fatalf("%s: weight %d became %d, plan %+v became %+v", e.Kind, was.Weight, is.Weight, was.Plan, is.Plan)
	}
}

func step(t *testing.T, s State, e Event) State {
	t.Helper()
	next, _, err := Next(s, e, noon)
	if err != nil {
		t.Fatalf("%s in %s: %v", e.Kind, s.Phase, err)
	}
	return next
}
