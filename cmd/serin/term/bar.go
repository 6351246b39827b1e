package term

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Bar shows on a terminal how many of some steps are done. A nil one draws
// nothing.
type Bar struct {
	w     io.Writer
	name  string
	of    int
	begun time.Time
}

// NewBar returns a bar of so many steps; nil where nobody watches.
func NewBar(w io.Writer, name string, of int) *Bar {
	if !Watched(w) {
		return nil
	}
	return &Bar{w: w, name: name, of: of, begun: time.Now()}
}

// Step shows that so many are done.
func (b *Bar) Step(done int) {
	const width, redraws = 30, 200
	if b == nil || done%max(1, b.of/redraws) > 0 {
		return
	}
	filled := width * done / b.of
	left := time.Duration(float64(time.Since(b.begun)) / float64(done) * float64(b.of-done)).Round(time.Second)
	fmt.Fprintf(b.w, "\r\x1b[K[%s%s] %d/%d, %v left %s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), done, b.of, left, b.name)
}

// Clear takes the bar away.
func (b *Bar) Clear() {
	if b != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
