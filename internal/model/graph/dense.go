package graph

import (
	"math"
	"slices"

	"serin/internal/model"
	"serin/internal/model/kernel"
)

// inFloats is an operator that is computed in the type of its first input.
func inFloats(inputs int, single, double func(*Call) *Tensor) func(*Call) {
	return func(c *Call) {
		c.AtMost(inputs, 1)
		switch c.Input(0).Data.(type) {
		case []float32:
			c.Give(0, single(c))
		case []float64:
			c.Give(0, double(c))
		default:
			c.WrongKind(c.Input(0))
		}
	}
}

// matrices is MatMul: matrices in the last two axes, the others broadcast. A
// vector counts as a row on the left and as a column on the right.
func matrices[T Float](c *Call) *Tensor {
	a, b := c.Input(0), c.Input(1)
	if _, ok := b.Data.([]T); !ok || a.Rank() == 0 || b.Rank() == 0 {
		c.Refuse("multiplies a %s and a %s tensor", a.Kind(), b.Kind())
	}
	left, right := a.Shape, b.Shape
	if a.Rank() == 1 {
		left = []int{1, a.Shape[0]}
	}
	if b.Rank() == 1 {
		right = []int{b.Shape[0], 1}
	}
	k, n := right[len(right)-2], right[len(right)-1]
	m := left[len(left)-2]
	batch, ok := broadcast(left[:len(left)-2], right[:len(right)-2])
	if !ok || left[len(left)-1] != k {
		c.Refuse("multiplies matrices of the shapes %v and %v", a.Shape, b.Shape)
	}
	shape := slices.Clone(batch)
	if a.Rank() > 1 {
		shape = append(shape, m)
	}
	if b.Rank() > 1 {
		shape = append(shape, n)
	}
	if len(right) == 2 {
		// One matrix for all: its rows are all rows.
		return c.Alias(weighted[T](c, a, product(batch)*m, b, k, n, false, nil), shape)
	}
	t, out := Alloc[T](c, shape...)
	c.Toil(product(batch), m, k, n)
	x, y := Values[T](c, a), Values[T](c, b)
	ia := c.spread(left[:len(left)-2], batch)
	ib := c.spread(right[:len(right)-2], batch)
	for i := range product(batch) {
		from, to := through(ia, i)*m*k, through(ib, i)*k*n
		multiply(c, x[from:from+m*k], y[to:to+k*n], out[i*m*n:(i+1)*m*n], m, k, n)
	}
	return t
}

// weighted is m rows of k numbers times a matrix: k x n, or n x k where it lies
// transposed. A constant matrix is packed once, for all plans.
func weighted[T Float](c *Call, a *Tensor, m int, b *Tensor, k, n int, transposed bool, bias []T) *Tensor {
	x, weights := Values[T](c, a), Values[T](c, b)
	t, out := Alloc[T](c, m, n)
	c.Toil(m, k, n)
	if !b.Fixed {
		if transposed {
			b = c.permuted(c.Alias(b, []int{n, k}), []int{1, 0})
			weights = Values[T](c, b)
		}
		multiply(c, x, weights, out, m, k, n)
		return t
	}
	pack := func() *kernel.Dense[T] {
		if !transposed {
			turned := make([]T, len(weights))
			for i := range k {
				for o := range n {
					turned[o*k+i] = weights[i*n+o]
				}
			}
			weights = turned
		}
		return kernel.NewDense(weights, bias, n, k)
	}
	dense := kept(c, pack)
	c.Always(func() { dense.Apply(x, m, out) })
	return t
}

// kept packs the weights once for all plans, where all inputs but the first are
// the file's own and none is computed for this plan alone.
func kept[T any](c *Call, pack func() T) T {
	for i := 1; i < len(c.in); i++ {
		if c.in[i] != nil && c.file.graph.constants[c.node.in[i]] != c.in[i] {
			return pack()
		}
	}
	return Prepare(c, pack)
}

// multiply is the plain product of two matrices that are both computed.
func multiply[T Float](c *Call, x, y, out []T, m, k, n int) {
	c.Always(func() {
		clear(out)
		for r := range m {
			row := out[r*n : (r+1)*n]
			for i, v := range x[r*k : (r+1)*k] {
				for o, w := range y[i*n : (i+1)*n] {
					row[o] += v * w
				}
			}
		}
	})
}

// general is Gemm: alpha * A * B + beta * C.
func general[T Float](c *Call) *Tensor {
	a, b, shift := c.Input(0), c.Input(1), c.Optional(2)
	alpha, beta := c.Float("alpha", 1), c.Float("beta", 1)
	turnB := c.Flag("transB")
	if a.Rank() != 2 || b.Rank() != 2 {
		c.Refuse("multiplies tensors of the shapes %v and %v", a.Shape, b.Shape)
	}
	if c.Flag("transA") {
		a = c.permuted(a, []int{1, 0})
	}
	k, n := b.Shape[0], b.Shape[1]
	if turnB {
		k, n = n, k
	}
	if _, ok := b.Data.([]T); !ok || a.Shape[1] != k {
		c.Refuse("multiplies a %s %v by a %s %v", a.Kind(), a.Shape, b.Kind(), b.Shape)
	}
	m := a.Shape[0]
	var bias []T
	if shift != nil && shift.Fixed && b.Fixed && alpha == 1 && beta == 1 && shift.Rank() <= 2 && shift.Len() == n && (shift.Rank() < 2 || shift.Shape[0] == 1) {
		if list, ok := shift.Data.([]T); ok {
			bias, shift = list, nil
		}
	}
	out := weighted(c, a, m, b, k, n, turnB, bias)
	if alpha != 1 {
		out = c.Unary(out, func(v float64) float64 { return v * alpha }, nil)
	}
	if shift == nil {
		return out
	}
	if beta != 1 {
		shift = c.Unary(shift, func(v float64) float64 { return v * beta }, nil)
	}
	out = c.arithmetic(out, shift, pair{f32: add[float32], f64: add[float64]})
	return c.Alias(out, []int{m, n})
}

// distant is ONNX Runtime's CDist: the distance of every row of one matrix to
// every row of another.
// Source: contrib_ops/cpu/cdist.cc.
func distant[T Float](c *Call) *Tensor {
	a, b, metric := c.Input(0), c.Input(1), c.Text("metric", "sqeuclidean")
	if metric != "sqeuclidean" && metric != "euclidean" {
		c.Refuse("measures distances as %s", model.Quote(metric))
	}
	if a.Rank() != 2 || b.Rank() != 2 || a.Shape[1] != b.Shape[1] {
		c.Refuse("measures distances between rows of %v and %v", a.Shape, b.Shape)
	}
	m, n, width := a.Shape[0], b.Shape[0], a.Shape[1]
	x, y := Values[T](c, a), Values[T](c, b)
	c.Toil(m, n, width)
	t, out := Alloc[T](c, m, n)
	c.Always(func() {
		for i := range m {
			row := x[i*width : (i+1)*width]
			for k := range n {
				sum := T(0)
				for at, v := range y[k*width : (k+1)*width] {
					d := row[at] - v
					sum += d * d
				}
				if metric == "euclidean" {
					sum = T(math.Sqrt(float64(sum)))
				}
				out[i*n+k] = sum
			}
		}
	})
	return t
}
