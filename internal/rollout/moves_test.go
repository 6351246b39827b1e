package rollout

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the generated picture")

var (
	phases = []Phase{Empty, Idle, Loading, Live, Due}
	kinds  = []Kind{Install, Deploy, Loaded, LoadRefused, Rollback, Promote, Drill, PeriodOver, Alert, Resume, Crash}

	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	v1   = Version{Name: "model_v1", Path: "models/model_v1.joblib", SHA256: strings.Repeat("1", 64), Size: 900}
	v2   = Version{Name: "model_v2", Path: "models/model_v2.joblib", SHA256: strings.Repeat("2", 64), Size: 901}
	plan = Plan{Weight: 1000, Period: time.Hour, AtEnd: Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond}
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
		s.Rollout = &Rollout{ID: "r1", Canary: v2, Plan: plan, Requested: noon}
	}
	if p.Split() {
		s.Rollout.Started = noon
	}
	return s
}

// ok returns an event of the kind that nothing but the phase could stop.
func ok(k Kind) Event {
	return Event{Kind: k, Actor: "ana", Version: v2, Plan: plan, Finding: Finding{Verdict: Pass, Sentence: "the canary is not slower"}}
}

// TestEveryPair walks the whole law. A pair that is missing here fails.
func TestEveryPair(t *testing.T) {
	t.Parallel()
	want := map[Phase]map[Kind]string{
		Empty: {
			Install: "idle [swap the routing table]",
			Deploy:  "no_model", Loaded: "no_model", LoadRefused: "no_model", Rollback: "no_model", Promote: "no_model",
			Drill: "no_model", PeriodOver: "no_model", Alert: "no_model", Resume: "no_model", Crash: "no_model",
		},
		Idle: {
			Deploy:   "loading [load the canary]",
			Drill:    "idle [swap the routing table]",
			Rollback: "no_canary", Promote: "no_canary", PeriodOver: "no_canary", Alert: "no_canary",
			Install: "impossible", Loaded: "impossible", LoadRefused: "impossible", Resume: "impossible", Crash: "impossible",
		},
		Loading: {
			Loaded:      "canary [swap the routing table]",
			LoadRefused: "idle [swap the routing table]",
			Rollback:    "idle [swap the routing table]",
			Crash:       "idle [swap the routing table]",
			Drill:       "loading [swap the routing table]",
			Deploy:      "canary_active",
			Promote:     "canary_loading", PeriodOver: "canary_loading", Alert: "canary_loading",
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
		name  string
		event Event
		want  Code
	}{
		{"pass", Event{Finding: Finding{Verdict: Pass}}, ""},
		{"fail", Event{Finding: Finding{Verdict: Fail}}, CanaryUnhealthy},
		{"no evidence", Event{}, EvidenceInsufficient},
		{"forced without a reason", Event{Force: true, Reason: "  "}, ReasonMissing},
		{"forced", Event{Force: true, Reason: "measured elsewhere", Finding: Finding{Verdict: Fail}}, ""},
	}
	for _, tt := range tests {
		tt.event.Kind = Promote
		next, _, err := Next(in(Live), tt.event, noon)
		var refusal *Refusal
		if errors.As(err, &refusal); refusal != nil != (tt.want != "") || refusal != nil && refusal.Code != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if tt.want == "" && (next.Stable != v2 || next.Rollout != nil) {
			t.Errorf("%s: stable is %s, rollout %v", tt.name, next.Stable.Name, next.Rollout)
		}
	}
}

func TestPeriodOverFollowsThePlan(t *testing.T) {
	t.Parallel()
	tests := []struct {
		atEnd   AtEnd
		verdict Verdict
		phase   Phase
		stable  Version
	}{
		{Hold, Pass, Due, v1},
		{PromoteAtEnd, Pass, Idle, v2},
		{PromoteAtEnd, Fail, Due, v1},
		{PromoteAtEnd, Insufficient, Due, v1},
		{RollbackAtEnd, Pass, Idle, v1},
	}
	for _, tt := range tests {
		s := in(Live)
		s.Rollout.Plan.AtEnd = tt.atEnd
		next, _, err := Next(s, Event{Kind: PeriodOver, Finding: Finding{Verdict: tt.verdict}}, noon)
		if err != nil || next.Phase != tt.phase || next.Stable != tt.stable {
			t.Errorf("%s with %s: %s on %s, %v", tt.atEnd, tt.verdict, next.Phase, next.Stable.Name, err)
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
	pass, fail := Finding{Pass, "the canary is not slower"}, Finding{Fail, "the canary is slower"}
	tests := []struct {
		event Event
		want  string
	}{
		{Event{Kind: Rollback, Actor: "ana", Reason: "a hunch", Finding: fail}, "a hunch"},
		{Event{Kind: Rollback, Actor: "ana", Finding: fail}, "the canary is slower"},
		{Event{Kind: Rollback, Actor: "ana", Finding: pass}, "rollback by ana"},
		{Event{Kind: Rollback, Actor: "ana", Finding: fail, Force: true}, "the canary is slower, in a drill that slowed it down on purpose"},
		{Event{Kind: PeriodOver, Actor: "serin", Finding: pass}, "its period was over, and its plan said rollback"},
	}
	for _, tt := range tests {
		s := in(Live)
		s.Rollout.Plan.AtEnd = RollbackAtEnd
		if tt.event.Force { // this test's sign for a drill
			s = step(t, step(t, s, ok(Drill)), ok(Drill))
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

func TestPlanCheck(t *testing.T) {
	t.Parallel()
	if err := plan.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Plan){
		"weight":      func(p *Plan) { p.Weight = 0 },
		"duration":    func(p *Plan) { p.Period = 0 },
		"at_end":      func(p *Plan) { p.AtEnd = "explode" },
		"min_samples": func(p *Plan) { p.MinSamples = 1 },
		"alpha":       func(p *Plan) { p.Alpha = 1e-17 },
		"min_effect":  func(p *Plan) { p.MinEffect = -1 },
	} {
		bad := plan
		spoil(&bad)
		if err := bad.Check(); err == nil || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
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
			e.Finding.Verdict = rapid.SampledFrom([]Verdict{Insufficient, Pass, Fail}).Draw(t, "verdict")
			e.Killed = rapid.Bool().Draw(t, "killed")
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

func TestStateSurvivesJSON(t *testing.T) {
	t.Parallel()
	s := step(t, in(Live), ok(Alert))
	s.remember(Past{SHA256: v1.SHA256, At: noon, Reason: "x", Quarantined: true})
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Error(diff)
	}
}

// TestPicture keeps docs/rollout.md equal to the table.
func TestPicture(t *testing.T) {
	t.Parallel()
	const path = "../../docs/rollout.md"
	if *update {
		if err := os.WriteFile(path, []byte(picture()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(picture(), string(got)); diff != "" {
		t.Errorf("docs/rollout.md is not what the law says; run go test ./internal/rollout -update\n%s", diff)
	}
}

func picture() string {
	var b strings.Builder
	b.WriteString("# The life of a rollout\n\nGenerated from the table in `internal/rollout/moves.go` by its test; do not edit.\n\n```mermaid\nstateDiagram-v2\n    [*] --> empty\n")
	for _, p := range phases {
		for _, k := range slices.Sorted(maps.Keys(moves[p])) {
			for _, to := range moves[p][k].to {
				fmt.Fprintf(&b, "    %s --> %s : %s\n", phaseName(p), phaseName(to), k)
			}
		}
	}
	b.WriteString("```\n\nEvery other event is refused and changes nothing:\n\n| in phase | refused, with code |\n|---|---|\n")
	for _, p := range phases {
		var refused []string
		for _, k := range kinds {
			if _, legal := moves[p][k]; !legal {
				refused = append(refused, fmt.Sprintf("%s (`%s`)", k, refuse(in(p), ok(k)).Code))
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", phaseName(p), strings.Join(refused, ", "))
	}
	return b.String()
}

func phaseName(p Phase) string {
	if p == Empty {
		return "empty"
	}
	return string(p)
}

func step(t *testing.T, s State, e Event) State {
	t.Helper()
	next, _, err := Next(s, e, noon)
	if err != nil {
		t.Fatalf("%s in %s: %v", e.Kind, s.Phase, err)
	}
	return next
}
