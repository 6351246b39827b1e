package report

import (
	"slices"
	"testing"
	"time"

	"serin/internal/judge"
	"serin/internal/rollout"
)

// TestAStoryBesideAWrongClock: a clock that is set by a day in the middle of a rollout
// changes dates, and neither the order nor what the story ends with. Cases come as a server
// gives them: decisions first.
func TestAStoryBesideAWrongClock(t *testing.T) {
	t.Parallel()
	right := rolled(t, 30, 1.12)
	drill := judge.Case{Name: "drill by ana", Event: rollout.Drill, At: right[10].At.Add(time.Second), Plan: plan}
	right = slices.Insert(right, 11, drill)
	want := Tell(heading, right)
	for _, step := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		for at := range right {
			var decisions, looks []judge.Case
			for i, c := range right {
				if i > at {
					c.At = c.At.Add(step)
				}
				if c.Look > 0 {
					looks = append(looks, c)
				} else {
					decisions = append(decisions, c)
				}
			}
			got := Tell(heading, slices.Concat(decisions, looks))
			last := got.Moments[len(got.Moments)-1]
			if got.Verdict != want.Verdict || got.Sentence != want.Sentence || got.Canary.Count != want.Canary.Count || len(got.Differs) > 0 || last.Name != want.Moments[len(want.Moments)-1].Name {
				t.Fatalf("%v after case %d: the story ends with %s, %q, %d requests; differs: %v", step, at, last.Name, got.Sentence, got.Canary.Count, got.Differs)
			}
			elapsed := -1.0
			for _, p := range got.Points {
				if p.ElapsedS <= elapsed {
					t.Fatalf("%v after case %d: after %.0f s come %.0f s", step, at, elapsed, p.ElapsedS)
				}
				elapsed = p.ElapsedS
			}
		}
	}
}
