package graph

import (
	"errors"
	"math"
	"slices"
)

// pair is a function of two numbers in each type that ONNX has it in; nil where
// it has none.
type pair struct {
	f32 func(a, b float32) float32
	f64 func(a, b float64) float64
	i64 func(a, b int64) int64
	i32 func(a, b int32) int32
}

func add[T Number](a, b T) T { return a + b }
func sub[T Number](a, b T) T { return a - b }
func mul[T Number](a, b T) T { return a * b }
func div[T Number](a, b T) T { return a / b }

// Minima and maxima hand a NaN on, as numpy's do.
func lower[T Number](a, b T) T  { return min(a, b) }
func higher[T Number](a, b T) T { return max(a, b) }

func power[T Number](a, b T) T { return T(math.Pow(float64(a), float64(b))) }

// arithmetic is an operator of two tensors of one type, with broadcasting.
func arithmetic(p pair) func(*Call) {
	return func(c *Call) {
		c.AtMost(2, 1)
		c.Give(0, c.arithmetic(c.Input(0), c.Input(1), p))
	}
}

func (c *Call) arithmetic(a, b *Tensor, p pair) *Tensor {
	switch a.Data.(type) {
	case []float32:
		return pairwise(c, a, b, p.f32)
	case []float64:
		return pairwise(c, a, b, p.f64)
	case []int64:
		return pairwise(c, a, b, p.i64)
	case []int32:
		return pairwise(c, a, b, p.i32)
	}
	c.WrongKind(a)
	return nil
}

// pairwise computes f on two tensors that are stretched to a common shape.
func pairwise[T, R Element](c *Call, a, b *Tensor, f func(x, y T) R) *Tensor {
	x, xok := a.Data.([]T)
	y, yok := b.Data.([]T)
	if !xok || !yok || f == nil {
		c.Refuse("takes a %s and a %s tensor, which serin does not compute", a.Kind(), b.Kind())
	}
	shape, ok := broadcast(a.Shape, b.Shape)
	if !ok {
		c.Refuse("takes tensors of the shapes %v and %v, which do not fit", a.Shape, b.Shape)
	}
	t, out := Alloc[R](c, shape...)
	from, to := c.spread(a.Shape, shape), c.spread(b.Shape, shape)
	c.Always(func() {
		switch {
		case from == nil && to == nil:
			for i := range out {
				out[i] = f(x[i], y[i])
			}
		case from == nil && len(y) == 1:
			second := y[0]
			for i := range out {
				out[i] = f(x[i], second)
			}
		case from == nil:
			for i := range out {
				out[i] = f(x[i], y[to[i]])
			}
		case to == nil:
			for i := range out {
				out[i] = f(x[from[i]], y[i])
			}
		default:
			for i := range out {
				out[i] = f(x[from[i]], y[to[i]])
			}
		}
	})
	return t
}

// spread is the table that stretches one shape to another.
func (c *Call) spread(from, to []int) []int32 {
	c.Spend(4 * product(to))
	return spread(from, to)
}

var errDivision = errors.New("the model divides a whole number by zero")

// divide is Div. Whole numbers are checked at every step, since Go panics where
// C would do as it likes.
func divide(c *Call) {
	c.AtMost(2, 1)
	switch d := c.Input(1).Data.(type) {
	case []int64:
		noZeros(c, d)
	case []int32:
		noZeros(c, d)
	}
	c.Give(0, c.arithmetic(c.Input(0), c.Input(1), pair{div[float32], div[float64], div[int64], div[int32]}))
}

func noZeros[T Number](c *Call, list []T) {
	c.Then(func() error {
		if slices.Contains(list, 0) {
			return errDivision
		}
		return nil
	})
}

// powers is Pow. The exponent may be of another type than the base.
func powers(c *Call) {
	c.AtMost(2, 1)
	base, exponent := c.Input(0), c.Input(1)
	if base.Kind() != exponent.Kind() {
		exponent = c.Cast(exponent, base.Element())
	}
	c.Give(0, c.arithmetic(base, exponent, pair{power[float32], power[float64], power[int64], power[int32]}))
}

// several is Sum, Min, Max or Mean: arithmetic over any number of tensors.
func several(p pair, mean bool) func(*Call) {
	return func(c *Call) {
		t := c.Input(0)
		for i := 1; i < len(c.in); i++ {
			t = c.arithmetic(t, c.Input(i), p)
		}
		if mean {
			n := float64(len(c.in))
			t = c.Unary(t, func(x float64) float64 { return x / n }, nil)
		} else if len(c.in) == 1 {
			t = c.Alias(t, t.Shape)
		}
		c.Give(0, t)
	}
}

// compare is an operator of two tensors of one type that answers bools.
func compare(f32 func(a, b float32) bool, f64 func(a, b float64) bool, i64 func(a, b int64) bool, i32 func(a, b int32) bool) func(*Call) {
	return func(c *Call) {
		c.AtMost(2, 1)
		a, b := c.Input(0), c.Input(1)
		switch a.Data.(type) {
		case []float32:
			c.Give(0, pairwise(c, a, b, f32))
		case []float64:
			c.Give(0, pairwise(c, a, b, f64))
		case []int64:
			c.Give(0, pairwise(c, a, b, i64))
		case []int32:
			c.Give(0, pairwise(c, a, b, i32))
		case []string:
			if c.node.op != "Equal" {
				c.WrongKind(a)
			}
			c.Give(0, pairwise(c, a, b, same[string]))
		case []bool:
			if c.node.op != "Equal" {
				c.WrongKind(a)
			}
			c.Give(0, pairwise(c, a, b, same[bool]))
		}
	}
}

func same[T Element](a, b T) bool  { return a == b }
func less[T Number](a, b T) bool   { return a < b }
func atMost[T Number](a, b T) bool { return a <= b }
func more[T Number](a, b T) bool   { return a > b }
func atLeast[T Number](a, b T) bool {
	return a >= b
}

// logic is And, Or or Xor.
func logic(f func(a, b bool) bool) func(*Call) {
	return func(c *Call) {
		c.AtMost(2, 1)
		c.Give(0, pairwise(c, c.Input(0), c.Input(1), f))
	}
}

func not(c *Call) {
	c.AtMost(1, 1)
	c.Give(0, Each(c, c.Input(0), func(x bool) bool { return !x }))
}

// Each computes f on every element.
func Each[T, R Element](c *Call, t *Tensor, f func(x T) R) *Tensor {
	x, ok := t.Data.([]T)
	if !ok {
		c.WrongKind(t)
	}
	result, out := Alloc[R](c, t.Shape...)
	c.Always(func() {
		for i, v := range x {
			out[i] = f(v)
		}
	})
	return result
}

// Unary computes a function on floats, in double and rounded to the type; and,
// where whole is not nil, on whole numbers.
func (c *Call) Unary(t *Tensor, f func(x float64) float64, whole func(x int64) int64) *Tensor {
	switch t.Data.(type) {
	case []float32:
		return Each(c, t, func(x float32) float32 { return float32(f(float64(x))) })
	case []float64:
		return Each(c, t, f)
	case []int64:
		if whole != nil {
			return Each(c, t, whole)
		}
	case []int32:
		if whole != nil {
			return Each(c, t, func(x int32) int32 { return int32(whole(int64(x))) })
		}
	}
	c.WrongKind(t)
	return nil
}

// function is an operator of one tensor without attributes.
func function(f func(x float64) float64) func(*Call) { return functionOf(f, nil) }

func functionOf(f func(x float64) float64, whole func(x int64) int64) func(*Call) {
	return func(c *Call) {
		c.AtMost(1, 1)
		c.Give(0, c.Unary(c.Input(0), f, whole))
	}
}

// approximated is an operator of one tensor that ONNX Runtime approximates in
// float32; single works in place.
func approximated(single func(x []float32), double func(x float64) float64) func(*Call) {
	return func(c *Call) {
		c.AtMost(1, 1)
		x, ok := c.Input(0).Data.([]float32)
		if !ok {
			c.Give(0, c.Unary(c.Input(0), double, nil))
			return
		}
		t, out := Alloc[float32](c, c.Input(0).Shape...)
		c.Give(0, t)
		c.Always(func() {
			copy(out, x)
			single(out)
		})
	}
}

func sigmoid(x float64) float64 {
	if x < 0 {
		e := math.Exp(x)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-x))
}

func softplus(x float64) float64 {
	if x > 0 {
		return x + math.Log1p(math.Exp(-x))
	}
	return math.Log1p(math.Exp(x))
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x // zero, or NaN
}

func signOf(x int64) int64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

func absolute(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}

// rectified is Relu, a loop of its own: it stands behind every layer of a network.
func rectified[T Float](c *Call) *Tensor {
	x := Values[T](c, c.Input(0))
	t, out := Alloc[T](c, c.Input(0).Shape...)
	c.Always(func() {
		for i, v := range x {
			out[i] = max(v, 0)
		}
	})
	return t
}

func leakyRelu(c *Call) {
	c.AtMost(1, 1)
	alpha := c.Float("alpha", 0.01)
	c.Give(0, c.Unary(c.Input(0), func(x float64) float64 {
		if x < 0 {
			return alpha * x
		}
		return x
	}, nil))
}

func elu(c *Call) {
	c.AtMost(1, 1)
	alpha := c.Float("alpha", 1)
	c.Give(0, c.Unary(c.Input(0), func(x float64) float64 {
		if x < 0 {
			return alpha * math.Expm1(x)
		}
		return x
	}, nil))
}

// leaning is PRelu, with a slope of its own for every element.
func leaning[T Float](x, slope T) T {
	if x < 0 {
		return x * slope
	}
	return x
}

func celu(c *Call) {
	c.AtMost(1, 1)
	alpha := c.Float("alpha", 1)
	c.Give(0, c.Unary(c.Input(0), func(x float64) float64 { return max(0, x) + min(0, alpha*math.Expm1(x/alpha)) }, nil))
}

func thresholdedRelu(c *Call) {
	c.AtMost(1, 1)
	alpha := c.Float("alpha", 1)
	c.Give(0, c.Unary(c.Input(0), func(x float64) float64 {
		if x > alpha {
			return x
		}
		return 0
	}, nil))
}

func selu(c *Call) {
	c.AtMost(1, 1)
	alpha, gamma := c.Float("alpha", 1.67326319217681884765625), c.Float("gamma", 1.05070102214813232421875)
	c.Give(0, c.Unary(c.Input(0), func(x float64) float64 {
		if x <= 0 {
			return gamma * alpha * math.Expm1(x)
		}
		return gamma * x
	}, nil))
}

func hardSigmoid(c *Call) {
	c.AtMost(1, 1)
	alpha, beta := c.Float("alpha", 0.2), c.Float("beta", 0.5)
	c.Give(0, c.Unary(c.Input(0), func(x float64) float64 { return max(0, min(1, alpha*x+beta)) }, nil))
}

func gelu(c *Call) {
	c.AtMost(1, 1)
	f := func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) }
	switch c.Text("approximate", "none") {
	case "none":
	case "tanh":
		f = func(x float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		}
	default:
		c.Refuse("approximates in a way that serin does not know")
	}
	c.Give(0, c.Unary(c.Input(0), f, nil))
}

// clip is Clip: its bounds are attributes before version 11 and inputs since.
func clip(c *Call) {
	c.AtMost(3, 1)
	t := c.Input(0)
	if c.version < 11 {
		low, high := c.Float("min", math.Inf(-1)), c.Float("max", math.Inf(1))
		c.Give(0, c.Unary(t, func(x float64) float64 { return min(max(x, low), high) }, nil))
		return
	}
	if low := c.Optional(1); low != nil {
		t = c.arithmetic(t, low, pair{higher[float32], higher[float64], higher[int64], higher[int32]})
	}
	if high := c.Optional(2); high != nil {
		t = c.arithmetic(t, high, pair{lower[float32], lower[float64], lower[int64], lower[int32]})
	}
	if !slices.Equal(t.Shape, c.Input(0).Shape) {
		c.Refuse("has bounds that are no single numbers")
	}
	c.Give(0, c.Alias(t, t.Shape))
}

func isNaN(c *Call) {
	c.AtMost(1, 1)
	c.Missing = true
	switch t := c.Input(0); t.Data.(type) {
	case []float32:
		c.Give(0, Each(c, t, func(x float32) bool { return x != x }))
	default:
		c.Give(0, Each(c, t, math.IsNaN))
	}
}

func isInf(c *Call) {
	c.AtMost(1, 1)
	negative, positive := c.Int("detect_negative", 1) != 0, c.Int("detect_positive", 1) != 0
	f := func(x float64) bool { return negative && math.IsInf(x, -1) || positive && math.IsInf(x, 1) }
	switch t := c.Input(0); t.Data.(type) {
	case []float32:
		c.Give(0, Each(c, t, func(x float32) bool { return f(float64(x)) }))
	default:
		c.Give(0, Each(c, t, f))
	}
}

// where is Where: a choice between two tensors, element by element.
func where(c *Call) {
	c.AtMost(3, 1)
	switch c.Input(1).Data.(type) {
	case []float32:
		choose[float32](c)
	case []float64:
		choose[float64](c)
	case []int64:
		choose[int64](c)
	case []int32:
		choose[int32](c)
	case []bool:
		choose[bool](c)
	case []string:
		choose[string](c)
	}
}

func choose[T Element](c *Call) {
	cond, okCond := c.Input(0).Data.([]bool)
	a, okA := c.Input(1).Data.([]T)
	b, okB := c.Input(2).Data.([]T)
	if !okCond || !okA || !okB {
		c.Refuse("takes a %s, a %s and a %s tensor", c.Input(0).Kind(), c.Input(1).Kind(), c.Input(2).Kind())
	}
	shape, ok := broadcast(c.Input(1).Shape, c.Input(2).Shape)
	if ok {
		shape, ok = broadcast(shape, c.Input(0).Shape)
	}
	if !ok {
		c.Refuse("takes tensors of shapes that do not fit")
	}
	t, out := Alloc[T](c, shape...)
	ic, ia, ib := c.spread(c.Input(0).Shape, shape), c.spread(c.Input(1).Shape, shape), c.spread(c.Input(2).Shape, shape)
	c.Always(func() {
		for i := range out {
			if cond[through(ic, i)] {
				out[i] = a[through(ia, i)]
			} else {
				out[i] = b[through(ib, i)]
			}
		}
	})
	c.Give(0, t)
}

// through looks i up in a table, of which nil is the one that changes nothing.
func through(table []int32, i int) int {
	if table == nil {
		return i
	}
	return int(table[i])
}
