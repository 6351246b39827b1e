package heads

import (
	"cmp"
	"math"
	"slices"

	"serin/internal/model"
)

// Samme scores AdaBoostClassifier's decision for each of some classes, before
// Difference makes one number of two: each member gives its weight to the class that it
// predicts and takes against/weight from the others, and the sum is divided by
// the sum of all weights. against is 1/(classes-1) since scikit-learn 1.3, and 0
// before (ensemble/_weight_boosting.py, decision_function).
func (m Members) Samme(classes int, against, weights float64) Scorer {
	return &samme{members: m, classes: classes, widest: m.widest(), against: against, weights: weights}
}

type samme struct {
	members          Members
	classes, widest  int
	against, weights float64
	pool, columns    pool
}

func (b *samme) Outputs() int { return b.classes }

func (b *samme) Score(in model.Rows, out []float64) error {
	s := b.pool.get(in.N*b.widest, in.N)
	defer b.pool.put(s)
	clear(out)
	for i := range b.members {
		m := &b.members[i]
		if err := m.ask(in, s.numbers, s.classes, &b.columns); err != nil {
			return err
		}
		for r, own := range s.classes {
			class := m.class(own)
			for k := range b.classes {
				if k == class {
					out[r*b.classes+k] += m.Weight
				} else {
					out[r*b.classes+k] -= b.against * m.Weight
				}
			}
		}
	}
	divide(out, b.weights)
	return nil
}

// SammeR scores the same decision from the members' probabilities, as
// algorithm="SAMME.R" did up to scikit-learn 1.5: the sum of
// (classes-1) (log p - mean log p), divided by the sum of the weights. Every member
// knows all classes.
func (m Members) SammeR(classes int, weights float64) Scorer {
	return &sammeR{members: m, classes: classes, weights: weights}
}

type sammeR struct {
	members       Members
	classes       int
	weights       float64
	pool, columns pool
}

func (b *sammeR) Outputs() int { return b.classes }

func (b *sammeR) Score(in model.Rows, out []float64) error {
	s := b.pool.get(in.N*b.classes, 0)
	defer b.pool.put(s)
	clear(out)
	for i := range b.members {
		if err := b.members[i].ask(in, s.numbers, nil, &b.columns); err != nil {
			return err
		}
		for r := range in.N {
			logs := s.numbers[r*b.classes : (r+1)*b.classes]
			total := 0.0
			for k, p := range logs {
				logs[k] = math.Log(max(p, 0x1p-52))
				total += logs[k]
			}
			for k, l := range logs {
				out[r*b.classes+k] += float64(b.classes-1) * (l - 1/float64(b.classes)*total)
			}
		}
	}
	divide(out, b.weights)
	return nil
}

// Median is AdaBoostRegressor's weighted median: members are sorted by what they
// predict, and the first with which half of all weight is reached is taken
// (_weight_boosting.py, _get_median_predict).
func (m Members) Median() Scorer { return &median{members: m, widest: m.widest()} }

type median struct {
	members       Members
	widest        int
	pool, columns pool
}

func (m *median) Outputs() int { return 1 }

func (m *median) Score(in model.Rows, out []float64) error {
	n := len(m.members)
	s := m.pool.get(in.N*(n+m.widest), n)
	defer m.pool.put(s)
	for i := range m.members {
		if err := m.members[i].ask(in, s.numbers[i*in.N:], nil, &m.columns); err != nil {
			return err
		}
	}
	for r := range in.N {
		order := s.classes
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.numbers[a*in.N+r], s.numbers[b*in.N+r]) })
		whole := 0.0
		for _, i := range order {
			whole += m.members[i].Weight
		}
		reached, chosen := 0.0, order[0]
		for _, i := range order {
			if reached += m.members[i].Weight; reached >= 0.5*whole {
				chosen = i
				break
			}
		}
		out[r] = s.numbers[chosen*in.N+r]
	}
	return nil
}
