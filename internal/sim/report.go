package sim

import (
	"math"
	"slices"
)

// Report is what all runs of a scenario have in common.
type Report struct {
	Scenario Scenario `json:"scenario"`
	Runs     int      `json:"runs"`
	// Reached has an entry for each mark, in their order.
	Reached []Reached `json:"reached"`
	// Outcomes counts how the law ended them.
	Outcomes map[Outcome]int `json:"outcomes"`
}

// Reached is how often, and how soon, runs came to a mark.
type Reached struct {
	Mark Mark `json:"mark"`
	Runs int  `json:"runs"`
	// Rate is the share of runs, SE its standard error sqrt(Rate(1-Rate)/runs).
	Rate float64 `json:"rate"`
	SE   float64 `json:"se"`
	// MedianSamples and P80Samples are how many canary requests had been answered
	// at that moment in half and in four fifths of all runs; null where fewer runs
	// have reached it at all. MedianMinutes and P80Minutes are the same in time.
	MedianSamples *float64 `json:"median_canary_samples"`
	P80Samples    *float64 `json:"p80_canary_samples"`
	MedianMinutes *float64 `json:"median_minutes"`
	P80Minutes    *float64 `json:"p80_minutes"`
}

// Summarise makes a report of runs.
func Summarise(s Scenario, runs []Run) Report {
	r := Report{Scenario: s, Runs: len(runs), Outcomes: map[Outcome]int{}}
	for i := range runs {
		r.Outcomes[runs[i].Outcome]++
	}
	for m := range markCount {
		r.Reached = append(r.Reached, reached(m, runs))
	}
	return r
}

// Of is the report's entry for a mark.
func (r *Report) Of(m Mark) Reached { return r.Reached[m] }

func reached(m Mark, runs []Run) Reached {
	out := Reached{Mark: m}
	var samples, minutes []float64
	for i := range runs {
		if first := runs[i].First[m]; first.Look > 0 {
			out.Runs++
			samples, minutes = append(samples, float64(first.Canary)), append(minutes, first.At.Minutes())
		}
	}
	if n := float64(len(runs)); n > 0 {
		out.Rate = float64(out.Runs) / n
		out.SE = math.Sqrt(out.Rate * (1 - out.Rate) / n)
	}
	slices.Sort(samples)
	slices.Sort(minutes)
	out.MedianSamples, out.P80Samples = quantile(samples, 0.5, len(runs)), quantile(samples, 0.8, len(runs))
	out.MedianMinutes, out.P80Minutes = quantile(minutes, 0.5, len(runs)), quantile(minutes, 0.8, len(runs))
	return out
}

// quantile is the smallest value that a share q of all runs does not exceed; a
// run without a value exceeds every value.
func quantile(sorted []float64, q float64, runs int) *float64 {
	rank := int(math.Ceil(q * float64(runs)))
	if rank == 0 || rank > len(sorted) {
		return nil
	}
	return &sorted[rank-1]
}
