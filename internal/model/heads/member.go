package heads

import (
	"errors"

	"serin/internal/model"
)

// Member is an engine inside another one.
type Member struct {
	Engine model.Engine
	// Outputs is the number of values that the engine answers a row; the first
	// Omit of them are left out: of two probabilities, the first, say.
	Outputs, Omit int
	// Classes are the whole's indices of the member's classes; nil where they are
	// the same ones. As many as values where those are mapped by it.
	Classes []int
	// Columns are the numbers of a row that the member sees; nil for all. A member
	// with columns sees no texts.
	Columns []int
	// Weight counts what the member says.
	Weight float64
	// Votes counts the member's predicted class instead of its values.
	Votes bool
	// Labels are what a predicted class stands for, as a number, where a stack takes
	// that instead of the values.
	Labels []float64
}

// Members are the engines of an ensemble, in its order.
type Members []Member

// width is the number of values that are taken of a row.
func (m *Member) width() int { return m.Outputs - m.Omit }

// ask answers rows into values and classes, which may be nil. values has room for
// all that the engine answers, and keeps width numbers a row.
func (m *Member) ask(in model.Rows, values []float64, classes []int, p *pool) error {
	if m.Columns != nil {
		s := p.get(in.N*len(m.Columns), 0)
		defer p.put(s)
		width := len(in.Numbers) / in.N
		for r := range in.N {
			for i, c := range m.Columns {
				s.numbers[r*len(m.Columns)+i] = in.Numbers[r*width+c]
			}
		}
		in = model.Rows{N: in.N, Numbers: s.numbers}
	}
	values = values[:in.N*m.Outputs]
	if err := m.Engine.Predict(in, model.Answers{Values: values, Classes: classes}); err != nil {
		return m.whole(err)
	}
	if m.Omit > 0 {
		for r := range in.N {
			copy(values[r*m.width():(r+1)*m.width()], values[r*m.Outputs+m.Omit:])
		}
	}
	return nil
}

// whole makes the member's error the whole's, whose features it counts.
func (m *Member) whole(err error) error {
	if u, ok := errors.AsType[*model.Unanswerable](err); ok && m.Columns != nil && u.Feature >= 0 {
		return &model.Unanswerable{Row: u.Row, Feature: m.Columns[u.Feature], Reason: u.Reason}
	}
	return err
}

// class is the whole's index of one of the member's classes.
func (m *Member) class(own int) int {
	if m.Classes == nil {
		return own
	}
	return m.Classes[own]
}

// widest is the most values that one of them answers a row.
func (m Members) widest() int {
	n := 0
	for i := range m {
		n = max(n, m[i].Outputs)
	}
	return n
}

// Sum scores the weighted sum of what its members say, divided by divisor:
//
//	soft voting       np.average(probabilities, weights)      (ensemble/_voting.py)
//	hard voting       np.bincount(classes, weights), divisor 1
//	bagging           the mean of probabilities, or of votes  (ensemble/_bagging.py)
//	calibration       the mean of the folds                   (calibration.py)
func (m Members) Sum(outputs int, divisor float64) Scorer {
	return &total{members: m, outputs: outputs, divisor: divisor, widest: m.widest()}
}

type total struct {
	members         Members
	outputs, widest int
	divisor         float64
	pool, columns   pool
}

func (t *total) Outputs() int { return t.outputs }

func (t *total) Score(in model.Rows, out []float64) error {
	s := t.pool.get(in.N*t.widest, in.N)
	defer t.pool.put(s)
	clear(out)
	for i := range t.members {
		m := &t.members[i]
		if m.Votes {
			if err := m.ask(in, s.numbers, s.classes, &t.columns); err != nil {
				return err
			}
			for r, class := range s.classes {
				out[r*t.outputs+m.class(class)] += m.Weight
			}
			continue
		}
		if err := m.ask(in, s.numbers, nil, &t.columns); err != nil {
			return err
		}
		for r := range in.N {
			for k, v := range s.numbers[r*m.width() : (r+1)*m.width()] {
				out[r*t.outputs+m.class(k)] += v * m.Weight
			}
		}
	}
	divide(out, t.divisor)
	return nil
}

// Beside puts the values of its members side by side (MultiOutputRegressor, the
// decisions of OneVsRestClassifier).
func (m Members) Beside() Scorer {
	b := &beside{members: m, widest: m.widest()}
	for i := range m {
		b.outputs += m[i].width()
	}
	return b
}

type beside struct {
	members         Members
	outputs, widest int
	pool, columns   pool
}

func (b *beside) Outputs() int { return b.outputs }

func (b *beside) Score(in model.Rows, out []float64) error {
	s := b.pool.get(in.N*b.widest, 0)
	defer b.pool.put(s)
	at := 0
	for i := range b.members {
		m := &b.members[i]
		if err := m.ask(in, s.numbers, nil, &b.columns); err != nil {
			return err
		}
		spread(s.numbers, m.width(), out[at:], b.outputs, in.N)
		at += m.width()
	}
	return nil
}

// spread copies rows of one width to the beginnings of rows that lie step apart.
func spread(from []float64, width int, to []float64, step, rows int) {
	for r := range rows {
		copy(to[r*step:], from[r*width:(r+1)*width])
	}
}

// Values answers what one engine says, and predicts what another does, which
// answers outputs values a row.
func Values(values, classes model.Engine, outputs int) model.Engine {
	return &split{values: values, classes: classes, outputs: outputs}
}

type split struct {
	values, classes model.Engine
	outputs         int
	pool            pool
}

func (s *split) Predict(in model.Rows, out model.Answers) error {
	if err := s.values.Predict(in, model.Answers{Values: out.Values}); err != nil {
		return err
	}
	room := s.pool.get(in.N*s.outputs, 0)
	defer s.pool.put(room)
	return s.classes.Predict(in, model.Answers{Values: room.numbers, Classes: out.Classes})
}

// Above answers a member of one value and predicts the second class where it is
// above the threshold, or at it with reach: FixedThresholdClassifier,
// TunedThresholdClassifierCV (model_selection/_classification_threshold.py,
// _threshold_scores_to_class_labels) and OneVsRestClassifier of two classes
// (multiclass.py).
func (m *Member) Above(threshold float64, reach bool, first, second int) model.Engine {
	return &above{member: m, threshold: threshold, reach: reach, first: first, second: second}
}

type above struct {
	member        *Member
	threshold     float64
	reach         bool
	first, second int
	pool, columns pool
}

func (a *above) Predict(in model.Rows, out model.Answers) error {
	s := a.pool.get(in.N*a.member.Outputs, 0)
	defer a.pool.put(s)
	if err := a.member.ask(in, s.numbers, nil, &a.columns); err != nil {
		return err
	}
	copy(out.Values, s.numbers)
	for r := range out.Classes {
		out.Classes[r] = a.first
		if v := s.numbers[r]; v > a.threshold || a.reach && v == a.threshold {
			out.Classes[r] = a.second
		}
	}
	return nil
}
