package assay

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"serin/internal/judge"
)

// The plot is as wide as a narrow terminal: a name, the columns, and room for a
// label that sticks out.
const (
	plotColumns = 65
	plotRows    = 4
	plotMargin  = 9
)

// writePlot draws both arms' latencies, one below the other: latency in logarithms
// from left to right, on one axis, and the share of the arm's requests upwards,
// each arm to its own height, or few requests would flatten the other arm. What
// lies beyond either end is in the outermost column.
func writePlot(w io.Writer, stable, canary *judge.Distribution, ascii bool) {
	low, high := math.Inf(1), 0.0
	for _, d := range []*judge.Distribution{stable, canary} {
		const beyond = 0.001 // a single outlier must not squeeze the rest
		if from := d.At(beyond); !math.IsNaN(from) {
			low, high = min(low, from), max(high, d.At(1-beyond))
		}
	}
	if high == 0 {
		return // there is nothing to draw
	}
	low = max(low, 1e-5) // 10 ns, in ms: logarithms have no zero
	if least := 1.3; high < low*least {
		middle := math.Sqrt(low * max(high, low))
		low, high = middle/math.Sqrt(least), middle*math.Sqrt(least)
	}
	a := axis{low, math.Log(high/low) / plotColumns}
	fmt.Fprintln(w)
	for _, arm := range []struct {
		name string
		of   *judge.Distribution
	}{{"stable", stable}, {"canary", canary}} {
		for i, line := range bars(a.shares(arm.of), ascii) {
			name := ""
			if i == plotRows-1 {
				name = arm.name
			}
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%-*s%s", plotMargin, name, line), " "))
		}
		fmt.Fprintln(w, a.marks(arm.of))
	}
	fmt.Fprintln(w, a.ruler())
}

// axis divides latencies, in ms, into columns of equal ratio.
type axis struct{ low, step float64 }

// at is where a column begins.
func (a axis) at(column int) float64 { return a.low * math.Exp(a.step*float64(column)) }

// column is the one that a latency is drawn in.
func (a axis) column(ms float64) int {
	return int(min(max(math.Log(max(ms, a.low)/a.low)/a.step, 0), plotColumns-1))
}

// shares are those of an arm's latencies in each column; none where nothing was
// observed.
func (a axis) shares(d *judge.Distribution) []float64 {
	shares, before := make([]float64, plotColumns), 0.0
	if math.IsNaN(d.At(0.5)) {
		return shares
	}
	for i := range shares {
		below := 1.0
		if i < plotColumns-1 {
			below = d.Below(a.at(i + 1))
		}
		shares[i], before = below-before, below
	}
	return shares
}

// bars draws shares as columns of blocks, from the top line to the lowest. What
// is there is seen: a share above 0 gets the lowest block at least.
func bars(shares []float64, ascii bool) []string {
	blocks := []rune(" ▁▂▃▄▅▆▇█")
	if ascii {
		blocks = []rune(" .:|")
	}
	full, highest := len(blocks)-1, slices.Max(shares)
	lines := make([]string, plotRows)
	for row := range lines {
		var line strings.Builder
		for _, share := range shares {
			height := 0
			if share > 0 {
				height = max(1, int(math.Round(share/highest*float64(full*plotRows))))
			}
			line.WriteRune(blocks[min(max(height-full*(plotRows-1-row), 0), full)])
		}
		lines[row] = line.String()
	}
	return lines
}

// marks points at the median from the right, and at p99 from the left.
func (a axis) marks(d *judge.Distribution) string {
	p50, p99 := d.At(0.5), d.At(0.99)
	if math.IsNaN(p50) {
		return ""
	}
	line := []byte(strings.Repeat(" ", plotMargin+plotColumns+4))
	copy(line[plotMargin+a.column(p50)-3:], "p50^")
	copy(line[plotMargin+a.column(p99):], "^p99")
	return strings.TrimRight(string(line), " ")
}

// ruler labels the axis at five places.
func (a axis) ruler() string {
	const parts = 4
	ticks := []byte(strings.Repeat("-", plotColumns))
	labels := []byte(strings.Repeat(" ", plotMargin+plotColumns+6))
	for i := range parts + 1 {
		column := i * (plotColumns - 1) / parts
		ticks[column] = '+'
		label := fmt.Sprintf("%.3g", a.at(column))
		if i == 0 {
			label += " ms"
		}
		copy(labels[plotMargin+column-min(column, len(label)/2):], label)
	}
	return strings.Repeat(" ", plotMargin) + string(ticks) + "\n" + strings.TrimRight(string(labels), " ")
}
