package anytime

import "math"

// Average is ln of the weighted sum of e-values, ln(sum w_i E_i), given their
// logarithms. With weights that add up to 1, fixed before the data, it is an
// e-value again, whatever the dependence between the E_i: the one way to put
// several kinds of evidence into one number without assuming anything more, and no
// weaker than alarming when any E_i reaches 1/(w_i alpha).
//
// Where one slice is longer its rest is not used. Terms whose weight is not a
// finite number above 0, or whose logarithm is no number, are left out: -Inf if
// nothing remains.
// Source: Vovk and Wang, Annals of Statistics 49 (2021) 1736-1754.
func Average(weights, logEs []float64) float64 {
	// ln w_i E_i: no weight is too large or too small for its logarithm.
	term := func(i int) float64 {
		if w := weights[i]; w > 0 && !math.IsInf(w, 1) && !math.IsNaN(logEs[i]) {
			return math.Log(w) + logEs[i]
		}
		return math.Inf(-1)
	}
	terms, largest := min(len(weights), len(logEs)), math.Inf(-1)
	for i := range terms {
		largest = math.Max(largest, term(i))
	}
	if math.IsInf(largest, 0) {
		return largest
	}
	sum := 0.0
	for i := range terms {
		sum += math.Exp(term(i) - largest)
	}
	return largest + math.Log(sum)
}
