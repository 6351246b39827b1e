package record

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fleet is a rollout on several replicas, and the same requests on one.
type fleet struct {
	shares   []uint32
	replicas [][]Epoch // of each, what it has counted
	reported [][]Epoch // of each, what the others have heard of it
	at       []int     // of each, the epoch that is in force there
	one      traffic
}

func newFleet(n int, share uint32, reference *Arm, settle time.Duration) *fleet {
	f := &fleet{shares: []uint32{share}, replicas: make([][]Epoch, n), reported: make([][]Epoch, n), at: make([]int, n)}
	for i := range f.replicas {
		f.replicas[i] = []Epoch{{Share: share}}
		f.reported[i] = []Epoch{{Share: share}}
	}
	f.one.trail = NewTrail(Evidence{}, share, reference, settle)
	return f
}

// reweigh is another share, which no replica has heard of yet.
func (f *fleet) reweigh(share uint32) {
	f.shares = append(f.shares, share)
}

// hear brings a replica to the newest share.
func (f *fleet) hear(i int) {
	for f.at[i]+1 < len(f.shares) {
		f.at[i]++
		f.replicas[i] = append(f.replicas[i], Epoch{Share: f.shares[f.at[i]]})
	}
}

// report is a replica's beat.
func (f *fleet) report(i int) { f.reported[i] = slices.Clone(f.replicas[i]) }

// sum is what all have reported.
func (f *fleet) sum() []Epoch {
	all := make([]Epoch, len(f.shares))
	for k, share := range f.shares {
		all[k].Share = share
		for _, epochs := range f.reported {
			if k < len(epochs) {
				all[k].Stable.Add(&epochs[k].Stable)
				all[k].Canary.Add(&epochs[k].Canary)
			}
		}
	}
	return all
}

func (f *fleet) request(i int, canary bool, latency time.Duration) {
	e := &f.replicas[i][f.at[i]]
	arm, same := &e.Stable, &f.one.stable
	if canary {
		arm, same = &e.Canary, &f.one.canary
	}
	for _, a := range []*Arm{arm, same} {
		a.Started++
		a.Observe(latency, 0.5)
	}
}

// TestReplicasAreOne deals the same requests to three replicas and to one process.
// With every change of the share heard at once the evidence is the same to the
// last bit, whoever leads and however often the lead changes.
func TestReplicasAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		reference := armOf(make([]time.Duration, rapid.SampledFrom([]int{0, 100}).Draw(t, "reference"))...)
		settle := time.Duration(rapid.SampledFrom([]int{0, 30}).Draw(t, "settle")) * time.Second
		f := newFleet(3, 1000, reference, settle)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "latencies"), 0))
		all := NewTrail(Evidence{}, 1000, reference, settle)
		elapsed := time.Duration(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			for range rapid.SampledFrom([]int{0, 3, 60}).Draw(t, "requests") {
				f.request(rng.IntN(3), rng.IntN(3) == 0, time.Duration(rng.ExpFloat64()*1e6))
			}
			elapsed += time.Duration(rapid.SampledFrom([]int{0, 1, 1, 9, 61}).Draw(t, "seconds")) * time.Second
			for i := range f.replicas {
				f.report(i)
			}
			f.one.trail.Update(&f.one.stable, &f.one.canary, elapsed)
			if err := all.Follow(f.sum(), elapsed); err != nil {
				t.Fatal(err)
			}
			one := f.one.trail.Evidence()
			if got := all.Evidence(); !same(got, one) {
				t.Fatalf("three replicas saw %+v, one saw %+v", got.Elapsed, one.Elapsed)
			}
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0: // another leader, who has nothing but what was saved
				all = NewTrail(recoded(t, all.Evidence()), 1000, nil, settle)
			case 1:
				share := uint32(rapid.IntRange(1, 10_000).Draw(t, "share"))
				if share == f.shares[len(f.shares)-1] || len(f.shares) > 30 {
					continue
				}
				f.reweigh(share)
				if err := f.one.trail.Reweigh(share); err != nil {
					t.Fatal(err)
				}
				for i := range f.replicas {
					f.hear(i)
				}
			}
		}
	})
}

// TestLateReplicas lets them hear of a share and report late and in any order.
// Each request is counted once, in a stage of the share that dealt it.
func TestLateReplicas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFleet(3, 1000, nil, 0)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "latencies"), 0))
		all := NewTrail(Evidence{}, 1000, nil, 0)
		elapsed := time.Duration(0)
		follow := func() {
			if err := all.Follow(f.sum(), elapsed); err != nil {
				t.Fatal(err)
			}
			all = NewTrail(recoded(t, all.Evidence()), 1000, nil, 0)
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			i := rng.IntN(3)
			switch rapid.SampledFrom([]string{"serve", "serve", "hear", "report", "follow", "reweigh"}).Draw(t, "step") {
			case "serve":
				for range rng.IntN(30) {
					f.request(i, rng.IntN(3) == 0, time.Duration(rng.ExpFloat64()*1e6))
				}
			case "hear":
				f.hear(i)
			case "report":
				f.report(i)
			case "follow":
				elapsed += time.Duration(rng.IntN(20)) * time.Second
				follow()
			case "reweigh":
				if n := len(f.shares); n < 30 {
					f.reweigh([]uint32{1000, 2000, 1000, 5000}[n%4])
				}
			}
		}
		for i := range f.replicas {
			f.hear(i)
			f.report(i)
		}
		follow()
		e := all.Evidence()
		if stable, canary := e.Total(); stable != f.one.stable || canary != f.one.canary {
			t.Fatalf("%d and %d observations, want %d and %d", stable.Count, canary.Count, f.one.stable.Count, f.one.canary.Count)
		}
		ends, err := all.match(f.sum())
		if err != nil || len(ends) != len(f.shares) {
			t.Fatalf("%d epochs of %d: %v", len(ends), len(f.shares), err)
		}
		first := 0
		for k, want := range f.sum() {
			var stable, canary Arm
			for ; first <= ends[k]; first++ {
				stable.Add(&e.Stages[first].Stable)
				canary.Add(&e.Stages[first].Canary)
			}
			if stable != want.Stable || canary != want.Canary {
				t.Fatalf("epoch %d has %d and %d observations, want %d and %d", k+1, stable.Count, canary.Count, want.Stable.Count, want.Canary.Count)
			}
		}
	})
}

// TestWhatCannotBeFollowed: evidence that is not made from these counts stays as
// it is.
func TestWhatCannotBeFollowed(t *testing.T) {
	t.Parallel()
	saw := func(share uint32, n int) Epoch {
		return Epoch{Share: share, Stable: *armOf(make([]time.Duration, n)...)}
	}
	trail := NewTrail(Evidence{}, 1000, nil, 0)
	if err := trail.Follow([]Epoch{saw(1000, 10), saw(2000, 5)}, time.Second); err != nil {
		t.Fatal(err)
	}
	before := trail.Evidence()
	for name, epochs := range map[string][]Epoch{
		"another share":         {saw(1000, 10), saw(3000, 5)},
		"fewer shares":          {saw(1000, 10)},
		"a row was lost":        {saw(1000, 10), saw(2000, 4)},
		"an earlier one was":    {saw(1000, 9), saw(2000, 5)},
		"as many, but not they": {saw(1000, 10), {Share: 2000, Stable: *armOf(time.Hour, time.Hour, time.Hour, time.Hour, time.Hour, time.Hour)}},
	} {
		if err := trail.Follow(epochs, time.Minute); err == nil || !same(trail.Evidence(), before) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEvidenceThatMoves from one process to replicas: it is what the row of one of them
// says, however often the share was changed, and goes on from there.
func TestEvidenceThatMoves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		settle := time.Duration(rapid.SampledFrom([]int{0, 30}).Draw(t, "settle")) * time.Second
		f := newFleet(1, 1000, armOf(make([]time.Duration, 100)...), settle)
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "latencies"), 0))
		elapsed := time.Duration(0)
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			for range rapid.SampledFrom([]int{0, 3, 60}).Draw(t, "requests") {
				f.request(0, rng.IntN(3) == 0, time.Duration(rng.ExpFloat64()*1e6))
			}
			elapsed += time.Duration(rapid.SampledFrom([]int{1, 9, 61}).Draw(t, "seconds")) * time.Second
			f.one.trail.Update(&f.one.stable, &f.one.canary, elapsed)
			if share := uint32(1000 * rapid.IntRange(1, 9).Draw(t, "share")); share != f.shares[len(f.shares)-1] {
				f.reweigh(share)
				if err := f.one.trail.Reweigh(share); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := f.one.trail.Evidence()
		before.Looks = 7
		rows, err := before.Sums(f.shares)
		if err != nil || len(rows) != len(f.shares) {
			t.Fatalf("%d rows of %d shares: %v", len(rows), len(f.shares), err)
		}
		var epochs []Epoch
		var last Stage
		for i, row := range rows {
			now := recoded(t, row)
			if len(now.Stages) != 1 || now.Looks != 7 {
				t.Fatalf("row %d: %+v", i, now)
			}
			e := Epoch{Share: f.shares[i], Stable: now.Stages[0].Stable, Canary: now.Stages[0].Canary}
			e.Stable.Sub(&last.Stable)
			e.Canary.Sub(&last.Canary)
			epochs, last = append(epochs, e), now.Stages[0]
		}
		trail := NewTrail(recoded(t, before), 1000, nil, settle)
		if err := trail.Follow(epochs, elapsed); err != nil {
			t.Fatal(err)
		}
		if got := trail.Evidence(); !same(got, before) {
			t.Fatalf("%+v became %+v", before, got)
		}
		if len(f.shares) > 1 {
			if _, err := before.Sums(f.shares[1:]); err == nil {
				t.Fatal("of other shares")
			}
		}
	})
}
