// Package report is the chronicle: one rollout on one page, for a pull request or
// an archive, long after it has ended.
//
//	cases, as they were stored --> Tell --> Story --> HTML, Markdown, or as JSON
//	  (judged again)
//
// A page needs nothing but itself: no script, no font, no address. The same cases
// give the same bytes, so two reports can be compared.
//
// What may not happen: a report of what cannot be judged again to the same, that
// does not say so; a name or a reason that becomes markup; a page that grows with
// the traffic or, beyond some hundred points, with the number of looks.
//
// Terms: a point is a look of the monitor in numbers that are drawn. A moment is
// an event of the journal, or a look at which the verdict changed.
package report

import (
	"math"
	"time"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// maxPoints bounds what is drawn; of more looks, each second one is left out.
const maxPoints = 400

// Heading is what the cases themselves do not tell; empty where it is not known.
type Heading struct {
	Model         string `json:"model"`
	Rollout       string `json:"rollout"`
	StableVersion string `json:"stable_version"`
	CanaryVersion string `json:"canary_version"`
	// Outcome is promoted, rolled back, or in progress; Actor is who ended it, and
	// Reason why.
	Outcome string `json:"outcome"`
	Actor   string `json:"actor"`
	Reason  string `json:"reason"`
}

// Story is a rollout in the order of time.
type Story struct {
	Heading

	// Verdict and Sentence are what was found last.
	Verdict  string    `json:"verdict"`
	Sentence string    `json:"sentence"`
	Plan     terms     `json:"plan"`
	Stable   arm       `json:"stable"`
	Canary   arm       `json:"canary"`
	Points   []point   `json:"points"`
	Moments  []moment  `json:"moments"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	// Judged counts what was judged again, Differs says what came out otherwise.
	Judged  int      `json:"judged_again"`
	Differs []string `json:"differs"`
}

// terms are the part of the plan that the verdict depends on.
type terms struct {
	PeriodS     float64 `json:"period_seconds"`
	Alpha       float64 `json:"alpha"`
	Tolerance   float64 `json:"tolerance"`
	MinSlowdown float64 `json:"min_slowdown"`
	MinSamples  uint64  `json:"min_samples"`
}

// arm is what one arm did.
type arm struct {
	judge.Summary

	// Curve has the shares of the requests that were answered within a time.
	Curve []step `json:"curve"`
}

// step is one point of a distribution.
type step struct {
	MS    float64 `json:"ms"`
	Share float64 `json:"share"`
}

// point is one look; Ratio and its ends are null where it judged no latencies.
type point struct {
	Number   uint64   `json:"look"`
	ElapsedS float64  `json:"elapsed_seconds"`
	Verdict  string   `json:"verdict"`
	Ratio    *float64 `json:"ratio"`
	Lower    *float64 `json:"ratio_lower"`
	Upper    *float64 `json:"ratio_upper"`
	Stable   uint64   `json:"stable"`
	Canary   uint64   `json:"canary"`
	LogE     float64  `json:"log_e"`
}

// moment is something that happened. ElapsedS is negative where nothing was
// judged, so that its place in the observed time is not known.
type moment struct {
	At       time.Time `json:"at"`
	ElapsedS float64   `json:"elapsed_seconds"`
	Name     string    `json:"name"`
	Verdict  string    `json:"verdict"`
	Sentence string    `json:"sentence"`
}

// Tell makes a story of the cases of a rollout, judging each of them again.
func Tell(h Heading, cases []judge.Case) *Story {
	s := &Story{Heading: h, Points: []point{}, Moments: []moment{}, Differs: []string{}}
	cases = inOrder(cases)
	verdict := ""
	for i := range cases {
		c := &cases[i]
		if c.Lost == "" {
			if s.Began.IsZero() {
				s.Began = c.At
			}
			s.Ended = c.At
			s.Plan = termsOf(&c.Plan)
		}
		if len(c.Evidence) == 0 && c.Lost == "" {
			s.Moments = append(s.Moments, moment{At: c.At, ElapsedS: -1, Name: c.Name})
			continue
		}
		opinion, differs, err := c.Again()
		if err != nil {
			differs = "cannot be judged: " + err.Error()
		}
		if differs != "" {
			s.Differs = append(s.Differs, c.Name+": "+differs)
		}
		if err != nil {
			continue
		}
		s.Judged++
		var e record.Evidence
		_ = e.UnmarshalBinary(c.Evidence) // Again has decoded it
		s.add(c, &opinion, &e, &verdict)
	}
	for len(s.Points) > maxPoints {
		s.thin()
	}
	return s
}

// thin keeps each second point, and the last one.
func (s *Story) thin() {
	kept := s.Points[:0]
	for i, p := range s.Points {
		if i%2 == 0 || i == len(s.Points)-1 {
			kept = append(kept, p)
		}
	}
	s.Points = kept
}

func termsOf(p *rollout.Plan) terms {
	return terms{p.Period.Seconds(), p.Alpha, p.Tolerance, p.MinSlowdown, p.MinSamples}
}

// add tells of a case that was judged again.
func (s *Story) add(c *judge.Case, o *judge.Opinion, e *record.Evidence, before *string) {
	m := &o.Monitor
	verdict := c.Finding.Verdict.String()
	stable, canary := e.Total()
	s.Verdict, s.Sentence = verdict, c.Finding.Sentence
	s.Stable, s.Canary = arm{m.Stable, curve(&stable)}, arm{m.Canary, curve(&canary)}
	elapsed := e.Elapsed.Seconds()
	if c.Look == 0 || verdict != *before {
		s.Moments = append(s.Moments, moment{c.At, elapsed, c.Name, verdict, c.Finding.Sentence})
	}
	if c.Look == 0 {
		return
	}
	*before = verdict
	p := point{Number: c.Look, ElapsedS: elapsed, Verdict: verdict, Stable: m.Stable.Count, Canary: m.Canary.Count, LogE: m.LogE}
	if m.RatioLower != m.RatioUpper {
		p.Ratio, p.Lower, p.Upper = &m.Ratio, &m.RatioLower, &m.RatioUpper
	}
	s.Points = append(s.Points, p)
}

// curve is an arm's distribution function at every fourth bucket that it has.
func curve(a *record.Arm) []step {
	counts := a.Latencies()
	var total, sum uint64
	for _, n := range counts {
		total += n
	}
	steps := []step{}
	for i, n := range counts {
		sum += n
		if sum == 0 || i%4 != 0 && sum < total {
			continue
		}
		_, high := record.BucketRange(i)
		steps = append(steps, step{high / 1e6, math.Round(1e6*float64(sum)/float64(total)) / 1e6})
		if sum == total {
			break
		}
	}
	return steps
}
