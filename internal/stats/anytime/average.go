package anytime

import "math"

// Average is ln of the weighted sum of e-values, ln(sum w_i E_i), given their
// logarithms. With weights that add up to 1, fixed before the data, it is an
// e-value again, whatever the dependence between the E_i: the one way to put
// several kinds of evidence into one number without assuming anything more, and no
// weaker than alarming when any E_i reaches 1/(w_i alpha).
//
// Where one slice is longer its rest is not used. Terms whose weight is not above
// 0, or whose logarithm is no number, are left out: -Inf if nothing remains.
// Source: Vovk and Wang, Annals of Statistics 49 (2021) 1736-1754.
func Average(weights, logEs []float64) float64 {
	largest := math.Inf(-1)
	for i := range min(len(weights), len(logEs)) {
		if weights[i] > 0 && logEs[i] > largest {
			largest = logEs[i]
		}
	}
	if math.IsInf(largest, 0) {
		return largest
	}
	sum := 0.0
	for i := range min(len(weights), len(logEs)) {
		if e := math.Exp(logEs[i] - largest); weights[i] > 0 && !math.IsNaN(e) {
			sum += weights[i] * e
		}
	}
	return largest + math.Log(sum)
}
