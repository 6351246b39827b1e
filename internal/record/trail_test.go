package record

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// traffic is a pair of gauges that a test drives by hand, and the trail of them.
type traffic struct {
	stable, canary Arm
	elapsed        time.Duration
	trail          *Trail
}

func (f *traffic) send(stable, canary int, latency time.Duration) {
	for range stable {
		f.stable.Started++
		f.stable.Observe(latency, 0.5)
	}
	for range canary {
		f.canary.Started++
		f.canary.Observe(2*latency, 0.5)
	}
}

func (f *traffic) pass(d time.Duration) {
	f.elapsed += d
	f.trail.Update(&f.stable, &f.canary, f.elapsed)
}

func windows(b *Blocks) int {
	return int(b.windows)
}

func TestWindowsClose(t *testing.T) {
	t.Parallel()
	f := &traffic{trail: NewTrail(Evidence{}, 1000, nil, 0)}
	want := func(step string, fast, slow int) {
		t.Helper()
		s := &f.trail.Evidence().Stages[0]
		if windows(&s.Fast) != fast || windows(&s.Slow) != slow {
			t.Errorf("%s: %d windows of 10 s and %d of 60 s, want %d and %d", step, windows(&s.Fast), windows(&s.Slow), fast, slow)
		}
	}
	f.pass(10 * time.Second)
	want("nothing was observed", 0, 0)
	f.send(3, 0, time.Millisecond)
	f.pass(10 * time.Second)
	want("an arm is empty: the window stays open", 0, 0)
	f.send(0, 1, time.Millisecond)
	f.pass(9999 * time.Millisecond)
	want("its end has not passed", 0, 0)
	f.pass(time.Millisecond)
	want("its end has passed", 1, 0)
	_, w, s1, s2 := f.trail.Evidence().Stages[0].Fast.Sums()
	if d := math.Ln2; math.Abs(w-0.75) > 1e-15 || math.Abs(s1-0.75*d) > 1e-9 || math.Abs(s2-0.75*d*d) > 1e-9 {
		t.Errorf("3 observations against 1 of twice the latency: W %v, S1 %v, S2 %v", w, s1, s2)
	}
	f.send(1, 1, time.Millisecond)
	f.pass(-time.Hour)
	want("the clock went back", 1, 0)
	f.elapsed += time.Hour
	f.pass(5 * time.Minute)
	want("many ends have passed at once", 2, 1)
	f.pass(time.Minute)
	want("nothing new was observed", 2, 1)
	if got := f.trail.Evidence().Elapsed; got != f.elapsed {
		t.Errorf("elapsed %v, want %v", got, f.elapsed)
	}
}

// TestReference: without one from before, stable's first 100 observations at
// the end of a window become it, and a stage of its own.
func TestReference(t *testing.T) {
	t.Parallel()
	f := &traffic{trail: NewTrail(Evidence{}, 1000, armOf(make([]time.Duration, 99)...), 0)}
	f.send(99, 11, time.Millisecond)
	f.pass(10 * time.Second)
	f.send(1, 0, time.Second)
	f.pass(9 * time.Second)
	if e := f.trail.Evidence(); len(e.Stages) != 1 || e.Stages[0].Reference.Count != 0 {
		t.Errorf("%d stages before the end of a window", len(e.Stages))
	}
	frozen := f.stable
	f.pass(time.Second)
	f.send(900, 100, time.Hour)
	f.pass(time.Hour)
	e := f.trail.Evidence()
	if len(e.Stages) != 2 || e.Stages[1].Reference != frozen || e.Stages[1].Share != 1000 || e.Stages[1].Stable.Count != 900 {
		t.Fatalf("%d stages", len(e.Stages))
	}
	if got := NewTrail(Evidence{}, 1000, &frozen, 0).Evidence().Stages[0].Reference; got != frozen {
		t.Error("100 observations from before are no reference")
	}
}

func TestReweigh(t *testing.T) {
	t.Parallel()
	f := &traffic{trail: NewTrail(Evidence{}, 1000, armOf(make([]time.Duration, 100)...), 0)}
	f.send(9, 1, time.Millisecond)
	f.pass(time.Second)
	if err := f.trail.Reweigh(1000); err != nil || len(f.trail.Evidence().Stages) != 1 {
		t.Error("the same share is a new stage", err)
	}
	for i := range uint32(mostStages - 1) {
		if err := f.trail.Reweigh(1001 + i); err != nil {
			t.Fatal(err)
		}
		f.send(9, 1, time.Millisecond)
		f.pass(time.Second)
	}
	if err := f.trail.Reweigh(1); err == nil {
		t.Error("there is no end of stages")
	}
	f.pass(time.Minute)
	e := f.trail.Evidence()
	if len(e.Stages) != mostStages {
		t.Fatalf("%d stages", len(e.Stages))
	}
	for i, s := range e.Stages {
		if s.Share != uint32(1000+i) || s.Stable.Count != 9 || s.Canary.Count != 1 || s.Reference != e.Stages[0].Reference || windows(&s.Fast) != 1 || windows(&s.Slow) != 1 {
			t.Errorf("stage %d: share %d, %d and %d observations, %d and %d windows", i, s.Share, s.Stable.Count, s.Canary.Count, windows(&s.Fast), windows(&s.Slow))
		}
	}
}

func TestTheEvidenceStaysAsItIs(t *testing.T) {
	t.Parallel()
	f := &traffic{trail: NewTrail(Evidence{}, 1000, nil, 0)}
	f.send(9, 1, time.Millisecond)
	f.pass(time.Second)
	e := f.trail.Evidence()
	before, _ := e.MarshalBinary()
	other := NewTrail(e, 1000, nil, 0)
	f.send(900, 100, time.Millisecond)
	f.pass(time.Minute)
	other.Update(&f.stable, &f.canary, time.Hour)
	if after, _ := e.MarshalBinary(); string(before) != string(after) {
		t.Error("evidence changed after it was handed out")
	}
	old := armOf(time.Hour)
	other.Update(old, old, 2*time.Hour)
	if e := other.Evidence(); e.Elapsed != time.Hour {
		t.Error("older snapshots were believed")
	}
}

// model is a slow and simple trail: it keeps every window's observations.
type model struct {
	n       int
	w, d, q float64
	open    [2][]float64 // ln of stable and of canary
}

func (m *model) close() {
	s, c := m.open[0], m.open[1]
	if len(s) == 0 || len(c) == 0 {
		return
	}
	w := float64(len(s)) * float64(len(c)) / float64(len(s)+len(c))
	d := mean(c) - mean(s)
	m.n, m.w, m.d, m.q = m.n+1, m.w+w, m.d+w*d, m.q+w*d*d
	m.open = [2][]float64{}
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func (m *model) same(t *rapid.T, what string, b *Blocks) {
	n, w, s1, s2 := b.Sums()
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6 }
	if int(n) != m.n || !near(w, m.w) || !near(s1, m.d) || !near(s2, m.q) {
		t.Fatalf("%s: N %v, W %v, S1 %v, S2 %v; want %+v", what, n, w, s1, s2, m)
	}
}

// TestTrail drives random traffic through a trail that is begun anew at random
// from its encoded evidence, as by restarts, beside one that is not and beside
// the simple model: all agree, no window is lost or counted twice, and the
// stages add up to what the gauges show.
func TestTrail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		reference := armOf(make([]time.Duration, rapid.SampledFrom([]int{0, 99, 100}).Draw(t, "reference"))...)
		settle := time.Duration(rapid.SampledFrom([]int{0, 1, 30, 120}).Draw(t, "settle")) * time.Second
		whole, broken := NewTrail(Evidence{}, 1000, reference, settle), NewTrail(Evidence{}, 1000, reference, settle)
		var stable, canary Arm
		fast, slow := []*model{{}}, []*model{{}}
		elapsed, farthest := time.Duration(0), time.Duration(0)
		inStage, compared := 0, reference.Count >= 100
		settling := []bool{settle > 0}
		next := func(settled bool) {
			inStage = 0
			fast[len(fast)-1].close()
			slow[len(slow)-1].close()
			fast, slow = append(fast, &model{}), append(slow, &model{})
			settling = append(settling, settling[len(settling)-1] && !settled)
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for i, a := range []*Arm{&stable, &canary} {
				for range rapid.SampledFrom([]int{0, 0, 1, 2, 30}).Draw(t, "requests") {
					x := time.Duration(rapid.Int64Range(1, 1<<40).Draw(t, "ns"))
					a.Started++
					a.Observe(x, 0.5)
					fast[len(fast)-1].open[i] = append(fast[len(fast)-1].open[i], math.Log(float64(x)))
					slow[len(slow)-1].open[i] = append(slow[len(slow)-1].open[i], math.Log(float64(x)))
					inStage += 1 - i
				}
			}
			elapsed += time.Duration(rapid.SampledFrom([]int{0, 1, 1, 1, 9, 10, 11, 59, 200, -15}).Draw(t, "seconds")) * time.Second
			whole.Update(&stable, &canary, elapsed)
			broken.Update(&stable, &canary, elapsed)
			from := farthest
			farthest = max(farthest, elapsed)
			if farthest/(60*time.Second) > from/(60*time.Second) {
				slow[len(slow)-1].close()
			}
			if farthest/(10*time.Second) > from/(10*time.Second) {
				fast[len(fast)-1].close()
				settled, learned := settling[len(settling)-1] && farthest >= settle, !compared && inStage >= 100
				if (settled || learned) && len(fast) < mostStages {
					next(settled)
					compared = compared || learned
				}
			}
			switch rapid.IntRange(0, 15).Draw(t, "event") {
			case 0, 1, 2:
				broken = NewTrail(recoded(t, broken.Evidence()), 1, nil, settle)
			case 3:
				share := uint32(rapid.IntRange(1, 10_000).Draw(t, "share"))
				changes := share != whole.last().Share && len(fast) < mostStages
				if err := whole.Reweigh(share); (err != nil) && changes {
					t.Fatal(err)
				}
				_ = broken.Reweigh(share)
				if changes {
					next(false)
				}
			}
		}
		e := whole.Evidence()
		if got := broken.Evidence(); !reflect.DeepEqual(e, got) {
			t.Fatal("restarts changed the evidence")
		}
		if s, c := e.Total(); s != stable || c != canary {
			t.Fatal("the stages do not add up to what the gauges show")
		}
		if len(e.Stages) != len(fast) || e.Elapsed != farthest {
			t.Fatalf("%d stages after %v, want %d after %v", len(e.Stages), e.Elapsed, len(fast), farthest)
		}
		for i := range e.Stages {
			if e.Stages[i].Settling != settling[i] {
				t.Fatalf("stage %d of %d: settling is %v", i, len(settling), e.Stages[i].Settling)
			}
			fast[i].same(t, "10 s", &e.Stages[i].Fast)
			slow[i].same(t, "60 s", &e.Stages[i].Slow)
		}
		recoded(t, e)
	})
}

// recoded is evidence as it comes back from the store.
func recoded(t interface{ Fatal(args ...any) }, e Evidence) Evidence {
	data, err := e.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back Evidence
	if err := back.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(e, back) {
		t.Fatal("evidence changed on its way")
	}
	return back
}

// typical is an hour at 10 requests a second through a trail: latencies of
// 100 ms, lognormal .5, scores with a logit of standard deviation 1.
func typical(rng *rand.Rand, perSecond int) Evidence {
	f := &traffic{trail: NewTrail(Evidence{}, 1000, nil, 0)}
	for i := range 3600 * perSecond {
		a := &f.stable
		if i%10 == 0 {
			a = &f.canary
		}
		a.Started++
		a.Observe(time.Duration(1e8*math.Exp(0.5*rng.NormFloat64())), 1/(1+math.Exp(rng.NormFloat64())))
		if (i+1)%perSecond == 0 {
			f.pass(time.Second)
		}
	}
	return f.trail.Evidence()
}
