package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// exhibit is a pilot with gauges and a past, as many looks as it is told.
type exhibit struct {
	scripted

	gauges  control.Gauges
	looks   []control.Look
	entries []control.Entry
	pages   atomic.Int32 // of looks that were read
}

func (e *exhibit) Gauges() control.Gauges { return e.gauges }

func (e *exhibit) Looks(_ context.Context, _ string, after uint64, limit int) ([]control.Look, error) {
	e.pages.Add(1)
	rest := e.looks[min(after, uint64(len(e.looks))):]
	return rest[:min(limit, len(rest))], nil
}

func (e *exhibit) Recent(_ context.Context, _ uint64, limit int) ([]control.Entry, error) {
	return e.entries[:min(limit, len(e.entries))], nil
}

// show has a live canary with as many looks.
func show(t *testing.T, looks int) *exhibit {
	t.Helper()
	e := &exhibit{scripted: scripted{health: live()}}
	e.gauges.Rollout = "r1"
	source := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		e.gauges.Stable.Observe(time.Duration(1e6*(1+source.Float64())), 0.25)
		e.gauges.Canary.Observe(time.Duration(2e6*(1+source.Float64())), 0.75)
	}
	e.see(t, looks)
	return e
}

// gallery is that of the only model.
func (e *exhibit) gallery() *gallery {
	m := Model{"churn", true, e, e, plan, nil, nil}
	return newRoll(func() []Model { return []Model{m} }, "test").gallery(&m)
}

// see adds looks.
func (e *exhibit) see(t *testing.T, n int) {
	t.Helper()
	for range n {
		number := uint64(len(e.looks)) + 1
		evidence := &record.Evidence{Stages: []record.Stage{{Share: 1000, Stable: e.gauges.Stable, Canary: e.gauges.Canary}}, Elapsed: time.Duration(number) * 10 * time.Second}
		j := judge.NewMonitor(plan).Judge(evidence)
		detail, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		e.looks = append(e.looks, control.Look{Number: number, Finding: j.Finding, Detail: detail, Evidence: evidence})
	}
	e.health.Watch.Number = uint64(len(e.looks))
}

// reader reads one stream's events.
type reader struct {
	t     *testing.T
	lines *bufio.Reader
}

func follow(t *testing.T, url string) *reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/admin/live", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("the type is %q", got)
	}
	return &reader{t, bufio.NewReader(res.Body)}
}

// next reads one event into v and returns its name; "" at the stream's end.
func (r *reader) next(v any) string {
	r.t.Helper()
	name, err := r.lines.ReadString('\n')
	if errors.Is(err, io.EOF) {
		return ""
	}
	data, err2 := r.lines.ReadString('\n')
	empty, err3 := r.lines.ReadString('\n')
	name, named := strings.CutPrefix(strings.TrimSpace(name), "event: ")
	if err != nil || err2 != nil || err3 != nil || !named || empty != "\n" {
		r.t.Fatalf("%q, %q, %q is no event (%v, %v, %v)", name, data, empty, err, err2, err3)
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), v); err != nil {
		r.t.Fatalf("%s: %v in %s", name, err, data)
	}
	return name
}

// until skips to the next event of a name.
func (r *reader) until(name string, v any) {
	r.t.Helper()
	for {
		var raw json.RawMessage
		got := r.next(&raw)
		if got == "" {
			r.t.Fatalf("the stream ended before %s", name)
		}
		if got == name {
			if err := json.Unmarshal(raw, v); err != nil {
				r.t.Fatal(err)
			}
			return
		}
	}
}

func open(t *testing.T, e *exhibit) (url string, end func()) {
	t.Helper()
	mux := http.NewServeMux()
	end = Register(mux, func() []Model { return []Model{{"churn", true, e, e, plan, nil, nil}} }, "test", 1<<20)
	server := httptest.NewServer(Guard(mux))
	t.Cleanup(server.Close)
	t.Cleanup(end)
	return server.URL, end
}

// TestPageLearnsHowItStands: what the gauges hold comes in bars and quantiles, the
// looks as points, and a second page costs no second reading of them.
func TestPageLearnsHowItStands(t *testing.T) {
	t.Parallel()
	e := show(t, 30)
	e.health.Here, e.health.Saved = "serves stable only", time.Now()
	url, end := open(t, e)
	first := follow(t, url)
	var whoever who
	if name := first.next(&whoever); name != "who" || whoever != (who{"", true}) {
		t.Errorf("first comes %s: %+v", name, whoever)
	}
	var n now
	if name := first.next(&n); name != "now" || n.State.Model != "churn" || n.State.AlertStatus == nil || n.Plan.PeriodS != 3600 || n.Here != "serves stable only" || n.Saved == nil || !n.Saved.Equal(e.health.Saved) {
		t.Errorf("then comes %s: %+v", name, n)
	}
	sum := uint64(0)
	for _, count := range n.Seen.Canary {
		sum += count
	}
	if median := n.Seen.Quantiles[0]; sum != 1000 || median.CanaryMS == nil || *median.CanaryMS < 2.9 || *median.CanaryMS > 3.1 {
		t.Errorf("the bars add up to %d, the canary's median is %v", sum, median)
	}
	if low := n.Seen.LowMS; low < 0.97 || low > 1.01 || n.Seen.Growth <= 1 {
		t.Errorf("the lowest bar begins at %v ms and grows by %v", low, n.Seen.Growth)
	}
	if len(n.Seen.StableScores) != 34 || n.Seen.StableScores[15] != 1000 || n.Seen.CanaryScores[18] != 1000 {
		t.Errorf("scores at odds of 1/3 and 3: %v, %v", n.Seen.StableScores, n.Seen.CanaryScores)
	}
	var all []Standing
	if name := first.next(&all); name != "models" || len(all) != 1 || all[0].Model != "churn" || all[0].Status != "alert" {
		t.Errorf("then comes %s: %+v", name, all)
	}
	var p past
	first.until("past", &p)
	if !p.Reset || len(p.Points) != 30 || p.Points[29].ElapsedS != 300 || p.Points[29].Ratio == nil || *p.Points[29].RatioLow < 1.5 {
		t.Errorf("%+v", p)
	}
	read := e.pages.Load()
	second := follow(t, url)
	second.until("past", &p)
	if len(p.Points) != 30 || e.pages.Load() != read+1 {
		t.Errorf("a second page has %d points and reads %d pages more, want one that is empty", len(p.Points), e.pages.Load()-read)
	}
	end()
	for name := "now"; name != ""; {
		var raw json.RawMessage
		name = second.next(&raw)
	}
}

// TestPageHearsOfACommandAtOnce: not at the next second. In a bubble no time
// passes but what somebody waits for.
func TestPageHearsOfACommandAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := show(t, 1)
		g := e.gallery()
		began, woken := time.Now(), g.news()
		if _, err := (waking{e, g}).Do(t.Context(), control.Command{Kind: rollout.Rollback}); err != nil {
			t.Fatal(err)
		}
		<-woken
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it is woken after %v", waited)
		}
	})
}

// TestPointsAreBounded: eleven hours of looks are as many points as one hour.
func TestPointsAreBounded(t *testing.T) {
	t.Parallel()
	e := show(t, 1)
	for len(e.looks) < 4000 {
		look := e.looks[0]
		look.Number = uint64(len(e.looks)) + 1
		e.looks = append(e.looks, look)
	}
	g := e.gallery()
	p := &page{live: g}
	all := g.since(t.Context(), p, "r1")
	if n := len(all.Points); n <= livePoints/2 || n > livePoints || all.Points[0].Number != p.stride || all.Points[n-1].Number <= 4000-p.stride {
		t.Errorf("%d points with a stride of %d", n, p.stride)
	}
	p.told, p.rollout = true, "r1"
	for range p.stride {
		look := e.looks[0]
		look.Number = uint64(len(e.looks)) + 1
		e.looks = append(e.looks, look)
	}
	if more := g.since(t.Context(), p, "r1"); more.Reset || len(more.Points) != 1 {
		t.Errorf("after another stride: reset %v, %d points, want one more", more.Reset, len(more.Points))
	}
	if other := g.since(t.Context(), p, "r2"); !other.Reset {
		t.Error("another rollout's points are added to those of the one before")
	}
}

// TestEventsComeWithTheirGrounds: who, why, and on what.
func TestEventsComeWithTheirGrounds(t *testing.T) {
	t.Parallel()
	e := show(t, 1)
	o := judge.NewMonitor(plan).Opinion(e.looks[0].Evidence)
	detail, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	e.health.State = rollout.State{Model: "churn", Generation: 7, Phase: rollout.Idle, Last: &rollout.Ended{Rollout: "r1", Version: "model_v2", Event: rollout.Rollback}}
	e.health.Rollout = nil
	e.entries = []control.Entry{
		{Seq: 7, Event: rollout.Rollback, Actor: "ana", Reason: "slow", Rollout: "r1", Finding: &o.Welch.Finding, Detail: detail, Evidence: e.looks[0].Evidence, State: e.health.State},
		{Seq: 6},
	}
	url, _ := open(t, e)
	r := follow(t, url)
	var moments []moment
	r.until("journal", &moments)
	if m := moments[0]; m.Actor != "ana" || m.Reason != "slow" || m.Canary != "model_v2" || m.Verdict != "fail" || m.Numbers == nil || m.Numbers.Canary != 1000 {
		t.Errorf("%+v", m)
	}
	if m := moments[1]; m.Seq != 6 || m.Event != "" {
		t.Errorf("a row that cannot be read is %+v", m)
	}
	var p past
	r.until("past", &p)
	if p.Rollout != "r1" || p.Final == nil || p.Final.Monitor.Ratio < 1.5 || len(p.Final.Seen.Canary) == 0 {
		t.Errorf("%+v", p)
	}
}
