package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"serin/internal/control"
	"serin/internal/judge"
	"serin/internal/keys"
	"serin/internal/record"
)

// What pages show comes over one stream of server-sent events for each page:
//
//	who       at first: what the page may do
//	now       each second, and after each command: how the model stands
//	models    each other second: all of them, in short
//	past      looks of the monitor that the page has not seen yet
//	journal   the latest events, whenever there is a new one
//
// Nothing runs while no page is open, what pages have in common is made once for
// all of them, and no message grows with the traffic or with time.
const (
	liveEvery  = time.Second
	livePoints = 400 // of one rollout's looks; of more, each second one is left out
	liveEvents = 100
)

// now is how a model stands.
type now struct {
	At    time.Time `json:"at"`
	Serin string    `json:"serin"`
	// Saved is when the evidence, or an event, was made durable last; nil if this
	// process has made none.
	Saved *time.Time `json:"saved"`
	// Here is how this replica serves other than it was decided; "" if it does not.
	Here  string   `json:"here"`
	State State    `json:"state"`
	Plan  livePlan `json:"plan"`
	// Seen is the distribution of what was observed: of the rollout in progress, or
	// without one of stable since the process started.
	Seen seen `json:"seen"`
}

// who is whom the page is shown to.
type who struct {
	// Name is that of the key; "" where the server asks for none.
	Name string `json:"name"`
	// Release is whether he may deploy, promote, roll back and what else moves a rollout.
	Release bool `json:"release"`
}

// livePlan is the plan in force, or what a deploy would get.
type livePlan struct {
	Weight       float64 `json:"weight"`
	PeriodS      float64 `json:"period_seconds"`
	AtEnd        string  `json:"at_end"`
	OnAlarm      string  `json:"on_alarm"`
	MinSamples   uint64  `json:"min_samples"`
	Alpha        float64 `json:"alpha"`
	MinEffectMS  float64 `json:"min_effect_ms"`
	MinSlowdown  float64 `json:"min_slowdown"`
	Tolerance    float64 `json:"tolerance"`
	MinDrift     float64 `json:"min_drift"`
	InitialDelay float64 `json:"initial_delay_seconds"`
}

// seen is what the arms have seen, as bars.
type seen struct {
	// Latencies has bars from LowMS on, each Growth times as far up as the one before.
	LowMS     float64  `json:"low_ms"`
	Growth    float64  `json:"growth"`
	Stable    []uint64 `json:"stable"`
	Canary    []uint64 `json:"canary"`
	Quantiles []level  `json:"quantiles"`
	// Scores are counted by their odds: below 2^-16, then each doubling, then 2^16 and more.
	StableScores []uint64 `json:"stable_scores"`
	CanaryScores []uint64 `json:"canary_scores"`
}

// level is one quantile of both arms, null where nothing was observed.
type level struct {
	Q        float64  `json:"q"`
	StableMS *float64 `json:"stable_ms"`
	CanaryMS *float64 `json:"canary_ms"`
}

// past are looks, oldest first.
type past struct {
	Rollout string `json:"rollout"`
	// Reset is true if these are all, and not those since the last message.
	Reset  bool    `json:"reset"`
	Points []point `json:"points"`
	// Final is the last judgement of a rollout that has ended.
	Final *final `json:"final,omitempty"`
}

// point is one look in numbers that are drawn; null is what it did not judge.
type point struct {
	Number    uint64    `json:"n"`
	At        time.Time `json:"at"`
	ElapsedS  float64   `json:"t"`
	Verdict   string    `json:"verdict"`
	Ratio     *float64  `json:"ratio"`
	RatioLow  *float64  `json:"ratio_lower"`
	RatioHigh *float64  `json:"ratio_upper"`
	DiffMS    *float64  `json:"ms"`
	DiffLow   *float64  `json:"ms_lower"`
	DiffHigh  *float64  `json:"ms_upper"`
	Smallest  *float64  `json:"smallest"`
	Share     float64   `json:"share"`
	Planned   float64   `json:"planned"`
	Stable    uint64    `json:"stable"`
	Canary    uint64    `json:"canary"`
	StableErr uint64    `json:"stable_failures"`
	CanaryErr uint64    `json:"canary_failures"`
	Drift     float64   `json:"drift"`
	LogE      float64   `json:"log_e"`
}

// final is how a rollout that has ended was judged last.
type final struct {
	judge.Opinion

	ElapsedS float64 `json:"elapsed_seconds"`
	Seen     seen    `json:"seen"`
}

// moment is one event of the journal; one without a name cannot be read.
type moment struct {
	Seq     uint64    `json:"seq"`
	At      time.Time `json:"at"`
	Event   string    `json:"event"`
	Actor   string    `json:"actor"`
	Reason  string    `json:"reason"`
	Rollout string    `json:"rollout"`
	Stable  string    `json:"stable"`
	Canary  string    `json:"canary"`
	Weight  float64   `json:"weight"`
	Drill   bool      `json:"drill"`
	// Verdict and Sentence are what it was decided on, Numbers what they were made from.
	Verdict  string   `json:"verdict"`
	Sentence string   `json:"sentence"`
	Numbers  *numbers `json:"numbers"`
}

// numbers are those of a decision that people ask for first; explain has all.
type numbers struct {
	ElapsedS   float64 `json:"elapsed_seconds"`
	Stable     uint64  `json:"stable"`
	Canary     uint64  `json:"canary"`
	PValue     float64 `json:"p_value"`
	Ratio      float64 `json:"ratio"`
	RatioLower float64 `json:"ratio_lower"`
	RatioUpper float64 `json:"ratio_upper"`
	LogE       float64 `json:"log_e"`
}

// gallery serves the pages of one model.
type gallery struct {
	handlers

	of    *roll
	seats seats

	mu     sync.Mutex
	woken  chan struct{} // closed when there is news
	made   time.Time
	shared []byte // the message that was made then
	looks  looks
}

// looks are the points of one rollout, each stride-th of its looks.
type looks struct {
	rollout       string
	stride, after uint64
	points        []point
}

func newGallery(m Model, of *roll) *gallery {
	return &gallery{
		handlers: handlers{pilot: m.Pilot, past: m.History, plan: m.Plan},
		of:       of, woken: make(chan struct{}),
	}
}

// event is the message about all models, and when it was made.
func (r *roll) event() ([]byte, time.Time) {
	r.listing.Lock()
	defer r.listing.Unlock()
	if time.Since(r.listed) >= 2*liveEvery-liveEvery/10 {
		list, _ := r.list(context.Background(), nil) // for nobody in particular; it never is an error
		r.listed, r.all = time.Now(), event("models", list.Body.Models)
	}
	return r.all, r.listed
}

// waking tells the pages of what was commanded, at once.
type waking struct {
	Pilot

	live *gallery
}

// Do carries the command out.
func (w waking) Do(ctx context.Context, c control.Command) (control.Health, error) {
	defer w.live.wake()
	return w.Pilot.Do(ctx, c)
}

func (l *gallery) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.woken)
	l.woken, l.shared = make(chan struct{}), nil
}

var liveOperation = func() huma.Operation {
	op := get("live", "Watch the model", "Server-sent events: now, each second; past and journal, when there is news. For pages that show it.")
	op.Errors = []int{http.StatusServiceUnavailable}
	return op
}()

// watch shows a page how the model of the call stands.
func (h *handlers) watch(ctx context.Context, in *struct{}) (*huma.StreamResponse, error) {
	return h.live.watch(ctx, in)
}

// watch sends until the page goes or the server ends.
func (l *gallery) watch(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	mine := l.seats.take(time.Now())
	if mine == nil {
		return nil, problem(codeBusy, fmt.Sprintf("%d pages are open already. Close one, or wait %v for the place of the oldest", livePages, liveTenure))
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer l.seats.leave(mine)
		_, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no") // a proxy that waits for more would show nothing
		// Who asks for the head takes the connection for free afterwards, and would wait
		// for the next answer behind this stream.
		if hc.Method() == http.MethodHead {
			return
		}
		page := &page{live: l, to: w, control: http.NewResponseController(w)}
		tick := time.NewTicker(liveEvery)
		defer tick.Stop()
		for {
			woken := l.news()
			if page.send(ctx) != nil {
				return
			}
			select {
			case <-tick.C:
				if l.gone() {
					return
				}
			case <-woken:
			case <-mine.lost:
				return
			case <-l.of.ended:
				return
			case <-ctx.Done():
				return
			}
		}
	}}, nil
}

// gone says whether the model is served no longer, or by another pilot.
func (l *gallery) gone() bool {
	return !slices.ContainsFunc(l.of.models(), func(m Model) bool { return m.Pilot == l.pilot })
}

func (l *gallery) news() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.woken
}

// page is one reader, and what it has been told.
type page struct {
	live       *gallery
	to         http.ResponseWriter
	control    *http.ResponseController
	told       bool
	listed     time.Time // the latest message about all models
	generation uint64
	rollout    string
	ended      bool
	stride     uint64
	after      uint64
}

// send tells what is new.
func (p *page) send(ctx context.Context) error {
	_ = p.control.SetWriteDeadline(time.Now().Add(livePatience)) // a writer without deadlines is a test's
	h := p.live.pilot.Peek()
	if !p.told {
		name, rights := keys.Who(ctx)
		if err := p.event("who", who{name, rights&keys.Release != 0}); err != nil {
			return err
		}
	}
	if _, err := p.to.Write(p.live.now(h)); err != nil {
		return err
	}
	if all, made := p.live.of.event(); !made.Equal(p.listed) {
		p.listed = made
		if !keys.Covers(ctx, "") { // the key is for some models only, and so is the list
			own, _ := p.live.of.list(ctx, nil) // it never is an error
			all = event("models", own.Body.Models)
		}
		if _, err := p.to.Write(all); err != nil {
			return err
		}
	}
	news := !p.told || p.generation != h.State.Generation
	id, ended := "", h.Rollout == nil
	if h.Rollout != nil {
		id = h.Rollout.ID
	} else if h.State.Last != nil {
		id = h.State.Last.Rollout
	}
	var entries []control.Entry
	if news {
		entries, _ = p.live.past.Recent(ctx, 0, liveEvents) // a store that is down says nothing, and the state says the rest
		if err := p.event("journal", momentsOf(entries)); err != nil {
			return err
		}
	}
	if news || h.Watch.Number > p.after {
		message := p.live.since(ctx, p, id)
		if news && ended {
			message.Final = finalOf(entries, id)
		}
		if err := p.event("past", message); err != nil {
			return err
		}
	}
	p.told, p.generation, p.rollout, p.ended = true, h.State.Generation, id, ended
	return p.control.Flush()
}

func (p *page) event(name string, v any) error {
	_, err := p.to.Write(event(name, v))
	return err
}

func event(name string, v any) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\ndata: ", name)
	if strictJSON.Marshal(&b, v) != nil { // cannot happen: every number is one
		return nil
	}
	b.WriteByte('\n') // the JSON has ended with one
	return b.Bytes()
}

// now is the message of this moment, made once for all pages.
func (l *gallery) now(h control.Health) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shared == nil || time.Since(l.made) > liveEvery/2 {
		plan := l.plan
		if h.Rollout != nil {
			plan = h.Rollout.Plan
		}
		state := stateOf(h)
		health := healthOf(h, l.plan)
		state.AlertStatus = &health
		g := l.pilot.Gauges()
		if h.Rollout == nil || g.Rollout != h.Rollout.ID {
			g.Stable, g.Canary = g.Baseline, record.Arm{}
		}
		var saved *time.Time
		if !h.Saved.IsZero() {
			saved = &h.Saved
		}
		l.made, l.shared = time.Now(), event("now", now{
			At: time.Now().UTC(), Serin: l.of.version, Saved: saved, Here: h.Here, State: state, Seen: seenOf(&g.Stable, &g.Canary),
			Plan: livePlan{
				Weight: plan.Weight.Fraction(), PeriodS: plan.Period.Seconds(), AtEnd: string(plan.AtEnd), OnAlarm: string(plan.OnAlarm),
				MinSamples: plan.MinSamples, Alpha: plan.Alpha, MinEffectMS: plan.MinEffect.Seconds() * 1e3,
				MinSlowdown: plan.MinSlowdown, Tolerance: plan.Tolerance, MinDrift: plan.MinDrift, InitialDelay: plan.InitialDelay.Seconds(),
			},
		})
	}
	return l.shared
}

// since are the looks at a rollout that a page has not seen.
func (l *gallery) since(ctx context.Context, p *page, rolloutID string) past {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catchUp(ctx, rolloutID)
	m := past{Rollout: rolloutID, Points: l.looks.points, Reset: !p.told || p.rollout != rolloutID || p.stride != l.looks.stride}
	for !m.Reset && len(m.Points) > 0 && m.Points[0].Number <= p.after {
		m.Points = m.Points[1:]
	}
	p.stride, p.after = l.looks.stride, l.looks.after
	if m.Points == nil {
		m.Points = []point{}
	}
	return m
}

// catchUp reads the looks that were stored since it was called last.
func (l *gallery) catchUp(ctx context.Context, rolloutID string) {
	k := &l.looks
	if k.rollout != rolloutID {
		*k = looks{rollout: rolloutID, stride: 1}
	}
	for rolloutID != "" {
		found, err := l.past.Looks(ctx, rolloutID, k.after, livePoints)
		if len(found) == 0 {
			return
		}
		for i, look := range found {
			k.after = look.Number
			if err != nil && i == len(found)-1 || look.Number%k.stride != 0 { // one that cannot be read is not drawn
				continue
			}
			if pt, ok := pointOf(look); ok {
				k.points = append(k.points, pt)
			}
		}
		for len(k.points) > livePoints {
			k.thin()
		}
	}
}

// thin leaves every second point out. Messages on their way keep the old list.
func (k *looks) thin() {
	k.stride *= 2
	var kept []point
	for _, p := range k.points {
		if p.Number%k.stride == 0 {
			kept = append(kept, p)
		}
	}
	k.points = kept
}

func pointOf(look control.Look) (point, bool) {
	var j judge.Judgement
	if look.Evidence == nil || json.Unmarshal(look.Detail, &j) != nil {
		return point{}, false
	}
	p := point{
		Number: look.Number, At: look.At, ElapsedS: look.Evidence.Elapsed.Seconds(), Verdict: look.Finding.Verdict.String(), Smallest: j.SmallestSlowdown,
		Share: j.Guard.Observed, Planned: j.Guard.Planned, Stable: j.Stable.Count, Canary: j.Canary.Count,
		StableErr: j.Stable.Failures, CanaryErr: j.Canary.Failures, LogE: j.LogE,
	}
	for _, s := range j.Signals {
		if s.Name == judge.ScoreDrift {
			p.Drift = s.Effect
		}
	}
	if j.RatioLower != j.RatioUpper || j.Ratio != 1 { // else nothing was judged yet
		p.Ratio, p.RatioLow, p.RatioHigh = &j.Ratio, &j.RatioLower, &j.RatioUpper
		p.DiffMS, p.DiffLow, p.DiffHigh = &j.DifferenceMS, &j.LowerMS, &j.UpperMS
	}
	return p, true
}

// finalOf is the last judgement of a rollout, from the newest of its events.
func finalOf(entries []control.Entry, rolloutID string) *final {
	for _, e := range entries {
		if e.Rollout != rolloutID || e.Evidence == nil || e.Detail == nil {
			continue
		}
		f := &final{ElapsedS: e.Evidence.Elapsed.Seconds()}
		if json.Unmarshal(e.Detail, &f.Opinion) != nil {
			return nil
		}
		stable, canary := e.Evidence.Total()
		f.Seen = seenOf(&stable, &canary)
		return f
	}
	return nil
}

func momentsOf(entries []control.Entry) []moment {
	moments := make([]moment, len(entries))
	for i, e := range entries {
		m := moment{
			Seq: e.Seq, At: e.At, Event: string(e.Event), Actor: e.Actor, Reason: e.Reason, Rollout: e.Rollout,
			Stable: e.State.Stable.Name, Drill: e.State.Slowdown,
		}
		if r := e.State.Rollout; r != nil {
			m.Canary, m.Weight = r.Canary.Name, r.Weight.Fraction()
		} else if last := e.State.Last; last != nil && last.Rollout == e.Rollout {
			m.Canary = last.Version
		}
		var o judge.Opinion
		if e.Finding != nil && e.Evidence != nil && json.Unmarshal(e.Detail, &o) == nil {
			m.Verdict, m.Sentence = e.Finding.Verdict.String(), e.Finding.Sentence
			m.Numbers = &numbers{
				e.Evidence.Elapsed.Seconds(), o.Monitor.Stable.Count, o.Monitor.Canary.Count, o.Welch.PValue,
				o.Monitor.Ratio, o.Monitor.RatioLower, o.Monitor.RatioUpper, o.Monitor.LogE,
			}
		}
		moments[i] = m
	}
	return moments
}

// liveBars is the most bars that a distribution has.
const liveBars = 160

func seenOf(stable, canary *record.Arm) seen {
	out := seen{Growth: 1}
	first, last := -1, -1
	a, b := stable.Latencies(), canary.Latencies()
	for i := range a {
		if a[i]+b[i] > 0 {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return out
	}
	step := 1
	for (last-first)/step >= liveBars {
		step++
	}
	_, high := record.BucketRange(first)
	out.LowMS, out.Growth = high/math.Exp(record.Step)/1e6, math.Exp(record.Step*float64(step))
	out.Stable, out.Canary = bars(a[first:last+1], step), bars(b[first:last+1], step)
	for _, q := range [2][3]float64{{0.5, 0.75, 0.9}, {0.95, 0.99, 0.999}} {
		ofStable, ofCanary := stable.Quantiles(q), canary.Quantiles(q)
		for i := range q {
			out.Quantiles = append(out.Quantiles, level{q[i], milliseconds(ofStable[i]), milliseconds(ofCanary[i])})
		}
	}
	// The edges are at 16 buckets to a doubling, with one bucket beyond either end.
	out.StableScores, out.CanaryScores = scored(stable.Scores()), scored(canary.Scores())
	return out
}

func milliseconds(ns float64) *float64 {
	if math.IsNaN(ns) {
		return nil
	}
	ns /= 1e6
	return &ns
}

// bars adds up each step counts.
func bars(counts []uint64, step int) []uint64 {
	sums := make([]uint64, (len(counts)+step-1)/step)
	for i, n := range counts {
		sums[i/step] += n
	}
	return sums
}

func scored(counts []uint64) []uint64 {
	inner := bars(counts[1:len(counts)-1], 16)
	return append(append(counts[:1:1], inner...), counts[len(counts)-1])
}
