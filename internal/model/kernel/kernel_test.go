package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// numbers draws a slice that begins anywhere in memory, so that loads are not
// aligned, and has NaN, infinities, zeros and tiny numbers in it now and then.
func numbers[T Float](t *rapid.T, n int, name string) []T {
	odd := []T{T(math.NaN()), T(math.Inf(1)), T(math.Inf(-1)), 0, T(math.Copysign(0, -1)), 1e-38, -1e30}
	offset := rapid.IntRange(0, 7).Draw(t, name+" offset")
	x := make([]T, offset+n)[offset:]
	seed := rapid.Uint64().Draw(t, name)
	for i := range x {
		seed = seed*6364136223846793005 + 1442695040888963407
		x[i] = T(float64(int64(seed)) / (1 << 61))
	}
	if n > 0 && rapid.Bool().Draw(t, name+" odd") {
		x[rapid.IntRange(0, n-1).Draw(t, "at")] = rapid.SampledFrom(odd).Draw(t, "odd")
	}
	return x
}

// same compares bits, but for a zero's sign.
func same[T Float](got, want T) bool { return got == want || isNaN(got) && isNaN(want) }

func isNaN[T Float](x T) bool { return math.IsNaN(float64(x)) }

func TestDot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 300).Draw(t, "n")
		x, y := numbers[float64](t, n, "x"), numbers[float64](t, n+rapid.IntRange(0, 3).Draw(t, "more"), "y")
		if got, want := Dot(x, y), plainDot(x, y[:n]); !same(got, want) {
			t.Fatalf("%d numbers: %v by assembly, %v without", n, got, want)
		}
		if got, want := Distance(x, y), plainDistance(x, y[:n]); !same(got, want) {
			t.Fatalf("%d numbers: distance %v by assembly, %v without", n, got, want)
		}
	})
	for n := range 200 { // every length, whatever rapid draws
		x, exact := make([]float64, n), 0.0
		for i := range x {
			x[i] = float64(i%7) - 2
			exact += x[i] * x[i]
		}
		if got := Dot(x, x); got != exact {
			t.Errorf("%d numbers: %v, want %v", n, got, exact)
		}
		if got := Distance(x, make([]float64, n)); got != exact {
			t.Errorf("%d numbers: distance %v, want %v", n, got, exact)
		}
	}
}

func TestDotNeedsAsMuchOfTheOther(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("numbers beyond the slice were read")
		}
	}()
	Dot(make([]float64, 20), make([]float64, 19))
}

// testDense holds Apply against the plain definition, checks that a row alone
// answers the same bits as in a batch, and that nothing outside out is written.
func testDense[T Float](t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(1, 19).Draw(t, "rows")
		inputs, outputs := rapid.OneOf(rapid.IntRange(0, 70), rapid.IntRange(250, 520)).Draw(t, "inputs"), rapid.IntRange(1, 150).Draw(t, "outputs")
		w, bias, x := numbers[T](t, outputs*inputs, "w"), numbers[T](t, outputs, "bias"), numbers[T](t, rows*inputs, "x")
		if rapid.Bool().Draw(t, "no bias") {
			bias = nil
		}
		d := NewDense(w, bias, outputs, inputs)
		const guard = 12345
		space := make([]T, rows*outputs+2*16)
		for i := range space {
			space[i] = guard
		}
		out := space[16 : 16+rows*outputs]
		d.Apply(x, rows, out)
		for i := range 16 {
			if space[i] != guard || space[len(space)-1-i] != guard {
				t.Fatal("it wrote beside its output")
			}
		}
		alone := make([]T, outputs)
		for r := range rows {
			row := x[r*inputs : (r+1)*inputs]
			d.Apply(row, 1, alone)
			for o := range outputs {
				got, weights := out[r*outputs+o], w[o*inputs:(o+1)*inputs]
				if want := plainOutput(row, weights, bias, o, outputs); !same(got, want) {
					t.Fatalf("row %d of %d, output %d of %d, %d inputs: %v, want %v", r, rows, o, outputs, inputs, got, want)
				}
				if got != alone[o] && !(isNaN(got) && isNaN(alone[o])) {
					t.Fatalf("row %d of %d, output %d: %v in the batch, %v alone", r, rows, o, got, alone[o])
				}
			}
		}
	})
}

func plainOutput[T Float](row, weights, bias []T, o, outputs int) T {
	if bias == nil {
		bias = make([]T, outputs)
	}
	if outputs <= few && panel[T]() == 8 {
		return plainDot(row, weights) + bias[o]
	}
	sum, start := T(0), bias[o]
	for k, v := range row {
		if k > 0 && k%block == 0 && panel[T]() == 16 {
			sum, start = 0, sum+start
		}
		sum = fused(v, weights[k], sum)
	}
	return sum + start
}

func TestDense64(t *testing.T) { testDense[float64](t) }
func TestDense32(t *testing.T) { testDense[float32](t) }

// TestPlainPanels keeps the form without assembly in use on machines that have it.
func TestPlainPanels(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		inputs, outputs := rapid.IntRange(1, 30).Draw(t, "inputs"), rapid.IntRange(few+1, 40).Draw(t, "outputs")
		w, bias, x := numbers[float64](t, outputs*inputs, "w"), numbers[float64](t, outputs, "bias"), numbers[float64](t, 4*inputs, "x")
		d := NewDense(w, bias, outputs, inputs)
		fast, plain := make([]float64, 4*d.stride), make([]float64, 4*d.stride)
		for o := 0; o < d.stride; o += panel[float64]() {
			d.panel4(x, o, fast[o:], d.stride)
			plainPanels(x, inputs, d.weights[o:], d.bias[o:], d.stride, panel[float64](), plain[o:], d.stride)
		}
		for i := range fast {
			if !same(fast[i], plain[i]) {
				t.Fatalf("number %d: %v by assembly, %v without", i, fast[i], plain[i])
			}
		}
	})
}

// TestApplyRelu holds the forms with and without AVX-512 against each other, to
// the last bit, and negative results against 0.
func TestApplyRelu(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(0, 19).Draw(t, "rows")
		inputs, outputs := rapid.IntRange(0, 150).Draw(t, "inputs"), rapid.IntRange(1, 70).Draw(t, "outputs")
		w, bias, x := numbers[float64](t, outputs*inputs, "w"), numbers[float64](t, outputs, "bias"), numbers[float64](t, rows*inputs, "x")
		d := NewDense(w, bias, outputs, inputs)
		narrow := *d
		narrow.eights = false
		before := rapid.Bool().Draw(t, "before")
		if before {
			for i, v := range x {
				x[i] = max(v, 0)
			}
		}
		wide, want, positive := make([]float64, rows*outputs), make([]float64, rows*outputs), make([]float64, rows*outputs)
		d.Apply(x, rows, wide)
		narrow.Apply(x, rows, want)
		d.ApplyRelu(x, rows, positive, before, true)
		for i, v := range want {
			if !same(wide[i], v) || !same(positive[i], max(v, 0)) {
				t.Fatalf("number %d of %d x %d, %d inputs: %v in eights, %v as relu, want %v", i, rows, outputs, inputs, wide[i], positive[i], v)
			}
		}
	})
}

// TestApplyAt holds a row that is mostly zeros against the same row in full.
func TestApplyAt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		inputs, outputs := rapid.IntRange(1, 60).Draw(t, "inputs"), rapid.IntRange(1, 40).Draw(t, "outputs")
		d := NewDense(wave(outputs*inputs), wave(outputs), outputs, inputs)
		full := make([]float64, inputs)
		var x []float64
		var at []int32
		for k := range inputs {
			if rapid.Bool().Draw(t, "given") {
				full[k] = float64(k%7) - 2.5
				x, at = append(x, full[k]), append(at, int32(k))
			}
		}
		want, got := make([]float64, outputs), make([]float64, outputs)
		d.Apply(full, 1, want)
		d.ApplyAt(x, at, got)
		for o := range got {
			if math.Abs(got[o]-want[o]) > 1e-13 {
				t.Fatalf("output %d of %d, %d of %d inputs: %v, want %v", o, outputs, len(x), inputs, got[o], want[o])
			}
		}
	})
}

func wave(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = math.Sin(1.7 * float64(i))
	}
	return x
}

func TestApplyDoesNotAllocate(t *testing.T) {
	for _, outputs := range []int{1, 3, 7, 64} {
		d := NewDense(make([]float64, outputs*20), nil, outputs, 20)
		x, out := make([]float64, 9*20), make([]float64, 9*outputs)
		if n := testing.AllocsPerRun(100, func() { d.Apply(x, 9, out) }); n != 0 {
			t.Errorf("%d outputs: %v allocations", outputs, n)
		}
	}
}

func benchDense[T Float](b *testing.B, rows, inputs, outputs int) {
	b.Helper()
	d := NewDense(make([]T, outputs*inputs), nil, outputs, inputs)
	x, out := make([]T, rows*inputs), make([]T, rows*outputs)
	b.ReportAllocs()
	for b.Loop() {
		d.Apply(x, rows, out)
	}
	operations := 2 * float64(rows*inputs*outputs)
	b.ReportMetric(operations*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFlop/s")
}

func BenchmarkDense(b *testing.B) {
	for _, size := range []struct {
		name                  string
		rows, inputs, outputs int
	}{
		{"one-row-500x1", 1, 500, 1}, {"batch-500x1", 1000, 500, 1}, {"batch-500x3", 1000, 500, 3},
		{"one-row-64x32", 1, 64, 32}, {"batch-20x64", 64, 20, 64}, {"batch-64x32", 64, 64, 32},
		{"block-20x64", 32, 20, 64}, {"block-64x32", 32, 64, 32},
	} {
		b.Run(size.name+"/float64", func(b *testing.B) { benchDense[float64](b, size.rows, size.inputs, size.outputs) })
		b.Run(size.name+"/float32", func(b *testing.B) { benchDense[float32](b, size.rows, size.inputs, size.outputs) })
	}
}
