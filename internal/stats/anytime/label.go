package anytime

import "math"

// Label is the e-process for events: errors, timeouts, requests slower than a
// limit that was fixed beforehand. When an event happens, the label of the arm
// that it happened in is all that is looked at: if both arms have events at the
// same rate for each request, it is the canary's with probability Share, however
// the rate itself moves in time. With the canary's rate Ratio times stable's,
//
//	theta0 = Share Ratio/(Share Ratio + 1 - Share)
//
// The stake is spread over the label's probability theta by a beta distribution,
//
//	E = integral of (theta/theta0)^c ((1-theta)/(1-theta0))^s over the prior,
//
// c and s being the two arms' numbers of events, which beta functions answer.
//
// Exact for any number of events. Assumes that requests are given to the arms
// at random, each for itself, with a known share; the share that was realised so
// far may stand for it. Source: Lindon and Malek, NeurIPS 2022 (arXiv:2011.03567).
type Label struct {
	// Share is the canary's share of the requests, 1e-6 to 1 - 1e-6.
	Share float64
	// Ratio is the ratio of rates, canary to stable, of the hypothesis: 1 for
	// equal rates; 1e-6 to 1e6.
	Ratio float64
	// Concentration of the prior: it weighs as much as so many events. 10 suits
	// alarms; a small one sees large ratios sooner, a large one small ratios.
	// 1e-3 to 1e9.
	Concentration float64
}

// null returns theta0 and 1 - theta0; ok is false outside of the stated ranges.
func (l Label) null() (theta, rest float64, ok bool) {
	within := func(x, lo, hi float64) bool { return x >= lo && x <= hi }
	if !within(l.Share, 1e-6, 1-1e-6) || !within(l.Ratio, 1e-6, 1e6) || !within(l.Concentration, 1e-3, 1e9) {
		return 0, 0, false
	}
	canary, stable := l.Share*l.Ratio, 1-l.Share
	return canary / (canary + stable), stable / (canary + stable), true
}

// Above is ln E against "the canary's rate is at most Ratio times stable's",
// given each arm's number of events. The prior is centred at theta0 and cut off
// below it:
//
//	ln E = ln B(a+c, b+s) - ln B(a, b) - c ln theta0 - s ln(1-theta0)
//	       + ln I(1-theta0; b+s, a+c) - ln I(1-theta0; b, a),
//	a = k theta0,  b = k (1-theta0)
//
// with I the regularised incomplete beta function and k the concentration. A
// Label outside of its ranges shows nothing: 0.
//
// A prior that lies nearly all beyond the cut leaves few digits of what is within:
// the error is 2e-16/(k theta0), nothing at the usual shares and ratios, and all
// there is where Share, Ratio and Concentration are all at their lower ends.
func (l Label) Above(canary, stable uint64) float64 {
	theta, rest, ok := l.null()
	if !ok {
		return 0
	}
	a, b := l.Concentration*theta, l.Concentration*rest
	return betaTail(b+float64(stable), a+float64(canary), rest, theta) - betaTail(b, a, rest, theta)
}

// Below is ln E against "the canary's rate is at least Ratio times stable's":
// what a promotion has to show. Its prior is centred at equal rates,
// a = k Share and b = k (1-Share), and cut off above theta0:
//
//	ln E = ln B(a+c, b+s) - ln B(a, b) - c ln theta0 - s ln(1-theta0)
//	       + ln I(theta0; a+c, b+s) - ln I(theta0; a, b)
func (l Label) Below(canary, stable uint64) float64 {
	theta, rest, ok := l.null()
	if !ok {
		return 0
	}
	a, b := l.Concentration*l.Share, l.Concentration*(1-l.Share)
	return betaTail(a+float64(canary), b+float64(stable), theta, rest) - betaTail(a, b, theta, rest)
}

// TwoSided is ln E against "the canary's rate is Ratio times stable's":
//
//	ln E = ln B(a+c, b+s) - ln B(a, b) - c ln theta0 - s ln(1-theta0)
//
// On all requests instead of events, with Ratio 1, the planned share and a
// large concentration (1000), it guards the split itself: it grows when requests
// do not reach the arms in the planned proportion. That use, the test for a
// sample ratio mismatch, is Lindon and Malek's too.
func (l Label) TwoSided(canary, stable uint64) float64 {
	theta, rest, ok := l.null()
	if !ok {
		return 0
	}
	a, b := l.Concentration*theta, l.Concentration*rest
	return betaWhole(a+float64(canary), b+float64(stable), theta, rest) - betaWhole(a, b, theta, rest)
}

// Drift is ln E against "in every bin the canary's observations have the share
// that they have overall": it grows when the canary's values, scores for
// instance, are distributed over the bins otherwise than stable's. Bin by bin
// it is a two-sided Label, the bins multiplied; the mean over the
// concentrations k given (10 and 100 suit) makes it sensitive at several scales:
//
//	E = mean over k of product over bins of
//	    B(a+c, b+s)/(B(a, b) share^c (1-share)^s),  a = k share,  b = k (1-share)
//
// share is the canary's, 1e-6 to 1 - 1e-6, the realised one by preference; the
// bins' edges must not depend on the values compared. Where one slice is longer,
// the other has counts of 0. Assumptions as for Label. Concentrations
// outside of its range are left out, and without any, or a share, ln E is 0.
func Drift(canary, stable []uint64, share float64, concentrations ...float64) float64 {
	var logs, weights []float64
	for _, k := range concentrations {
		l := Label{Share: share, Ratio: 1, Concentration: k}
		if _, _, ok := l.null(); !ok {
			continue
		}
		sum := 0.0
		for i := range max(len(canary), len(stable)) {
			if c, s := at(canary, i), at(stable, i); c > 0 || s > 0 {
				sum += l.TwoSided(c, s)
			}
		}
		logs, weights = append(logs, sum), append(weights, 1)
	}
	if len(logs) == 0 {
		return 0
	}
	return Average(weights, logs) - math.Log(float64(len(logs)))
}

func at(counts []uint64, i int) uint64 {
	if i < len(counts) {
		return counts[i]
	}
	return 0
}
