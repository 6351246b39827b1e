package judge

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"serin/internal/record"
	"serin/internal/rollout"
)

var plan = rollout.Plan{Weight: 1000, Period: time.Hour, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond}

// arm has n observations that alternate round the mean.
func arm(n int, mean, spread time.Duration) record.Arm {
	var a record.Arm
	for i := range n {
		if i%2 == 0 {
			a.Observe(mean-spread, math.NaN())
		} else {
			a.Observe(mean+spread, math.NaN())
		}
	}
	a.Started = a.Count
	return a
}

// seen is the evidence of one stage.
func seen(stable, canary record.Arm) *record.Evidence {
	return &record.Evidence{Stages: []record.Stage{{Share: uint32(plan.Weight), Stable: stable, Canary: canary}}}
}

func failing(a record.Arm, n uint64) record.Arm {
	a.Failures = n
	return a
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	bare := plan
	bare.MinEffect = 0
	tests := []struct {
		name           string
		plan           rollout.Plan
		stable, canary record.Arm
		want           rollout.Verdict
		sentence       string
	}{
		{
			"nothing", plan, record.Arm{}, record.Arm{}, rollout.Insufficient,
			"not enough data: 0 canary and 0 stable requests were observed, 20 of each are needed",
		},
		{
			"19 canary requests, however slow", plan, arm(180, time.Millisecond, time.Microsecond), arm(19, time.Second, time.Microsecond), rollout.Insufficient,
			"not enough data: 19 canary and 180 stable requests were observed, 20 of each are needed",
		},
		{
			"19 stable requests", plan, arm(19, time.Millisecond, 0), arm(20, time.Millisecond, 0), rollout.Insufficient,
			"not enough data: 20 canary and 19 stable requests were observed, 20 of each are needed",
		},
		{
			"slow", plan, arm(180, 100*time.Millisecond, 15*time.Millisecond), arm(20, 120*time.Millisecond, 15*time.Millisecond), rollout.Fail,
			"the canary is 20 ms slower (12.5 ms to 27.5 ms with 95 % confidence, p = 1.2e-05) after 20 canary and 180 stable requests",
		},
		{
			"the same", plan, arm(180, 100*time.Millisecond, 15*time.Millisecond), arm(20, 100*time.Millisecond, 15*time.Millisecond), rollout.Pass,
			"the canary is not significantly slower: its mean differs by 0 ns (-7.48 ms to 7.48 ms with 95 % confidence, p = 1) after 20 canary and 180 stable requests",
		},
		{
			"faster", plan, arm(180, 100*time.Millisecond, 15*time.Millisecond), arm(20, 50*time.Millisecond, 15*time.Millisecond), rollout.Pass,
			"the canary is not significantly slower: its mean differs by -50 ms (-57.5 ms to -42.5 ms with 95 % confidence, p = 1.1e-12) after 20 canary and 180 stable requests",
		},
		{
			"microseconds", plan, arm(180, 10*time.Microsecond, time.Microsecond), arm(20, 14*time.Microsecond, time.Microsecond), rollout.Pass,
			"the canary is slower by 4 µs (p = 2.3e-14), which is less than the 100µs that matter, after 20 canary and 180 stable requests",
		},
		{
			"microseconds by the bare rule", bare, arm(180, 10*time.Microsecond, time.Microsecond), arm(20, 14*time.Microsecond, time.Microsecond), rollout.Fail,
			"the canary is 4 µs slower (3.5 µs to 4.5 µs with 95 % confidence, p = 2.3e-14) after 20 canary and 180 stable requests",
		},
		{
			"failures in the canary alone", plan, arm(180, 100*time.Millisecond, time.Millisecond), failing(arm(20, 100*time.Millisecond, time.Millisecond), 1), rollout.Insufficient,
			"1 canary and 0 stable predictions gave no answer, which latencies cannot make up for, after 20 canary and 180 stable requests",
		},
		{
			"failures in both", plan, failing(arm(180, 100*time.Millisecond, 15*time.Millisecond), 18), failing(arm(20, 100*time.Millisecond, 15*time.Millisecond), 2), rollout.Pass,
			"the canary is not significantly slower: its mean differs by 0 ns (-7.48 ms to 7.48 ms with 95 % confidence, p = 1) after 20 canary and 180 stable requests",
		},
		{
			"no variance is no evidence", plan, arm(180, time.Millisecond, 0), arm(20, 30*time.Millisecond, 0), rollout.Insufficient,
			"the latencies of neither arm vary, so there is no scale to judge a difference by, after 20 canary and 180 stable requests",
		},
		{
			"beyond the smallest float", plan, arm(1_000_000, 100*time.Millisecond, 15*time.Millisecond), arm(100_000, 120*time.Millisecond, 15*time.Millisecond), rollout.Fail,
			"the canary is 20 ms slower (19.9 ms to 20.1 ms with 95 % confidence, p = 1e-22284) after 100000 canary and 1000000 stable requests",
		},
	}
	for _, tt := range tests {
		r := Look(tt.plan, seen(tt.stable, tt.canary))
		if r.Verdict != tt.want || r.Sentence != tt.sentence {
			t.Errorf("%s: %s\n got %s\nwant %s", tt.name, r.Verdict, r.Sentence, tt.sentence)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestTheSameAgain is what makes a stored decision worth storing: evidence
// that went through the store is judged to the same Result.
func TestTheSameAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) record.Arm {
			var a record.Arm
			for _, ns := range rapid.SliceOf(rapid.Int64Range(0, 1e10)).Draw(t, name) {
				a.Observe(time.Duration(ns), math.NaN())
			}
			a.Started = a.Count
			return a
		}
		stable, canary := draw("stable"), draw("canary")
		e := seen(stable, canary)
		data, err := e.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var stored record.Evidence
		if err := stored.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		first, again := Look(plan, e), Look(plan, &stored)
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatal(diff)
		}
		if (canary.Count < 20 || stable.Count < 20) && first.Verdict != rollout.Insufficient {
			t.Fatalf("%s from %d and %d observations", first.Verdict, stable.Count, canary.Count)
		}
		if first.Verdict == rollout.Fail && !(first.PValue < plan.Alpha && first.DifferenceMS >= 0.1) {
			t.Fatalf("fail with p %v and %v ms", first.PValue, first.DifferenceMS)
		}
		if math.IsNaN(first.PValue) || math.IsNaN(first.Canary.P99MS) {
			t.Fatalf("%+v", first)
		}
	})
}

// BenchmarkLook is one verdict over two full histograms.
func BenchmarkLook(b *testing.B) {
	e := seen(arm(1000, 100*time.Millisecond, 15*time.Millisecond), arm(100, 120*time.Millisecond, 15*time.Millisecond))
	for b.Loop() {
		Look(plan, e)
	}
}
