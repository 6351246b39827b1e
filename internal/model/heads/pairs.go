package heads

import (
	"math"

	"serin/internal/model"
)

// Normalized scores what its members of one value each say, divided by their sum.
// Where that is zero, it is left as it is, or is NaN as it was up to scikit-learn
// 1.6. A single member stands for two classes, (1-p, p)
// (multiclass.py, OneVsRestClassifier.predict_proba).
func (m Members) Normalized(zeroIsNaN bool) Scorer {
	return &normalized{beside: beside{members: m, outputs: len(m), widest: m.widest()}, zeroIsNaN: zeroIsNaN}
}

type normalized struct {
	beside
	zeroIsNaN bool
}

func (n *normalized) Outputs() int { return max(2, len(n.members)) }

func (n *normalized) Score(in model.Rows, out []float64) error {
	if err := n.beside.Score(in, out[:in.N*len(n.members)]); err != nil {
		return err
	}
	if len(n.members) == 1 {
		for r := in.N - 1; r >= 0; r-- {
			out[2*r], out[2*r+1] = 1-out[r], out[r]
		}
	}
	width := n.Outputs()
	for r := range in.N {
		row := out[r*width : (r+1)*width]
		if total := sum(row); total != 0 || n.zeroIsNaN {
			divide(row, total)
		}
	}
	return nil
}

// OneVsOne scores OneVsOneClassifier's decision for each class: members are the
// pairs of classes (0,1), (0,2), ..., each of one value that is for the second
// (multiclass.py, OneVsOneClassifier.decision_function).
func (m Members) OneVsOne(classes int) Scorer {
	return &oneVsOne{members: m, classes: classes, widest: m.widest()}
}

type oneVsOne struct {
	members         Members
	classes, widest int
	pool, columns   pool
}

func (o *oneVsOne) Outputs() int { return o.classes }

func (o *oneVsOne) Score(in model.Rows, out []float64) error {
	s := o.pool.get(in.N*(o.widest+o.classes), in.N)
	defer o.pool.put(s)
	confidence, values := s.numbers[:in.N*o.classes], s.numbers[in.N*o.classes:]
	clear(out)
	clear(confidence)
	i, j := 0, 1
	for k := range o.members {
		if err := o.members[k].ask(in, values, s.classes, &o.columns); err != nil {
			return err
		}
		for r, v := range values[:in.N] {
			confidence[r*o.classes+i] -= v
			confidence[r*o.classes+j] += v
			winner := i
			if s.classes[r] == 1 {
				winner = j
			}
			out[r*o.classes+winner]++
		}
		if j++; j == o.classes {
			i++
			j = i + 1
		}
	}
	for k, c := range confidence {
		out[k] += c / (3 * (math.Abs(c) + 1))
	}
	return nil
}

// Mapped puts each quantity that an engine answers through a function:
// TransformedTargetRegressor (compose/_target.py, predict).
func Mapped(e model.Engine, f func(output int, y float64) float64, outputs int) model.Engine {
	return &mapped{engine: e, f: f, outputs: outputs}
}

type mapped struct {
	engine  model.Engine
	f       func(int, float64) float64
	outputs int
}

func (m *mapped) Predict(in model.Rows, out model.Answers) error {
	if err := m.engine.Predict(in, out); err != nil {
		return err
	}
	for i, y := range out.Values {
		out.Values[i] = m.f(i%m.outputs, y)
	}
	return nil
}
