package onnx

import (
	"math"

	"serin/internal/model"
	"serin/internal/model/graph"
	"serin/internal/model/kernel"
)

// svm is the kernel of a support vector machine over its vectors: what the
// operators of ai.onnx.ml have instead of a name for it.
// Source: core/providers/cpu/ml/svmclassifier.h, batched_kernel_dot.
type svm struct {
	kind                 string
	gamma, shift, degree float32
	vectors              []float32 // vector after vector
	width                int
	dot                  *kernel.Dense[float32]
}

func newSVM(c *graph.Call, vectors []float32, count int) *svm {
	s := &svm{kind: c.Text("kernel_type", "LINEAR"), vectors: vectors, width: len(vectors) / count}
	if len(vectors) != count*s.width || s.width == 0 {
		c.Refuse("has %d numbers for %d support vectors", len(vectors), count)
	}
	params := c.Floats("kernel_params")
	if len(params) >= 3 {
		s.gamma, s.shift, s.degree = params[0], params[1], params[2]
	} else if s.kind != "LINEAR" {
		c.Refuse("has %d parameters of its kernel instead of 3", len(params))
	}
	switch s.kind {
	case "LINEAR", "POLY", "RBF", "SIGMOID":
	default:
		c.Refuse("has the kernel %s", model.Quote(s.kind))
	}
	s.dot = kernel.NewDense(vectors, nil, count, s.width)
	return s
}

// apply fills out with the kernel of each row and each vector.
func (s *svm) apply(x []float32, rows int, out []float32) {
	if s.kind == "RBF" {
		count := len(s.vectors) / s.width
		for r := range rows {
			row := x[r*s.width : (r+1)*s.width]
			for v := range count {
				sum := float32(0)
				for i, w := range s.vectors[v*s.width : (v+1)*s.width] {
					d := row[i] - w
					sum += float32(d * d) // not fused, on no processor
				}
				out[r*count+v] = exp32(-s.gamma * sum)
			}
		}
		return
	}
	if s.kind == "LINEAR" {
		count := len(s.vectors) / s.width
		for r := range rows {
			kernel.Unfused(x[r*s.width:(r+1)*s.width], s.vectors, nil, out[r*count:(r+1)*count])
		}
		return
	}
	s.dot.Apply(x, rows, out)
	switch s.kind {
	case "POLY":
		for i, v := range out {
			v = kernel.Single(s.gamma, v, s.shift)
			switch s.degree {
			case 2:
				out[i] = v * v
			case 3:
				out[i] = v * v * v
			default:
				out[i] = float32(math.Pow(float64(v), float64(s.degree)))
			}
		}
	case "SIGMOID":
		for i, v := range out {
			out[i] = kernel.Single(s.gamma, v, s.shift)
		}
		kernel.Tanh32(out)
	}
}

// kernels adds the step that computes the kernel of every row and vector.
func kernels(c *graph.Call, s *svm, count int) (k []float32, rows int) {
	x, rows, width := floatRows(c)
	if width != s.width {
		c.Refuse("has support vectors of %d numbers for rows of %d", s.width, width)
	}
	c.Toil(rows, count, width)
	_, k = graph.Alloc[float32](c, rows, count)
	c.Always(func() { s.apply(x, rows, k) })
	return k, rows
}

// svmRegressor is SVMRegressor.
// Source: core/providers/cpu/ml/svmregressor.cc.
func svmRegressor(c *graph.Call) {
	c.AtMost(1, 1)
	if readTransform(c) != nil {
		c.Refuse("transforms its answer, which ONNX Runtime does not do")
	}
	count, oneClass := c.Int("n_supports", 0), c.Flag("one_class")
	coefficients, rho := c.Floats("coefficients"), c.Floats("rho")
	if len(rho) != 1 || len(coefficients) == 0 || count < 0 || count > 0 && count != len(coefficients) {
		c.Refuse("has %d coefficients, %d offsets and %d support vectors", len(coefficients), len(rho), count)
	}
	var out []float32
	var rows int
	if count == 0 {
		c.Ignore("kernel_params", "support_vectors")
		if kind := c.Text("kernel_type", "LINEAR"); kind != "LINEAR" {
			c.Refuse("has the kernel %s and no support vectors", model.Quote(kind))
		}
		out, rows = linearScores(c, 1, coefficients, rho)
	} else {
		s := graph.Prepare(c, func() *svm { return newSVM(c, c.Floats("support_vectors"), count) })
		var k []float32
		k, rows = kernels(c, s, count)
		_, out = graph.Alloc[float32](c, rows, 1)
		c.Always(func() {
			for r := range out {
				kernel.Unfused(k[r*count:(r+1)*count], coefficients, rho, out[r:r+1])
			}
		})
	}
	c.Give(0, &graph.Tensor{Shape: []int{rows, 1}, Data: out})
	if oneClass {
		c.Always(func() {
			for r, v := range out {
				if out[r] = -1; v > 0 {
					out[r] = 1
				}
			}
		})
	}
}

// machine is SVMClassifier as it was fitted.
type machine struct {
	labels       labels
	svm          *svm
	first, count []int // of the support vectors of each class
	vectors      int
	coefficients []float32 // classes-1 x vectors
	rho, a, b    []float32 // one for each pair of classes
	change       transform
}

// pairs is the number of pairs of classes.
func (m *machine) pairs() int { return m.labels.len() * (m.labels.len() - 1) / 2 }

func newMachine(c *graph.Call) *machine {
	m := &machine{labels: readLabels(c, "classlabels_ints"), coefficients: c.Floats("coefficients"), rho: c.Floats("rho"), a: c.Floats("prob_a"), b: c.Floats("prob_b"), change: readTransform(c)}
	classes := m.labels.len()
	limit := c.Limit()
	for _, n := range c.Ints("vectors_per_class") {
		if n < 0 || n > int64(limit) {
			c.Refuse("has %d support vectors of a class", n)
		}
		m.first, m.count = append(m.first, m.vectors), append(m.count, int(n))
		m.vectors += int(n)
	}
	if m.vectors == 0 || len(m.count) != classes || m.vectors > limit {
		c.Refuse("has %d support vectors in %d classes of %d", m.vectors, len(m.count), classes)
	}
	if len(m.coefficients) != (classes-1)*m.vectors || len(m.rho) != m.pairs() || len(m.a) != len(m.b) || len(m.a) != 0 && len(m.a) != m.pairs() {
		c.Refuse("has %d coefficients and %d offsets for %d classes and %d vectors", len(m.coefficients), len(m.rho), classes, m.vectors)
	}
	if classes == 2 && m.a == nil && m.change != nil {
		c.Refuse("transforms the single score of two classes")
	}
	m.svm = newSVM(c, c.Floats("support_vectors"), m.vectors)
	return m
}

// decide fills the score of each pair of classes, and the votes.
func (m *machine) decide(k, scores []float32, votes []int32) {
	clear(votes)
	classes, pair := m.labels.len(), 0
	for i := range classes - 1 {
		for j := i + 1; j < classes; j++ {
			sum := 0.0
			for _, part := range [2][2]int{{i, j - 1}, {j, i}} { // whose vectors, by which row of coefficients
				at, n := m.first[part[0]], m.count[part[0]]
				weights := m.coefficients[part[1]*m.vectors+at:]
				for v, value := range k[at : at+n] {
					sum += float64(weights[v] * value)
				}
			}
			sum += float64(m.rho[pair])
			scores[pair] = float32(sum)
			if sum > 0 {
				votes[i]++
			} else {
				votes[j]++
			}
			pair++
		}
	}
}

// svmClassifier is SVMClassifier.
// Source: core/providers/cpu/ml/svmclassifier.cc.
func svmClassifier(c *graph.Call) {
	c.AtMost(1, 2)
	m := graph.Prepare(c, func() *machine { return newMachine(c) })
	k, rows := kernels(c, m.svm, m.vectors)
	classes, pairs, width := m.labels.len(), m.pairs(), m.pairs()
	if m.a != nil || classes == 2 {
		width = classes
	}
	c.Toil(rows, classes, m.vectors)
	_, scores := graph.Alloc[float32](c, rows, pairs)
	_, votes := graph.Alloc[int32](c, rows, classes)
	t, out := graph.Alloc[float32](c, rows, width)
	c.Spend(8 * 2 * classes * classes)
	couple := newCoupling(classes)
	c.Always(func() {
		for r := range rows {
			row := out[r*width : (r+1)*width]
			pairwise := scores[r*pairs : (r+1)*pairs]
			m.decide(k[r*m.vectors:(r+1)*m.vectors], pairwise, votes[r*classes:(r+1)*classes])
			switch {
			case m.a != nil:
				couple.probabilities(pairwise, m.a, m.b, row)
				if m.change != nil {
					m.change(row)
				}
			case classes == 2:
				row[0], row[1] = -pairwise[0], pairwise[0]
			default:
				copy(row, pairwise)
				if m.change != nil {
					m.change(row)
				}
			}
		}
	})
	giveLabels(c, m.labels, rows, func(r int) int { return firstBest(votes[r*classes : (r+1)*classes]) })
	c.Give(1, t)
}

// coupling turns the probabilities of pairs of classes into those of classes.
// Source: Wu, Lin and Weng (2004); core/providers/cpu/ml/ml_common.h,
// multiclass_probability.
type coupling struct {
	n     int
	r, q  []float32 // n x n
	along []float32
}

func newCoupling(n int) *coupling {
	return &coupling{n, make([]float32, n*n), make([]float32, n*n), make([]float32, n)}
}

func (c *coupling) probabilities(scores, a, b, p []float32) {
	const least = 1e-7
	n, pair := c.n, 0
	for i := range n - 1 {
		for j := i + 1; j < n; j++ {
			v := 1 - logistic(scores[pair]*a[pair]+b[pair])
			v = min(max(v, least), 1-least)
			c.r[i*n+j], c.r[j*n+i] = v, 1-v
			pair++
		}
	}
	for i := range n {
		p[i] = 1 / float32(n)
		sum := float32(0)
		for j := range n {
			if j != i {
				sum += c.r[j*n+i] * c.r[j*n+i]
				c.q[i*n+j] = -c.r[j*n+i] * c.r[i*n+j]
			}
		}
		c.q[i*n+i] = sum
	}
	for range 100 {
		if !c.improve(p) {
			return
		}
	}
}

// improve is one round over all classes; false: p is good enough.
func (c *coupling) improve(p []float32) bool {
	n, whole, worst := c.n, float32(0), float32(0)
	for i := range n {
		c.along[i] = 0
		for j := range n {
			c.along[i] += c.q[i*n+j] * p[j]
		}
		whole += p[i] * c.along[i]
	}
	for i := range n {
		// Not max: a NaN, which a kernel can be, leaves p as it is.
		if off := float32(math.Abs(float64(c.along[i] - whole))); off > worst {
			worst = off
		}
	}
	if worst < 0.005/float32(n) {
		return false
	}
	for i := range n {
		own := c.q[i*n+i]
		diff := (-c.along[i] + whole) / own
		p[i] += diff
		whole = (whole + diff*(diff*own+2*c.along[i])) / (1 + diff) / (1 + diff)
		for j := range n {
			c.along[j] = (c.along[j] + diff*c.q[i*n+j]) / (1 + diff)
			p[j] /= 1 + diff
		}
	}
	return true
}
