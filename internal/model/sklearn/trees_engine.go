package sklearn

import (
	"fmt"
	"math"

	"serin/internal/model"
	"serin/internal/model/forest"
)

// woods is the engine of everything that is made of trees: sums over the leaves
// that a row reaches, and an answer made of the sums.
type woods struct {
	forest *forest.Forest
	// start is what the sums begin with, one a forest's output; nil: zeros. first
	// is asked instead where that depends on the row; nil elsewhere.
	start []float64
	first *guess
	// outputs is the length of an answer, at least that of the sums.
	outputs int
	input   range32
	// finish makes values of the sums, which may be the same memory, and returns
	// the predicted class.
	finish func(sums, values []float64) (class int)
}

func (w *woods) Predict(in model.Rows, out model.Answers) error {
	features := w.forest.Features()
	if err := w.input.check(in.Numbers[:in.N*features], features); err != nil {
		return err
	}
	// The sums stand in the first part of Values, and answers are made from the
	// last row to the first, so that no sum is overwritten before it was read.
	n := w.forest.Outputs()
	sums := out.Values[:in.N*n]
	clear(sums)
	if w.start != nil {
		for i := range in.N {
			copy(sums[i*n:], w.start)
		}
	}
	if w.first != nil {
		if err := w.first.begin(in, sums); err != nil {
			return err
		}
	}
	w.forest.Add(in.Numbers, in.N, sums)
	for i := in.N - 1; i >= 0; i-- {
		class := w.finish(sums[i*n:(i+1)*n], out.Values[i*w.outputs:(i+1)*w.outputs])
		if out.Classes != nil {
			out.Classes[i] = class
		}
	}
	return nil
}

// range32 is what scikit-learn checks before it walks trees: every number must
// be finite as a float32 (check_array with dtype float32).
type range32 struct{ anything, missing bool }

func (r range32) check(x []float64, features int) error {
	if r.anything {
		return nil
	}
	for i, v := range x {
		if rounded := float64(float32(v)); rounded-rounded == 0 {
			continue
		}
		row, feature := i/features, i%features
		if !math.IsNaN(v) {
			return &model.Unanswerable{Row: row, Feature: feature, Reason: fmt.Sprintf("the value %v is too large for this model, which computes with 32-bit floats", v)}
		}
		if !r.missing {
			return &model.Unanswerable{Row: row, Feature: feature, Reason: "the value is missing, and this model takes no missing values"}
		}
	}
	return nil
}

// The ways from sums to answers. Each leaves the sums as they are, or its values
// begin where the sums do.

// asIs answers the sums themselves; with two classes and one sum, the second
// class is the one above or at zero.
func asIs(sums, values []float64) int {
	copy(values, sums)
	if len(values) > 1 {
		return argmax(values)
	}
	if values[0] >= 0 {
		return 1
	}
	return 0
}

// averaged divides by the number of trees (ForestClassifier.predict_proba,
// ForestRegressor.predict).
func averaged(trees int) func(sums, values []float64) int {
	n := float64(trees)
	return func(sums, values []float64) int {
		for i, s := range sums {
			values[i] = s / n
		}
		return argmax(values)
	}
}

// exponential is the inverse of a logarithmic link.
func exponential(sums, values []float64) int {
	values[0] = math.Exp(sums[0])
	return 0
}

// logistic answers (1 - p, p), p = expit(times * sum). predicts tells whether
// the sum and p stand for the second class.
func logistic(times float64, predicts func(sum, p float64) bool) func(sums, values []float64) int {
	return func(sums, values []float64) int {
		sum := sums[0]
		p := expit(times * sum)
		values[0], values[1] = 1-p, p
		if predicts(sum, p) {
			return 1
		}
		return 0
	}
}

// multinomial answers softmax(sums). byProbability chooses the class after the
// link instead of before: where rounding makes two of them equal, the first counts.
func multinomial(byProbability bool) func(sums, values []float64) int {
	return func(sums, values []float64) int {
		copy(values, sums)
		class := argmax(values)
		softmax(values)
		if byProbability {
			class = argmax(values)
		}
		return class
	}
}

// argmax is numpy's: the first of equals, and a NaN is greater than any number.
func argmax(x []float64) int {
	best := 0
	for i, v := range x {
		if v > x[best] || math.IsNaN(v) && !math.IsNaN(x[best]) {
			best = i
		}
	}
	return best
}

// softmax is exp(s_i) / sum exp(s_k), with the greatest score taken off first so
// that nothing overflows.
func softmax(scores []float64) {
	most := scores[argmax(scores)]
	sum := 0.0
	for i, s := range scores {
		scores[i] = math.Exp(s - most)
		sum += scores[i]
	}
	for i := range scores {
		scores[i] /= sum
	}
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
