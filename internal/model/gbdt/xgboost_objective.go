package gbdt

import (
	"math"

	"serin/internal/model"
)

// goal is what an objective makes of margins.
type goal struct {
	link      link
	signature model.Signature // task, meaning, outputs and classes of the answer
}

// goal reads the objective. The transformations are the PredTransform of
// src/objective/*.
func (b *booster) goal(whole part, o XGBoostOptions) goal {
	n := b.outputs()
	quantities := model.Signature{Task: model.Regression, Values: model.Quantities, Outputs: n}
	twoClasses := model.Signature{Values: model.Probabilities, Outputs: 2, Classes: labels(2)}
	sigmoid := sigmoid32
	if !b.since(1, 6) {
		sigmoid = oldSigmoid32
	}
	if o.Regression {
		switch b.objective {
		case "binary:logistic":
			return goal{each(sigmoid), quantities}
		case "binary:hinge":
			return goal{each(hinge32), quantities}
		case "binary:logitraw":
			return goal{asIs, quantities}
		}
	}
	classification, two := true, n == 1
	var g goal
	switch b.objective {
	case "binary:logistic":
		g = goal{twoOf(sigmoid, rest32), twoClasses}
	case "binary:hinge":
		g = goal{twoOf(hinge32, rest32), twoClasses}
	case "binary:logitraw":
		if o.Best { // its predict_proba answers margins, its predict compares them with 0.5
			whole.in.refuse("Fit with the objective binary:logistic.", "%s: its objective is binary:logitraw, whose margins XGBClassifier takes for probabilities", whole.path)
		}
		g = goal{rawScore, model.Signature{Values: model.Scores, Outputs: 1, Classes: labels(2)}}
	case "multi:softprob", "multi:softmax":
		g = goal{softmax32, model.Signature{Values: model.Probabilities, Outputs: n, Classes: labels(n)}}
		if b.targets > 1 || b.classes < 2 {
			whole.fail("its objective is %s, of %d classes and %d targets", b.objective, b.classes, b.targets)
		}
		two = true
	default:
		classification = false
	}
	if classification {
		if !two {
			whole.in.refuse("Fit one model for each of the outputs.", "%s: it answers %d questions at once with the objective %s, which is not served", whole.path, n, b.objective)
		}
		return g
	}
	switch b.objective {
	case "reg:squarederror", "reg:linear", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
		"rank:pairwise", "rank:ndcg", "rank:map":
		return goal{asIs, quantities}
	case "reg:quantileerror":
		if b.since(3, 4) {
			return goal{sortedRow, quantities} // quantiles may not cross
		}
		return goal{asIs, quantities}
	case "reg:logistic":
		return goal{each(sigmoid), quantities}
	case "reg:gamma", "reg:tweedie", "count:poisson", "survival:cox", "survival:aft":
		return goal{each(exp32), quantities}
	}
	whole.in.refuse("Fit the model with one of XGBoost's common objectives: binary:logistic, multi:softprob, reg:squarederror and their kin.",
		"%s: serin does not know its objective %s", whole.path, model.Quote(b.objective))
	return goal{}
}

// margins are base_score as margins, one for each output: the ProbToMargin of
// src/objective/*.
func (b *booster) margins(whole part) []float64 {
	whole.path = "base_score"
	n := b.outputs()
	if len(b.base) != 1 && len(b.base) != n {
		whole.fail("it has %d numbers for %d outputs", len(b.base), n)
		return nil
	}
	toMargin := func(x float32) float32 { return x }
	switch b.objective {
	case "binary:logistic", "reg:logistic":
		toMargin = b.logit
	case "binary:logitraw":
		if !b.since(1, 3) { // it inherited the transformation by mistake
			toMargin = b.logit
		}
	case "reg:gamma", "reg:tweedie", "count:poisson", "survival:cox", "survival:aft":
		toMargin = func(x float32) float32 { return float32(math.Log(float64(x))) }
	}
	margins := make([]float64, n)
	for i := range margins {
		x := b.base[min(i, len(b.base)-1)]
		if !b.baseMargin {
			x = toMargin(x)
		}
		margins[i] = float64(x)
		if math.IsNaN(margins[i]) || math.IsInf(margins[i], 0) {
			whole.fail("%v cannot be for the objective %s", b.base[min(i, len(b.base)-1)], b.objective)
			return nil
		}
	}
	return margins
}

// logit is src/common/math.h Logit; since 3.2 its argument is kept off 0 and 1.
func (b *booster) logit(x float32) float32 {
	if b.since(3, 2) {
		const rtEps = 1e-6
		x = min(max(x, rtEps), 1-float32(rtEps))
	}
	return -float32(math.Log(float64(1/x - 1)))
}
