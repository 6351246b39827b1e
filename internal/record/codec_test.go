package record

import (
	"bytes"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCodecRoundTrip(t *testing.T) {
	t.Parallel()
	recoded(t, Evidence{})
	rapid.Check(t, func(t *rapid.T) {
		arm := func(name string) Arm {
			a := Arm{Failures: rapid.Uint64Range(0, 9).Draw(t, name+" failures")}
			a.Panics = rapid.Uint64Range(0, a.Failures).Draw(t, name+" panics")
			a.Deadlines = rapid.Uint64Range(0, a.Failures-a.Panics).Draw(t, name+" deadlines")
			for _, ns := range rapid.SliceOf(rapid.Int64Range(0, 1<<41)).Draw(t, name) {
				a.Observe(time.Duration(ns), rapid.Float64Range(-0.1, 1.1).Draw(t, name+" score"))
			}
			a.Started = a.Count + a.Failures + rapid.Uint64Range(0, 9).Draw(t, name+" in flight")
			a.Abandoned = rapid.Uint64Range(0, a.Count).Draw(t, name+" abandoned")
			return a
		}
		e := Evidence{Elapsed: time.Hour, Looks: 3}
		for range rapid.IntRange(0, 3).Draw(t, "stages") {
			e.Stages = append(e.Stages, Stage{Share: 1 + rapid.Uint32Range(0, 9999).Draw(t, "share"), Stable: arm("stable"), Canary: arm("canary")})
		}
		recoded(t, e)
	})
}

// TestATypicalArmIsSmall: an hour with 3,600 canary requests, and what it takes
// with ten times as many.
func TestATypicalArmIsSmall(t *testing.T) {
	t.Parallel()
	e := typical(rand.New(rand.NewPCG(3, 4)), 10)
	s := &e.Stages[1]
	for name, a := range map[string]*Arm{"canary": &s.Canary, "stable": &s.Stable, "reference": &s.Reference} {
		size := len(a.append(nil, withKinds))
		t.Logf("%s: %d observations in %d bytes", name, a.Count, size)
		if size >= 1000 {
			t.Errorf("%s: %d bytes", name, size)
		}
	}
	data, _ := e.MarshalBinary()
	t.Logf("%d stages in %d bytes, windows of 10 s in %d", len(e.Stages), len(data), len(s.Fast.append(nil)))
}

// example is evidence with something everywhere.
func example() Evidence {
	f := &traffic{trail: NewTrail(Evidence{}, 1000, nil, 0)}
	f.send(120, 13, 30*time.Millisecond)
	f.pass(time.Minute)
	f.send(9, 1, time.Millisecond)
	f.stable.Failures, f.stable.Panics, f.stable.Started = 2, 1, f.stable.Started+5
	f.canary.Abandoned = 1
	f.pass(time.Minute)
	f.send(1, 1, time.Second)
	f.pass(time.Second)
	_ = f.trail.Reweigh(2500)
	f.send(3, 1, time.Hour)
	f.pass(time.Minute)
	e := f.trail.Evidence()
	e.Looks = 7
	return e
}

func TestCodecRefusesWhatCannotHaveBeenObserved(t *testing.T) {
	t.Parallel()
	recoded(t, example())
	one := int128{0, 1}
	lies := map[string]func(e *Evidence, s *Stage){
		"elapsed time overflows":         func(e *Evidence, _ *Stage) { e.Elapsed = -1 },
		"counter overflows":              func(e *Evidence, _ *Stage) { e.Looks = mostCounted + 1 },
		"at most 33 stages":              func(e *Evidence, _ *Stage) { e.Stages = append(e.Stages, make([]Stage, 32)...) },
		"share is more than the whole":   func(_ *Evidence, s *Stage) { s.Share = 10_001 },
		"share is nothing":               func(_ *Evidence, s *Stage) { s.Share = 0 },
		"the counters overflow":          func(_ *Evidence, s *Stage) { s.Stable.Started = mostCounted },
		"more requests ended than began": func(_ *Evidence, s *Stage) { s.Canary.Started = 0; s.Canary.Failures = 20 },
		"more panics than failures":      func(_ *Evidence, s *Stage) { s.Canary.Failures, s.Canary.Panics = 1, 2 },
		"more kinds of failures than failures": func(_ *Evidence, s *Stage) {
			s.Stable.Failures, s.Stable.Panics, s.Stable.Deadlines = 2, 1, 2
		},
		"more answers were abandoned":   func(_ *Evidence, s *Stage) { s.Canary.Abandoned = 20 },
		"add up to the count":           func(_ *Evidence, s *Stage) { s.Stable.Count++ },
		"more scores than observations": func(_ *Evidence, s *Stage) { s.Stable.scores[9]++ },
		"the sums do not fit the buckets": func(_ *Evidence, s *Stage) {
			s.Stable.sum.lo *= 2
		},
		"sums of logarithms do not fit the buckets": func(_ *Evidence, s *Stage) { s.Stable.ln.lo *= 2 },
		"sums of squares do not fit the sums": func(_ *Evidence, s *Stage) {
			s.Reference = *armOf(30*time.Millisecond, 30*time.Millisecond)
			s.Reference.squares.sub(one)
		},
		"a reference is written down without need": func(_ *Evidence, s *Stage) { s.Reference = Arm{Failures: 1} },
		"windows hold more than their arms":        func(_ *Evidence, s *Stage) { s.Fast.stable.n = s.Stable.Count + 1 },
		"weights of windows do not fit":            func(_ *Evidence, s *Stage) { s.Fast.w = int128{1 << 40, 0} },
		"sums of windows do not fit their weights": func(_ *Evidence, s *Stage) { s.Fast.s2 = int128{math.MaxUint64, 0} },
		"sums of windows do not fit each other":    func(_ *Evidence, s *Stage) { s.Slow.s1 = int128{1 << 8, 0} },
	}
	for want, lie := range lies {
		e := example()
		lie(&e, &e.Stages[1])
		data, _ := e.MarshalBinary()
		before := example()
		back := before
		err := back.UnmarshalBinary(data)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
		if !same(back, before) {
			t.Errorf("%s: an error changed the evidence", want)
		}
	}
}

func TestCodecRefusesDamage(t *testing.T) {
	t.Parallel()
	e := example()
	good, _ := e.MarshalBinary()
	for cut := range good {
		if err := new(Evidence).UnmarshalBinary(good[:cut]); err == nil {
			t.Errorf("accepted after %d of %d bytes", cut, len(good))
		}
	}
	if err := new(Evidence).UnmarshalBinary(append(bytes.Clone(good), 0)); err == nil {
		t.Error("trailing bytes accepted")
	}
	for _, version := range []byte{0, 1, 4, 255} {
		err := new(Evidence).UnmarshalBinary(append([]byte{version}, good[1:]...))
		if err == nil || !strings.Contains(err.Error(), "this serin reads versions 2 and 3") {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

// TestThereIsOneEncoding spells the same numbers otherwise.
func TestThereIsOneEncoding(t *testing.T) {
	t.Parallel()
	arm := string((&Arm{}).append(nil, withoutKinds))
	stage := func(reference string) string { return "\x01\x00" + reference + arm + arm + "\x00\x00" }
	one := string(armOf(0).append(nil, withoutKinds))
	for name, tt := range map[string]struct{ data, err string }{
		"as it is":                 {"\x02\x00\x00\x01" + stage("\x00"), ""},
		"a long number":            {"\x02\x80\x00\x00\x01" + stage("\x00"), "too long"},
		"a reference repeated":     {"\x02\x00\x00\x02" + stage("\x02"+one) + stage("\x02"+one), "without need"},
		"a reference of nothing":   {"\x02\x00\x00\x01" + stage("\x02"+arm), "without need"},
		"no reference before":      {"\x02\x00\x00\x01" + stage("\x01"), "no reference before"},
		"neither settling nor not": {"\x02\x00\x00\x01\x01\x02\x00" + arm + arm + "\x00\x00", "settling or not"},
		"kinds of no failure":      {"\x03\x00\x00\x01" + stage("\x00"), "without need"},
		"a new kind":               {"\x02\x00\x00\x01" + stage("\x03"), "no known kind"},
	} {
		err := new(Evidence).UnmarshalBinary([]byte(tt.data))
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{
		"an empty gap":         {3, 0, 0, 1, 1},
		"gap after gap":        {4, 0, 1, 0, 1, 1},
		"a gap to the end":     {2, 1, 0, 1},
		"too many buckets":     {9, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		"empty in the last":    {1, 0, 1},
		"a gap beyond the end": {3, 0, 7, 1},
	} {
		r := reader{data: data}
		if r.counts(make([]uint64, 8)); r.err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestDecodingAllocatesByWhatIsThere: a few bytes that claim much get little.
func TestDecodingAllocatesByWhatIsThere(t *testing.T) { // not parallel: all that allocates is counted
	stages := strings.Repeat("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 40)
	for name, data := range map[string]string{
		"stages that are not there": "\x02\x00\x00\x20",
		"2^63 stages":               "\x02\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"33 stages":                 "\x02\x00\x00\x21" + stages,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := new(Evidence).UnmarshalBinary([]byte(data))
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; err == nil || got > 200_000 {
			t.Errorf("%s: %d bytes, %v", name, got, err)
		}
	}
}

func FuzzEvidence(f *testing.F) {
	small := []Stage{{Share: 1}, {Share: 2, Reference: *armOf(0), Stable: *armOf(50), Canary: *armOf(time.Hour)}, {Share: 10_000, Settling: true, Reference: *armOf(0)}}
	for _, e := range []Evidence{{}, {Stages: small[:1]}, {Stages: small}, example(), typical(rand.New(rand.NewPCG(1, 2)), 1)} {
		good, _ := e.MarshalBinary()
		f.Add(good)
	}
	f.Add([]byte{withKinds})
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Evidence
		if e.UnmarshalBinary(data) != nil {
			return
		}
		again, _ := e.MarshalBinary()
		if !bytes.Equal(again, data) {
			t.Fatalf("what was accepted is encoded otherwise:\n%x\n%x", data, again)
		}
		if e.Add(&e) == nil {
			recoded(t, e)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	e := typical(rand.New(rand.NewPCG(1, 2)), 10)
	b.ReportAllocs()
	for b.Loop() {
		data, _ := e.MarshalBinary()
		if err := new(Evidence).UnmarshalBinary(data); err != nil {
			b.Fatal(err)
		}
	}
}
