package heads

import (
	"math"

	"serin/internal/model"
	"serin/internal/model/kernel"
)

// Metric is a distance of two rows.
type Metric uint8

const (
	// Euclidean is the root of the sum of squares.
	Euclidean Metric = iota
	// Manhattan is the sum of absolute differences.
	Manhattan
	// Chebyshev is the greatest absolute difference.
	Chebyshev
	// Minkowski is (sum |x - y|^p)^(1/p).
	Minkowski
	// Cosine is 1 - x . y / (|x| |y|).
	Cosine
)

// Neighbors is a nearest neighbours model: all points that it was fitted on.
// Its neighbours are scikit-learn's wherever no two distances are equal; of
// equal ones, those that come first are taken here.
type Neighbors struct {
	Metric   Metric
	P        float64   // of Minkowski, above 0
	Points   []float64 // Features numbers each
	Features int
	K        int // neighbours that count, 1 to the number of points
	// Inverse weighs neighbours by 1/distance; those at distance 0 then count
	// alone (neighbors/_base.py, _get_weights).
	Inverse bool
	// Classes has the class of each point, from 0 to Outputs - 1; nil for a regression.
	Classes []int
	// Targets are the points' numbers, Outputs each, where Classes is nil.
	Targets []float64
	Outputs int
}

// Engine answers the neighbours' shares of the classes and predicts the greatest,
// the first of equals; or the mean of their numbers (neighbors/_classification.py
// and _regression.py, predict).
func (n *Neighbors) Engine() model.Engine {
	link := Decision
	if n.Classes == nil {
		link = Quantities
	}
	return New(n.nearest(), link)
}

// Closeness scores each point by its distance, below zero: NearestCentroid's
// predict takes the greatest (neighbors/_nearest_centroid.py).
func (n *Neighbors) Closeness() Scorer { return &closeness{n.nearest()} }

func (n *Neighbors) nearest() *nearest {
	s := &nearest{Neighbors: n, points: n.Points}
	if n.Metric == Cosine {
		s.points = make([]float64, len(n.Points))
		copy(s.points, n.Points)
		for i := 0; i < len(s.points); i += n.Features {
			unit(s.points[i : i+n.Features])
		}
	}
	return s
}

type closeness struct{ *nearest }

func (c *closeness) Outputs() int { return len(c.points) / c.Features }

func (c *closeness) Score(in model.Rows, out []float64) error {
	s := c.pool.get(c.Features, 0)
	defer c.pool.put(s)
	points := c.Outputs()
	for r := range in.N {
		copy(s.numbers, in.Numbers[r*c.Features:])
		if c.Metric == Cosine {
			unit(s.numbers)
		}
		for i := range points {
			out[r*points+i] = -c.root(c.distance(s.numbers, c.points[i*c.Features:(i+1)*c.Features]))
		}
	}
	return nil
}

type nearest struct {
	*Neighbors
	points []float64
	pool   pool
}

func (n *nearest) Outputs() int { return n.Neighbors.Outputs }

func (n *nearest) Score(in model.Rows, out []float64) error {
	s := n.pool.get(n.Features+n.K, n.K)
	defer n.pool.put(s)
	row, distances := s.numbers[:n.Features], s.numbers[n.Features:]
	for r := range in.N {
		copy(row, in.Numbers[r*n.Features:])
		if n.Metric == Cosine {
			unit(row)
		}
		n.search(row, distances, s.classes)
		n.weigh(distances)
		n.mean(distances, s.classes, out[r*n.Neighbors.Outputs:(r+1)*n.Neighbors.Outputs])
	}
	return nil
}

// search finds the K points nearest to row, the nearest first.
func (n *nearest) search(row, distances []float64, points []int) {
	found := 0
	for i := 0; i*n.Features < len(n.points); i++ {
		d := n.distance(row, n.points[i*n.Features:(i+1)*n.Features])
		if found == n.K && !(d < distances[found-1]) {
			continue
		}
		if found < n.K {
			found++
		}
		at := found - 1
		for ; at > 0 && d < distances[at-1]; at-- {
			distances[at], points[at] = distances[at-1], points[at-1]
		}
		distances[at], points[at] = d, i
	}
}

// distance is monotone in the metric: without the root that belongs to it.
func (n *nearest) distance(x, y []float64) float64 {
	d := 0.0
	switch n.Metric {
	case Euclidean:
		return kernel.Distance(x, y)
	case Cosine:
		return max(0, min(2, 1-kernel.Dot(x, y)))
	case Manhattan:
		for j, v := range x {
			d += math.Abs(v - y[j])
		}
	case Chebyshev:
		for j, v := range x {
			d = max(d, math.Abs(v-y[j]))
		}
	case Minkowski:
		for j, v := range x {
			d += math.Pow(math.Abs(v-y[j]), n.P)
		}
	}
	return d
}

// weigh turns distances into weights.
func (n *nearest) weigh(d []float64) {
	if !n.Inverse {
		for i := range d {
			d[i] = 1
		}
		return
	}
	if n.distanceIsZero(d[0]) { // the nearest comes first
		for i, v := range d {
			d[i] = 0
			if n.distanceIsZero(v) {
				d[i] = 1
			}
		}
		return
	}
	for i, v := range d {
		d[i] = 1 / n.root(v)
	}
}

// distanceIsZero tells whether a weight would be infinite.
func (n *nearest) distanceIsZero(d float64) bool { return math.IsInf(1/n.root(d), 0) }

func (n *nearest) root(d float64) float64 {
	switch n.Metric {
	case Euclidean:
		return math.Sqrt(d)
	case Minkowski:
		return math.Pow(d, 1/n.P)
	default:
		return d
	}
}

func (n *nearest) mean(weights []float64, points []int, out []float64) {
	clear(out)
	for i, w := range weights {
		if n.Classes != nil {
			out[n.Classes[points[i]]] += w
			continue
		}
		for o := range out {
			out[o] += w * n.Targets[points[i]*len(out)+o]
		}
	}
	divide(out, sum(weights))
}

// unit divides a row by its length; a row of zeros stays as it is
// (preprocessing/_data.py, normalize).
func unit(x []float64) {
	norm := math.Sqrt(kernel.Dot(x, x))
	if norm < 10*0x1p-52 {
		return
	}
	divide(x, norm)
}
