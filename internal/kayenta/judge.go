package kayenta

import (
	"fmt"
	"math"
	"slices"

	"serin/internal/stats"
)

// label is a classification, of a metric or of the score.
type label string

const (
	pass     label = "Pass"
	high     label = "High"
	low      label = "Low"
	noData   label = "Nodata"
	mustHave label = "NodataFailMetric"
	broken   label = "Error"
	marginal label = "Marginal" // of a score
	fail     label = "Fail"     // of a score
)

// tolerance is the share of the shift that a difference must exceed for sure;
// confidence is how sure.
const (
	tolerance  = 0.25
	confidence = 0.98
)

// Judge answers a request. The error says which metric has no configuration.
func Judge(r Request) (Answer, error) {
	how := make(map[string]*metric, len(r.Config.Metrics))
	for i := range r.Config.Metrics {
		m := &r.Config.Metrics[i]
		if how[m.Name] == nil { // the first of a name counts
			how[m.Name] = m
		}
	}
	results := make([]result, 0, len(r.Pairs))
	for i, p := range r.Pairs {
		m := how[p.Name]
		if m == nil {
			return Answer{}, fmt.Errorf("metricSetPairList[%d] is of the metric %q, which canaryConfig.metrics does not have", i, p.Name)
		}
		results = append(results, judgePair(p, m))
	}
	groups, s := total(results, r.Config.Classifier.Weights, r.Thresholds)
	return Answer{"serin-v1", results, groups, s}, nil
}

func judgePair(p pair, m *metric) result {
	a := &m.Analysis.Canary
	experiment, control := a.clean(p.Values.Experiment), a.clean(p.Values.Control)
	c := a.classify(p.Name, experiment, control)
	answer := result{
		Name: p.Name, Tags: p.Tags, ID: p.ID, Classification: c.label, Reason: c.reason, Groups: m.Groups,
		Experiment: metadata{summarize(experiment)}, Control: metadata{summarize(control)}, Result: ratio{number(c.ratio)},
		Critical: c.critical, Muted: a.Muted,
	}
	if answer.Tags == nil {
		answer.Tags = map[string]string{}
	}
	if answer.Groups == nil {
		answer.Groups = []string{}
	}
	return answer
}

// clean drops or replaces what is missing, and drops outliers if asked.
func (a *analysis) clean(s sample) sample {
	kept := make(sample, 0, len(s))
	for _, v := range s {
		switch {
		case !math.IsNaN(v):
			kept = append(kept, v)
		case a.NaNs == "replace":
			kept = append(kept, 0)
		}
	}
	if a.Outliers.Strategy != "remove" || len(kept) == 0 {
		return kept
	}
	factor := 3.
	if a.Outliers.Factor != nil {
		factor = *a.Outliers.Factor
	}
	order := slices.Sorted(slices.Values(kept))
	quarter, rest := quantile(order, 0.25), quantile(order, 0.75)
	// Not within the middle 98 % of the values, whatever the quartiles say.
	least := min(quantile(order, 0.01), quarter-factor*(rest-quarter))
	most := max(quantile(order, 0.99), rest+factor*(rest-quarter))
	return slices.DeleteFunc(kept, func(v float64) bool { return v < least || v > most })
}

// quantile of sorted values, by linear interpolation: R's type 7.
func quantile(order sample, q float64) float64 {
	at := q * float64(len(order)-1)
	i := int(at)
	if i+1 == len(order) {
		return order[i]
	}
	return order[i] + (at-float64(i))*(order[i+1]-order[i])
}

// finding is what is said of a metric.
type finding struct {
	label    label
	reason   string
	ratio    float64
	critical bool // the metric is critical and stands against the canary
}

func (a *analysis) classify(name string, experiment, control sample) finding {
	if len(experiment) == 0 || len(control) == 0 {
		switch reason := "there is no data for " + name; {
		case a.NaNs == "replace":
			return finding{label: pass, ratio: 1}
		case a.MustHaveData && !a.Critical:
			return finding{mustHave, reason, 1, false}
		default:
			return finding{noData, reason, 1, a.Critical}
		}
	}
	if slices.Equal(slices.Sorted(slices.Values(experiment)), slices.Sorted(slices.Values(control))) {
		return finding{pass, "canary and baseline have the same values", 1, false}
	}
	shift, err1 := stats.Shift(control, experiment, confidence)
	test, err2 := stats.MannWhitney(control, experiment, stats.Asymptotic)
	if err1 != nil || err2 != nil {
		return finding{broken, name + " cannot be judged: its values are infinite or too large", 1, a.Critical}
	}
	f := finding{label: pass, ratio: meansRatio(experiment, control)}
	size, none := f.ratio, 1.
	if a.Effect.Measure == "cles" {
		size, none = test.Higher, 0.5
	}
	bound := tolerance * math.Abs(shift.Estimate)
	// Where so many differences are 0 that the estimate and an end are, the test at
	// 0 itself tells whether 0 belongs to the interval.
	const level = (1 - confidence) / 2
	above := shift.Low > bound || bound == 0 && shift.Low == 0 && test.Greater.P < level
	below := shift.High < -bound || bound == 0 && shift.High == 0 && test.Less.P < level
	switch {
	case above && a.Direction != "decrease" && atLeast(size, a.Effect.AllowedIncrease, none):
		f.label, f.critical = high, a.Critical && atLeast(size, a.Effect.CriticalIncrease, none)
	case below && a.Direction != "increase" && atMost(size, a.Effect.AllowedDecrease, none):
		f.label, f.critical = low, a.Critical && atMost(size, a.Effect.CriticalDecrease, none)
	default:
		return f
	}
	f.reason = explain(name, f, shift)
	return f
}

// atLeast holds an effect against a threshold; an effect that cannot be told,
// since a mean is 0, is no objection.
func atLeast(size float64, threshold *float64, none float64) bool {
	if threshold != nil {
		none = *threshold
	}
	return math.IsNaN(size) || size >= none
}

func atMost(size float64, threshold *float64, none float64) bool {
	if threshold != nil {
		none = *threshold
	}
	return math.IsNaN(size) || size <= none
}

func explain(name string, f finding, s stats.ShiftInterval) string {
	word := string(f.label)
	if f.critical {
		word += " (Critical)"
	}
	if s.Estimate == 0 {
		side := map[label]string{high: "higher", low: "lower"}[f.label]
		return fmt.Sprintf("%s was classified as %s: most values are the same, and where they differ the canary's are %s (98 %% sure)", name, word, side)
	}
	sure := "98 % sure"
	if s.Whole {
		sure = "all differences, of too few values to be 98 % sure"
	}
	return fmt.Sprintf("%s was classified as %s: the canary's values are shifted by %.4g (%.4g to %.4g, %s)", name, word, s.Estimate, s.Low, s.High, sure)
}

// summary describes a sample; all 0 for an empty one.
type summary struct {
	Min   number `json:"min"`
	Max   number `json:"max"`
	Mean  number `json:"mean"`
	Std   number `json:"std"`
	Count int    `json:"count"`
}

func summarize(s sample) summary {
	if len(s) == 0 {
		return summary{}
	}
	average := mean(s)
	squares := 0.
	for _, v := range s {
		squares += (v - average) * (v - average)
	}
	deviation := 0.
	if len(s) > 1 {
		deviation = math.Sqrt(squares / float64(len(s)-1))
	}
	return summary{number(slices.Min(s)), number(slices.Max(s)), number(average), number(deviation), len(s)}
}

func mean(s sample) float64 {
	n, sum, rest := float64(len(s)), 0., 0.
	for _, v := range s {
		sum += v
	}
	for _, v := range s {
		rest += v - sum/n
	}
	return sum/n + rest/n
}

// meansRatio is NaN if a mean is 0.
func meansRatio(experiment, control sample) float64 {
	e, c := mean(experiment), mean(control)
	if e == 0 || c == 0 {
		return math.NaN()
	}
	return e / c
}
