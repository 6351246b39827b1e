package kernel

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestSingle holds the fused operation against exact arithmetic, rounded once.
func TestSingle(t *testing.T) {
	t.Parallel()
	exact := func(a, b, c float32) float32 {
		wide := func(x float32) *big.Float { return new(big.Float).SetPrec(600).SetFloat64(float64(x)) }
		p := wide(a)
		p.Mul(p, wide(b)).Add(p, wide(c))
		got, _ := p.Float32()
		return got
	}
	// The sum is a hair more, and a hair less, than halfway between two float32.
	for _, c := range []float32{0x1p-60, -0x1p-60} {
		const a, b = 1 + 0x1p-12, 1 + 0x1p-12 // a*b is halfway
		if got, want := Single(a, b, c), exact(a, b, c); got != want {
			t.Errorf("%v * %v %+v: %v, want %v", a, b, c, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.Uint32()
		draw := func(name string) float32 {
			return math.Float32frombits(bits.Filter(func(b uint32) bool { return b>>23&0xff != 0xff }).Draw(t, name))
		}
		a, b, c := draw("a"), draw("b"), draw("c")
		if got, want := Single(a, b, c), exact(a, b, c); got != want {
			t.Fatalf("%v * %v + %v: %v, want %v", a, b, c, got, want)
		}
	})
}

// TestApproximations: what ONNX Runtime 1.23.2 answers on x86-64, to the bit.
func TestApproximations(t *testing.T) {
	t.Parallel()
	x := []float32{0, 0.1, -0.3, 0.7, -1.5, 2.25, -4, 7.3, -9.5, 13.1, -17.9, -18, 30}
	logistic := []float32{0.5, 0.5249792, 0.4255575, 0.66818774, 0.18242556, 0.90465057, 0.017986238, 0.9993249, 7.483363e-05, 0.999998, 2.9802322e-08, 0, 1}
	tanh := []float32{0, 0.09966799, -0.2913126, 0.6043678, -0.9051482, 0.97802615, -0.9993292, 0.999999, -1, 1, -1, -1, 1}
	for _, f := range []struct {
		name string
		does func(x []float32)
		c    *ratio
		want []float32
	}{{"Logistic32", Logistic32, &logistic32, logistic}, {"Tanh32", Tanh32, &tanh32, tanh}} {
		got := slices.Clone(x)
		f.does(got)
		if !slices.Equal(got, f.want) {
			t.Errorf("%s(%v): %v, want %v", f.name, x, got, f.want)
		}
		rapid.Check(t, func(t *rapid.T) {
			x := numbers[float32](t, rapid.IntRange(0, 40).Draw(t, "n"), "x")
			for i := range x {
				x[i] *= 8
			}
			got, plain := slices.Clone(x), slices.Clone(x)
			f.does(got)
			plainRatios(plain, f.c)
			for i := range x {
				if !same(got[i], plain[i]) || isNaN(got[i]) != isNaN(x[i]) {
					t.Fatalf("%s(%v): %v by assembly, %v without", f.name, x[i], got[i], plain[i])
				}
			}
		})
	}
}

func TestSoftmax32(t *testing.T) {
	t.Parallel()
	for _, c := range [][2][]float32{
		{{1.5, -0.25, 3.125}, {0.15994388, 0.027794078, 0.81226206}},
		{{0, -87, -100, -1000, 2}, {0.11920291, 1.961856e-39, 6e-45, 0, 0.880797}},
		{
			{0, -0.1, 0.2, -0.3, 0.4, -0.5, 0.6, -0.7, 0.8, -0.9, 1, -1.1, 1.2, -1.3, 1.4, -1.5, 1.6, -1.7, 1.8},
			{
				0.03028126, 0.027399616, 0.036985617, 0.02243291, 0.045174334, 0.018366514, 0.055176053, 0.015037228, 0.067392185, 0.012311444,
				0.082313, 0.0100797545, 0.10053733, 0.008252607, 0.12279656, 0.0067566624, 0.14998408, 0.005531887, 0.18319094,
			},
		},
	} {
		x := slices.Clone(c[0])
		Softmax32(x)
		for i, got := range x {
			if want := c[1][i]; math.Abs(float64(got-want)) > 2e-7*float64(want) { // twice the last bit: sums may go another way
				t.Errorf("%v: number %d is %v, want %v", c[0], i, got, want)
			}
		}
	}
}

// TestUnfused: dot products by their definition, where no rounding interferes.
func TestUnfused(t *testing.T) {
	t.Parallel()
	for inputs := range 20 {
		for outputs := range 8 {
			x, w, bias, out := make([]float32, inputs), make([]float32, outputs*inputs), make([]float32, outputs), make([]float32, outputs)
			for i := range x {
				x[i] = float32(i%5) - 1
			}
			for i := range w {
				w[i] = float32(i%7) - 2
			}
			for o := range bias {
				bias[o] = float32(100 * o)
			}
			Unfused(x, w, bias, out)
			for o, got := range out {
				want := bias[o]
				for i, v := range x {
					want += v * w[o*inputs+i]
				}
				if got != want {
					t.Errorf("%d inputs, output %d of %d: %v, want %v", inputs, o, outputs, got, want)
				}
			}
		}
	}
}
