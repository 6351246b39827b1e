package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// audit is one rollout of which every prediction is known: none is under way when it
// is deployed and when it is judged.
type audit struct {
	Rollout string `json:"rollout"`
	// Fault came in between; "" if none.
	Fault string `json:"fault,omitempty"`
	// Of each arm: what clients were answered, and what the verdict is over.
	Answered [2]uint64 `json:"answered"`
	Judged   [2]uint64 `json:"judged"`
	// Lost bounds what a killed replica may have taken with it, by arm: what it answered
	// in its last seconds. Open are requests that it left without an answer.
	Lost [2]uint64 `json:"may_be_lost"`
	Open uint64    `json:"open"`
	// Apart is the largest difference of the verdict's numbers from those of the recorded
	// latencies. It is relative to them; of what is made from a difference of means, to the
	// larger mean, which is what rounding is relative to.
	Apart float64 `json:"apart"`
	// Broken says what does not fit; "" if all does.
	Broken string `json:"broken,omitempty"`
}

func (a *audit) String() string {
	of := a.Fault
	if of == "" {
		of = "no fault"
	}
	numbers := fmt.Sprintf("numbers within %.1g", a.Apart)
	if a.Answered != a.Judged {
		numbers = "not comparable"
	}
	return strings.TrimSpace(fmt.Sprintf("%s with %s: %d and %d answers, judged %d and %d, %s %s",
		a.Rollout, of, a.Answered[0], a.Answered[1], a.Judged[0], a.Judged[1], numbers, a.Broken))
}

const (
	// tellsWithin is how old what a replica has counted may be before the store has it,
	// where it hears the store: it bounds what a kill may cost.
	tellsWithin = 5 * time.Second
	// precision is how far the verdict's numbers may be from those of the recorded
	// latencies: audit.Apart.
	precision = 1e-12
	// auditLength is how long predictions are dealt before and after the fault, each.
	auditLength = 1500 * time.Millisecond
)

// verdict is what a check says.
type verdict struct {
	Rollout string `json:"rollout"`
	Samples struct {
		Stable uint64 `json:"stable"`
		Canary uint64 `json:"canary"`
	} `json:"samples"`
	StableMS   float64 `json:"stable_avg_latency_ms"`
	CanaryMS   float64 `json:"canary_avg_latency_ms"`
	Difference float64 `json:"difference_ms"`
	T          float64 `json:"t_statistic"`
	DF         float64 `json:"degrees_of_freedom"`
}

// audit plays one rollout by the book, with a fault in the midst of it.
func (w *world) audit(ctx context.Context, s *schedule) (*audit, error) {
	w.gate.Lock()
	closed := true
	defer func() {
		if closed {
			w.gate.Unlock()
		}
	}()
	if err := w.fresh(ctx); err != nil {
		return nil, err
	}
	w.mu.Lock()
	from := len(w.predictions)
	w.mu.Unlock()
	w.gate.Unlock()
	closed = false
	wait(ctx, auditLength)
	a := &audit{}
	heal, gone, err := w.disturb(ctx, s.audits, a)
	if err != nil {
		return nil, err
	}
	w.gate.Lock()
	closed = true
	if gone < 0 {
		err = heal(ctx)
	}
	w.mu.Lock()
	all := slices.Clone(w.predictions[from:])
	w.mu.Unlock()
	w.tally(a, all, gone)
	err = errors.Join(err, w.recorded(ctx, a, all))
	w.mu.Lock()
	w.audits = append(w.audits, *a)
	w.mu.Unlock()
	if gone >= 0 { // after its rollout was judged
		err = errors.Join(err, heal(ctx))
	}
	if _, late := w.calm(ctx); err != nil || late != nil {
		return nil, errors.Join(err, late)
	}
	w.gate.Unlock()
	closed = false
	return a, w.decide(ctx, s.audits)
}

// disturb lets a fault come into an audited rollout: a replica is killed and stays away,
// or something happens to the store. Half of the latter are over when it returns; of the
// others, what was counted last cannot be told before they are healed.
func (w *world) disturb(ctx context.Context, r *rand.Rand, a *audit) (heal func(context.Context) error, gone int, err error) {
	p := ofStore(r, 2*time.Second) // nobody is cut off for so short a time
	whom, early := r.IntN(fleetSize), r.IntN(2) == 0
	switch r.IntN(4) {
	case 0:
		p.kind, p.replica, early = killed, whom, false
	case 1:
		return func(context.Context) error { return nil }, -1, nil
	}
	a.Fault = p.kind
	end := w.note(p.kind, p.replica)
	undo, err := w.begin(ctx, p)
	if err != nil {
		return nil, -1, fmt.Errorf("%s: %w", p.kind, err)
	}
	heal = func(ctx context.Context) error { defer end(); return undo(ctx) }
	wait(ctx, p.length)
	if early {
		err = heal(ctx)
		wait(ctx, auditLength)
		heal = func(context.Context) error { return nil }
	}
	if p.kind != killed {
		whom = -1
	}
	return heal, whom, err
}

// decide ends the audited rollout at any replica in calm weather, while clients
// predict and nobody asks for anything else: what follows shows how soon all know.
func (w *world) decide(ctx context.Context, r *rand.Rand) error {
	wait(ctx, auditLength)
	o := operation{Actor: fmt.Sprintf("auditor, round %d, end", w.rounds), Kind: []string{"rollback", "promote"}[r.IntN(2)], replica: r.IntN(fleetSize)}
	w.command(ctx, &o)
	if o.outcome != carried && o.code != "no_canary" { // serin has ended one whose replica was killed too often
		return fmt.Errorf("a %s in calm weather: %s %s", o.Kind, o.code, o.detail)
	}
	wait(ctx, w.bound+auditLength)
	return nil
}

// fresh ends the rollout that the storm has left, and deploys one that every replica
// serves.
func (w *world) fresh(ctx context.Context) error {
	server, _ := w.replicas[0].at()
	for _, kind := range []string{"rollback", "deploy"} {
		o := operation{Actor: fmt.Sprintf("auditor, round %d, %s", w.rounds, kind), Kind: kind}
		w.command(ctx, &o)
		if o.outcome != carried && o.code != "no_canary" {
			return fmt.Errorf("a %s in calm weather: %s %s", kind, o.code, o.detail)
		}
	}
	if err := server.Admin(ctx, "check-canary-health", nil, nil); err != nil {
		return err
	}
	_, err := w.calm(ctx)
	return err
}

// tally counts what clients were answered, and what a killed replica may have lost.
func (w *world) tally(a *audit, all []prediction, gone int) {
	for _, p := range all {
		arm := 0
		if p.canary {
			arm = 1
		}
		if p.failed != "" {
			a.Open++
			continue
		}
		a.Answered[arm]++
		if p.replica == gone && p.got > w.replicas[gone].ended[p.life]-tellsWithin {
			a.Lost[arm]++
		}
	}
}

// recorded waits until the verdict is over all that was answered, and compares its
// numbers with those of the recorded latencies, which it can where nothing was lost.
func (w *world) recorded(ctx context.Context, a *audit, all []prediction) error {
	var v verdict
	_ = w.until(ctx, "the verdict is over what was answered", func() error {
		for _, r := range w.replicas {
			if server, _ := r.at(); server != nil {
				if err := server.Admin(ctx, "check-canary-health", nil, &v); err != nil {
					return err
				}
				break
			}
		}
		a.Rollout, a.Judged = v.Rollout, [2]uint64{v.Samples.Stable, v.Samples.Canary}
		if a.misses() {
			return errors.New("some are missing")
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if a.misses() || a.exceeds() {
		a.Broken = fmt.Sprintf("clients were answered %v, of which %v may be lost, and %d got no answer; the verdict is over %v", a.Answered, a.Lost, a.Open, a.Judged)
		return nil
	}
	if a.Judged != a.Answered { // a killed replica's last second
		return nil
	}
	want := welch(all)
	mean := max(want.StableMS, want.CanaryMS)
	for _, of := range [][3]float64{
		{v.StableMS, want.StableMS, mean}, {v.CanaryMS, want.CanaryMS, mean}, {v.DF, want.DF, want.DF},
		{v.Difference, want.Difference, mean}, {v.T, want.T, math.Abs(want.T) * max(1, mean/math.Abs(want.Difference))},
	} {
		a.Apart = max(a.Apart, math.Abs(of[0]-of[1])/of[2])
	}
	if !(a.Apart <= precision) && a.Open == 0 {
		a.Broken = fmt.Sprintf("the verdict says %+v, and the recorded latencies %+v", v, want)
	}
	return nil
}

// misses says that the verdict is over too few; exceeds, over too many.
func (a *audit) misses() bool {
	return a.Judged[0]+a.Lost[0] < a.Answered[0] || a.Judged[1]+a.Lost[1] < a.Answered[1]
}

func (a *audit) exceeds() bool {
	return a.Judged[0]+a.Judged[1] > a.Answered[0]+a.Answered[1]+a.Open || a.Judged[0] > a.Answered[0]+a.Open || a.Judged[1] > a.Answered[1]+a.Open
}

// welch is Welch's t-test on the recorded latencies. Sums are whole numbers of ns, and
// what follows is a quotient of them up to the variances, so nothing cancels.
func welch(all []prediction) (v verdict) {
	var n [2]int64
	var sum, squares [2]big.Int
	for _, p := range all {
		if p.failed != "" {
			continue
		}
		arm := 0
		if p.canary {
			arm = 1
		}
		x := big.NewInt(p.latency)
		n[arm]++
		sum[arm].Add(&sum[arm], x)
		squares[arm].Add(&squares[arm], new(big.Int).Mul(x, x))
	}
	v.Samples.Stable, v.Samples.Canary = uint64(n[0]), uint64(n[1])
	if n[0] < 2 || n[1] < 2 {
		return v
	}
	var mean [2]big.Rat // ns
	var share [2]float64
	for arm := range 2 {
		mean[arm].SetFrac(&sum[arm], big.NewInt(n[arm]))
		above := new(big.Int).Mul(big.NewInt(n[arm]), &squares[arm]) // n·Q - S²
		above.Sub(above, new(big.Int).Mul(&sum[arm], &sum[arm]))
		below := new(big.Int).Mul(big.NewInt(n[arm]*n[arm]), big.NewInt(n[arm]-1))
		share[arm], _ = new(big.Rat).SetFrac(above, below).Float64() // the variance of the mean
	}
	difference, _ := new(big.Rat).Sub(&mean[1], &mean[0]).Float64()
	stable, _ := mean[0].Float64()
	canary, _ := mean[1].Float64()
	v.StableMS, v.CanaryMS, v.Difference = stable/1e6, canary/1e6, difference/1e6
	both := share[0] + share[1]
	v.T = difference / math.Sqrt(both)
	v.DF = both * both / (share[0]*share[0]/float64(n[0]-1) + share[1]*share[1]/float64(n[1]-1))
	return v
}
