package sim

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"serin/internal/rollout"
)

var plan = rollout.Plan{
	Weight: 1000, Period: 10 * time.Minute, AtEnd: rollout.Hold, MinSamples: 20, Alpha: 0.05, MinEffect: 100 * time.Microsecond,
	OnAlarm: rollout.HoldOnAlarm, MinSlowdown: 0.02, Tolerance: 0.10, MinDrift: 0.2, InitialDelay: time.Minute,
}

// short is ten minutes of a canary that equals stable.
func short() Scenario {
	return Scenario{Plan: plan, LookEvery: 30 * time.Second, Rate: 10, Baseline: 500, Law: Laws()["lognormal"], Errors: 0.01, Scores: true}
}

func mustFly(t *testing.T, s Scenario, runs int) []Run {
	t.Helper()
	all, err := Fly(t.Context(), s, runs, 1, 2, nil)
	if err != nil || len(all) != runs {
		t.Fatalf("%d of %d runs, %v", len(all), runs, err)
	}
	return all
}

// TestRunsDependOnTheSeedAlone flies through everything at once.
func TestRunsDependOnTheSeedAlone(t *testing.T) {
	t.Parallel()
	s := short()
	s.Weights, s.Load, s.Rise, s.Sessions = []rollout.Weight{2500}, Wander{SD: 0.3, Rho: 0.9}, 1, 0.3
	s.Canary = Fault{Slowdown: 0.1, Outliers: 0.01, Errors: 0.01, Shift: 0.1, ColdStart: true, Disturbance: Wander{SD: 0.05, Rho: 0.9}}
	const runs = 4
	var first []Run
	for _, workers := range []int{1, 3, 8} {
		got, err := Fly(t.Context(), s, runs, 7, workers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("with %d workers:\n%s", workers, diff)
		}
	}
	other, err := Fly(t.Context(), s, runs, 8, 2, nil)
	if err != nil || cmp.Equal(first, other) {
		t.Errorf("another seed gives the same runs, %v", err)
	}
	if first[0] == first[1] {
		t.Error("two runs are the same")
	}
}

func TestAWorseCanaryIsSeenAndAnEqualOneIsNot(t *testing.T) {
	t.Parallel()
	const runs = 6
	tests := []struct {
		name  string
		fault Fault
		sees  Mark
	}{
		{"equal", Fault{}, NotSlower},
		{"twice as slow", Fault{Slowdown: 1}, LatencyShape},
		{"a worse tail", Fault{Outliers: 0.20}, LatencyShape},
		{"errors", Fault{Errors: 0.20}, MoreErrors},
		{"scores", Fault{Shift: 1}, ScoreDrift},
	}
	for _, tt := range tests {
		s := short()
		s.Law, s.Canary = Laws()["normal"], tt.fault
		report := Summarise(s, mustFly(t, s, runs))
		if got := report.Of(tt.sees); got.Runs < runs-1 || got.MedianSamples == nil {
			t.Errorf("%s: %s in %d of %d runs", tt.name, tt.sees, got.Runs, runs)
		}
		if alarmed := report.Of(Alarm).Runs; (alarmed > 1) != (tt.fault != Fault{}) {
			t.Errorf("%s: %d of %d runs raise an alarm", tt.name, alarmed, runs)
		}
	}
}

// TestTheLawHasTheLastWord: how a run ends is the plan's doing.
func TestTheLawHasTheLastWord(t *testing.T) {
	t.Parallel()
	tests := []struct {
		slowdown float64
		onAlarm  rollout.OnAlarm
		atEnd    rollout.AtEnd
		endWhen  []Mark
		want     Outcome
	}{
		{0, rollout.HoldOnAlarm, rollout.Hold, nil, Held},
		{0, rollout.RollbackOnAlarm, rollout.PromoteAtEnd, nil, Promoted},
		{0, rollout.HoldOnAlarm, rollout.RollbackAtEnd, nil, RolledBack},
		{1, rollout.HoldOnAlarm, rollout.Hold, nil, HeldAlarmed},
		{1, rollout.HoldOnAlarm, rollout.PromoteAtEnd, nil, HeldAlarmed},
		{1, rollout.RollbackOnAlarm, rollout.Hold, nil, RolledBack},
		{1, rollout.HoldOnAlarm, rollout.Hold, []Mark{Alarm}, Stopped},
	}
	for _, tt := range tests {
		s := short()
		s.Law, s.Errors, s.Plan.Period, s.LookEvery = Laws()["normal"], 0, 20*time.Minute, time.Minute
		s.Canary.Slowdown, s.Plan.OnAlarm, s.Plan.AtEnd, s.EndWhen = tt.slowdown, tt.onAlarm, tt.atEnd, tt.endWhen
		run := mustFly(t, s, 1)[0]
		if run.Outcome != tt.want {
			t.Errorf("%+v: %s", tt, run.Outcome)
		}
		early := tt.onAlarm == rollout.RollbackOnAlarm && tt.slowdown > 0 || tt.endWhen != nil
		if whole := run.End.At == s.Plan.Period; whole == early {
			t.Errorf("%+v: the last look was after %v", tt, run.End.At)
		}
	}
}

// TestTheCanaryGetsItsShare: the split is the real one, and follows the weight.
func TestTheCanaryGetsItsShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		weights []rollout.Weight
		want    float64
	}{
		{[]rollout.Weight{1000}, 0.10},
		{[]rollout.Weight{100, 1000, 2500}, 0.12},
	} {
		s := short()
		s.Errors, s.Plan.Weight, s.Weights = 0, tt.weights[0], tt.weights[1:]
		f := newFlight(&s)
		if _, err := f.fly(1, 1); err != nil {
			t.Fatal(err)
		}
		all := float64(f.stable.Started + f.canary.Started)
		if arrived := s.Rate * s.Plan.Period.Seconds(); math.Abs(all-arrived) > 5*math.Sqrt(arrived) {
			t.Errorf("%v: %v requests, %v were expected", tt.weights, all, arrived)
		}
		if got := float64(f.canary.Started) / all; math.Abs(got-tt.want) > 0.003 {
			t.Errorf("%v: the canary got %.4f of the requests", tt.weights, got)
		}
		if open := f.stable.Unfinished() + f.canary.Unfinished(); open != uint64(len(f.flying)) || open > 20 {
			t.Errorf("%v: %d requests are unfinished and %d in flight", tt.weights, open, len(f.flying))
		}
		if stages := len(f.trail.Evidence().Stages); stages != 1+len(tt.weights) {
			t.Errorf("%v: %d stages", tt.weights, stages)
		}
	}
}

// TestLaws draws from them: mean and spread are what they say.
func TestLaws(t *testing.T) {
	t.Parallel()
	for name, law := range Laws() {
		r := rand.New(rand.NewPCG(1, 2))
		const n = 200_000
		sum, far := 0.0, 0
		var centre, spread float64
		for range n {
			x := law.draw(r)
			sum += x
			if x > law.Factor/4 { // an ordinary one is so with a probability below 1e-7
				far++
				x /= law.Factor
			}
			if law.Family == Lognormal {
				x = math.Log(x)
			}
			centre, spread = centre+x, spread+x*x
		}
		centre /= n
		sd := math.Sqrt(spread/n - centre*centre)
		mean := time.Duration(sum / n * law.scale())
		if name == "heavy" { // and here there is no telling them apart
			far, sd = 0, 1
		}
		if relative := float64(mean)/float64(law.Mean) - 1; math.Abs(relative) > 0.01 {
			t.Errorf("%s: the mean is %v", name, mean)
		}
		if math.Abs(sd/law.Sigma-1) > 0.01 {
			t.Errorf("%s: sigma is %v", name, sd)
		}
		if math.Abs(float64(far)/n-law.Outliers) > 0.001 {
			t.Errorf("%s: %d of %d are outliers", name, far, n)
		}
		if !strings.Contains(law.String(), string(law.Family)) {
			t.Errorf("%s is called %s", name, law)
		}
	}
}

func TestWander(t *testing.T) {
	t.Parallel()
	w := Wander{SD: 0.3, Rho: 0.9}
	r := rand.New(rand.NewPCG(1, 2))
	const n = 400_000
	x, squares, products := w.first(r), 0.0, 0.0
	for range n {
		next := w.next(x, r)
		squares, products = squares+x*x, products+x*next
		x = next
	}
	if sd := math.Sqrt(squares / n); math.Abs(sd/w.SD-1) > 0.02 {
		t.Errorf("sd %v", sd)
	}
	if rho := products / squares; math.Abs(rho-w.Rho) > 0.005 {
		t.Errorf("rho %v", rho)
	}
	if still := (Wander{}); still.first(r) != 0 || still.next(0, r) != 0 {
		t.Error("no load moves")
	}
}

// TestEndedEarly: what was flown until then is what would have been flown.
func TestEndedEarly(t *testing.T) {
	t.Parallel()
	s := short()
	s.Plan.Period = time.Minute
	all := mustFly(t, s, 20)
	ctx, cancel := context.WithCancel(t.Context())
	last := 0
	some, err := Fly(ctx, s, 20, 1, 2, func(done int) {
		if done != last+1 {
			t.Errorf("%d are done after %d", done, last)
		}
		if last = done; done == 5 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || len(some) != last || last < 5 || last > 6 {
		t.Fatalf("%d runs, %d told of, %v", len(some), last, err)
	}
	if diff := cmp.Diff(all[:len(some)], some); diff != "" {
		t.Error(diff)
	}
}

// TestTheInnerLoopDoesNotAllocate: a thousand canaries an hour each are many
// millions of requests.
func TestTheInnerLoopDoesNotAllocate(t *testing.T) {
	s := short()
	s.Sessions, s.Canary = 0.3, Fault{Outliers: 0.01, ColdStart: true}
	f := newFlight(&s)
	if _, err := f.fly(1, 1); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() { f.traffic(f.now+window, math.MaxUint64) }); n > 0 {
		t.Errorf("%v allocations in a window", n)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*Scenario){
		"":                     func(*Scenario) {},
		"alpha":                func(s *Scenario) { s.Plan.Alpha = 2 },
		"the family":           func(s *Scenario) { s.Law.Family = "cauchy" },
		"the mean latency":     func(s *Scenario) { s.Law.Mean = 0 },
		"sigma":                func(s *Scenario) { s.Law.Sigma = math.NaN() },
		"the share of outlier": func(s *Scenario) { s.Law.Outliers = 1.1 },
		"an outlier's factor":  func(s *Scenario) { s.Law.Factor = 0 },
		"the weight 10%":       func(s *Scenario) { s.Weights = []rollout.Weight{1000} },
		"the weight 25%":       func(s *Scenario) { s.Weights = []rollout.Weight{2500, 2500} },
		"the time between":     func(s *Scenario) { s.LookEvery = 0 },
		"the rate":             func(s *Scenario) { s.Rate = math.NaN() },
		"a baseline":           func(s *Scenario) { s.Baseline = -1 },
		"1e+09 requests":       func(s *Scenario) { s.Rate = 1e9 },
		"the error rates":      func(s *Scenario) { s.Errors, s.Canary.Errors = 0.6, 0.6 },
		"a rise":               func(s *Scenario) { s.Rise = -1 },
		"the sessions":         func(s *Scenario) { s.Sessions = 4 },
		"the load":             func(s *Scenario) { s.Load.Rho = 1 },
		"a slowdown":           func(s *Scenario) { s.Canary.Slowdown = -1 },
		"the canary's share":   func(s *Scenario) { s.Canary.Outliers = -0.1 },
		"a shift":              func(s *Scenario) { s.Canary.Shift = math.Inf(1) },
		"the disturbance":      func(s *Scenario) { s.Canary.Disturbance.SD = -1 },
	} {
		s := short()
		spoil(&s)
		err := s.Check()
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
		if _, flown := Fly(t.Context(), s, 0, 1, 1, nil); flown == nil {
			t.Errorf("%q: no runs were flown", want)
		}
	}
}

// BenchmarkHour is an hour of a canary at 10 requests a second, with a look
// every 10 s: 42,000 requests and 360 looks.
func BenchmarkHour(b *testing.B) {
	s := Suite(plan)[0].Scenario
	s.Plan.Period = time.Hour
	f := newFlight(&s)
	b.ReportAllocs()
	number := uint64(0)
	for b.Loop() {
		if _, err := f.fly(1, number); err != nil {
			b.Fatal(err)
		}
		number++
	}
}
