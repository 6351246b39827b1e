package load

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Threshold is a demand on a report, as a gate in CI makes it.
//
//	p99<10ms               the 99th percentile of all predictions
//	canary.p99.9<=20ms     of one arm: canary or stable
//	canary/stable.p50<1.1  one arm's over the other's
//	mean max               as percentiles are written
//	errors<0.1%            failed requests of all; a number without % is a count
//	rate>1000              predictions per second
type Threshold struct {
	text    string
	arms    []string // none, one, or two: the first over the second
	measure string   // errors, rate, mean, max, or p with a share in quantile
	share   float64  // of a percentile, 0 < share < 1
	above   bool     // the demand is > or >=
	equal   bool     // the demand is <= or >=
	bound   float64  // milliseconds, a ratio, a count, a share or a rate
	percent bool
}

var thresholdForm = regexp.MustCompile(`^(?:(canary|stable)(?:/(canary|stable))?\.)?(errors|rate|mean|max|p(\d{1,2}(?:\.\d{1,4})?))\s*(<=|>=|<|>)\s*([^<>=\s]+)$`)

var errThreshold = errors.New("write p99<10ms, canary.p99<10ms, canary/stable.p50<1.2, errors<0.1% or rate>1000")

// ParseThreshold reads a demand.
func ParseThreshold(text string) (Threshold, error) {
	m := thresholdForm.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return Threshold{}, fmt.Errorf("threshold %q: %w", text, errThreshold)
	}
	t := Threshold{text: m[0], measure: m[3], above: m[5][0] == '>', equal: len(m[5]) == 2}
	for _, arm := range m[1:3] {
		if arm != "" {
			t.arms = append(t.arms, arm)
		}
	}
	if m[4] != "" {
		percentile, err := strconv.ParseFloat(m[4], 64)
		if err != nil || percentile <= 0 {
			return Threshold{}, fmt.Errorf("threshold %q: a percentile lies between 0 and 100", text)
		}
		t.measure, t.share = "p", percentile/100
	}
	if err := t.readBound(m[6]); err != nil {
		return Threshold{}, fmt.Errorf("threshold %q: %w", text, err)
	}
	return t, nil
}

// readBound reads the number in the unit of what is measured.
func (t *Threshold) readBound(text string) error {
	counted := t.measure == "errors" || t.measure == "rate"
	switch {
	case counted && len(t.arms) > 0:
		return fmt.Errorf("%s is of all requests, not of an arm", t.measure)
	case counted || len(t.arms) == 2:
		text, t.percent = strings.CutSuffix(text, "%")
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || !(number >= 0 && number < 1e12) || t.percent && t.measure != "errors" {
			return errThreshold
		}
		t.bound = number
	default:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is no latency: write 10ms or 1.5s", text)
		}
		t.bound = float64(d) / 1e6
	}
	return nil
}

func (t Threshold) String() string { return t.text }

// Check compares the demand with a report: what was measured, in the
// threshold's own unit, and whether it is met. Where nothing was measured, for
// instance of an arm that answered nothing, it is not met.
func (t Threshold) Check(r *Report) (measured string, met bool) {
	value, unit, ok := t.measured(r)
	if !ok {
		return "nothing measured", false
	}
	switch {
	case t.equal && value == t.bound:
		met = true
	case t.above:
		met = value > t.bound
	default:
		met = value < t.bound
	}
	return strconv.FormatFloat(value, 'g', 4, 64) + unit, met
}

func (t Threshold) measured(r *Report) (value float64, unit string, ok bool) {
	switch {
	case t.measure == "rate":
		return r.Rate, "/s", r.Requests > 0
	case t.measure == "errors" && t.percent:
		return 100 * float64(r.Failed) / float64(max(r.Requests, 1)), "%", r.Requests > 0
	case t.measure == "errors":
		return float64(r.Failed), "", r.Requests > 0
	case len(t.arms) == 2:
		over, under := r.Arms[t.arms[0]], r.Arms[t.arms[1]]
		bottom := t.latency(under)
		return t.latency(over) / bottom, "", over.Count > 0 && under.Count > 0 && bottom > 0
	case len(t.arms) == 1:
		l := r.Arms[t.arms[0]]
		return t.latency(l), "ms", l.Count > 0
	default:
		return t.latency(r.All), "ms", r.All.Count > 0
	}
}

func (t Threshold) latency(l Latencies) float64 {
	switch t.measure {
	case "mean":
		return l.Mean
	case "max":
		return l.Max
	default:
		return l.Quantile(t.share)
	}
}
