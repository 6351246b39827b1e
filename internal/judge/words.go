package judge

import (
	"fmt"
	"math"
	"strings"
	"time"

	"serin/internal/rollout"
)

// shown says what a sentence rests on.
func (j *Judgement) shown() string {
	return fmt.Sprintf("shown after %d canary and %d stable requests", j.Canary.Count, j.Stable.Count)
}

// worse leads with the signal that is clearest.
func (j *Judgement) worse(plan rollout.Plan) string {
	lead, most := 0, math.Inf(-1)
	for i, s := range j.Signals {
		if beyond := s.relevant() - s.LogThreshold; beyond > most {
			lead, most = i, beyond
		}
	}
	by := strings.ReplaceAll(strings.Join(j.Alarms, ", "), "_", " ")
	switch s := j.Signals[lead]; s.Name {
	case Errors:
		return fmt.Sprintf("the canary failed %d of %d requests and stable %d of %d, %s by %s", s.Canary, j.Canary.Count+j.Canary.Failures, s.Stable, j.Stable.Count+j.Stable.Failures, j.shown(), by)
	case ScoreDrift:
		return fmt.Sprintf("the canary's scores differ from stable's (PSI %.2g), %s by %s", s.Effect, j.shown(), by)
	case LatencyP99:
		return fmt.Sprintf("the canary's slowest requests are slower: its p99 is higher by %s, %s by %s", duration(s.Effect*1e6), j.shown(), by)
	default:
		return fmt.Sprintf("the canary is typically %s slower (%s), %s by %s", duration(j.DifferenceMS*1e6), j.confidence(plan), j.shown(), by)
	}
}

// confidence is the confidence sequence in words.
func (j *Judgement) confidence(plan rollout.Plan) string {
	return fmt.Sprintf("%s to %s with %.4g %% confidence", duration(j.LowerMS*1e6), duration(j.UpperMS*1e6), 100*(1-plan.Alpha))
}

func (j *Judgement) fine(plan rollout.Plan) string {
	return fmt.Sprintf("the canary is less than %s slower: its typical latency is %s (%s to %s) of stable's, %s",
		j.tolerated(plan), times(j.Ratio), times(j.RatioLower), times(j.RatioUpper), j.shown())
}

// tolerated is which of the two bounds was refuted: the larger one.
func (j *Judgement) tolerated(plan rollout.Plan) string {
	if j.RatioUpper > 1+j.Promote.Tolerance {
		return fmt.Sprintf("%v (or %.3g %%)", plan.MinEffect, 100*j.Promote.Tolerance)
	}
	return fmt.Sprintf("%.3g %%", 100*j.Promote.Tolerance)
}

// times writes a ratio as people do: in per cent, or as a factor if it is large.
func times(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("%.3g times", ratio)
	}
	return fmt.Sprintf("%.1f %%", 100*ratio)
}

// open says what is known while there is no verdict.
func (j *Judgement) open(plan rollout.Plan) string {
	s := fmt.Sprintf("no verdict yet after %d canary and %d stable requests", j.Canary.Count, j.Stable.Count)
	switch {
	case j.SmallestSlowdown == nil && j.Promote.Missing != "":
		return s + ": " + j.Promote.Missing
	case j.SmallestSlowdown != nil:
		s += fmt.Sprintf(": a typical latency of %s of stable's would have been seen by now", times(1+*j.SmallestSlowdown))
	}
	switch {
	case j.Promote.Shown:
		s += fmt.Sprintf("; it is shown to be less than %s slower, but %s", j.tolerated(plan), j.Promote.Missing)
	case j.ExpectedSeconds != nil && *j.ExpectedSeconds > 0:
		s += "; if the canary is as fast as stable, that is shown in " + wait(*j.ExpectedSeconds)
	}
	return s
}

func wait(seconds float64) string {
	const day = 24 * 60 * 60
	if seconds > 30*day {
		return "more than 30 days at this traffic"
	}
	return "about " + time.Duration(seconds*float64(time.Second)).Round(time.Second).String()
}

func (j *Judgement) splitBroken() string {
	return fmt.Sprintf("the split cannot be trusted: %.3g %% of the requests were the canary's, %.3g %% were planned, %s", 100*j.Guard.Observed, 100*j.Guard.Planned, j.shown())
}
