package steps

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"

	"serin/internal/model"
)

// Function applies one function to every number, as FunctionTransformer does
// with numpy's.
type Function struct{ Of func(float64) float64 }

// Apply changes the row in place.
func (f *Function) Apply(row Row, _ *Scratch) (Row, *model.Unanswerable) {
	for i, x := range row.Numbers {
		row.Numbers[i] = f.Of(x)
	}
	return numbersOf(row), nil
}

// Power is a Box-Cox or Yeo-Johnson transform with one lambda a column, as
// PowerTransformer has it (sklearn/preprocessing/_data.py).
type Power struct {
	Lambdas []float64
	BoxCox  bool
	// Stable tells that Yeo-Johnson is computed as SciPy does it, which
	// scikit-learn calls since 1.9: expm1(lambda log1p(x)) / lambda.
	Stable bool
}

// Apply changes the row in place. Box-Cox refuses what is not above 0.
func (p *Power) Apply(row Row, _ *Scratch) (Row, *model.Unanswerable) {
	for i, x := range row.Numbers {
		switch {
		case x != x:
		case !p.BoxCox:
			row.Numbers[i] = p.yeoJohnson(x, p.Lambdas[i])
		case x <= 0:
			return row, &model.Unanswerable{Feature: i, Reason: "the value is not above zero, and the model takes its logarithm or power (Box-Cox)"}
		default:
			row.Numbers[i] = boxCox(x, p.Lambdas[i])
		}
	}
	return numbersOf(row), nil
}

// boxCox is scipy.special.boxcox: (x^lambda - 1) / lambda.
func boxCox(x, lambda float64) float64 {
	if math.Abs(lambda) < 1e-19 {
		return math.Log(x)
	}
	return math.Expm1(lambda*math.Log(x)) / lambda
}

func (p *Power) yeoJohnson(x, lambda float64) float64 {
	const epsilon = 0x1p-52
	sign := 1.0
	if x < 0 {
		sign, x, lambda = -1, -x, 2-lambda
	}
	switch {
	// The limits of the two branches are < and > in scikit-learn, so that a
	// distance of exactly epsilon goes another way for negative numbers.
	case math.Abs(lambda) < epsilon || sign < 0 && math.Abs(lambda) == epsilon:
		return sign * math.Log1p(x)
	case p.Stable:
		return sign * math.Expm1(lambda*math.Log1p(x)) / lambda
	default:
		return sign * (math.Pow(x+1, lambda) - 1) / lambda
	}
}

// Quantile maps numbers to their quantiles in the training data, as
// QuantileTransformer has it (sklearn/preprocessing/_data.py, _transform_col).
type Quantile struct {
	// Quantiles are those of each column, ascending, and References the shares
	// that they stand for, ascending from 0 to 1.
	Quantiles  [][]float64
	References []float64
	// Normal maps the share to the quantile of the normal distribution.
	Normal bool
}

// Apply changes the row in place.
func (q *Quantile) Apply(row Row, _ *Scratch) (Row, *model.Unanswerable) {
	for i, x := range row.Numbers {
		if x == x {
			row.Numbers[i] = q.share(x, q.Quantiles[i])
		}
	}
	return Row{Numbers: row.Numbers}, nil
}

// boundsThreshold is scikit-learn's BOUNDS_THRESHOLD.
const boundsThreshold = 1e-7

func (q *Quantile) share(x float64, quantiles []float64) float64 {
	low, high := quantiles[0], quantiles[len(quantiles)-1]
	// The mean of both directions, since quantiles may be equal.
	share := 0.5 * (interpolate(x, quantiles, q.References) + interpolateDown(x, quantiles, q.References))
	if !q.Normal {
		switch {
		case x == low:
			return 0
		case x == high:
			return 1
		}
		return share
	}
	const spacing = 0x1p-52
	switch {
	case x-boundsThreshold < low:
		share = 0
	case x+boundsThreshold > high:
		share = 1
	}
	bound := mathext.NormalQuantile(boundsThreshold - spacing)
	// At 0 and 1 the quantile is infinite, and is cut off.
	return min(max(normalQuantile(share), bound), mathext.NormalQuantile(1-(boundsThreshold-spacing)))
}

func normalQuantile(share float64) float64 {
	if share <= 0 {
		return math.Inf(-1)
	}
	if share >= 1 {
		return math.Inf(1)
	}
	return mathext.NormalQuantile(share)
}

// interpolate is numpy.interp.
func interpolate(x float64, xs, ys []float64) float64 {
	// The last j with xs[j] <= x.
	j := sort.Search(len(xs), func(i int) bool { return xs[i] > x }) - 1
	switch {
	case j < 0:
		return ys[0]
	case j == len(xs)-1 || xs[j] == x:
		return ys[j]
	}
	slope := (ys[j+1] - ys[j]) / (xs[j+1] - xs[j])
	return float64(slope*(x-xs[j])) + ys[j]
}

// interpolateDown is -numpy.interp(-x, -xs[::-1], -ys[::-1]).
func interpolateDown(x float64, xs, ys []float64) float64 {
	// The first j with xs[j] >= x, which is the last of the reversed ones.
	j := sort.SearchFloat64s(xs, x)
	switch {
	case j == len(xs):
		return ys[len(xs)-1]
	case j == 0 || xs[j] == x:
		return ys[j]
	}
	slope := (ys[j] - ys[j-1]) / (xs[j] - xs[j-1])
	return ys[j] - float64(slope*(xs[j]-x))
}
