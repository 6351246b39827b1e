package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// chart is rows of named values on one axis: bars from zero, or points where the
// axis is logarithmic, since a logarithm has no zero to begin a bar at.
type chart struct {
	title       string
	logarithmic bool
	marks       []string // the names of each row's values
	rows        []chartRow
}

type chartRow struct {
	name   string
	values []float64
}

func (c *chart) add(name string, values ...float64) {
	c.rows = append(c.rows, chartRow{name, values})
}

// The drawing's measures, in its own units.
const (
	chartWidth  = 860
	chartLeft   = 230 // where the axis begins
	chartRight  = 790 // where it ends; numbers stand beyond it
	chartTop    = 58
	barHeight   = 13
	rowDistance = 12
	pointRow    = 24
)

// chartStyle has colours that can be told apart, also by those who see few, on a
// light page and on a dark one; the ground is the page's.
const chartStyle = `<style>
text{font:13px system-ui,sans-serif;fill:#1f2328}.small{font-size:11px}.grid{stroke:#8c959f;stroke-opacity:.35}
.m0{fill:#0072b2}.m1{fill:#e69f00}.m2{fill:#cc3311}
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.m0{fill:#56b4e9}.m1{fill:#f0c04a}.m2{fill:#ff7f6b}}
</style>
`

func (c *chart) svg() string {
	low, high := c.bounds()
	x := func(v float64) float64 {
		share := v / high
		if c.logarithmic {
			share = math.Log(v/low) / math.Log(high/low)
		}
		return chartLeft + share*(chartRight-chartLeft)
	}
	rowHeight := len(c.marks)*barHeight + rowDistance
	if c.logarithmic {
		rowHeight = pointRow
	}
	bottom := chartTop + rowHeight*len(c.rows)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n%s", chartWidth, bottom+26, html.EscapeString(c.title), chartStyle)
	fmt.Fprintf(&b, `<text x="10" y="20">%s</text>`+"\n", html.EscapeString(c.title))
	at := 10
	for i, mark := range c.marks {
		fmt.Fprintf(&b, `<rect class="m%d" x="%d" y="30" width="11" height="11"/><text class="small" x="%d" y="40">%s</text>`+"\n", i, at, at+16, html.EscapeString(mark))
		at += 34 + 7*len(mark)
	}
	for _, tick := range c.ticks(low, high) {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="small" x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x(tick), x(tick), chartTop-6, bottom, x(tick), bottom+16, short(tick))
	}
	for i, row := range c.rows {
		y := chartTop + i*rowHeight
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", chartLeft-10, y+(rowHeight-rowDistance)/2+5, html.EscapeString(row.name))
		for j, v := range row.values {
			switch {
			case math.IsNaN(v) || v <= 0: // not measured
			case c.logarithmic:
				fmt.Fprintf(&b, `<circle class="m%d" cx="%.1f" cy="%d" r="5.5"><title>%s</title></circle>`+"\n", j, x(v), y+(rowHeight-rowDistance)/2, short(v))
			default:
				fmt.Fprintf(&b, `<rect class="m%d" x="%d" y="%d" width="%.1f" height="%d"/><text class="small" x="%.1f" y="%d">%s</text>`+"\n",
					j, chartLeft, y+j*barHeight, x(v)-chartLeft, barHeight-2, x(v)+5, y+j*barHeight+10, short(v))
			}
		}
	}
	return b.String() + "</svg>\n"
}

// bounds are the axis's ends: 0 and the greatest value, or powers of ten around
// all of them.
func (c *chart) bounds() (low, high float64) {
	low, high = math.Inf(1), 0
	for _, row := range c.rows {
		for _, v := range row.values {
			if v > 0 {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	switch {
	case high == 0: // an empty chart
		return 1, 10
	case !c.logarithmic:
		return 0, high
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	return low, max(high, 10*low)
}

func (c *chart) ticks(low, high float64) (at []float64) {
	if c.logarithmic {
		for v := low; v <= high*1.001; v *= 10 {
			at = append(at, v)
		}
		return at
	}
	step := math.Pow(10, math.Floor(math.Log10(high/2)))
	for _, factor := range []float64{2, 5, 10} {
		if high/step > 6 {
			step *= factor / map[float64]float64{2: 1, 5: 2, 10: 5}[factor]
		}
	}
	for v := 0.0; v <= high; v += step {
		at = append(at, v)
	}
	return at
}

// short is a number with few characters.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
