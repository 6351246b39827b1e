package forest

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// bushy is a forest of full trees with random tests of numbers from a normal
// distribution.
func bushy(t testing.TB, o Options, trees, depth int) *Forest {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([]Tree, trees)
	for i := range all {
		tree := &all[i]
		inner := 1<<depth - 1
		for k := range 2*inner + 1 {
			n := Node{Feature: int32(rng.IntN(o.Features)), Threshold: rng.NormFloat64(), Left: int32(2*k + 1), Right: int32(2*k + 2), MissingLeft: true}
			if k >= inner {
				n = Node{Feature: -1, Value: int32(k - inner)}
				for range o.Outputs {
					tree.Values = append(tree.Values, rng.NormFloat64())
				}
			}
			tree.Nodes = append(tree.Nodes, n)
		}
	}
	f, err := New(o, all)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func BenchmarkAdd(b *testing.B) {
	for _, shape := range []struct{ trees, depth, features, outputs int }{
		{100, 10, 20, 2},
		{500, 6, 20, 1},
	} {
		for _, missing := range []bool{false, true} {
			f := bushy(b, Options{Features: shape.features, Outputs: shape.outputs, Float32: missing}, shape.trees, shape.depth)
			for _, rows := range []int{1, 10, 1000} {
				b.Run(fmt.Sprintf("trees=%d/depth=%d/float32=%v/rows=%d", shape.trees, shape.depth, missing, rows), func(b *testing.B) {
					const many = 1000
					rng := rand.New(rand.NewPCG(3, 4))
					x := make([]float64, many*shape.features)
					for i := range x {
						x[i] = rng.NormFloat64()
					}
					out := make([]float64, rows*shape.outputs)
					at := 0
					for b.Loop() {
						f.Add(x[at*shape.features:], rows, out)
						if at += rows; at+rows > many {
							at = 0
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
				})
			}
		}
	}
}
