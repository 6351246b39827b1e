package heads

import (
	"math"

	"serin/internal/model"
	"serin/internal/model/kernel"
)

// Kernel is the similarity of a row and a support vector (libsvm's svm.cpp,
// Kernel::k_function).
type Kernel uint8

const (
	// Dot is x . y.
	Dot Kernel = iota
	// Polynomial is (gamma x . y + coef0)^degree.
	Polynomial
	// Radial is exp(-gamma |x - y|^2).
	Radial
	// HyperbolicTangent is tanh(gamma x . y + coef0).
	HyperbolicTangent
)

// Machine is a fitted support vector machine as libsvm keeps it. Its methods
// make the engines; the fields must not change afterwards.
type Machine struct {
	Kernel       Kernel
	Gamma, Coef0 float64
	Degree       int // at least 0
	// Vectors are the support vectors, Features numbers each, those of a class
	// side by side.
	Vectors  []float64
	Features int
	// Counts is the number of vectors of each class; nil for a regression and a
	// one-class machine.
	Counts []int
	// Coef has a row for each class but one, of a number for each vector: the
	// weights against the other classes (libsvm's sv_coef).
	Coef []float64
	// Intercept has a number for each pair of classes (0,1), (0,2), ..., (1,2), ...
	Intercept []float64
	// ProbA and ProbB are Platt's sigmoids, one for each pair; nil where none were fitted.
	ProbA, ProbB []float64
	// BreakTies predicts the greatest decision instead of the class with most votes.
	BreakTies bool
}

// Regression is SVR's and NuSVR's predict.
func (m *Machine) Regression() model.Engine { return New(m.scorer(), Quantities) }

// OneClass is OneClassSVM's decision function; its classes are outlier, inlier.
func (m *Machine) OneClass() model.Engine { return New(m.scorer(), Decision) }

// Decision is the decision function of SVC and NuSVC, and their vote
// (svm/_base.py, BaseSVC.decision_function and predict).
func (m *Machine) Decision() model.Engine { return &machine{Machine: m, scorer: m.scorer()} }

// Probabilities are predict_proba, and the same vote.
func (m *Machine) Probabilities() model.Engine {
	return &machine{Machine: m, scorer: m.scorer(), probabilities: true}
}

func (m *Machine) scorer() *pairScores {
	s := &pairScores{Machine: m, starts: make([]int, len(m.Counts)+1), vectors: len(m.Vectors) / m.Features}
	for c, n := range m.Counts {
		s.starts[c+1] = s.starts[c] + n
	}
	if m.Kernel != Radial {
		s.dots = kernel.NewDense(m.Vectors, nil, s.vectors, m.Features)
	}
	return s
}

// pairScores are the decisions of all pairs of classes, above zero for the first
// of the two (svm_predict_values); or the one number of a machine without classes.
type pairScores struct {
	*Machine
	starts  []int // of the classes' vectors
	vectors int
	dots    *kernel.Dense[float64]
	pool    pool
}

func (p *pairScores) Outputs() int { return len(p.Intercept) }

// machineRows is how many rows are held against the support vectors at once.
const machineRows = 4

func (p *pairScores) Score(in model.Rows, out []float64) error {
	s := p.pool.get(machineRows*p.vectors, 0)
	defer p.pool.put(s)
	x, rows := in.Numbers, in.N
	for rows > 0 {
		block := min(rows, machineRows)
		p.similar(x[:block*p.Features], block, s.numbers)
		for r := range block {
			p.decide(s.numbers[r*p.vectors:(r+1)*p.vectors], out[r*len(p.Intercept):])
		}
		x, out, rows = x[block*p.Features:], out[block*len(p.Intercept):], rows-block
	}
	return nil
}

// similar fills k, rows x vectors, with the kernel.
func (p *pairScores) similar(x []float64, rows int, k []float64) {
	k = k[:rows*p.vectors]
	if p.Kernel == Radial {
		for r := range rows {
			row := x[r*p.Features : (r+1)*p.Features]
			for i := range p.vectors {
				k[r*p.vectors+i] = math.Exp(-p.Gamma * kernel.Distance(row, p.Vectors[i*p.Features:]))
			}
		}
		return
	}
	p.dots.Apply(x, rows, k)
	switch p.Kernel {
	case Polynomial:
		for i, v := range k {
			k[i] = power(p.Gamma*v+p.Coef0, p.Degree)
		}
	case HyperbolicTangent:
		for i, v := range k {
			k[i] = math.Tanh(p.Gamma*v + p.Coef0)
		}
	}
}

// power is libsvm's powi: squares and multiplies.
func power(base float64, times int) float64 {
	result := 1.0
	for t := times; t > 0; t /= 2 {
		if t%2 == 1 {
			result *= base
		}
		base *= base
	}
	return result
}

func (p *pairScores) decide(k, out []float64) {
	if p.Counts == nil {
		total := 0.0
		for i, v := range k {
			total += p.Coef[i] * v
		}
		out[0] = total + p.Intercept[0]
		return
	}
	pair := 0
	for i := range p.Counts {
		for j := i + 1; j < len(p.Counts); j++ {
			first, second := p.Coef[(j-1)*p.vectors:], p.Coef[i*p.vectors:]
			total := 0.0
			for v := p.starts[i]; v < p.starts[i+1]; v++ {
				total += first[v] * k[v]
			}
			for v := p.starts[j]; v < p.starts[j+1]; v++ {
				total += second[v] * k[v]
			}
			out[pair] = total + p.Intercept[pair]
			pair++
		}
	}
}

// machine is a classifier: decisions or probabilities, and a vote.
type machine struct {
	*Machine
	scorer        *pairScores
	probabilities bool
	pool          pool
}

func (m *machine) Predict(in model.Rows, out model.Answers) error {
	pairs, classes := m.scorer.Outputs(), len(m.Counts)
	s := m.pool.get(in.N*pairs+2*classes+2*classes*classes, 0)
	defer m.pool.put(s)
	scores, room := s.numbers[:in.N*pairs], s.numbers[in.N*pairs:]
	if err := m.scorer.Score(in, scores); err != nil {
		return err
	}
	width := m.width()
	for r := range in.N {
		row := scores[r*pairs : (r+1)*pairs]
		if out.Classes != nil {
			out.Classes[r] = m.vote(row, room)
		}
		values := out.Values[r*width : (r+1)*width]
		switch {
		case m.probabilities:
			m.couple(row, values, room)
		case classes == 2:
			values[0] = -row[0]
		default:
			oneVsRest(row, values, room)
		}
	}
	return nil
}

// width is the number of values of a row.
func (m *machine) width() int {
	switch classes := len(m.Counts); {
	case m.probabilities:
		return classes
	case classes == 2:
		return 1
	default:
		return classes
	}
}

// vote is the class that wins most pairs, the first of equals (svm_predict_values),
// or with BreakTies the one of the greatest decision.
func (m *machine) vote(pairs, room []float64) int {
	classes := len(m.Counts)
	votes := room[:classes]
	if m.BreakTies && classes > 2 {
		oneVsRest(pairs, votes, room[classes:])
		return argmax(votes)
	}
	clear(votes)
	pair := 0
	for i := range classes {
		for j := i + 1; j < classes; j++ {
			if pairs[pair] > 0 {
				votes[i]++
			} else {
				votes[j]++
			}
			pair++
		}
	}
	return argmax(votes)
}

// oneVsRest makes a number for each class of the decisions of all pairs, above
// zero for the first of a pair: votes, and less than a third for how clear they
// were (utils/multiclass.py, _ovr_decision_function). room has a number for each
// class.
func oneVsRest(pairs, values, room []float64) {
	clear(values)
	confidence := room[:len(values)]
	clear(confidence)
	pair := 0
	for i := range values {
		for j := i + 1; j < len(values); j++ {
			d := pairs[pair]
			confidence[i] += d
			confidence[j] -= d
			if d < 0 {
				values[j]++
			} else {
				values[i]++
			}
			pair++
		}
	}
	for i, c := range confidence {
		values[i] += c / (3 * (math.Abs(c) + 1))
	}
}

// couple makes probabilities of the decisions of all pairs: a sigmoid for each,
// and the distribution that fits them best (svm_predict_probability). room has
// a number for each class and twice as many for each pair of them.
func (m *machine) couple(pairs, p, room []float64) {
	const least = 1e-7
	classes := len(p)
	r := room[:classes*classes]
	pair := 0
	for i := range classes {
		for j := i + 1; j < classes; j++ {
			v := platt(pairs[pair], m.ProbA[pair], m.ProbB[pair])
			if !(v > least) { // NaN, too
				v = least
			}
			v = min(v, 1-least)
			r[i*classes+j], r[j*classes+i] = v, 1-v
			pair++
		}
	}
	reconcile(r, p, room[classes*classes:])
}

// platt is libsvm's sigmoid_predict, which never overflows.
func platt(decision, a, b float64) float64 {
	f := decision*a + b
	if f >= 0 {
		return math.Exp(-f) / (1 + math.Exp(-f))
	}
	return 1 / (1 + math.Exp(f))
}

// reconcile is libsvm's multiclass_probability: the second method of Wu, Lin and
// Weng (2004). r[i][j] is how likely class i is if it is i or j.
func reconcile(r, p, room []float64) {
	k := len(p)
	q, qp := room[:k*k], room[k*k:k*k+k]
	for t := range k {
		p[t] = 1 / float64(k)
		q[t*k+t] = 0
		for j := range k {
			if j != t {
				q[t*k+t] += r[j*k+t] * r[j*k+t]
				q[t*k+j] = -r[j*k+t] * r[t*k+j]
			}
		}
	}
	enough := 0.005 / float64(k)
	for range max(100, k) {
		pqp, worst := 0.0, 0.0
		for t := range k {
			qp[t] = 0
			for j := range k {
				qp[t] += q[t*k+j] * p[j]
			}
			pqp += p[t] * qp[t]
		}
		for t := range k {
			worst = max(worst, math.Abs(qp[t]-pqp))
		}
		if worst < enough {
			return
		}
		for t := range k {
			diff := (-qp[t] + pqp) / q[t*k+t]
			p[t] += diff
			pqp = (pqp + diff*(diff*q[t*k+t]+2*qp[t])) / (1 + diff) / (1 + diff)
			for j := range k {
				qp[j] = (qp[j] + diff*q[t*k+j]) / (1 + diff)
				p[j] /= 1 + diff
			}
		}
	}
}
