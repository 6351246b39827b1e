//go:build !race

package format

import (
	"errors"
	"slices"
	"testing"
)

// TestNothingIsAllocated: every model of the corpus answers a row, and all rows
// at once, without allocating.
func TestNothingIsAllocated(t *testing.T) {
	each(t, func(name string, s *shelf, file string, want *expectation) {
		p := s.open(t, file)
		if p == nil || len(p.Signature().Features) != len(s.Tables[want.Table].Kinds) {
			return // TestCorpus complains
		}
		asked := ask(p, s.Tables[want.Table])
		batch, outputs := asked.answered(), p.Signature().Outputs
		if batch.N == 0 {
			return
		}
		out := answers(p.Signature(), make([]float64, batch.N*outputs), make([]int, batch.N))
		one := asked.rows[slices.Index(asked.errs, nil)]
		alone := answers(p.Signature(), make([]float64, outputs), make([]int, 1))
		// Many runs, because memory that is kept has its size after the second one.
		least := testing.AllocsPerRun(20, func() {
			if err := errors.Join(p.Predict(one, alone), p.Predict(batch, out)); err != nil {
				t.Error(err)
			}
		})
		if least != 0 {
			t.Errorf("%s: %v allocations", name, least)
		}
	})
}
