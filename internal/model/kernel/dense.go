package kernel

import (
	"math"
	"slices"
	"unsafe"
)

// Float is what the kernels compute with.
type Float interface{ float32 | float64 }

// Dot is the sum of x[i]*y[i] over all of x; y must be at least as long.
func Dot(x, y []float64) float64 {
	y = y[:len(x)]
	if !assembly || len(x) == 0 {
		return plainDot(x, y)
	}
	return dot64(&x[0], &y[0], len(x))
}

// Distance is the sum of (x[i]-y[i])^2 over all of x; y must be at least as long.
func Distance(x, y []float64) float64 {
	y = y[:len(x)]
	if !assembly || len(x) == 0 {
		return plainDistance(x, y)
	}
	return distance64(&x[0], &y[0], len(x))
}

// as is where a slice begins; To is T by another name.
func as[To, T Float](x []T) *To {
	return (*To)(unsafe.Pointer(unsafe.SliceData(x))) //nolint:gosec // assembly wants an address; the type stays the same
}

// Dense maps rows of inputs to rows of outputs: out[o] = sum_k x[k]*w[o][k] + bias[o].
// It is immutable. In float32 its results have the bits of ONNX Runtime's.
type Dense[T Float] struct {
	inputs, outputs int
	stride          int // outputs rounded up to whole panels
	// weights lie output after output where there are few outputs, and are then
	// taken by Dot; else input after input, each with stride weights.
	weights []T
	bias    []T  // stride numbers
	eights  bool // eight rows at a time are quicker than four
	finite  bool // all weights are, so that an input of 0 adds nothing
}

// few is up to how many outputs Dot is quicker than a panel that is mostly empty.
const few = 4

// narrow tells that Dot computes the outputs. In float32 it never does: a panel
// adds one product after the other, as ONNX Runtime does.
func (d *Dense[T]) narrow() bool { return d.outputs <= few && panel[T]() == 8 }

// NewDense packs weights, which lie output after output (a row of inputs each,
// as scikit-learn's coef_ does). bias has a number for each output, or is nil.
// The slices are kept only where nothing has to be packed; they must not change.
func NewDense[T Float](weights, bias []T, outputs, inputs int) *Dense[T] {
	d := &Dense[T]{inputs: inputs, outputs: outputs}
	weights = weights[:outputs*inputs]
	d.stride = (outputs + panel[T]() - 1) / panel[T]() * panel[T]()
	d.bias = make([]T, d.stride)
	if bias != nil {
		copy(d.bias, bias[:outputs])
	}
	if d.narrow() {
		d.weights = weights
		return d
	}
	d.eights = wider && panel[T]() == 8 && inputs > 0 && outputs >= 16
	d.finite = !slices.ContainsFunc(weights, func(w T) bool { return math.IsInf(float64(w), 0) || math.IsNaN(float64(w)) })
	d.weights = make([]T, max(inputs, 1)*d.stride)
	for o := range outputs {
		for k, w := range weights[o*inputs : (o+1)*inputs] {
			d.weights[k*d.stride+o] = w
		}
	}
	return d
}

// Inputs is the length of a row that goes in.
func (d *Dense[T]) Inputs() int { return d.inputs }

// Outputs is the length of a row that comes out.
func (d *Dense[T]) Outputs() int { return d.outputs }

// Apply fills out, rows x outputs, from x, rows x inputs. The two must not overlap.
func (d *Dense[T]) Apply(x []T, rows int, out []T) { d.apply(x, rows, 0, out, T(math.Inf(-1))) }

// ApplyRelu is Apply in a network of ReLU: before tells that about half of x is 0,
// and saves time there; after, that 0 takes the place of negative results. NaN
// stays.
func (d *Dense[T]) ApplyRelu(x []T, rows int, out []T, before, after bool) {
	least, o := T(math.Inf(-1)), 0
	if after {
		least = 0
	}
	if before && d.eights && d.finite && rows > 0 {
		for ; o+sparse <= d.outputs; o += sparse {
			sparse64(as[float64](x), rows, d.inputs, as[float64](d.weights[o:]), d.stride, as[float64](d.bias[o:]), as[float64](out[o:]), d.outputs, float64(least))
		}
	}
	if o < d.outputs {
		d.apply(x, rows, o, out, least)
	}
}

// sparse is how many outputs sparse64 makes.
const sparse = 32

// apply fills the outputs from o on and makes no result smaller than least.
func (d *Dense[T]) apply(x []T, rows, o int, out []T, least T) {
	x, out = x[:rows*d.inputs], out[:rows*d.outputs]
	r := 0
	if d.eights {
		for ; r+8 <= rows; r += 8 {
			d.eight(x[r*d.inputs:(r+8)*d.inputs], o, out[r*d.outputs:(r+8)*d.outputs], least)
		}
	}
	rest := out[r*d.outputs:]
	if d.narrow() {
		d.dots(x, rows, out)
		r = rows
	}
	if d.inputs > block && panel[T]() == 16 {
		for ; r < rows; r++ {
			d.blocks(x[r*d.inputs:(r+1)*d.inputs], out[r*d.outputs:(r+1)*d.outputs])
		}
	}
	for ; r+4 <= rows; r += 4 {
		d.four(x[r*d.inputs:(r+4)*d.inputs], o, out[r*d.outputs:(r+4)*d.outputs])
	}
	for ; r < rows; r++ {
		d.one(x[r*d.inputs:(r+1)*d.inputs], o, out[r*d.outputs:(r+1)*d.outputs])
	}
	raise(rest, least)
}

// raise makes no number smaller than least.
func raise[T Float](x []T, least T) {
	if math.IsInf(float64(least), -1) {
		return
	}
	for i, v := range x {
		x[i] = max(v, least)
	}
}

// ApplyAt fills out from one row of which only some numbers are given: x[i] is
// input at[i], all others are 0. Each of at is below inputs.
func (d *Dense[T]) ApplyAt(x []T, at []int32, out []T) {
	out = out[:d.outputs]
	by, next := d.stride, 1 // from one input to the next, and from one output to the next
	if d.narrow() {
		by, next = 1, d.inputs
	}
	for o := range out {
		sum := T(0)
		for i, k := range at {
			sum = fused(x[i], d.weights[int(k)*by+o*next], sum)
		}
		out[o] = sum + d.bias[o]
	}
}

// dots computes outputs one by one, as float64 does where there are few.
func (d *Dense[T]) dots(x []T, rows int, out []T) {
	if rows == 0 {
		return
	}
	if assembly && d.inputs > 0 {
		for o := range d.outputs {
			dots64(as[float64](x), rows, d.inputs, as[float64](d.weights[o*d.inputs:]), as[float64](d.bias[o:]), as[float64](out[o:]), d.outputs)
		}
		return
	}
	for r := range rows {
		row := x[r*d.inputs : (r+1)*d.inputs]
		for o := range d.outputs {
			out[r*d.outputs+o] = plainDot(row, d.weights[o*d.inputs:]) + d.bias[o]
		}
	}
}

// eight does eight rows from output o on, two panels at a time, and leaves the last
// outputs to four.
func (d *Dense[T]) eight(x []T, o int, out []T, least T) {
	floor := float64(least)
	for ; o+16 <= d.outputs; o += 16 {
		panel8x64(as[float64](x), d.inputs, as[float64](d.weights[o:]), d.stride, as[float64](d.bias[o:]), as[float64](out[o:]), d.outputs, floor)
	}
	if o == d.outputs {
		return
	}
	d.four(x[:4*d.inputs], o, out[:4*d.outputs])
	d.four(x[4*d.inputs:], o, out[4*d.outputs:])
	for r := range 8 {
		raise(out[r*d.outputs+o:(r+1)*d.outputs], least)
	}
}

// four does four rows from output o on, panel by panel. The last panel may reach beyond the
// outputs, and goes through a buffer.
func (d *Dense[T]) four(x []T, o int, out []T) {
	width := panel[T]()
	for ; o < d.outputs; o += width {
		if o+width <= d.outputs {
			d.panel4(x, o, out[o:], d.outputs)
			continue
		}
		var buffer [64]T // 4 rows of the widest panel
		d.panel4(x, o, buffer[:], width)
		for r := range 4 {
			copy(out[r*d.outputs+o:(r+1)*d.outputs], buffer[r*width:])
		}
	}
}

// one does a single row from output o on, four panels at a time as long as there
// are so many: one panel alone would wait for its own sums.
func (d *Dense[T]) one(x []T, o int, out []T) {
	width := panel[T]()
	for ; o+4*width <= d.outputs; o += 4 * width {
		d.panel1(x, 0, o, 4, d.bias[o:], out[o:])
	}
	for ; o < d.outputs; o += width {
		if o+width <= d.outputs {
			d.panel1(x, 0, o, 1, d.bias[o:], out[o:])
			continue
		}
		var buffer [16]T
		d.panel1(x, 0, o, 1, d.bias[o:], buffer[:])
		copy(out[o:], buffer[:])
	}
}

// block is how many inputs ONNX Runtime adds up in float32 before it adds the sum
// to what there is: the bias, and the blocks before.
const block = 256

// blocks does a single row of more inputs than a block has.
func (d *Dense[T]) blocks(x, out []T) {
	width := panel[T]()
	for o := 0; o < d.outputs; {
		panels := 1
		if o+4*width <= d.stride {
			panels = 4
		}
		var sums, next [4 * 16]T
		copy(sums[:panels*width], d.bias[o:])
		for at := 0; at < d.inputs; at += block {
			d.panel1(x[at:min(at+block, d.inputs)], at, o, panels, sums[:], next[:])
			sums = next
		}
		o += copy(out[o:], sums[:panels*width])
	}
}

// panel4 computes outputs o to o+panel of four rows; the results of a row lie
// step numbers after those of the row before.
func (d *Dense[T]) panel4(x []T, o int, out []T, step int) {
	if !assembly || d.inputs == 0 {
		plainPanels(x, d.inputs, d.weights[o:], d.bias[o:], d.stride, panel[T](), out, step)
		return
	}
	_ = out[3*step+panel[T]()-1]
	if panel[T]() == 8 {
		panel4x64(as[float64](x), d.inputs, as[float64](d.weights[o:]), d.stride, as[float64](d.bias[o:]), as[float64](out), step)
		return
	}
	panel4x32(as[float32](x), d.inputs, as[float32](d.weights[o:]), d.stride, as[float32](d.bias[o:]), as[float32](out), step)
}

// panel1 computes 1 or 4 panels of one row, from output o on: x are its inputs
// from at on, and start is what their sums are added to.
func (d *Dense[T]) panel1(x []T, at, o, panels int, start, out []T) {
	width, weights := panels*panel[T](), d.weights[at*d.stride:]
	if !assembly || len(x) == 0 {
		plainPanels(x, len(x), weights[o:], start, d.stride, width, out, 0)
		return
	}
	_, _ = start[width-1], out[width-1]
	if panel[T]() == 8 {
		panel1x64(as[float64](x), len(x), as[float64](weights[o:]), d.stride, as[float64](start), as[float64](out), panels)
		return
	}
	panel1x32(as[float32](x), len(x), as[float32](weights[o:]), d.stride, as[float32](start), as[float32](out), panels)
}

// panel is the number of outputs in 64 bytes: 8 of float64, 16 of float32.
func panel[T Float]() int {
	var zero T
	return 64 / int(unsafe.Sizeof(zero))
}
