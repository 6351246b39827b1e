package graph

import (
	"cmp"
	"math"
	"slices"

	"serin/internal/model/kernel"
)

// Operators that work along one axis, or over several. The tensor is first
// turned so that what belongs together lies together, in runs.

// runs turns a tensor so that the given axes come last. It returns the turned
// tensor, the axes in their new order, and the length of a run.
func (c *Call) runs(t *Tensor, axes []int) (turned *Tensor, order []int, length int) {
	length = 1
	for i := range t.Shape {
		if !slices.Contains(axes, i) {
			order = append(order, i)
		}
	}
	for _, axis := range axes {
		order = append(order, axis)
		length *= t.Shape[axis]
	}
	return c.permuted(t, order), order, length
}

// back turns a tensor of the turned shape to the order that it had.
func (c *Call) back(t *Tensor, order []int) *Tensor {
	inverse := make([]int, len(order))
	for i, axis := range order {
		inverse[axis] = i
	}
	return c.permuted(t, inverse)
}

// softmax is Softmax and LogSoftmax. Before version 13 all axes from the given
// one on were one run.
func softmax(logs bool) func(*Call) {
	return func(c *Call) {
		c.AtMost(1, 1)
		t := c.Input(0)
		var axes []int
		if c.version < 13 {
			axis := c.axis(c.Int("axis", 1), t.Rank())
			for ; axis < t.Rank(); axis++ {
				axes = append(axes, axis)
			}
		} else {
			axes = []int{c.axis(c.Int("axis", -1), t.Rank())}
		}
		turned, order, n := c.runs(t, axes)
		if n == 0 {
			c.Refuse("works on no elements")
		}
		switch d := turned.Data.(type) {
		case []float32:
			c.Give(0, c.back(softened(c, turned, d, n, logs), order))
		case []float64:
			c.Give(0, c.back(softened(c, turned, d, n, logs), order))
		default:
			c.WrongKind(t)
		}
	}
}

func softened[T Float](c *Call, t *Tensor, in []T, n int, logs bool) *Tensor {
	result, out := Alloc[T](c, t.Shape...)
	c.Always(func() {
		for at := 0; at < len(in); at += n {
			if logs {
				shift := logSum(in[at : at+n])
				for i, v := range in[at : at+n] {
					out[at+i] = T(float64(v) - shift)
				}
				continue
			}
			copy(out[at:at+n], in[at:at+n])
			switch d := any(out).(type) {
			case []float32:
				kernel.Softmax32(d[at : at+n])
			case []float64:
				soften(d[at : at+n])
			}
		}
	})
	return result
}

// soften turns scores into probabilities, exp(x - max) / sum, in place.
func soften(x []float64) {
	most, sum := slices.Max(x), 0.0
	for i, v := range x {
		x[i] = math.Exp(v - most)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

// argBest is ArgMax and ArgMin.
func argBest(sign int) func(*Call) {
	return func(c *Call) {
		c.AtMost(1, 1)
		t := c.Input(0)
		axis, keep, last := c.axis(c.Int("axis", 0), t.Rank()), c.Int("keepdims", 1) != 0, c.Flag("select_last_index")
		turned, _, n := c.runs(t, []int{axis})
		if n == 0 {
			c.Refuse("looks for the best of no elements")
		}
		shape := slices.Clone(t.Shape)
		if shape[axis] = 1; !keep {
			shape = slices.Delete(shape, axis, axis+1)
		}
		switch d := turned.Data.(type) {
		case []float32:
			c.Give(0, bestOf(c, d, shape, n, sign, last))
		case []float64:
			c.Give(0, bestOf(c, d, shape, n, sign, last))
		case []int64:
			c.Give(0, bestOf(c, d, shape, n, sign, last))
		case []int32:
			c.Give(0, bestOf(c, d, shape, n, sign, last))
		default:
			c.WrongKind(t)
		}
	}
}

func bestOf[T Number](c *Call, in []T, shape []int, n, sign int, last bool) *Tensor {
	t, out := Alloc[int64](c, shape...)
	c.Spend(8 * n)
	places := make([]int64, n)
	for i := range places {
		places[i] = int64(i)
	}
	t.Classes = &Tensor{Shape: []int{n}, Data: places, Fixed: true}
	c.Always(func() {
		for r := range out {
			run, best := in[r*n:(r+1)*n], 0
			for i, v := range run {
				if sign > 0 && v > run[best] || sign < 0 && v < run[best] || last && v == run[best] {
					best = i
				}
			}
			out[r] = int64(best)
		}
	})
	return t
}

// topK is TopK: the k greatest or smallest along an axis, and where they stand.
// Of equals the first comes first.
func topK(c *Call) {
	c.AtMost(2, 2)
	t := c.Input(0)
	axis, largest := c.axis(c.Int("axis", -1), t.Rank()), c.Int("largest", 1) != 0
	c.Ignore("sorted") // sorted is one of the orders that unsorted may be in
	k := c.Int("k", -1)
	if c.version < 10 {
		c.AtMost(1, 2)
	} else if list := c.constant(1); len(list) == 1 {
		k = list[0]
	}
	turned, order, n := c.runs(t, []int{axis})
	if k < 0 || k > n {
		c.Refuse("picks %d of %d elements", k, n)
	}
	switch d := turned.Data.(type) {
	case []float32:
		best(c, turned, d, order, n, k, largest)
	case []float64:
		best(c, turned, d, order, n, k, largest)
	case []int64:
		best(c, turned, d, order, n, k, largest)
	case []int32:
		best(c, turned, d, order, n, k, largest)
	default:
		c.WrongKind(t)
	}
}

func best[T Number](c *Call, t *Tensor, in []T, order []int, n, k int, largest bool) {
	shape := slices.Clone(t.Shape)
	shape[len(shape)-1] = k
	values, v := Alloc[T](c, shape...)
	places, p := Alloc[int64](c, shape...)
	c.Spend(4 * n)
	rank, sign := make([]int32, n), 1
	if largest {
		sign = -1
	}
	var run []T
	before := func(a, b int32) int {
		if d := cmp.Compare(run[a], run[b]); d != 0 {
			return sign * d
		}
		return cmp.Compare(a, b)
	}
	rows := 0
	if n > 0 {
		rows = len(in) / n
	}
	c.Toil(rows, n, 8)
	c.Always(func() {
		for r := range rows {
			run = in[r*n : (r+1)*n]
			pick(rank, k, before)
			for i, at := range rank[:k] {
				v[r*k+i], p[r*k+i] = run[at], int64(at)
			}
		}
	})
	c.Give(0, c.back(values, order))
	if len(c.out) > 1 {
		c.Give(1, c.back(places, order))
	}
}

// pick puts the numbers of the k first of a run at the front of rank, in order.
// A handful is found by insertion, more by sorting.
func pick(rank []int32, k int, before func(a, b int32) int) {
	const handful = 32
	if k > handful {
		for i := range rank {
			rank[i] = int32(i)
		}
		slices.SortFunc(rank, before)
		return
	}
	found := 0
	for i := range int32(len(rank)) {
		at := found
		for at > 0 && before(i, rank[at-1]) < 0 {
			at--
		}
		if at == k {
			continue
		}
		found = min(found+1, k)
		copy(rank[at+1:found], rank[at:found-1])
		rank[at] = i
	}
}

// cumSum is CumSum along a constant axis.
func cumSum(c *Call) {
	c.AtMost(2, 1)
	t := c.Input(0)
	list := c.constant(1)
	if len(list) != 1 {
		c.Refuse("sums along %d axes", len(list))
	}
	exclusive, reverse := c.Flag("exclusive"), c.Flag("reverse")
	turned, order, n := c.runs(t, []int{c.axis(list[0], t.Rank())})
	switch d := turned.Data.(type) {
	case []float32:
		c.Give(0, c.back(summed(c, turned, d, n, exclusive, reverse), order))
	case []float64:
		c.Give(0, c.back(summed(c, turned, d, n, exclusive, reverse), order))
	case []int64:
		c.Give(0, c.back(summed(c, turned, d, n, exclusive, reverse), order))
	case []int32:
		c.Give(0, c.back(summed(c, turned, d, n, exclusive, reverse), order))
	default:
		c.WrongKind(t)
	}
}

func summed[T Number](c *Call, t *Tensor, in []T, n int, exclusive, reverse bool) *Tensor {
	result, out := Alloc[T](c, t.Shape...)
	c.Always(func() {
		for at := 0; at < len(in); at += n {
			var sum T
			for i := range n {
				place := at + i
				if reverse {
					place = at + n - 1 - i
				}
				before := sum
				sum += in[place]
				if out[place] = sum; exclusive {
					out[place] = before
				}
			}
		}
	})
	return result
}

// batchNorm is BatchNormalization with the statistics of the training.
func batchNorm(c *Call) {
	c.AtMost(5, 1)
	c.Ignore("momentum", "is_test")
	if c.Flag("training_mode") || c.Has("spatial") && c.Int("spatial", 1) != 1 {
		c.Refuse("is in training mode")
	}
	t, epsilon := c.Input(0), c.Float("epsilon", 1e-5)
	if t.Rank() < 2 {
		c.Refuse("takes a tensor of %d dimensions", t.Rank())
	}
	shape := make([]int, t.Rank()-1) // of one number a channel
	for i := range shape {
		shape[i] = 1
	}
	shape[0] = t.Shape[1]
	channel := func(i int) *Tensor { return c.Alias(c.Input(i), shape) }
	spread := c.Unary(channel(4), func(v float64) float64 { return math.Sqrt(v + epsilon) }, nil)
	out := c.arithmetic(t, channel(3), pair{f32: sub[float32], f64: sub[float64]})
	out = c.arithmetic(out, spread, pair{f32: div[float32], f64: div[float64]})
	out = c.arithmetic(out, channel(1), pair{f32: mul[float32], f64: mul[float64]})
	c.Give(0, c.arithmetic(out, channel(2), pair{f32: add[float32], f64: add[float64]}))
}

// layerNorm is LayerNormalization: each run is brought to mean 0 and spread 1,
// then scaled and shifted. The mean and 1 / spread are its other outputs.
func layerNorm(c *Call) {
	c.AtMost(3, 3)
	c.Ignore("stash_type") // the precision of mean and spread, here always double
	t, epsilon := c.Input(0), c.Float("epsilon", 1e-5)
	axis := c.axis(c.Int("axis", -1), t.Rank())
	n := t.Width(axis)
	if n == 0 {
		c.Refuse("works on no elements")
	}
	var out *Tensor
	switch d := t.Data.(type) {
	case []float32:
		out = layered(c, t, d, axis, epsilon)
	case []float64:
		out = layered(c, t, d, axis, epsilon)
	default:
		c.WrongKind(t)
	}
	out = c.arithmetic(out, c.Input(1), pair{f32: mul[float32], f64: mul[float64]})
	if shift := c.Optional(2); shift != nil {
		out = c.arithmetic(out, shift, pair{f32: add[float32], f64: add[float64]})
	}
	c.Give(0, c.Alias(out, t.Shape))
}

func layered[T Float](c *Call, t *Tensor, in []T, axis int, epsilon float64) *Tensor {
	n := t.Width(axis)
	result, out := Alloc[T](c, t.Shape...)
	shape := slices.Clone(t.Shape)
	for i := axis; i < len(shape); i++ {
		shape[i] = 1
	}
	means, m := Alloc[T](c, shape...)
	inverses, inv := Alloc[T](c, shape...)
	c.Give(1, means)
	c.Give(2, inverses)
	c.Always(func() {
		for at := 0; at < len(in); at += n {
			mean, spread := 0.0, 0.0
			for _, v := range in[at : at+n] {
				mean += float64(v)
			}
			mean /= float64(n)
			for _, v := range in[at : at+n] {
				d := float64(v) - mean
				spread += d * d
			}
			spread = math.Sqrt(spread/float64(n) + epsilon)
			m[at/n], inv[at/n] = T(mean), T(1/spread)
			for i, v := range in[at : at+n] {
				out[at+i] = T((float64(v) - mean) / spread)
			}
		}
	})
	return result
}
