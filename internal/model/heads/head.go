package heads

import (
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/kernel"
)

// Scorer turns rows into rows of scores. It is immutable.
type Scorer interface {
	// Outputs is the number of scores of a row.
	Outputs() int
	// Score fills out, in.N x Outputs. Its error is an *model.Unanswerable.
	Score(in model.Rows, out []float64) error
}

// Linear scores coef . x + intercept. coef is outputs x inputs row by row,
// intercept has one number for each output.
func Linear(coef, intercept []float64, outputs, inputs int) Scorer {
	return linear{kernel.NewDense(coef, intercept, outputs, inputs)}
}

type linear struct{ *kernel.Dense[float64] }

func (l linear) Score(in model.Rows, out []float64) error {
	l.Apply(in.Numbers, in.N, out)
	return nil
}

// Link is what scores mean: how they become values, and which class they predict.
type Link uint8

const (
	// Quantities are the scores themselves, and there are no classes.
	Quantities Link = iota
	// Exponentials are exp(score), and there are no classes: generalised linear
	// models with a logarithm as link (linear_model/_glm, LogLink.inverse).
	Exponentials
	// Expits are 1 / (1 + exp(-score)), and there are no classes: a neural network
	// that ends in a logistic function.
	Expits
	// Decision gives the scores as they are: one number predicts the second of two
	// classes where it is above zero, more predict the first of the greatest.
	Decision
	// Sigmoid makes two probabilities of one score, (1-p, p) with p = expit(score).
	// It predicts the second where the score is above zero
	// (linear_model/_base.py, LinearClassifierMixin).
	Sigmoid
	// SigmoidHalf is Sigmoid, and predicts the second where p is above one half
	// (neural_network, MLPClassifier, whose labels come from LabelBinarizer).
	SigmoidHalf
	// SoftmaxOfTwo is the softmax of (-score, score), which LogisticRegression took
	// of two classes with multi_class="multinomial".
	SoftmaxOfTwo
	// Softmax is exp(s_i) / sum exp(s_k) (utils/extmath.py, softmax).
	Softmax
	// OneVsRest is a sigmoid for each class, normalised. It is NaN where all of
	// them underflow (LinearClassifierMixin._predict_proba_lr).
	OneVsRest
	// ModifiedHuber cuts scores to -1..1 and moves them to 0..1, normalised
	// (linear_model/_stochastic_gradient.py, SGDClassifier.predict_proba). One score
	// makes two probabilities.
	ModifiedHuber
	// LogLikelihood is exp(s_i - log sum exp(s_k)) (naive_bayes.py, predict_proba).
	LogLikelihood
	// Difference makes one number of two scores, s_1 - s_0. It predicts the greater,
	// the first of equals (discriminant_analysis.py, decision_function).
	Difference
	// DecisionLast is Decision, and of equals predicts the last
	// (multiclass.py, OneVsRestClassifier.predict up to scikit-learn 1.7).
	DecisionLast
	// Boosted is the softmax of score / (classes-1); with two classes that of
	// (-d/2, d/2), d = s_1 - s_0 (ensemble/_weight_boosting.py,
	// AdaBoostClassifier._compute_proba_from_decision).
	Boosted
)

// New makes an engine of scores and what they mean.
func New(s Scorer, link Link) model.Engine {
	h := &head{scorer: s, scores: s.Outputs(), link: link}
	h.values = h.scores
	switch link {
	case Sigmoid, SigmoidHalf, SoftmaxOfTwo:
		h.values = 2
	case ModifiedHuber:
		h.values = max(2, h.scores)
	case Difference:
		h.values = 1
	}
	if l, ok := s.(linear); ok {
		return &sparseHead{head: h, linear: l}
	}
	return h
}

// Sparse is an engine that also answers one row of which only some numbers are
// given: x[i] is feature at[i], all others are 0. Engines of Linear are.
type Sparse interface {
	model.Engine
	PredictAt(x []float64, at []int32, out model.Answers) error
}

type sparseHead struct {
	*head

	linear linear
}

func (h *sparseHead) PredictAt(x []float64, at []int32, out model.Answers) error {
	s := h.pool.get(h.scores, 0)
	defer h.pool.put(s)
	h.linear.ApplyAt(x, at, s.numbers)
	h.spread(s.numbers, 1, out)
	return nil
}

type head struct {
	scorer         Scorer
	scores, values int // of a row
	link           Link
	pool           pool
}

func (h *head) Predict(in model.Rows, out model.Answers) error {
	raw, values := h.scores, h.values
	if raw <= values {
		// The scores stand at the beginning of the answers and are spread from the
		// last row to the first, so that none is overwritten before it is read.
		if err := h.scorer.Score(in, out.Values[:in.N*raw]); err != nil {
			return err
		}
		h.spread(out.Values[:in.N*raw], in.N, out)
		return nil
	}
	s := h.pool.get(in.N*raw, 0)
	defer h.pool.put(s)
	if err := h.scorer.Score(in, s.numbers); err != nil {
		return err
	}
	h.spread(s.numbers, in.N, out)
	return nil
}

func (h *head) spread(scores []float64, rows int, out model.Answers) {
	raw, values := h.scores, h.values
	switch h.link {
	case Sigmoid, SigmoidHalf:
		h.link.sigmoids(scores, out)
		return
	case Expits:
		copy(out.Values, scores)
		kernel.Expit(out.Values[:rows*values])
		return
	}
	for r := rows - 1; r >= 0; r-- {
		class := h.link.finish(scores[r*raw:(r+1)*raw], out.Values[r*values:(r+1)*values])
		if out.Classes != nil {
			out.Classes[r] = class
		}
	}
}

// sigmoids makes two probabilities of each score, all rows together. The scores
// are overwritten, and the two may begin at the same place.
func (l Link) sigmoids(scores []float64, out model.Answers) {
	if l == Sigmoid && out.Classes != nil {
		classesAbove(scores, 0, out.Classes)
	}
	kernel.Expit(scores)
	if l == SigmoidHalf && out.Classes != nil {
		classesAbove(scores, 0.5, out.Classes)
	}
	values := out.Values[:2*len(scores)]
	for r, p := range slices.Backward(scores) {
		values[2*r], values[2*r+1] = 1-p, p
	}
}

// classesAbove fills classes with 1 where a number is above the limit, else with 0.
func classesAbove(x []float64, limit float64, classes []int) {
	classes = classes[:len(x)]
	for i, v := range x {
		class := 0
		if v > limit {
			class = 1
		}
		classes[i] = class
	}
}

// finish turns the scores of one row into its values and returns the predicted
// class. The two may begin at the same place.
func (l Link) finish(scores, values []float64) int {
	class := 0
	if len(scores) > 1 {
		class = argmax(scores)
	} else if scores[0] > 0 {
		class = 1
	}
	switch l {
	case Quantities, Decision:
		copy(values, scores)
	case Exponentials:
		for i, s := range scores {
			values[i] = math.Exp(s)
		}
	case SoftmaxOfTwo:
		values[0], values[1] = -scores[0], scores[0]
		softmax(values)
	case Softmax:
		copy(values, scores)
		softmax(values)
	case OneVsRest:
		for i, s := range scores {
			values[i] = expit(s)
		}
		divide(values, sum(values))
	case ModifiedHuber:
		modifiedHuber(scores, values)
	case LogLikelihood:
		logLikelihood(scores, values)
	case Difference:
		values[0] = scores[1] - scores[0]
	case DecisionLast:
		copy(values, scores)
		for k, s := range scores {
			if s >= scores[class] {
				class = k
			}
		}
	case Boosted:
		boosted(scores, values)
	}
	return class
}

func modifiedHuber(scores, values []float64) {
	if len(scores) == 1 {
		p := (min(max(scores[0], -1), 1) + 1) / 2
		values[0], values[1] = 1-p, p
		return
	}
	for i, s := range scores {
		values[i] = (min(max(s, -1), 1) + 1) / 2
	}
	total := sum(values)
	if total == 0 { // nothing to share out: all classes alike
		for i := range values {
			values[i] = 1
		}
		total = float64(len(values))
	}
	divide(values, total)
}

func boosted(scores, values []float64) {
	if len(scores) == 2 {
		d := scores[1] - scores[0]
		values[0], values[1] = -d/2, d/2
	} else {
		copy(values, scores)
		divide(values, float64(len(values)-1))
	}
	softmax(values)
}

// logLikelihood takes the greatest score off before it sums, as scipy's logsumexp does.
func logLikelihood(scores, values []float64) {
	most, total := scores[argmax(scores)], 0.0
	for _, s := range scores {
		total += math.Exp(s - most)
	}
	logTotal := most + math.Log(total)
	for i, s := range scores {
		values[i] = math.Exp(s - logTotal)
	}
}

// softmax takes the greatest score off first so that nothing overflows.
func softmax(scores []float64) {
	most := scores[argmax(scores)]
	total := 0.0
	for i, s := range scores {
		scores[i] = math.Exp(s - most)
		total += scores[i]
	}
	divide(scores, total)
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func sum(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total
}

func divide(x []float64, by float64) {
	for i := range x {
		x[i] /= by
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

// Constant answers every row with the same values and class. values and class
// are what DummyClassifier and DummyRegressor answer (dummy.py).
func Constant(values []float64, class int) model.Engine {
	return &constant{values: values, class: class}
}

type constant struct {
	values []float64
	class  int
}

func (c *constant) Predict(in model.Rows, out model.Answers) error {
	for r := range in.N {
		copy(out.Values[r*len(c.values):], c.values)
		if out.Classes != nil {
			out.Classes[r] = c.class
		}
	}
	return nil
}
