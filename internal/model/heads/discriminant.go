package heads

import (
	"math"

	"serin/internal/model"
	"serin/internal/model/kernel"
)

// Quadratic is the log posterior of QuadraticDiscriminantAnalysis. Each class has
// a mean, axes (its rotation, features x len(scaling) row by row), and the
// variances along them, above zero:
//
//	-1/2 (|(x - mean) . rotation / sqrt(scaling)|^2 + sum log scaling) + log prior
//
// (discriminant_analysis.py, QuadraticDiscriminantAnalysis._decision_function).
func Quadratic(means, rotations, scalings [][]float64, priors []float64) Scorer {
	q := &quadratic{features: len(means[0])}
	for c, scaling := range scalings {
		turned, logs := make([]float64, len(rotations[c])), 0.0
		for k, s := range scaling {
			for j := range q.features {
				turned[k*q.features+j] = rotations[c][j*len(scaling)+k] * math.Pow(s, -0.5)
			}
			logs += math.Log(s)
		}
		q.classes = append(q.classes, quadraticClass{
			mean: means[c], axes: kernel.NewDense(turned, nil, len(scaling), q.features), logs: logs, logPrior: math.Log(priors[c]),
		})
		q.widest = max(q.widest, len(scaling))
	}
	return q
}

type quadratic struct {
	classes  []quadraticClass
	features int
	widest   int
	pool     pool
}

type quadraticClass struct {
	mean           []float64
	axes           *kernel.Dense[float64]
	logs, logPrior float64
}

func (q *quadratic) Outputs() int { return len(q.classes) }

func (q *quadratic) Score(in model.Rows, out []float64) error {
	s := q.pool.get(q.features+q.widest, 0)
	defer q.pool.put(s)
	centred, along := s.numbers[:q.features], s.numbers[q.features:]
	for r := range in.N {
		row := in.Numbers[r*q.features : (r+1)*q.features]
		for c := range q.classes {
			class := &q.classes[c]
			for j, v := range row {
				centred[j] = v - class.mean[j]
			}
			class.axes.Apply(centred, 1, along)
			norm := 0.0
			for _, v := range along[:class.axes.Outputs()] {
				norm += v * v
			}
			out[r*len(q.classes)+c] = -0.5*(norm+class.logs) + class.logPrior
		}
	}
	return nil
}
