package heads

import (
	"math"
	"slices"

	"serin/internal/model"
)

// Stack asks final with what its members say side by side, and the row itself
// behind that where rest is above zero, the numbers of a row
// (ensemble/_stacking.py, _concatenate_predictions).
func (m Members) Stack(rest int, final model.Engine) model.Engine {
	s := &stack{members: m, rest: rest, final: final, width: rest, widest: m.widest()}
	for i := range m {
		s.width += m[i].handed()
	}
	return s
}

type stack struct {
	members             Members
	rest, width, widest int
	final               model.Engine
	pool, columns       pool
}

// handed is how many numbers a member hands on.
func (m *Member) handed() int {
	if m.Labels != nil {
		return 1
	}
	return m.width()
}

func (s *stack) Predict(in model.Rows, out model.Answers) error {
	room := s.pool.get(in.N*(s.width+s.widest), in.N)
	defer s.pool.put(room)
	rows, values := room.numbers[:in.N*s.width], room.numbers[in.N*s.width:]
	at := 0
	for i := range s.members {
		m := &s.members[i]
		if m.Labels != nil {
			if err := m.ask(in, values, room.classes, &s.columns); err != nil {
				return err
			}
			for r, class := range room.classes {
				values[r] = m.Labels[class]
			}
		} else if err := m.ask(in, values, nil, &s.columns); err != nil {
			return err
		}
		spread(values, m.handed(), rows[at:], s.width, in.N)
		at += m.handed()
	}
	if s.rest > 0 {
		spread(in.Numbers, s.rest, rows[at:], s.width, in.N)
	}
	return s.final.Predict(model.Rows{N: in.N, Numbers: rows}, out)
}

// Curve is a monotone map of one number, as calibration fits it.
type Curve struct {
	// A and B are Platt's sigmoid, expit(-(A x + B)), where X is nil.
	A, B float64
	// X and Y are the corners of an isotonic regression, X rising. Numbers beyond
	// its ends are cut to Low and High first, or are NaN with Outside.
	X, Y      []float64
	Low, High float64
	Outside   bool
}

// at is the curve's value (calibration.py, _SigmoidCalibration.predict; isotonic.py,
// IsotonicRegression._transform, and numpy's interp).
func (c *Curve) at(x float64) float64 {
	if c.X == nil {
		return expit(-(c.A*x + c.B))
	}
	if !c.Outside {
		x = min(max(x, c.Low), c.High)
	}
	last := len(c.X) - 1
	switch {
	case math.IsNaN(x) || x < c.X[0] || x > c.X[last]:
		return math.NaN()
	case last == 0:
		return c.Y[0]
	}
	i, _ := slices.BinarySearch(c.X, x) // the first that is not below x
	i = min(max(i, 1), last)
	slope := (c.Y[i] - c.Y[i-1]) / (c.X[i] - c.X[i-1])
	return slope*(x-c.X[i-1]) + c.Y[i-1]
}

// Calibrated scores the probabilities of one _CalibratedClassifier: its member's
// values, each through the curve of its class, normalised. With two classes there
// is one value and one curve, for the second
// (calibration.py, _CalibratedClassifier.predict_proba).
func (m *Member) Calibrated(curves []Curve, classes int) Scorer {
	return &calibrated{member: m, curves: curves, classes: classes}
}

type calibrated struct {
	member        *Member
	curves        []Curve
	classes       int
	pool, columns pool
}

func (c *calibrated) Outputs() int { return c.classes }

func (c *calibrated) Score(in model.Rows, out []float64) error {
	s := c.pool.get(in.N*c.member.Outputs, 0)
	defer c.pool.put(s)
	width := c.member.width()
	if err := c.member.ask(in, s.numbers, nil, &c.columns); err != nil {
		return err
	}
	for r := range in.N {
		scores := s.numbers[r*width : (r+1)*width]
		p := out[r*c.classes : (r+1)*c.classes]
		clear(p)
		if c.classes == 2 {
			v := c.curves[0].at(scores[0])
			p[0], p[1] = 1-v, v
		} else {
			for k, score := range scores {
				p[c.member.class(k)] = c.curves[k].at(score)
			}
			if total := sum(p); total != 0 {
				divide(p, total)
			} else {
				for k := range p {
					p[k] = 1 / float64(c.classes)
				}
			}
		}
		unrounded(p)
	}
	return nil
}

// unrounded takes a probability that is above 1 by a rounding back.
func unrounded(p []float64) {
	for k, v := range p {
		if v > 1 && v <= 1+1e-5 {
			p[k] = 1
		}
	}
}

// Tempered scores the softmax of a member's scores times an inverse temperature.
// One score s stands for (-s, s); probabilities are logits as log(p + 1e-12)
// (calibration.py, _TemperatureScaling.predict).
func (m *Member) Tempered(probabilities bool, classes int, beta float64) Scorer {
	return &tempered{member: m, probabilities: probabilities, classes: classes, beta: beta}
}

type tempered struct {
	member        *Member
	probabilities bool
	classes       int
	beta          float64
	pool, columns pool
}

func (t *tempered) Outputs() int { return t.classes }

func (t *tempered) Score(in model.Rows, out []float64) error {
	s := t.pool.get(in.N*t.member.Outputs, 0)
	defer t.pool.put(s)
	if err := t.member.ask(in, s.numbers, nil, &t.columns); err != nil {
		return err
	}
	width := t.member.width()
	for r := range in.N {
		scores, p := s.numbers[r*width:(r+1)*width], out[r*t.classes:(r+1)*t.classes]
		if len(scores) == 1 {
			p[0], p[1] = -scores[0], scores[0]
		} else {
			copy(p, scores)
		}
		for k, v := range p {
			if t.probabilities {
				v = math.Log(v + 1e-12)
			}
			p[k] = t.beta * v
		}
		softmax(p)
		unrounded(p)
	}
	return nil
}
