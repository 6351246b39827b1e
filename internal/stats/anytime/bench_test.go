package anytime

import (
	"fmt"
	"testing"
)

func BenchmarkLabel(b *testing.B) {
	l := Label{Share: 0.1, Ratio: 1.02, Concentration: 10}
	for _, n := range [][2]uint64{{10, 90}, {3000, 30000}, {1e8, 1e9}} {
		for _, f := range []struct {
			name string
			logE func(c, s uint64) float64
		}{{"Above", l.Above}, {"Below", l.Below}, {"TwoSided", l.TwoSided}} {
			b.Run(fmt.Sprintf("%s/%d-%d", f.name, n[0], n[1]), func(b *testing.B) {
				for b.Loop() {
					f.logE(n[0], n[1])
				}
			})
		}
	}
}

func BenchmarkMixture(b *testing.B) {
	m := Mixture{Rho: BestRho(250, 0.1)}
	b.Run("LogE", func(b *testing.B) {
		for b.Loop() {
			m.LogE(2.5, 250)
		}
	})
	b.Run("Boundary", func(b *testing.B) {
		for b.Loop() {
			m.Boundary(250, 0.05)
		}
	})
}
