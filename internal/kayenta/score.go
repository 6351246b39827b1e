package kayenta

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// tally counts a group's metrics.
type tally struct{ passed, judged int }

// score is the share that passed, in percent.
func (t tally) score() float64 {
	if t.judged == 0 {
		return 0
	}
	return float64(t.passed) / float64(t.judged) * 100
}

// total makes the groups' scores, by name, and the score of all. Muted metrics
// do not count.
func total(results []result, weights map[string]float64, t *thresholds) ([]group, score) {
	groups := map[string]tally{}
	counted, without, failure := 0, 0, ""
	for _, r := range results {
		if r.Muted {
			continue
		}
		counted++
		if r.Classification == noData || r.Classification == broken {
			without++
		}
		if r.Critical && r.Classification != pass && failure == "" {
			failure = "a critical metric failed: " + r.Reason
		}
		for _, name := range r.Groups {
			g := groups[name]
			switch r.Classification {
			case pass:
				g.passed++
				g.judged++
			case high, low, mustHave:
				g.judged++
			}
			groups[name] = g
		}
	}
	var list []group
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		list = append(list, group{Name: name, Score: groups[name].score()})
	}
	switch {
	case failure != "":
		return list, t.classify(0, failure)
	case counted > 0 && 2*without >= counted:
		return list, t.classify(0, fmt.Sprintf("%d of %d metrics have no data, which is half of them or more", without, counted))
	default:
		return list, t.classify(weighted(groups, weights), "")
	}
}

// weighted is the mean of the groups' scores, to two decimals. Groups without a
// weight share what the others leave of 100; nothing is held against a group
// that has no data.
func weighted(groups map[string]tally, weights map[string]float64) float64 {
	rest := 100.
	for _, w := range weights {
		rest -= w
	}
	unnamed := 0
	for name := range groups {
		if _, named := weights[name]; !named {
			unnamed++
		}
	}
	sum := 0.
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		points := groups[name].score()
		if groups[name].judged == 0 {
			points = 100
		}
		w, named := weights[name]
		if !named {
			w = max(0, rest) / float64(unnamed)
		}
		sum += points * w / 100
	}
	return math.Round(sum*100) / 100
}

func (t *thresholds) classify(points float64, reason string) score {
	switch {
	case points >= *t.Pass:
		return score{points, pass, reason}
	case points >= *t.Marginal:
		return score{points, marginal, reason}
	default:
		return score{points, fail, reason}
	}
}
