package load

import (
	"strings"
	"testing"
	"time"
)

// measured is a report of 1000 stable answers from 1 to 1000 ms, and 100 of the
// canary at 20 ms, with 11 failures, in 10 s.
func measured() *Report {
	s := newSheet()
	for n := range 1000 {
		s.observe("stable", time.Duration(n+1)*time.Millisecond, 0)
	}
	for range 100 {
		s.observe("canary", 20*time.Millisecond, 0)
	}
	for range 11 {
		s.note("503 Service Unavailable", "")
	}
	return newReport(Plan{}, 10*time.Second, []*sheet{s})
}

func TestThresholds(t *testing.T) {
	t.Parallel()
	r := measured()
	for text, want := range map[string]string{
		"stable.p50<501ms":        "500.2ms met",
		"stable.p50<500ms":        "500.2ms not met",
		"stable.p99.9<1s":         "999.3ms met",
		"canary.max <= 20.1ms":    "20ms met",
		"canary/stable.p50<0.05":  "0.04 met",
		"canary/stable.mean>1":    "0.03995 not met",
		"p50>100ms":               "450.1ms met",
		"mean<1s":                 "456.8ms met",
		"errors<1%":               "0.9901% met",
		"errors<=11":              "11 met",
		"errors<11":               "11 not met",
		"rate>=110":               "110/s met",
		"rate>110":                "110/s not met",
		"canary.p0.0001 >= 0.1us": "20ms met",
	} {
		threshold, err := ParseThreshold(text)
		if err != nil {
			t.Error(err)
			continue
		}
		got, met := threshold.Check(r)
		if got += map[bool]string{true: " met", false: " not met"}[met]; got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestNothingMeasuredIsNotMet: a demand on an arm that answered nothing fails.
func TestNothingMeasuredIsNotMet(t *testing.T) {
	t.Parallel()
	empty := newReport(Plan{}, time.Second, []*sheet{newSheet()})
	for _, text := range []string{"p99<1s", "canary.p99<1s", "canary/stable.p99<2", "errors<1%", "errors<1", "rate>=0"} {
		threshold, err := ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, met := threshold.Check(empty); met || got != "nothing measured" {
			t.Errorf("%s: %s, %v", text, got, met)
		}
	}
}

func TestBadThresholds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                      "write p99<10ms",
		"p99":                   "write p99<10ms",
		"p100<1ms":              "write p99<10ms",
		"p0<1ms":                "between 0 and 100",
		"p99<10":                `"10" is no latency: write 10ms`,
		"p99<-1ms":              "is no latency",
		"baseline.p99<1ms":      "write p99<10ms",
		"canary.errors<1%":      "errors is of all requests",
		"rate>5%":               "write p99<10ms",
		"errors<NaN":            "write p99<10ms",
		"canary/stable.p99<1ms": "write p99<10ms",
		"p99<1ms and more":      "write p99<10ms",
	} {
		if _, err := ParseThreshold(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzThreshold(f *testing.F) {
	for _, seed := range []string{"p99<10ms", "canary/stable.p50<1.2", "errors<0.1%", "rate>=1e3"} {
		f.Add(seed)
	}
	r := measured()
	f.Fuzz(func(t *testing.T, text string) {
		threshold, err := ParseThreshold(text)
		if err != nil {
			return
		}
		again, err := ParseThreshold(threshold.String())
		if err != nil || again.bound != threshold.bound {
			t.Fatalf("%q does not survive its own text: %v", text, err)
		}
		threshold.Check(r)
	})
}
