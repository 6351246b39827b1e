package graph

import (
	"math"
	"slices"
)

// The Reduce operators: one number of every run.

// folding is what a Reduce operator does with a run: of each number it makes a
// term, joins the terms, and at the end looks at how many there were. Each step is
// rounded to the element's type, as ONNX Runtime does.
type folding struct {
	none  float64 // of a run without elements
	term  func(x float64) float64
	join  func(a, b float64) float64
	last  func(sum, n float64) float64
	empty bool // a run may have no elements
}

func sums(term func(x float64) float64, last func(sum, n float64) float64, empty bool) folding {
	return folding{0, term, add[float64], last, empty}
}

func asIs(x float64) float64        { return x }
func squared(x float64) float64     { return x * x }
func whole(sum, _ float64) float64  { return sum }
func shared(sum, n float64) float64 { return sum / n }

// reducer makes a Reduce operator.
func reducer(f folding) func(*Call) {
	return func(c *Call) {
		c.AtMost(2, 1)
		t := c.Input(0)
		keep := c.Int("keepdims", 1) != 0
		axes := c.reducedAxes(t)
		turned, order, n := c.runs(t, axes)
		if n == 0 && !f.empty {
			c.Refuse("reduces no elements")
		}
		if len(axes) == 0 && c.Flag("noop_with_empty_axes") {
			c.Give(0, c.Alias(t, t.Shape))
			return
		}
		shape := without(t.Shape, axes, keep)
		switch d := turned.Data.(type) {
		case []float32:
			c.Give(0, reduced(c, d, shape, n, slices.IsSorted(order), f))
		case []float64:
			c.Give(0, reduced(c, d, shape, n, false, f))
		case []int64:
			c.Give(0, reduced(c, d, shape, n, false, f))
		case []int32:
			c.Give(0, reduced(c, d, shape, n, false, f))
		default:
			c.WrongKind(t)
		}
	}
}

// reduced folds every run. inLanes: the runs are folded four numbers at a time.
// Where a run lies in memory then counts, and it counts as if its row were alone,
// so that a row's answer does not depend on the rows beside it.
func reduced[T Number](c *Call, in []T, shape []int, n int, inLanes bool, f folding) *Tensor {
	t, out := Alloc[T](c, shape...)
	perRow := max(1, len(out)/c.rows)
	c.Always(func() {
		for r := range out {
			var sum T
			run := in[r*n : (r+1)*n]
			switch lead := -(r % perRow * n) & (lanes - 1); {
			case n == 0:
				sum = T(f.none)
			case inLanes && n >= lead+lanes:
				sum = foldLanes(run, lead, f)
			default:
				sum = foldOn(T(f.term(float64(run[0]))), run[1:], f)
			}
			out[r] = T(f.last(float64(sum), float64(n)))
		}
	})
	return t
}

// foldOn joins one term after the other to sum.
func foldOn[T Number](sum T, run []T, f folding) T {
	for _, v := range run {
		sum = T(f.join(float64(sum), float64(T(f.term(float64(v))))))
	}
	return sum
}

const lanes = 4 // of float32 in the registers that Eigen counts on

// foldLanes folds a run as Eigen does, on which ONNX Runtime leans: from the
// first address that is a multiple of 16 bytes, which comes after lead numbers,
// four terms at a time into two registers by turns; then the numbers before and
// after.
// Source: Eigen/src/Core/Redux.h, LinearVectorizedTraversal.
func foldLanes[T Number](run []T, lead int, f folding) T {
	blocks := (len(run) - lead) / lanes
	terms := func(block int) (t [lanes]T) {
		for i, v := range run[lead+block*lanes:][:lanes] {
			t[i] = T(f.term(float64(v)))
		}
		return t
	}
	join := func(a, b T) T { return T(f.join(float64(a), float64(b))) }
	both := func(a, b [lanes]T) [lanes]T {
		return [lanes]T{join(a[0], b[0]), join(a[1], b[1]), join(a[2], b[2]), join(a[3], b[3])}
	}
	s := terms(0)
	if blocks > 1 {
		odd, b := terms(1), 2
		for ; b+1 < blocks; b += 2 {
			s, odd = both(s, terms(b)), both(odd, terms(b+1))
		}
		if s = both(s, odd); b < blocks {
			s = both(s, terms(b))
		}
	}
	sum := join(join(s[0], s[2]), join(s[1], s[3]))
	return foldOn(foldOn(sum, run[:lead], f), run[lead+blocks*lanes:], f)
}

// reducedAxes are the axes of a Reduce operator: all, where none are named and
// naming none does not mean none.
func (c *Call) reducedAxes(t *Tensor) []int {
	none := c.Flag("noop_with_empty_axes")
	axes := c.axes(1)
	if len(axes) == 0 && !none {
		for i := range t.Shape {
			axes = append(axes, i)
		}
	}
	for i := range axes {
		axes[i] = c.axis(axes[i], t.Rank())
	}
	slices.Sort(axes)
	return slices.Compact(axes)
}

// without is a shape without some axes, or with 1 in their places.
func without(shape, axes []int, keep bool) []int {
	var rest []int
	for i, d := range shape {
		switch {
		case !slices.Contains(axes, i):
			rest = append(rest, d)
		case keep:
			rest = append(rest, 1)
		}
	}
	return rest
}

// logSumExp is ReduceLogSumExp, made around the greatest element so that no
// exponential overflows.
func logSumExp(c *Call) {
	c.AtMost(2, 1)
	t := c.Input(0)
	keep, axes := c.Int("keepdims", 1) != 0, c.reducedAxes(t)
	turned, _, n := c.runs(t, axes)
	if n == 0 {
		c.Refuse("reduces no elements")
	}
	shape := without(t.Shape, axes, keep)
	switch d := turned.Data.(type) {
	case []float32:
		c.Give(0, logSums(c, d, shape, n))
	case []float64:
		c.Give(0, logSums(c, d, shape, n))
	default:
		c.WrongKind(t)
	}
}

func logSums[T Float](c *Call, in []T, shape []int, n int) *Tensor {
	t, out := Alloc[T](c, shape...)
	c.Always(func() {
		for r := range out {
			out[r] = T(logSum(in[r*n : (r+1)*n]))
		}
	})
	return t
}

func logSum[T Float](run []T) float64 {
	most := float64(slices.Max(run))
	if math.IsInf(most, 0) || math.IsNaN(most) {
		return most
	}
	sum := 0.0
	for _, v := range run {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}
