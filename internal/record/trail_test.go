package record

import (
	"math"
	"math/rand/v2"
	"slices"
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

// TestTheLargestWindow holds all that evidence may count, as far apart as
// latencies can be, and its sums fit.
func TestTheLargestWindow(t *testing.T) {
	t.Parallel()
	least, most := armOf(1), armOf(longest)
	for least.Count < mostCounted {
		least.Add(least)
		most.Add(most)
	}
	for _, tt := range []struct {
		stable, canary *Arm
		d              float64
	}{{least, most, 40 * math.Ln2}, {most, least, -40 * math.Ln2}} {
		trail := NewTrail(Evidence{}, 5000, nil, 0)
		trail.Update(tt.stable, tt.canary, time.Minute)
		e := trail.Evidence()
		n, w, s1, s2 := e.Stages[0].Slow.Sums()
		near := func(got, want float64) bool { return math.Abs(got/want-1) < 1e-11 }
		if n != 1 || w != mostCounted/2 || !near(s1, w*tt.d) || !near(s2, w*tt.d*tt.d) {
			t.Errorf("N %v, W %v, S1 %v, S2 %v, want D %v", n, w, s1, s2, tt.d)
		}
		if _, _, variance := tt.stable.Moments(); variance != 0 {
			t.Errorf("equal latencies vary by %v", variance)
		}
		recoded(t, e)
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

// simple is a slow trail: it keeps every window's observations.
type simple struct {
	settle, elapsed time.Duration
	compared        bool // there is a reference
	stages          []*simpleStage
}

type simpleStage struct {
	settling   bool
	stable     int // observations
	fast, slow simpleBlocks
}

type simpleBlocks struct {
	n       int
	w, d, q float64
	open    [2][]float64 // ln of stable and of canary
}

func (b *simpleBlocks) close() {
	s, c := b.open[0], b.open[1]
	if len(s) == 0 || len(c) == 0 {
		return
	}
	w := float64(len(s)) * float64(len(c)) / float64(len(s)+len(c))
	d := mean(c) - mean(s)
	b.n, b.w, b.d, b.q = b.n+1, b.w+w, b.d+w*d, b.q+w*d*d
	b.open = [2][]float64{}
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

func (b *simpleBlocks) like(got *Blocks) bool {
	n, w, s1, s2 := got.Sums()
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6 }
	return int(n) == b.n && near(w, b.w) && near(s1, b.d) && near(s2, b.q)
}

func (m *simple) last() *simpleStage { return m.stages[len(m.stages)-1] }

func (m *simple) observe(arm int, x time.Duration) {
	s := m.last()
	for _, b := range []*simpleBlocks{&s.fast, &s.slow} {
		b.open[arm] = append(b.open[arm], math.Log(float64(x)))
	}
	s.stable += 1 - arm
}

func (m *simple) pass(to time.Duration) {
	from, s := m.elapsed, m.last()
	m.elapsed = max(from, to)
	if m.elapsed/time.Minute > from/time.Minute {
		s.slow.close()
	}
	if m.elapsed/(10*time.Second) == from/(10*time.Second) {
		return
	}
	s.fast.close()
	settled, learned := s.settling && m.elapsed >= m.settle, !m.compared && s.stable >= 100
	if settled || learned {
		m.compared = m.compared || learned
		m.next(settled)
	}
}

// next begins a stage, if there may be another.
func (m *simple) next(settled bool) {
	if s := m.last(); len(m.stages) < mostStages {
		s.fast.close()
		s.slow.close()
		m.stages = append(m.stages, &simpleStage{settling: s.settling && !settled})
	}
}

// TestTrail drives random traffic through a trail that is begun anew at random
// from its encoded evidence, as by restarts, beside one that is not and beside
// the simple one: all agree, no window is lost or counted twice, and the stages
// add up to what the gauges show.
func TestTrail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		reference := armOf(make([]time.Duration, rapid.SampledFrom([]int{0, 99, 100}).Draw(t, "reference"))...)
		settle := time.Duration(rapid.SampledFrom([]int{0, 1, 30, 120}).Draw(t, "settle")) * time.Second
		whole, broken := NewTrail(Evidence{}, 1000, reference, settle), NewTrail(Evidence{}, 1000, reference, settle)
		m := &simple{settle: settle, compared: reference.Count >= 100, stages: []*simpleStage{{settling: settle > 0}}}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "latencies"), 0))
		var arms [2]Arm
		elapsed := time.Duration(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			for i := range arms {
				for range rapid.SampledFrom([]int{0, 0, 1, 2, 30}).Draw(t, "requests") {
					x := time.Duration(1 + rng.Uint64N(1<<rng.IntN(40)))
					arms[i].Started++
					arms[i].Observe(x, 0.5)
					m.observe(i, x)
				}
			}
			elapsed += time.Duration(rapid.SampledFrom([]int{0, 1, 1, 1, 9, 10, 11, 59, 200, -15}).Draw(t, "seconds")) * time.Second
			whole.Update(&arms[0], &arms[1], elapsed)
			broken.Update(&arms[0], &arms[1], elapsed)
			m.pass(elapsed)
			switch rapid.IntRange(0, 15).Draw(t, "event") {
			case 0, 1, 2:
				broken = NewTrail(recoded(t, broken.Evidence()), 1, nil, settle)
			case 3:
				share := uint32(rapid.IntRange(1, 10_000).Draw(t, "share"))
				if share != whole.last().Share {
					m.next(false)
				}
				if a, b := whole.Reweigh(share), broken.Reweigh(share); (a == nil) != (b == nil) {
					t.Fatal(a, b)
				}
			}
		}
		e := whole.Evidence()
		if got := broken.Evidence(); !same(e, got) {
			t.Fatal("restarts changed the evidence")
		}
		if s, c := e.Total(); s != arms[0] || c != arms[1] {
			t.Fatal("the stages do not add up to what the gauges show")
		}
		if len(e.Stages) != len(m.stages) || e.Elapsed != m.elapsed {
			t.Fatalf("%d stages after %v, want %d after %v", len(e.Stages), e.Elapsed, len(m.stages), m.elapsed)
		}
		for i, want := range m.stages {
			if got := &e.Stages[i]; got.Settling != want.settling || !want.fast.like(&got.Fast) || !want.slow.like(&got.Slow) {
				t.Fatalf("stage %d is %v, %v; want %+v", i+1, got.Fast, got.Slow, want)
			}
		}
		recoded(t, e)
	})
}

// same compares what == cannot.
func same(a, b Evidence) bool {
	return a.Elapsed == b.Elapsed && a.Looks == b.Looks && slices.Equal(a.Stages, b.Stages)
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
	if !same(e, back) {
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
