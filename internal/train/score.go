package train

import (
	"cmp"
	"math"
	"slices"
)

// Score is how well a model tells the classes of a dataset.
type Score struct {
	// Rows is the number of rows judged.
	Rows int
	// Accuracy is the share of rows whose likelier class is the true one.
	Accuracy float64
	// LogLoss is the mean of -ln(probability given to the true class); lower is
	// better, ln 2 is a coin's.
	LogLoss float64
	// AUC is the probability that a row of the second class is given a higher
	// probability than one of the first (ties count half); 0.5 is a coin's.
	AUC float64
}

// Score judges m on d, which must have m's features and rows of both classes;
// AUC is 0.5 otherwise.
func (m Model) Score(d Dataset) Score {
	s := Score{Rows: d.Rows()}
	probability := make([]float64, d.Rows())
	for i, positive := range d.Positive {
		p := m.Probability(d.Row(i))
		probability[i] = p
		if positive == (p > 0.5) {
			s.Accuracy++
		}
		if !positive {
			p = 1 - p
		}
		s.LogLoss -= math.Log(math.Max(p, math.SmallestNonzeroFloat64))
	}
	s.Accuracy /= float64(s.Rows)
	s.LogLoss /= float64(s.Rows)
	s.AUC = auc(probability, d.Positive)
	return s
}

// auc is the Mann-Whitney statistic: the ranks of the second class, ties at
// their mean, less what they are at least, over the number of pairs.
func auc(probability []float64, positive []bool) float64 {
	order := make([]int, len(positive))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(probability[a], probability[b]) })
	var ranks, count float64
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && probability[order[to]] == probability[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			if positive[i] {
				ranks += float64(from+to+1) / 2
				count++
			}
		}
		from = to
	}
	pairs := count * (float64(len(order)) - count)
	if pairs == 0 {
		return 0.5
	}
	return (ranks - count*(count+1)/2) / pairs
}
