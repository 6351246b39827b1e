package control

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"serin/internal/judge"
	"serin/internal/record"
	"serin/internal/rollout"
)

// TestTheVerdictOfThreeIsThatOfOne deals the same requests to three replicas, which
// tell rows, and to one process. At each look both rules find the same, word for word
// and number for number, whoever leads.
func TestTheVerdictOfThreeIsThatOfOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "latencies"), 0))
		slower := rapid.SampledFrom([]float64{1, 1, 1.1, 2}).Draw(t, "slower")
		r := &rollout.Rollout{ID: "r1", Weight: 2000, Plan: plan}
		r.Plan.Weight, r.Plan.InitialDelay = r.Weight, time.Duration(rapid.SampledFrom([]int{0, 30}).Draw(t, "settle"))*time.Second
		one, replicas := new(garage), []*garage{new(garage), new(garage), new(garage)}
		var tallies []*tally
		for i, g := range replicas {
			g.baseline = usual()
			one.baseline.Add(&g.baseline)
			tallies = append(tallies, &tally{model: "churn", replica: fmt.Sprint(i), engines: g})
		}
		serve := func() {
			s := rollout.State{Phase: rollout.Live, Rollout: r}
			one.Serve(s, new(record.Evidence))
			for i, g := range replicas {
				tallies[i].turn(r, func() { g.Serve(s, new(record.Evidence)) })
			}
		}
		serve()
		trail := record.NewTrail(record.Evidence{}, uint32(r.Weight), &one.baseline, r.Plan.InitialDelay)
		alone, merged := judge.NewMonitor(r.Plan), judge.NewMonitor(r.Plan)
		var seen record.Evidence
		kept := map[string]Row{}
		elapsed := time.Duration(0)
		for range rapid.IntRange(1, 15).Draw(t, "looks") {
			for range rapid.SampledFrom([]int{0, 7, 200}).Draw(t, "requests") {
				request(random, int(r.Weight), slower, replicas[random.IntN(len(replicas))], one)
			}
			elapsed += time.Duration(rapid.SampledFrom([]int{1, 10, 10, 61}).Draw(t, "seconds")) * time.Second
			now := one.Gauges()
			trail.Update(&now.Stable, &now.Canary, elapsed)
			var rows []Row
			for _, counts := range tallies {
				for _, row := range counts.news(false, false, false) {
					kept[fmt.Sprint(row.Replica, row.Epoch)] = row
				}
			}
			for _, row := range kept {
				rows = append(rows, row)
			}
			all, err := add(rows, append(slices.Clone(r.Shares), r.Weight))
			if err != nil {
				t.Fatal(err)
			}
			follower := record.NewTrail(seen, all.epochs[0].Share, &all.reference, r.Plan.InitialDelay)
			if err := follower.Follow(all.epochs, elapsed); err != nil {
				t.Fatal(err)
			}
			seen = follower.Evidence()
			if rapid.IntRange(0, 9).Draw(t, "another leader") == 0 {
				merged = judge.NewMonitor(r.Plan)
			}
			want := trail.Evidence()
			a, b := alone.Opinion(&want), merged.Opinion(&seen)
			if diff := cmp.Diff(a, b, cmpopts.EquateNaNs(), cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
				t.Fatal(diff)
			}
			if rapid.IntRange(0, 9).Draw(t, "another share") == 0 && r.Reweighed < 20 {
				next := *r
				next.Shares, next.Weight, next.Reweighed = append(slices.Clone(r.Shares), r.Weight), r.Weight%9000+500, r.Reweighed+1
				r = &next
				serve()
				if err := trail.Reweigh(uint32(r.Weight)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// request is one, dealt by a weight, that both of these have observed.
func request(random *rand.Rand, weight int, slower float64, at ...*garage) {
	canary := random.IntN(10_000) < weight
	latency, score := math.Exp(random.NormFloat64()*0.5)*1e6, random.Float64()
	for _, g := range at {
		arm, took := g.stable, latency
		if canary {
			arm, took = g.canary, latency*slower
		}
		arm.Begin()
		arm.Observe(time.Duration(took), score)
	}
}
