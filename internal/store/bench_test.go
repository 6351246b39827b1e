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

// BenchmarkSharedCommit is one with a PostgreSQL on this machine, whose disk is in
// memory.
func BenchmarkSharedCommit(b *testing.B) {
	s := home{quickDir(b), shares(b)}.open(b)
	generation := uint64(0)
	for b.Loop() {
		generation++
		commit(b, s, life("churn", generation))
	}
}

func BenchmarkBeat(b *testing.B) {
	s := home{quickDir(b), shares(b)}.open(b)
	said := Beat{Replica: "a", Models: []string{"churn"}, Gauges: []Gauge{{"churn", "r1", 1, make([]byte, 1800)}}}
	for b.Loop() {
		beat(b, s, said)
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

func BenchmarkSaveLook(b *testing.B) {
	s := inProgress(b, home{dir: b.TempDir()}, 0)
	l := lookAt(10_000)
	for b.Loop() {
		saveLook(b, s, "r1", l)
	}
}

// BenchmarkFirstLook is the most that one look can cost: with it, all looks at
// a rollout go that was watched for a day.
func BenchmarkFirstLook(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s := inProgress(b, home{dir: b.TempDir()}, 0)
		fill(b, s, "r0", keepLooks, 8000)
		for i := range keepRollouts - 1 {
			fill(b, s, fmt.Sprintf("r0.%d", i+1), 1, 8000)
		}
		b.StartTimer()
		saveLook(b, s, "r1", lookAt(10_000))
		b.StopTimer()
		if count, _, _ := numbers(b, s, "churn", "r0"); count != 0 {
			b.Fatal(count, " looks are left")
		}
		b.StartTimer()
	}
}

// BenchmarkOpenWithLooks is a start with all the looks that twenty rollouts of an
// hour each leave behind.
func BenchmarkOpenWithLooks(b *testing.B) {
	dir := b.TempDir()
	s := inProgress(b, home{dir: dir}, 0)
	for i := range keepRollouts {
		fill(b, s, fmt.Sprintf("r0.%d", i), 360, 8000)
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
