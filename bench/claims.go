package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// claim is something that must hold: a bound on what was measured.
type claim struct {
	what  string
	least bool // the bound is the least that will do; otherwise the most
	bound float64
	unit  string
	seen  estimate
}

func (c claim) holds() bool {
	if c.least {
		return c.seen.value >= c.bound
	}
	return c.seen.value <= c.bound
}

func (c claim) verdict() string {
	switch {
	case c.seen.rounds == 0:
		return "not measured"
	case c.holds():
		return "pass"
	default:
		return "**fail**"
	}
}

func (c claim) wanted() string {
	if c.least {
		return fmt.Sprintf("at least %g%s", c.bound, c.unit)
	}
	return fmt.Sprintf("at most %g%s", c.bound, c.unit)
}

func (c claim) measured() string { return c.seen.in(c.unit) }

// estimate is a number from some rounds, and the ends between which 95 % of those
// numbers are that would come from rounds drawn from these.
type estimate struct {
	value, low, high float64
	rounds           int
}

// in writes it, with how far to trust it.
func (e estimate) in(unit string) string {
	switch e.rounds {
	case 0:
		return "-"
	case 1:
		return digits(e.value) + unit
	}
	return fmt.Sprintf("%s%s (%s to %s)", digits(e.value), unit, digits(e.low), digits(e.high))
}

// draws is how often rounds are drawn.
const draws = 1000

// estimated makes an estimate of a number that any rounds have, named by their
// indices.
func estimated(rounds int, of func(drawn []int) float64) estimate {
	if rounds == 0 {
		return estimate{value: math.NaN()}
	}
	as := make([]int, rounds)
	for i := range as {
		as[i] = i
	}
	e := estimate{value: of(as), rounds: rounds}
	random, drawn := rand.New(rand.NewPCG(1, 2)), make([]float64, draws) // the same page from the same numbers
	for n := range drawn {
		for i := range as {
			as[i] = random.IntN(rounds)
		}
		drawn[n] = of(as)
	}
	e.low, e.high = quantile(drawn, 0.025), quantile(drawn, 0.975)
	return e
}

// middle is the median of values, of which each round has one.
func middle(values []float64) estimate {
	return estimated(len(values), func(drawn []int) float64 { return median(chosen(values, drawn)) })
}

// tails is a quantile of all latencies of the upper, over that of the lower.
func tails(upper, lower []*loaded, q float64) estimate {
	above, below := counted(upper), counted(lower)
	return estimated(min(len(upper), len(lower)), func(drawn []int) float64 { return above.quantile(drawn, q) / below.quantile(drawn, q) })
}

// counts are the latencies of some rounds: how many of each lie in each of the same
// steps, which end where ends says.
type counts struct {
	ends   []int64
	rounds [][]int64
	sum    []int64 // memory for quantile
}

func counted(runs []*loaded) *counts {
	all := merged(runs).Distribution() // every step from the lowest to the last with a latency in it
	c := &counts{ends: make([]int64, len(all)), sum: make([]int64, len(all))}
	for i, step := range all {
		c.ends[i] = step.To
	}
	for _, r := range runs {
		var of []int64
		for _, step := range r.latencies.Distribution() {
			of = append(of, step.Count)
		}
		c.rounds = append(c.rounds, of)
	}
	return c
}

// quantile is that of the latencies of the drawn rounds.
func (c *counts) quantile(drawn []int, q float64) float64 {
	clear(c.sum)
	var total int64
	for _, round := range drawn {
		for i, n := range c.rounds[round] {
			c.sum[i] += n
			total += n
		}
	}
	missing := int64(math.Round(float64(total) * q / 100))
	for i, n := range c.sum {
		if missing -= n; missing <= 0 {
			return float64(c.ends[i])
		}
	}
	return math.NaN()
}

func chosen[T any](from []T, drawn []int) []T {
	all := make([]T, len(drawn))
	for i, at := range drawn {
		all[i] = from[at]
	}
	return all
}

// spread is the median, with its ends.
func spread(values []float64, unit string) string { return middle(values).in(unit) }

// digits writes three of them, and all of an integer part.
func digits(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// claims are what must hold, in the order of the page.
func (p *page) claims() []claim {
	rate := func(l *loaded) float64 { return l.Rate }
	s := func(i int) *series {
		if i < len(p.services) {
			return p.services[i]
		}
		return &series{service: &service{}}
	}
	all := []claim{
		{"throughput, serin / floor, 16 connections", true, 0.90, "", middle(ratios(s(serin).few, s(floor).few, 1, rate))},
		{"throughput, serin / floor, 64 connections", true, 0.90, "", middle(ratios(s(serin).many, s(floor).many, 1, rate))},
	}
	if seed := p.find("FastAPI, as the seed says"); seed != nil { // both with a canary
		all = append(all,
			claim{"throughput, serin / FastAPI, 16 connections", true, 25, "", middle(ratios(s(withCanary).few, seed.few, sparse, rate))},
			claim{"throughput, serin / FastAPI, 64 connections", true, 25, "", middle(ratios(s(withCanary).many, seed.many, sparse, rate))})
	}
	all = append(all,
		claim{"p99 at half load, serin / floor at the same rate", false, 1.15, "", tails(s(serin).half, s(serin).floorHalf, 99)},
		claim{"throughput with canary, monitor and metrics / without, 16 connections", true, 0.97, "", middle(ratios(s(withCanary).few, s(serin).few, 1, rate))},
		claim{"throughput with canary, monitor and metrics / without, 64 connections", true, 0.97, "", middle(ratios(s(withCanary).many, s(serin).many, 1, rate))})
	for _, b := range p.batches {
		if b.light() {
			continue
		}
		all = append(all,
			claim{"batches of " + b.model + ", gRPC / the model alone", true, 0.8, "", middle(quotients(b.grpc, b.bare))},
			claim{"batches of " + b.model + ", V2 binary / the model alone", true, 0.8, "", middle(quotients(b.plain, b.bare))})
	}
	return append(all,
		claim{"resident memory, idle", false, 40, " MB", middle(positive(megabytes(s(serin).idle)))},
		claim{"resident memory, 64 connections, with a canary", false, 80, " MB", middle(positive(megabytes(s(withCanary).rss)))},
		claim{"start to first prediction", false, 150, " ms", middle(p.starts)})
}

// find is the series of a name; nil if it was left out.
func (p *page) find(name string) *series {
	for _, s := range p.services {
		if s.name == name {
			return s
		}
	}
	return nil
}

// positive leaves out what could not be measured.
func positive(v float64) []float64 {
	if v > 0 {
		return []float64{v}
	}
	return nil
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }

// ratios are taken within each round, so that what slows a round slows both. Of the
// lower ones there may be one for every so many of the upper.
func ratios(upper, lower []*loaded, every int, of func(*loaded) float64) []float64 {
	var matching []float64
	for i := 0; i*every < len(upper); i++ {
		matching = append(matching, of(upper[i*every]))
	}
	return quotients(matching, values(lower, of))
}

func values(runs []*loaded, of func(*loaded) float64) []float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, of(r))
	}
	return all
}

func quotients(upper, lower []float64) []float64 {
	all := make([]float64, min(len(upper), len(lower)))
	for i := range all {
		all[i] = upper[i] / lower[i]
	}
	return all
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile interpolates between the values next to it. There must be a value.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}
