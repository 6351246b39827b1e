package record

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawEvidence is what a trail saw of random traffic, with stages of these shares.
func drawEvidence(t *rapid.T, shares []uint32, reference *Arm) Evidence {
	f := &traffic{trail: NewTrail(Evidence{}, shares[0], reference, 0)}
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "latencies"), 0))
	for i, share := range shares[:rapid.IntRange(1, len(shares)).Draw(t, "stages")] {
		if i > 0 {
			if err := f.trail.Reweigh(share); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 5).Draw(t, "seconds") {
			for _, a := range []*Arm{&f.stable, &f.canary} {
				for range rapid.IntRange(0, 4).Draw(t, "requests") {
					a.Started++
					a.Observe(time.Duration(rng.Uint64N(1<<rng.IntN(42))), rng.Float64())
				}
			}
			f.pass(time.Duration(rapid.IntRange(0, 30).Draw(t, "passed")) * time.Second)
		}
	}
	e := f.trail.Evidence()
	e.Looks = rapid.Uint64Range(0, 9).Draw(t, "looks")
	return e
}

// TestMergingEvidence adds the evidence of replicas in one order, and in
// another, grouped at random: the same bits.
func TestMergingEvidence(t *testing.T) {
	t.Parallel()
	shares, reference := []uint32{100, 1000, 2500}, armOf(make([]time.Duration, 100)...)
	rapid.Check(t, func(t *rapid.T) {
		parts := make([]Evidence, rapid.IntRange(1, 6).Draw(t, "replicas"))
		var whole Evidence
		for i := range parts {
			parts[i] = drawEvidence(t, shares, reference)
			if err := whole.Add(clone(parts[i])); err != nil {
				t.Fatal(err)
			}
		}
		groups := make([]Evidence, 0, len(parts))
		for _, p := range rapid.Permutation(parts).Draw(t, "order") {
			groups = append(groups, *clone(p))
		}
		for len(groups) > 1 {
			i := rapid.IntRange(0, len(groups)-2).Draw(t, "pair")
			if err := groups[i].Add(&groups[i+1]); err != nil {
				t.Fatal(err)
			}
			groups = append(groups[:i+1], groups[i+2:]...)
		}
		if !same(groups[0], whole) {
			t.Fatal("another order or grouping gave something else")
		}
		recoded(t, whole)
	})
}

func clone(e Evidence) *Evidence {
	e.Stages = append([]Stage(nil), e.Stages...)
	return &e
}

func TestWhatCannotBeMerged(t *testing.T) {
	t.Parallel()
	stage := func(change func(*Stage)) Evidence {
		s := Stage{Share: 1000, Reference: *armOf(make([]time.Duration, 100)...), Stable: *armOf(1, 2), Canary: *armOf(3)}
		change(&s)
		return Evidence{Stages: []Stage{s}, Looks: 2}
	}
	base := stage(func(*Stage) {})
	many := stage(func(*Stage) {})
	many.Looks = math.MaxUint64
	for name, other := range map[string]Evidence{
		"another share":          stage(func(s *Stage) { s.Share = 500 }),
		"another reference":      stage(func(s *Stage) { s.Reference = *armOf(make([]time.Duration, 101)...) }),
		"a counter at its end":   stage(func(s *Stage) { s.Stable.Started = math.MaxUint64 }),
		"a counter near its end": stage(func(s *Stage) { s.Canary.Abandoned = mostCounted }),
		"looks at their end":     many,
	} {
		e := *clone(base)
		if err := e.Add(&other); err == nil {
			t.Errorf("%s: merged", name)
		}
		if !same(e, base) {
			t.Errorf("%s: an error changed the evidence", name)
		}
	}
}

// TestMemoryIsIndependentOfTheTraffic encodes and merges an arm of a billion
// observations, made by doubling.
func TestMemoryIsIndependentOfTheTraffic(t *testing.T) {
	t.Parallel()
	little := typical(rand.New(rand.NewPCG(5, 6)), 1)
	much := *clone(little)
	for much.Stages[1].Stable.Count < 1e9 {
		if err := much.Add(clone(much)); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := little.MarshalBinary()
	b, _ := much.MarshalBinary()
	t.Logf("%d bytes of %d observations, %d of %d", len(a), little.Stages[1].Stable.Count, len(b), much.Stages[1].Stable.Count)
	if len(b) > 4*len(a) {
		t.Errorf("%d bytes, want about %d", len(b), len(a))
	}
	recoded(t, much)
}

// BenchmarkMerge is the evidence of 100 replicas, both arms. Goal: under 1 ms.
func BenchmarkMerge(b *testing.B) {
	one := typical(rand.New(rand.NewPCG(7, 8)), 10)
	b.ReportAllocs()
	for b.Loop() {
		all := clone(one)
		for range 99 {
			if err := all.Add(&one); err != nil {
				b.Fatal(err)
			}
		}
	}
}
