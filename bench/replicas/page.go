package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// block is what a part has seen, in Markdown: what must hold, and tables.
type block struct {
	name   string
	head   string
	claims []claim
	text   strings.Builder
}

// claim is something that must hold.
type claim struct {
	what, must, seen string
	holds            bool
}

// begin says when and where this is measured. A busy machine's numbers tell of the
// machine.
func (b *block) begin(short bool) {
	var load float64
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &load) // 0 where nobody tells
	}
	b.head = fmt.Sprintf("Measured on %s, %d cores, load average before it %.2f.", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), load)
	if load > float64(runtime.NumCPU())/4 {
		b.head += " **The machine was busy with other things: these numbers tell of those, too.**"
	}
	if short {
		b.head += " **A short run, to try the command: these numbers say little.**"
	}
}

func (b *block) must(what, must string, holds bool, seen string, args ...any) {
	b.claims = append(b.claims, claim{what, must, fmt.Sprintf(seen, args...), holds})
}

// table begins a table: its first column has words, all others numbers.
func (b *block) table(columns ...string) {
	fmt.Fprintf(&b.text, "\n| %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("--:|", len(columns)-1))
}

func (b *block) row(cells ...string) { fmt.Fprintf(&b.text, "| %s |\n", strings.Join(cells, " | ")) }

func (b *block) say(format string, args ...any) { fmt.Fprintf(&b.text, "\n"+format+"\n", args...) }

// String is the block in Markdown.
func (b *block) String() string {
	var all strings.Builder
	fmt.Fprintf(&all, "%s\n", b.head)
	if len(b.claims) > 0 {
		fmt.Fprint(&all, "\n| what must hold | bound | measured | |\n|---|--:|--:|---|\n")
	}
	for _, c := range b.claims {
		verdict := "holds"
		if !c.holds {
			verdict = "**does not hold**"
		}
		fmt.Fprintf(&all, "| %s | %s | %s | %s |\n", c.what, c.must, c.seen, verdict)
	}
	return all.String() + b.text.String()
}

// holds is an error if something does not hold that must.
func holds(blocks []*block) error {
	n := 0
	for _, b := range blocks {
		for _, c := range b.claims {
			if !c.holds {
				n++
			}
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of what must hold does not", n)
	}
	return nil
}

// write puts the blocks into a page, each between its markers.
func write(page string, blocks []*block) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	for _, b := range blocks {
		if text, err = replace(text, b); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	if err := os.WriteFile(page, text, 0o600); err != nil { // it is there, and keeps its mode
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

var errNoMarkers = errors.New("the page has no markers for it")

func replace(text []byte, b *block) ([]byte, error) {
	first, last := "<!-- measured: "+b.name+" -->\n", "<!-- end of "+b.name+" -->\n"
	before, rest, begins := strings.Cut(string(text), first)
	_, after, ends := strings.Cut(rest, last)
	if !begins || !ends {
		return nil, fmt.Errorf("%s: %w: %q and %q", b.name, errNoMarkers, strings.TrimSpace(first), strings.TrimSpace(last))
	}
	return []byte(before + first + b.String() + last + after), nil
}

// quantile interpolates between the values next to it; NaN of none.
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

func median(values []float64) float64 { return quantile(values, 0.5) }

// interval has 95 % of the medians of as many values, drawn from these.
func interval(values []float64) (low, high float64) {
	const draws = 2000
	random := rand.New(rand.NewPCG(1, 2)) // the same page from the same numbers
	medians, drawn := make([]float64, draws), make([]float64, len(values))
	for n := range medians {
		for i := range drawn {
			drawn[i] = values[random.IntN(len(values))]
		}
		medians[n] = median(drawn)
	}
	return quantile(medians, 0.025), quantile(medians, 0.975)
}

// milliseconds and seconds write durations that are given in seconds.
func milliseconds(s float64) string { return fmt.Sprintf("%.0f ms", 1000*s) }

func seconds(s float64) string { return fmt.Sprintf("%.2f s", s) }

// number writes three digits of it, and all of an integer part.
func number(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
