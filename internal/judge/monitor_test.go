package judge

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
	"serin/internal/record"
	"serin/internal/rollout"
)

// watched is a plan for the monitor, without delay.
var watched = func() rollout.Plan {
	p := plan
	p.OnAlarm, p.MinSlowdown, p.Tolerance, p.MinDrift = rollout.HoldOnAlarm, 0.02, 0.10, 0.2
	return p
}()

// canaryOf describes a canary beside a stable with lognormal latencies round
// 100 ms, sigma 0.5, which fails 1 % of its requests.
type canaryOf struct {
	factor    float64 // of the latency
	tail      float64 // share of requests that take five times as long
	failures  float64 // share
	shift     float64 // of the scores, on the scale of ln odds
	perSecond int     // canary requests; nine times as many go to stable
	share     float64 // that really reaches the canary; 0 is the planned one
	reference int     // observations before the canary
}

var same = canaryOf{factor: 1, failures: 0.01, perSecond: 5, reference: 5000}

// watch records minutes of a canary and judges every ten seconds. It returns
// the judgements, and the evidence at the end.
func (c canaryOf) watch(plan rollout.Plan, minutes int, seed uint64) ([]Judgement, record.Evidence) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var baseline, stable, canary record.Arm
	latency := func() float64 { return 88.25e6 * math.Exp(0.5*rng.NormFloat64()) }
	score := func(shift float64) float64 { return 1 / (1 + math.Exp(-rng.NormFloat64()-shift)) }
	one := func(a *record.Arm, ns, score, failures float64) {
		a.Started++
		if rng.Float64() < failures {
			a.Failures++
			return
		}
		a.Observe(time.Duration(ns), score)
	}
	for range c.reference {
		one(&baseline, latency(), score(0), 0.01)
	}
	trail := record.NewTrail(record.Evidence{}, uint32(plan.Weight), &baseline, plan.InitialDelay)
	monitor := NewMonitor(plan)
	var looks []Judgement
	for second := 1; second <= 60*minutes; second++ {
		for i := range 10 * c.perSecond {
			if toCanary := i < c.perSecond; c.share == 0 && toCanary || c.share > 0 && rng.Float64() < c.share {
				ns := latency() * c.factor
				if rng.Float64() < c.tail {
					ns *= 5
				}
				one(&canary, ns, score(c.shift), c.failures)
			} else {
				one(&stable, latency(), score(0), 0.01)
			}
		}
		trail.Update(&stable, &canary, time.Duration(second)*time.Second)
		if second%10 == 0 {
			e := trail.Evidence()
			looks = append(looks, monitor.Judge(&e))
		}
	}
	return looks, trail.Evidence()
}

// first returns the look, from 1, with that verdict, and what it found; 0 without.
func first(looks []Judgement, v rollout.Verdict) (int, Judgement) {
	for i, j := range looks {
		if j.Verdict == v {
			return i + 1, j
		}
	}
	return 0, Judgement{}
}

func TestMonitorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	with := func(change func(*canaryOf)) canaryOf {
		c := same
		change(&c)
		return c
	}
	tests := []struct {
		name     string
		canary   canaryOf
		want     rollout.Verdict
		within   int    // looks
		signal   string // among the alarms
		sentence string // begins with, with numbers as #
	}{
		{"twice as slow", with(func(c *canaryOf) { c.factor = 2 }), rollout.Fail, 2, LatencyShape, "the canary is typically # ms slower (# ms to # ms with # % confidence), shown after # canary and # stable requests by latency shape"},
		{"a quarter slower", with(func(c *canaryOf) { c.factor = 1.25 }), rollout.Fail, 6, LatencyShape, "the canary is typically # ms slower (# ms to # ms with # % confidence), shown after"},
		{"slow in the tail", with(func(c *canaryOf) { c.tail = 0.05 }), rollout.Fail, 20, LatencyP99, "the canary"},
		{"fails more", with(func(c *canaryOf) { c.failures = 0.1 }), rollout.Fail, 6, Errors, "the canary failed # of # requests and stable # of #, shown after # canary and # stable requests by errors"},
		{"other scores", with(func(c *canaryOf) { c.shift = 1 }), rollout.Fail, 4, ScoreDrift, "the canary's scores differ from stable's (PSI #), shown after # canary and # stable requests by score drift"},
		{"as fast", same, rollout.Pass, 30, "", "the canary is less than # % slower: its typical latency is # % (# % to # %) of stable's, shown after # canary and # stable requests"},
		{"three times its share", with(func(c *canaryOf) { c.share = 0.3 }), rollout.Invalid, 3, "", "the split cannot be trusted: # % of the requests were the canary's, # % were planned, shown after # canary and # stable requests"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			looks, _ := tt.canary.watch(watched, 6, 7)
			n, j := first(looks, tt.want)
			if n == 0 || n > tt.within {
				t.Fatalf("%s first at look %d, want one of the first %d; last: %s", tt.want, n, tt.within, looks[len(looks)-1].Sentence)
			}
			if tt.signal != "" && !strings.Contains(strings.Join(j.Alarms, " "), tt.signal) {
				t.Errorf("alarms %v without %s", j.Alarms, tt.signal)
			}
			if got := numbersOut(j.Sentence); !strings.HasPrefix(got, tt.sentence) {
				t.Errorf("got  %s\nwant %s", got, tt.sentence)
			}
			t.Log(n, j.Sentence)
		})
	}
}

// numbersOut replaces numbers by #.
func numbersOut(s string) string {
	var b strings.Builder
	in := false
	for _, r := range s {
		digit := strings.ContainsRune("0123456789.+-", r) || in && r == 'e'
		if digit && r == '-' && !in && b.Len() > 0 && strings.HasSuffix(b.String(), "t") {
			digit = false
		}
		if digit && !in {
			b.WriteByte('#')
		}
		if in = digit; !digit {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// TestAlarmsNeedAnEffectThatMatters slows microseconds down by half: certain,
// and of no interest.
func TestAlarmsNeedAnEffectThatMatters(t *testing.T) {
	t.Parallel()
	p := watched
	c := same
	c.factor = 1.5
	p.MinEffect = time.Second
	looks, _ := c.watch(p, 5, 3)
	if n, j := first(looks, rollout.Fail); n > 0 {
		t.Errorf("look %d: %s", n, j.Sentence)
	}
	last := looks[len(looks)-1]
	if last.Signals[shape].LogE < 10 {
		t.Errorf("the slowdown was not even certain: ln E = %v", last.Signals[shape].LogE)
	}
	if last.Verdict != rollout.Pass {
		t.Errorf("%s: %s", last.Verdict, last.Sentence)
	}
}

// TestOnlyConfirmedAlarmsAct compares an alarm that latches with one that may
// act: ten windows of a minute have to agree.
func TestOnlyConfirmedAlarmsAct(t *testing.T) {
	t.Parallel()
	slow := same
	slow.factor = 1.5
	looks, _ := slow.watch(watched, 12, 5)
	for i, j := range looks {
		if minutes := float64(i+1) / 6; j.Confirmed && minutes < 10 {
			t.Fatalf("confirmed after %.1f minutes", minutes)
		}
	}
	if j := looks[len(looks)-1]; !j.Confirmed {
		t.Errorf("not confirmed after 12 minutes: 60 s windows have ln E %v of %v", j.Slow.LogE, j.Slow.LogThreshold)
	}
	wrong := same
	wrong.failures = 0.5
	looks, _ = wrong.watch(watched, 1, 5)
	if !looks[1].Confirmed {
		t.Error("errors need no windows of latency to agree")
	}
}

// TestMonitorIsAFunction judges the same evidence with a fresh monitor, with
// one that judged something else before, and after a trip through the codec.
func TestMonitorIsAFunction(t *testing.T) {
	t.Parallel()
	looks, e := same.watch(watched, 2, 11)
	used := NewMonitor(watched)
	_, other := canaryOf{factor: 3, perSecond: 2, reference: 200}.watch(watched, 1, 12)
	used.Judge(&other)
	data, err := e.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var stored record.Evidence
	if err := stored.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	want := looks[len(looks)-1]
	for name, got := range map[string]Judgement{"fresh": NewMonitor(watched).Judge(&e), "used": used.Judge(&e), "stored": NewMonitor(watched).Judge(&stored)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestReplicasAddUp deals the same requests to any number of replicas and
// merges them in any order and grouping.
func TestReplicasAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		var reference record.Arm
		for range 300 {
			reference.Observe(time.Duration(1e7*math.Exp(rng.NormFloat64())), rng.Float64())
		}
		stage := func() record.Stage { return record.Stage{Share: 1000, Reference: reference} }
		whole := record.Evidence{Stages: []record.Stage{stage()}, Elapsed: time.Hour}
		parts := make([]record.Evidence, rapid.IntRange(2, 7).Draw(t, "replicas"))
		for i := range parts {
			parts[i] = record.Evidence{Stages: []record.Stage{stage()}, Elapsed: time.Hour}
		}
		slower := rapid.Float64Range(0.5, 2).Draw(t, "slower")
		for i := range rapid.IntRange(0, 3000).Draw(t, "requests") {
			ns, score, fails, part := 1e7*math.Exp(rng.NormFloat64()), rng.Float64(), rng.Float64() < 0.01, rng.IntN(len(parts))
			for _, e := range []*record.Evidence{&whole, &parts[part]} {
				a, factor := &e.Stages[0].Stable, 1.0
				if i%10 == 0 {
					a, factor = &e.Stages[0].Canary, slower
				}
				a.Started++
				if fails {
					a.Failures++
				} else {
					a.Observe(time.Duration(ns*factor), score)
				}
			}
		}
		for len(parts) > 1 {
			i := rapid.IntRange(0, len(parts)-2).Draw(t, "group")
			if err := parts[i].Add(&parts[i+1]); err != nil {
				t.Fatal(err)
			}
			parts = append(parts[:i+1], parts[i+2:]...)
		}
		if diff := cmp.Diff(NewMonitor(watched).Judge(&whole), NewMonitor(watched).Judge(&parts[0])); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestStagesAreNotPooled lets the load slow both arms down while the canary's
// weight rises: pooled, the canary looks slower; stage by stage, it does not.
func TestStagesAreNotPooled(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(4, 4))
	var reference record.Arm
	for range 5000 {
		reference.Observe(time.Duration(1e8*math.Exp(0.3*rng.NormFloat64())), math.NaN())
	}
	e := record.Evidence{Elapsed: time.Hour}
	for i, share := range []uint32{100, 1000, 5000} {
		s := record.Stage{Share: share, Reference: reference}
		for n := range uint32(20_000) {
			a := &s.Stable
			if n%10_000 < share {
				a = &s.Canary
			}
			a.Started++
			a.Observe(time.Duration(1e8*(1+0.3*float64(i))*math.Exp(0.3*rng.NormFloat64())), math.NaN())
		}
		e.Stages = append(e.Stages, s)
	}
	if r := Look(watched, &e); r.Verdict != rollout.Fail {
		t.Errorf("Welch's test on the pooled arms was not fooled: %s", r.Sentence)
	}
	j := NewMonitor(watched).Judge(&e)
	if j.Verdict != rollout.Pass || math.Abs(j.Ratio-1) > 0.02 {
		t.Errorf("%s, ratio %v: %s", j.Verdict, j.Ratio, j.Sentence)
	}
}

// TestSettlingLatenciesAreNotJudged: a cold canary is slow, and its errors count.
func TestSettlingLatenciesAreNotJudged(t *testing.T) {
	t.Parallel()
	slow := same
	slow.factor = 3
	_, e := slow.watch(watched, 1, 6)
	e.Stages[0].Settling = true
	j := NewMonitor(watched).Judge(&e)
	if j.Verdict != rollout.Insufficient || j.Ratio != 1 || !strings.Contains(j.Promote.Missing, "not judged in its first") {
		t.Errorf("%s, ratio %v, missing %q", j.Verdict, j.Ratio, j.Promote.Missing)
	}
	slow.failures = 0.5
	_, e = slow.watch(watched, 1, 6)
	e.Stages[0].Settling = true
	if j := NewMonitor(watched).Judge(&e); j.Verdict != rollout.Fail {
		t.Errorf("%s: %s", j.Verdict, j.Sentence)
	}
}

// TestNoPassWithout lists what keeps a canary from passing although its
// typical latency is fine.
func TestNoPassWithout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		missing string
		change  func(*record.Stage)
		canary  canaryOf
	}{
		{"stable's usual latencies are not known yet", func(s *record.Stage) { s.Reference = record.Arm{} }, same},
		{"too few canary requests to have seen its slowest ones", func(*record.Stage) {}, canaryOf{factor: 0.5, perSecond: 2, reference: 5000}},
		{"the canary seems to fail more often than stable", func(s *record.Stage) { s.Stable.Failures, s.Canary.Failures = 10, 6 }, same},
		{"more canary requests than stable ones have not come back", func(s *record.Stage) {
			s.Stable.Failures, s.Canary.Failures = 0, 0
			s.Stable.Started = s.Stable.Count
			s.Canary.Started = s.Canary.Count + 20
		}, same},
		{"the canary's slowest requests seem to be slower than tolerated", func(s *record.Stage) {
			s.Stable.Failures, s.Canary.Failures = 0, 0
			s.Stable.Started, s.Canary.Started = s.Stable.Count, s.Canary.Count
		}, canaryOf{factor: 0.8, tail: 0.05, failures: 0.01, perSecond: 5, reference: 5000}},
	}
	for _, tt := range tests {
		_, e := tt.canary.watch(watched, 3, 21)
		tt.change(&e.Stages[0])
		j := NewMonitor(watched).Judge(&e)
		if j.Verdict == rollout.Pass || j.Promote.Missing != tt.missing {
			t.Errorf("%s, missing %q, want %q", j.Verdict, j.Promote.Missing, tt.missing)
		}
	}
}

// TestMonitorIsTotal judges whatever could be in evidence, and finds no pass and
// no number that is none where there is nothing.
func TestMonitorIsTotal(t *testing.T) {
	t.Parallel()
	one := func(ns time.Duration, n int) record.Arm {
		var a record.Arm
		for range n {
			a.Observe(ns, 1)
		}
		return a
	}
	huge := record.Arm{Failures: 1 << 45, Started: 1 << 46}
	arms := map[string]record.Arm{
		"empty": {}, "one": one(time.Millisecond, 1), "constant": one(time.Millisecond, 1000), "zero": one(0, 500), "negative": one(-5, 500), "longest": one(math.MaxInt64, 500), "failures": huge,
	}
	for rn, reference := range arms {
		for sn, stable := range arms {
			for cn, canary := range arms {
				for _, share := range []uint32{1, 1000, 10_000} {
					e := record.Evidence{Stages: []record.Stage{{Share: share, Reference: reference, Stable: stable, Canary: canary}}, Elapsed: time.Minute}
					j := NewMonitor(watched).Judge(&e)
					if _, err := json.Marshal(j); err != nil {
						t.Fatalf("reference %s, stable %s, canary %s: %v", rn, sn, cn, err)
					}
					if (stable.Count < 20 || canary.Count < 20) && j.Verdict == rollout.Pass {
						t.Errorf("reference %s, stable %s, canary %s: %s", rn, sn, cn, j.Sentence)
					}
				}
			}
		}
	}
	if j := NewMonitor(watched).Judge(new(record.Evidence)); j.Verdict != rollout.Insufficient || j.Ratio != 1 || len(j.Signals) != signalCount {
		t.Errorf("without any evidence: %+v", j)
	}
}

// TestVerdictsRarelyLie runs healthy canaries with all signals live, at the
// bounds of their hypotheses. The full calibration is the simulator's.
func TestVerdictsRarelyLie(t *testing.T) {
	t.Parallel()
	strict := watched
	strict.MinSlowdown, strict.MinEffect, strict.MinDrift = 0, 0, 0
	alarms := 0
	const runs = 60
	for seed := range uint64(runs) {
		looks, _ := same.watch(strict, 5, 1000+seed)
		if n, _ := first(looks, rollout.Fail); n > 0 {
			alarms++
		}
	}
	if alarms > 8 { // P < 0.004 for 60 runs at 5 %
		t.Errorf("%d of %d healthy canaries raised an alarm", alarms, runs)
	}
}

func BenchmarkMonitor(b *testing.B) {
	_, e := same.watch(watched, 10, 1)
	for _, stages := range []int{1, 3} {
		many := e
		for len(many.Stages) < stages {
			many.Stages = append(many.Stages, e.Stages[0])
		}
		b.Run(fmt.Sprintf("stages=%d", stages), func(b *testing.B) {
			m := NewMonitor(watched)
			b.ReportAllocs()
			for b.Loop() {
				m.Judge(&many)
			}
		})
	}
	b.Run("100 replicas", func(b *testing.B) {
		m := NewMonitor(watched)
		for b.Loop() {
			merged := record.Evidence{Stages: []record.Stage{e.Stages[0]}, Elapsed: e.Elapsed}
			for range 99 {
				if err := merged.Add(&e); err != nil {
					b.Fatal(err)
				}
			}
			m.Judge(&merged)
		}
	})
	b.Run("fresh", func(b *testing.B) {
		for b.Loop() {
			NewMonitor(watched).Judge(&e)
		}
	})
}
