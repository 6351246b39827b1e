package main

import (
	"bytes"
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/load"
)

// clockwork is a server in fake time: every tenth request is the canary's and
// takes twice as long, every hundredth is refused.
type clockwork struct{ n *atomic.Int64 }

func (c clockwork) Call(time.Time) (load.Answer, error) {
	n := c.n.Add(1)
	arm, takes := "stable", time.Duration(1+n%7)*time.Millisecond
	if n%10 == 3 {
		arm, takes = "canary", 2*takes
	}
	<-time.After(takes)
	if n%100 == 0 {
		return load.Answer{Refused: "503 Service Unavailable", Detail: "The queue is full: come again in a second."}, nil
	}
	return load.Answer{Arm: arm}, nil
}

func (clockwork) Close() error { return nil }

// TestBenchReport keeps what people and scripts see of a run.
func TestBenchReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := new(atomic.Int64)
		plan := load.Plan{Rate: 50, Duration: 20 * time.Second, Connections: 1, Timeout: time.Second}
		r, err := load.Run(t.Context(), plan, func(context.Context) (load.Caller, error) { return clockwork{n}, nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		var demands []load.Threshold
		for _, text := range []string{"canary/stable.p50<1.5", "errors<=1%", "p99<1s"} {
			d, err := load.ParseThreshold(text)
			if err != nil {
				t.Fatal(err)
			}
			demands = append(demands, d)
		}
		report := measuredAgainst(r, &load.Target{Protocol: "v2-binary", Model: "churn", Rows: 100}, demands)
		var text bytes.Buffer
		report.write(&text)
		golden(t, "bench.golden", text.String())
		encoded, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "bench-json.golden", string(encoded)+"\n")
	})
}
