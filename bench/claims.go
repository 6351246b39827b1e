package main

import (
	"fmt"
	"math"
	"slices"
)

// claim is something that must hold: a bound on the median of what was measured.
type claim struct {
	what   string
	least  bool // the bound is the least that will do; otherwise the most
	bound  float64
	unit   string
	values []float64
}

func (c claim) holds() bool {
	m := median(c.values)
	if c.least {
		return m >= c.bound
	}
	return m <= c.bound
}

func (c claim) verdict() string {
	switch {
	case len(c.values) == 0:
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

func (c claim) measured() string { return spread(c.values, c.unit) }

// spread is the median with the quartiles, which show how far to trust it.
func spread(values []float64, unit string) string {
	switch len(values) {
	case 0:
		return "-"
	case 1:
		return digits(values[0]) + unit
	}
	return fmt.Sprintf("%s%s (%s to %s)", digits(median(values)), unit, digits(quantile(values, 0.25)), digits(quantile(values, 0.75)))
}

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
	p99 := func(l *loaded) float64 { return l.All.P99 }
	s := func(i int) *series {
		if i < len(p.services) {
			return p.services[i]
		}
		return &series{service: &service{}}
	}
	all := []claim{
		{"throughput, serin / floor, 16 connections", true, 0.90, "", ratios(s(serin).few, s(floor).few, 1, rate)},
		{"throughput, serin / floor, 64 connections", true, 0.90, "", ratios(s(serin).many, s(floor).many, 1, rate)},
	}
	if seed := p.find("FastAPI, as the seed says"); seed != nil { // both with a canary
		all = append(all,
			claim{"throughput, serin / FastAPI, 16 connections", true, 25, "", ratios(s(withCanary).few, seed.few, sparse, rate)},
			claim{"throughput, serin / FastAPI, 64 connections", true, 25, "", ratios(s(withCanary).many, seed.many, sparse, rate)})
	}
	all = append(all,
		claim{"p99 at half load, serin / floor at the same rate", false, 1.15, "", ratios(s(serin).half, s(serin).floorHalf, 1, p99)},
		claim{"throughput with canary, monitor and metrics / without, 16 connections", true, 0.97, "", ratios(s(withCanary).few, s(serin).few, 1, rate)},
		claim{"throughput with canary, monitor and metrics / without, 64 connections", true, 0.97, "", ratios(s(withCanary).many, s(serin).many, 1, rate)})
	for _, b := range p.batches {
		all = append(all,
			claim{"batches of " + b.model + ", gRPC / the model alone", true, 0.8, "", quotients(b.grpc, b.bare)},
			claim{"batches of " + b.model + ", V2 binary / the model alone", true, 0.8, "", quotients(b.plain, b.bare)})
	}
	return append(all,
		claim{"resident memory, idle", false, 40, " MB", positive(megabytes(s(serin).idle))},
		claim{"resident memory, 64 connections, with a canary", false, 80, " MB", positive(megabytes(s(withCanary).rss))},
		claim{"start to first prediction", false, 150, " ms", p.starts})
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
