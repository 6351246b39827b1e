package sklearn

import (
	"math"

	"serin/internal/model"
)

// head is a fitted logistic regression: scores = coef . x + intercept, one per
// class, or a single one for the second of two classes. link turns scores into
// probabilities.
type head struct {
	coef      []float64 // row by row, len(intercept) rows
	intercept []float64
	features  int
	link      func(scores []float64)
}

// Predict answers with probabilities.
func (h *head) Predict(in model.Rows, out model.Answers) error {
	classes := max(2, len(h.intercept))
	for i := range in.N {
		out.Classes[i] = h.predict(in.Numbers[i*h.features:], out.Values[i*classes:][:classes])
	}
	return nil
}

// predict fills probs, one per class, and returns the index of the predicted
// class: the greatest score, the first of equals; of two classes the second if
// its score is above zero.
func (h *head) predict(x, probs []float64) int {
	x = x[:h.features]
	if len(h.intercept) == 1 {
		score := dot(h.coef, x) + h.intercept[0]
		probs[0], probs[1] = -score, score
		h.link(probs)
		if score > 0 {
			return 1
		}
		return 0
	}
	for i, intercept := range h.intercept {
		probs[i] = dot(h.coef[i*len(x):(i+1)*len(x)], x) + intercept
	}
	best := argmax(probs)
	h.link(probs)
	return best
}

func dot(coef, x []float64) float64 {
	coef = coef[:len(x)]
	sum := 0.0
	for i, v := range x {
		sum += coef[i] * v
	}
	return sum
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

// The links, from LogisticRegression.predict_proba and _predict_proba_lr.

// sigmoid takes (-score, score) of two classes.
func sigmoid(scores []float64) {
	p := expit(scores[1])
	scores[0], scores[1] = 1-p, p
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

// oneVsRest is a sigmoid for each class, normalised. It is NaN where all of them
// underflow, as it is in scikit-learn.
func oneVsRest(scores []float64) {
	sum := 0.0
	for i, s := range scores {
		scores[i] = expit(s)
		sum += scores[i]
	}
	for i := range scores {
		scores[i] /= sum
	}
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
