package heads

import (
	"fmt"
	"math"

	"serin/internal/model"
)

// Gaussian is the joint log likelihood of GaussianNB: for each class c,
//
//	log prior[c] - 1/2 sum log(2 pi variance[c][j]) - 1/2 sum (x[j] - mean[c][j])^2 / variance[c][j]
//
// mean and variance are classes x features, variance above zero
// (naive_bayes.py, GaussianNB._joint_log_likelihood).
func Gaussian(mean, variance, prior []float64) Scorer {
	g := &gaussian{mean: mean, variance: variance, fixed: make([]float64, len(prior)), features: len(mean) / len(prior)}
	for c, p := range prior {
		logs := 0.0
		for _, v := range variance[c*g.features : (c+1)*g.features] {
			logs += math.Log(2 * math.Pi * v)
		}
		g.fixed[c] = math.Log(p) - 0.5*logs
	}
	return g
}

type gaussian struct {
	mean, variance, fixed []float64
	features              int
}

func (g *gaussian) Outputs() int { return len(g.fixed) }

func (g *gaussian) Score(in model.Rows, out []float64) error {
	for r := range in.N {
		row := in.Numbers[r*g.features : (r+1)*g.features]
		for c, fixed := range g.fixed {
			mean, variance := g.mean[c*g.features:], g.variance[c*g.features:]
			distance := 0.0
			for j, v := range row {
				d := v - mean[j]
				distance += d * d / variance[j]
			}
			out[r*len(g.fixed)+c] = fixed - 0.5*distance
		}
	}
	return nil
}

// Binarized gives rows to a scorer as 1 where they are above the threshold, and
// 0 elsewhere (BernoulliNB._check_X).
func Binarized(s Scorer, threshold float64) Scorer {
	return &binarized{Scorer: s, threshold: threshold}
}

type binarized struct {
	Scorer
	threshold float64
	pool      pool
}

func (b *binarized) Score(in model.Rows, out []float64) error {
	s := b.pool.get(len(in.Numbers), 0)
	defer b.pool.put(s)
	for i, v := range in.Numbers {
		s.numbers[i] = 0
		if v > b.threshold {
			s.numbers[i] = 1
		}
	}
	return b.Scorer.Score(model.Rows{N: in.N, Numbers: s.numbers}, out)
}

// Categorical is the joint log likelihood of CategoricalNB: for each class the
// log prior and, for each feature, the log probability of the row's category.
// logs has a table for each feature, classes x categories row by row. A category
// is a number cut to a whole one; one that the table does not have is
// unanswerable (naive_bayes.py, CategoricalNB._joint_log_likelihood).
func Categorical(logs [][]float64, prior []float64) Scorer {
	return &categorical{logs: logs, prior: prior}
}

type categorical struct {
	logs  [][]float64
	prior []float64
}

func (c *categorical) Outputs() int { return len(c.prior) }

func (c *categorical) Score(in model.Rows, out []float64) error {
	for r := range in.N {
		scores := out[r*len(c.prior) : (r+1)*len(c.prior)]
		clear(scores)
		for j, table := range c.logs {
			v, categories := math.Trunc(in.Numbers[r*len(c.logs)+j]), len(table)/len(c.prior)
			if !(v >= 0 && v < float64(categories)) {
				return &model.Unanswerable{Row: r, Feature: j, Reason: fmt.Sprintf("category %v was not among the %d that the model was fitted on", v, categories)}
			}
			for k := range scores {
				scores[k] += table[k*categories+int(v)]
			}
		}
		for k, p := range c.prior {
			scores[k] += p
		}
	}
	return nil
}
