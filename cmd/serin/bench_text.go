package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"serin/internal/load"
)

// benched is the result of a benchmark with what was demanded of it.
type benched struct {
	*load.Report

	Protocol   string   `json:"protocol"`
	Model      string   `json:"model"`
	Rows       int      `json:"rows_per_request"`
	Thresholds []demand `json:"thresholds"`
	Met        bool     `json:"met"`
}

type demand struct {
	Threshold string `json:"threshold"`
	Measured  string `json:"measured"`
	Met       bool   `json:"met"`
}

func measuredAgainst(r *load.Report, t *load.Target, thresholds []load.Threshold) benched {
	b := benched{Report: r, Protocol: t.Protocol, Model: t.Model, Rows: t.Rows, Thresholds: []demand{}, Met: true}
	if t.Given != nil {
		b.Protocol = t.Given.Path
	}
	for _, t := range thresholds {
		measured, met := t.Check(r)
		b.Thresholds = append(b.Thresholds, demand{t.String(), measured, met})
		b.Met = b.Met && met
	}
	return b
}

// write is the report for people.
func (b benched) write(w io.Writer) {
	loop := "closed loop"
	if b.Plan.Rate > 0 {
		loop = fmt.Sprintf("open loop, %g requests/s", b.Plan.Rate)
	}
	rate := fmt.Sprintf("%.0f predictions/s", b.Rate)
	if b.Rows > 1 {
		rate = fmt.Sprintf("%.0f requests/s of %d rows: %.0f predictions/s", b.Rate, b.Rows, b.Rate*float64(b.Rows))
	}
	fmt.Fprintf(w, "%s, %s, %d connections, %.1f s: %s, %d answered, %d failed\n", b.Protocol, loop, b.Plan.Connections, b.Seconds, rate, b.All.Count, b.Failed)
	for _, what := range b.FaultsByCount() {
		fmt.Fprintf(w, "  %d x %s\n", b.Faults[what], strings.TrimSuffix(what+": "+b.Details[what], ": "))
	}
	fmt.Fprintln(w)
	b.table(w)
	if b.All.Count > 0 {
		fmt.Fprintln(w)
		b.bars(w)
	}
	for i, d := range b.Thresholds {
		if i == 0 {
			fmt.Fprintln(w)
		}
		mark := "✓"
		if !d.Met {
			mark = "✗"
		}
		fmt.Fprintf(w, "%s %s: %s\n", mark, d.Threshold, d.Measured)
	}
}

// table has a row for each percentile and a column for each arm.
func (b benched) table(w io.Writer) {
	stable, canary := b.Arms["stable"], b.Arms["canary"]
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "latency, ms\tall\tstable\tcanary\tcanary/stable\t\n")
	fmt.Fprintf(t, "answered\t%d\t%d\t%d\t\t\n", b.All.Count, stable.Count, canary.Count)
	for _, row := range []struct {
		name string
		of   func(load.Latencies) float64
	}{
		{"mean", func(l load.Latencies) float64 { return l.Mean }},
		{"min", func(l load.Latencies) float64 { return l.Min }},
		{"p50", func(l load.Latencies) float64 { return l.P50 }},
		{"p90", func(l load.Latencies) float64 { return l.P90 }},
		{"p95", func(l load.Latencies) float64 { return l.P95 }},
		{"p99", func(l load.Latencies) float64 { return l.P99 }},
		{"p99.9", func(l load.Latencies) float64 { return l.P999 }},
		{"max", func(l load.Latencies) float64 { return l.Max }},
	} {
		ratio := "-"
		if stable.Count > 0 && canary.Count > 0 && row.of(stable) > 0 {
			ratio = fmt.Sprintf("%.2f", row.of(canary)/row.of(stable))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t\n", row.name, cell(b.All, row.of), cell(stable, row.of), cell(canary, row.of), ratio)
	}
	if b.Plan.Rate > 0 {
		fmt.Fprintf(t, "of it waiting, p99\t%s\t\t\t\t\n", cell(b.Waited, func(l load.Latencies) float64 { return l.P99 }))
	}
	_ = t.Flush()
}

func cell(l load.Latencies, of func(load.Latencies) float64) string {
	if l.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", of(l))
}

// bars are a histogram on a logarithmic scale: each bar is wider than the one
// before by the same factor.
func (b benched) bars(w io.Writer) {
	const rows, width = 12, 50
	low, high := math.Max(b.All.Min, 1e-3), math.Max(b.All.Max, 1e-3)*1.001
	factor := math.Pow(high/low, 1.0/rows)
	counts := make([]uint64, rows)
	most := uint64(1)
	for i := range counts {
		from, to := low*math.Pow(factor, float64(i)), low*math.Pow(factor, float64(i+1))
		if i == 0 {
			from = 0
		}
		if i == rows-1 {
			to = math.Inf(1)
		}
		counts[i] = b.All.Within(from, to)
		most = max(most, counts[i])
	}
	for i, n := range counts {
		fmt.Fprintf(w, "%10.3f ms  %-*s %d\n", low*math.Pow(factor, float64(i)), width, strings.Repeat("█", int(float64(width)*float64(n)/float64(most)+0.5)), n)
	}
}
