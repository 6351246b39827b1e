package store

import (
	"fmt"
	"testing"
)

func BenchmarkCommit(b *testing.B) {
	s := open(b, b.TempDir())
	generation := uint64(0)
	for b.Loop() {
		generation++
		commit(b, s, life("churn", generation))
	}
}

func BenchmarkSaveEvidence(b *testing.B) {
	s := open(b, b.TempDir())
	commit(b, s, life("churn", 1))
	commit(b, s, life("churn", 2))
	e := evidence(10_000)
	for b.Loop() {
		if err := s.SaveEvidence(b.Context(), "churn", "r1", e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is a start with a journal of years.
func BenchmarkOpen(b *testing.B) {
	for _, rows := range []uint64{1, 3000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			dir := b.TempDir()
			s, err := Open(dir, Options{})
			if err != nil {
				b.Fatal(err)
			}
			for generation := range rows {
				commit(b, s, life("churn", generation+1))
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				s, err := Open(dir, Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
