package heads

import (
	"math"

	"serin/internal/model"
	"serin/internal/model/kernel"
)

// Layer is one layer of a neural network: weights inputs x outputs row by row,
// as scikit-learn's coefs_ are, and a bias for each output.
type Layer struct {
	Weights, Bias   []float64
	Inputs, Outputs int
}

// Activation is the function between two layers.
type Activation uint8

const (
	// Identity is x.
	Identity Activation = iota
	// Logistic is 1 / (1 + exp(-x)).
	Logistic
	// Tanh is the hyperbolic tangent.
	Tanh
	// Relu is the greater of 0 and x.
	Relu
)

// Network is a multi-layer perceptron without the activation of its last layer,
// which is the Link's part. Each layer takes as many numbers as the one before
// it gives (neural_network/_multilayer_perceptron.py, _forward_pass_fast).
func Network(layers []Layer, between Activation) Scorer {
	n := &network{between: between}
	for _, l := range layers {
		turned := make([]float64, len(l.Weights))
		for i := range l.Inputs {
			for o := range l.Outputs {
				turned[o*l.Inputs+i] = l.Weights[i*l.Outputs+o]
			}
		}
		n.layers = append(n.layers, kernel.NewDense(turned, l.Bias, l.Outputs, l.Inputs))
		n.widest = max(n.widest, l.Outputs)
	}
	return n
}

type network struct {
	layers  []*kernel.Dense[float64]
	between Activation
	widest  int
	pool    pool
}

func (n *network) Outputs() int { return n.layers[len(n.layers)-1].Outputs() }

// networkRows is how many rows go through all layers at once: few enough that
// what passes between two layers stays in the cache.
const networkRows = 32

func (n *network) Score(in model.Rows, out []float64) error {
	x, rows := in.Numbers, in.N
	s := n.pool.get(2*networkRows*n.widest, 0)
	defer n.pool.put(s)
	here, there := s.numbers[:networkRows*n.widest], s.numbers[networkRows*n.widest:]
	inputs, outputs, last := n.layers[0].Inputs(), n.Outputs(), len(n.layers)-1
	for rows > 0 {
		block := min(rows, networkRows)
		from := x[:block*inputs]
		for i, layer := range n.layers[:last] {
			to := here[:block*layer.Outputs()]
			if n.between == Relu {
				layer.ApplyRelu(from, block, to, i > 0, true)
			} else {
				layer.Apply(from, block, to)
				n.between.apply(to)
			}
			from, here, there = to, there, here
		}
		n.layers[last].ApplyRelu(from, block, out[:block*outputs], n.between == Relu && last > 0, false)
		x, out, rows = x[block*inputs:], out[block*outputs:], rows-block
	}
	return nil
}

func (a Activation) apply(x []float64) {
	switch a {
	case Logistic:
		kernel.Expit(x)
	case Tanh:
		for i, v := range x {
			x[i] = math.Tanh(v)
		}
	}
}
