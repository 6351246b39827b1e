package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden file")

func TestSettingsHaveBounds(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-rounds", "0"}, {"-rounds", "101"}, {"-duration", "2m"}, {"-duration", "1ms"}, {"fast"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "out of its range") {
			t.Errorf("%q: got %v", args, err)
		}
	}
}

// TestFloor: it answers predictions and nothing else, and ends when it is told.
func TestFloor(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveFloor(ctx, l) }()
	s := &service{plan: plan{name: "floor", path: "/predict", body: []byte(oneRow)}, addr: addr, ended: make(chan struct{})}
	if err := s.waitReady(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(s.answer), `"model_used":"stable"`) {
		t.Errorf("%s", s.answer)
	}
	if _, err := s.post(t.Context(), "/other", nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("another path: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestAFamilyEnds: a process, the one that it started, and what is known of both.
func TestAFamilyEnds(t *testing.T) {
	t.Parallel()
	if len(familyOf(os.Getpid())) == 0 { // there is no /proc here, and nothing to test
		return
	}
	c := exec.CommandContext(t.Context(), "sh", "-c", "sleep 1000 & wait")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var f family
	for ; len(f) < 2; f = familyOf(c.Process.Pid) {
		select {
		case <-tick.C:
		case <-time.After(10 * time.Second):
			t.Fatal("no second process")
		}
	}
	if f.rss() <= 0 || f[0].pid != c.Process.Pid || f[1].began < f[0].began {
		t.Errorf("%+v", f)
	}
	f.kill()
	if err := c.Wait(); err == nil {
		t.Error("it was not killed")
	}
}

func TestStat(t *testing.T) {
	t.Parallel()
	const line = "42 (a) b (c) S 7 1 1 0 -1 4194560 1 0 0 0 150 50 9 9 20 0 3 0 1234 999 10 18446744073709551615 1 1 0"
	m, parent, ok := parseStat([]byte(line))
	if want := (member{42, 1234, 200, 10 * int64(os.Getpagesize())}); !ok || parent != 7 || m != want || (family{m}).cpu() != 2 {
		t.Errorf("%+v of %d, %t", m, parent, ok)
	}
	for _, bad := range []string{"", "42", "42 (x) S 1", "x (y) " + strings.Repeat("0 ", 40)} {
		if _, _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

// TestLoadWithErrorsIsRefused reads what serin bench is known to print.
func TestLoadWithErrorsIsRefused(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../cmd/serin/testdata/bench-json.golden")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseLoaded(text); err == nil || !strings.Contains(err.Error(), "10 of 1000 requests failed: map[503 Service Unavailable:10] map[503 Service Unavailable:The queue is full") {
		t.Errorf("%v", err)
	}
	r, err := parseLoaded(bytes.Replace(text, []byte(`"failed": 10`), []byte(`"failed": 0`), 1))
	if err != nil || r.Requests != 1000 || r.Rate < 49 || r.latencies.TotalCount() != 990 || r.latencies.ValueAtQuantile(50) != 4_001_791 || r.Arms["canary"].Count != 100 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	values := []float64{4, 1, 3, 2}
	for q, want := range map[float64]float64{0: 1, 0.25: 1.75, 0.5: 2.5, 0.75: 3.25, 1: 4} {
		if got := quantile(values, q); got != want {
			t.Errorf("%v: %v", q, got)
		}
	}
	if values[0] != 4 {
		t.Error("the values were sorted in place")
	}
	if got := spread([]float64{1, 2, 3}, " MB"); got != "2 MB (1 to 3)" {
		t.Error(got)
	}
}

// TestASlowRoundSlowsBoth: ratios are of the same round, also where the slow
// service was measured in every third only.
func TestASlowRoundSlowsBoth(t *testing.T) {
	t.Parallel()
	got := ratios(rates(300, 1, 1, 600, 1, 1, 900), rates(10, 20, 30), 3, func(l *loaded) float64 { return l.Rate })
	if diff := cmp.Diff([]float64{30, 30, 30}, got); diff != "" {
		t.Error(diff)
	}
}

// TestAnEstimateSaysHowFarItGoes: the same rounds always say the same, one odd round
// moves the end and not the middle, and equal rounds leave no doubt.
func TestAnEstimateSaysHowFarItGoes(t *testing.T) {
	t.Parallel()
	odd := []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 9}
	if e := middle(odd); e != middle(odd) || e.value != 1 || e.low != 1 || e.high != 1 {
		t.Errorf("%+v", e)
	}
	if e := middle([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}); e.value != 5 || e.low < 2 || e.low > 4 || e.high < 6 || e.high > 8 {
		t.Errorf("%+v", e)
	}
	if e := middle(nil); !math.IsNaN(e.value) || e.in(" ms") != "-" {
		t.Errorf("%+v", e)
	}
	calm, wild := rates(500, 500, 500, 500), rates(500, 500, 500, 50)
	if e := tails(calm, calm, 99); e.value != 1 || e.low != 1 || e.high != 1 {
		t.Errorf("%+v", e)
	}
	both := counted(wild)
	for _, q := range []float64{0.5, 50, 99, 100} {
		if got, want := both.quantile([]int{0, 1, 2, 3}, q), float64(merged(wild).ValueAtQuantile(q)); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if e := tails(wild, calm, 99); e.low != 1 || e.value < 5 || e.high < e.value {
		t.Errorf("%+v", e)
	}
}

// TestThereAndBack: each slice is measured twice, in mirrored order, and both count.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	var order string
	var a, b []*loaded
	slices := []slice{{into: &a}, {into: &b}}
	for i := range slices {
		slices[i].measure = func(context.Context, *kit, time.Duration) (*loaded, error) {
			order += string(rune('a' + i))
			return rates(float64(100 * len(order)))[0], nil
		}
	}
	if err := thereAndBack(t.Context(), nil, time.Second, slices); err != nil {
		t.Fatal(err)
	}
	if order != "abba" || len(a) != 1 || len(b) != 1 || a[0].Rate != 250 || b[0].Rate != 250 || a[0].Requests != 200 || a[0].latencies.TotalCount() != 200 || a[0].cpu != 0.004 {
		t.Errorf("%s: %+v %+v", order, a, b)
	}
	failing := slice{measure: func(context.Context, *kit, time.Duration) (*loaded, error) { return nil, io.EOF }, into: &a}
	if err := thereAndBack(t.Context(), nil, time.Second, []slice{failing}); !errors.Is(err, io.EOF) || len(a) != 1 {
		t.Errorf("%v, %d results", err, len(a))
	}
}

func rates(all ...float64) (runs []*loaded) {
	for _, rate := range all {
		r := &loaded{Rate: rate, Requests: 100, cpu: 0.002, latencies: merged(nil)}
		for i := range int64(100) {
			_ = r.latencies.RecordValue((i + 1) * int64(1e8/rate)) // within its bounds
		}
		runs = append(runs, r)
	}
	return runs
}

// paper is a page of numbers that nobody measured.
func paper() *page {
	one := func(name string, slow, canary bool, few, many, half []*loaded) *series {
		return &series{
			service: &service{plan: plan{name: name, slow: slow, canary: canary}, idle: 30e6, took: 1234 * time.Millisecond},
			few:     few, many: many, half: half, cpu: []float64{20, 30}, rss: 60e6, rate: 500,
		}
	}
	p := &page{
		settings: settings{rounds: 2, slice: time.Second, duration: 2 * time.Second}, took: 10 * time.Minute, starts: []float64{90, 100, 200},
		machine: machine{processor: "paper", cores: 2, system: "Linux 1.0", memory: "4 GiB", load: 0.1, date: "2026-01-02", versions: []string{"serin 1", "Go 1"}},
		absent:  []absence{{"BentoML", "no wheel"}}, repeated: []string{"measuring serin: 1 of 9 requests failed"},
		services: []*series{
			one("floor: net/http, a constant", false, false, rates(1000, 1100), rates(1200, 1000), rates(500, 500)),
			one("serin", false, false, rates(950, 880), rates(1200, 1100), rates(490, 480)),
			one("serin with a canary", false, true, rates(940, 800), rates(1180, 1090), rates(490, 480)),
			one("FastAPI, as the seed says", true, true, rates(20), rates(21), rates(10)),
		},
		batches: []batch{{"logistic-regression", []float64{2e8, 2e8}, []float64{4e6, 4e6}, []float64{8e6, 8e6}, []float64{4e6, 4e6}, []float64{8e6, 8e6}}, {"gradient-boosting", []float64{2e6, 2e6}, []float64{1.7e6, 1.9e6}, []float64{1.5e6, 1.5e6}, []float64{1.8e6, 1.9e6}, []float64{1.6e6, 1.7e6}}},
	}
	p.services[serin].floorHalf = rates(500, 490)
	return p
}

func TestPage(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	paper().write(&b)
	const path = "testdata/performance.md"
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (rewrite with go test ./bench -update):\n%s", path, diff)
	}
	// A short run and a run in which little could be measured have pages, too.
	if m := (machine{cores: 4, load: 2.1}); !m.busy() {
		t.Error("a load of more than half of the cores is busy")
	}
	few := &page{settings: settings{short: true, rounds: 1}, services: paper().services[:3]}
	few.write(&b)
	few.plots()
}

// TestPlotsAreDrawn: each is XML, and shows every service by name.
func TestPlotsAreDrawn(t *testing.T) {
	t.Parallel()
	p := paper()
	p.services[0].name = "a < b & c"
	for _, plot := range p.plots() {
		d := xml.NewDecoder(strings.NewReader(plot.svg))
		var texts []string
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", plot.name, err)
			}
			if text, ok := token.(xml.CharData); ok {
				texts = append(texts, string(text))
			}
		}
		names := []string{"a < b & c", "serin", "FastAPI, as the seed says"}
		if plot.name == "performance-batches.svg" {
			names = []string{"gradient-boosting"}
		}
		for _, name := range names {
			if !strings.Contains(strings.Join(texts, "\n"), name) {
				t.Errorf("%s does not show %s", plot.name, name)
			}
		}
	}
}
