package report

import (
	"fmt"
	"math"
	"strings"
)

// The plots' size, in the units of their own coordinates, and the margins.
const (
	width, height = 720.0, 260.0
	left, right   = 64.0, 16.0
	top, bottom   = 14.0, 36.0
)

// axis maps numbers to coordinates.
type axis struct{ from, to, at, until float64 }

func (a axis) place(x float64) float64 {
	return a.at + (x-a.from)/(a.to-a.from)*(a.until-a.at)
}

// mark is a line across a plot with its name.
type mark struct {
	At, Text float64 // where the line and its name are
	Name     string
}

// plot is a drawing, as the template wants it.
type plot struct {
	X, Y []mark
	// Lines across: zero and the tolerance; or decisions, down.
	Levels, Decisions []mark
	// Band, Line and Second are the points of SVG paths.
	Band, Line, Second string
}

// path joins points to what an SVG path takes.
func path(points [][2]float64) string {
	var b strings.Builder
	for i, p := range points {
		fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(i, 1)], p[0], p[1])
	}
	return b.String()
}

// difference draws how much slower the canary was over the observed time, with
// its confidence sequence; nil if no look judged latencies.
func (s *Story) difference() *plot {
	low, high, end := 0., s.Plan.Tolerance, 0.
	drawn := 0
	for _, p := range s.Points {
		if p.Ratio == nil {
			continue
		}
		drawn++
		end = p.ElapsedS
		// A sequence begins far out; what it says there is not worth the space.
		low, high = min(low, max(*p.Lower-1, 2*(*p.Ratio-1)-0.3)), max(high, min(*p.Upper-1, 2*(*p.Ratio-1)+0.3))
	}
	if drawn == 0 {
		return nil
	}
	room := (high - low) / 20
	y := axis{low - room, high + room, height - bottom, top}
	x := axis{0, max(end, 1), left, width - right}
	var line, upper, lower [][2]float64
	clip := func(v float64) float64 { return y.place(min(max(v, y.from), y.to)) }
	for _, p := range s.Points {
		if p.Ratio == nil {
			continue
		}
		at := x.place(p.ElapsedS)
		line = append(line, [2]float64{at, clip(*p.Ratio - 1)})
		upper = append(upper, [2]float64{at, clip(*p.Upper - 1)})
		lower = append([][2]float64{{at, clip(*p.Lower - 1)}}, lower...)
	}
	plot := &plot{Line: path(line), Band: path(append(upper, lower...)) + "Z"}
	for _, v := range ticks(y.from, y.to) {
		plot.Y = append(plot.Y, mark{y.place(v), y.place(v) + 4, fmt.Sprintf("%+.4g %%", 100*v)})
	}
	unit, name := unitOf(end)
	for _, v := range ticks(0, x.to/unit) {
		plot.X = append(plot.X, mark{At: x.place(v * unit), Name: fmt.Sprintf("%.4g %s", v, name)})
	}
	plot.Levels = []mark{
		{y.place(0), y.place(0) - 4, "as fast as stable"},
		{y.place(s.Plan.Tolerance), y.place(s.Plan.Tolerance) - 4, "tolerated"},
	}
	for _, m := range s.Moments {
		if m.ElapsedS >= 0 && m.ElapsedS <= x.to && !strings.HasPrefix(m.Name, "look ") {
			plot.Decisions = append(plot.Decisions, mark{At: x.place(m.ElapsedS), Name: m.Name})
		}
	}
	return plot
}

// distribution draws the share of requests that were answered within a time, on a
// logarithmic axis; nil if an arm has none.
func (s *Story) distribution() *plot {
	a, b := s.Stable.Curve, s.Canary.Curve
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	low := math.Log10(min(a[0].MS, b[0].MS))
	high := math.Log10(max(a[len(a)-1].MS, b[len(b)-1].MS))
	x := axis{low - 0.02, max(high, low+0.1) + 0.02, left, width - right}
	y := axis{0, 1, height - bottom, top}
	draw := func(steps []step) string {
		points := [][2]float64{{x.place(math.Log10(steps[0].MS)), y.place(0)}}
		for _, s := range steps {
			points = append(points, [2]float64{x.place(math.Log10(s.MS)), y.place(s.Share)})
		}
		return path(append(points, [2]float64{x.until, y.place(1)}))
	}
	plot := &plot{Line: draw(b), Second: draw(a)}
	for _, v := range []float64{0, 0.5, 0.9, 1} {
		plot.Y = append(plot.Y, mark{y.place(v), y.place(v) + 4, fmt.Sprintf("%.4g %%", 100*v)})
	}
	for e := math.Floor(x.from); e <= x.to; e++ {
		for _, f := range []float64{1, 2, 5} {
			if v := e + math.Log10(f); v >= x.from && v <= x.to {
				plot.X = append(plot.X, mark{At: x.place(v), Name: fmt.Sprintf("%.4g ms", f*math.Pow(10, e))})
			}
		}
	}
	for len(plot.X) > 10 {
		for i := 1; i < len(plot.X); i++ {
			plot.X = append(plot.X[:i], plot.X[i+1:]...)
		}
	}
	return plot
}

// ticks are four to nine round numbers within a range.
func ticks(from, to float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10((to-from)/3)))
	for _, f := range []float64{5, 2} {
		if (to-from)/(f*step) >= 3 {
			step *= f
			break
		}
	}
	var at []float64
	for i := math.Ceil(from / step); i*step <= to; i++ {
		at = append(at, i*step+0) // and not -0
	}
	return at
}

// unitOf is the unit, in seconds, that observed seconds are told in.
func unitOf(s float64) (unit float64, name string) {
	switch {
	case s >= 7200:
		return 3600, "h"
	case s >= 180:
		return 60, "min"
	default:
		return 1, "s"
	}
}

// span writes observed seconds.
func span(s float64) string {
	unit, name := unitOf(s)
	return fmt.Sprintf("%.4g %s", s/unit, name)
}
