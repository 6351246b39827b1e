package load

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// robot is a server of one connection after another in fake time.
type robot struct {
	takes  func(n uint64) time.Duration // of the nth call
	calls  *atomic.Uint64
	answer func(n uint64) (Answer, error)
}

func (r *robot) Call(deadline time.Time) (Answer, error) {
	n := r.calls.Add(1) - 1
	if d := r.takes(n); d > 0 {
		<-time.After(d)
	}
	if time.Now().After(deadline) {
		return Answer{}, errors.New("i/o timeout")
	}
	return r.answer(n)
}

func (r *robot) Close() error { return nil }

func robots(takes func(n uint64) time.Duration, answer func(n uint64) (Answer, error)) Dial {
	calls := new(atomic.Uint64)
	return func(context.Context) (Caller, error) { return &robot{takes, calls, answer}, nil }
}

func steady(d time.Duration) func(uint64) time.Duration {
	return func(uint64) time.Duration { return d }
}

func stable(uint64) (Answer, error) { return Answer{Arm: "stable"}, nil }

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(got >= want-within && got <= want+within) {
		t.Errorf("%s: %v, want %v within %v", what, got, want, within)
	}
}

// TestAServerThatStandsStill is why latencies are counted from when a request
// was due: of a server that stands still for one second of ten, ten percent of
// the requests notice.
func TestAServerThatStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pause := func(n uint64) time.Duration {
			if n == 500 {
				return time.Second
			}
			return time.Millisecond
		}
		r, err := Run(t.Context(), Plan{Rate: 100, Duration: 10 * time.Second, Connections: 1, Timeout: 5 * time.Second}, robots(pause, stable), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests != 1000 || r.Failed != 0 {
			t.Errorf("%d requests, %d failed", r.Requests, r.Failed)
		}
		near(t, "p50", r.All.P50, 1, 0.01)
		near(t, "p90", r.All.P90, 100, 20) // 100 requests were due meanwhile, and 11 more while it caught up
		near(t, "p95", r.All.P95, 540, 60)
		near(t, "max", r.All.Max, 1000, 1)
		near(t, "waited, p95", r.Waited.P95, 540, 60)
	})
}

func TestClosedLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		arms := func(n uint64) (Answer, error) { return Answer{Arm: []string{"stable", "canary"}[n%2]}, nil }
		var seen []Progress
		r, err := Run(t.Context(), Plan{Duration: 10 * time.Second, WarmUp: time.Second, Connections: 20, Timeout: time.Second},
			robots(steady(10*time.Millisecond), arms), func(p Progress) { seen = append(seen, p) })
		if err != nil {
			t.Fatal(err)
		}
		near(t, "rate", r.Rate, 2000, 1)
		near(t, "p99.9", r.All.P999, 10, 0.01)
		if r.Arms["stable"].Count+r.Arms["canary"].Count != r.All.Count || r.Requests != r.All.Count {
			t.Errorf("%d stable, %d canary of %d", r.Arms["stable"].Count, r.Arms["canary"].Count, r.All.Count)
		}
		if len(seen) < 9 || seen[8].Elapsed != 9*time.Second || seen[8].Answered < 17_900 {
			t.Errorf("progress %+v", seen)
		}
	})
}

func TestBoundedByCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, err := Run(t.Context(), Plan{Duration: time.Hour, Requests: 7, Connections: 3, Timeout: time.Second}, robots(steady(time.Second/2), stable), nil)
		if err != nil || r.Requests != 7 {
			t.Errorf("%d requests, %v", r.Requests, err)
		}
	})
}

// TestFaults: what is no prediction is counted by what it was, and is in no latency.
func TestFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := func(n uint64) (Answer, error) {
			switch {
			case n%10 == 3:
				return Answer{Refused: "503 Service Unavailable"}, nil
			case n%10 == 7:
				return Answer{}, errors.New("reading: EOF")
			}
			return Answer{}, nil
		}
		r, err := Run(t.Context(), Plan{Rate: 100, Duration: 10 * time.Second, Connections: 4, Timeout: time.Second}, robots(steady(time.Millisecond), answer), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Faults["503 Service Unavailable"] != 100 || r.Faults["reading: EOF"] != 100 || r.All.Count != 800 || r.Failed != 200 || len(r.Arms) != 0 {
			t.Errorf("%+v", r)
		}
		if by := r.FaultsByCount(); len(by) != 2 || by[0] != "503 Service Unavailable" {
			t.Errorf("%v", by)
		}
	})
}

// TestADeadServer: a closed loop does not dial as fast as it can, and Run ends.
func TestADeadServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dial := func(context.Context) (Caller, error) { return nil, errors.New("connection refused") }
		r, err := Run(t.Context(), Plan{Duration: time.Second, Connections: 2, Timeout: time.Second}, dial, nil)
		if err != nil || r.All.Count != 0 || r.Faults["connection refused"] != 20 {
			t.Errorf("%v, %v", r.Faults, err)
		}
	})
}

// TestManyFaultsStayFew: their texts are bounded.
func TestManyFaultsStayFew(t *testing.T) {
	t.Parallel()
	s := newSheet()
	for n := range 1000 {
		s.note(string(rune('a'+n)), "")
	}
	if len(s.faults) != maxFaults+1 || s.faults["other"] != 1000-maxFaults {
		t.Errorf("%d texts, %d others", len(s.faults), s.faults["other"])
	}
}

func TestCalledOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		r, err := Run(ctx, Plan{Rate: 10, Duration: time.Hour, Connections: 1, Timeout: time.Second}, robots(steady(time.Millisecond), stable), nil)
		if !errors.Is(err, context.DeadlineExceeded) || r.All.Count < 29 || r.Failed != 0 {
			t.Errorf("%d answered, %d failed, %v", r.All.Count, r.Failed, err)
		}
	})
}

func TestPlanIsChecked(t *testing.T) {
	t.Parallel()
	good := Plan{Duration: time.Second, Connections: 1, Timeout: time.Second}
	for name, change := range map[string]func(p *Plan){
		"no connection":    func(p *Plan) { p.Connections = 0 },
		"too many":         func(p *Plan) { p.Connections = 1e6 },
		"negative rate":    func(p *Plan) { p.Rate = -1 },
		"no end":           func(p *Plan) { p.Duration = 0 },
		"a negative start": func(p *Plan) { p.WarmUp = -1 },
		"no timeout":       func(p *Plan) { p.Timeout = 0 },
	} {
		p := good
		change(&p)
		if _, err := Run(t.Context(), p, nil, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
