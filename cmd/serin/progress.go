package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress redraws a bar on a terminal, and does nothing elsewhere.
type progress struct {
	w     io.Writer
	name  string
	of    int
	begun time.Time
}

// newProgress returns one for so many steps; nil, which draws nothing, where
// nobody watches.
func newProgress(w io.Writer, name string, of int) *progress {
	if !(console{out: w}).terminal() {
		return nil
	}
	return &progress{w: w, name: name, of: of, begun: time.Now()}
}

func (p *progress) step(done int) {
	const width, redraws = 30, 200
	if p == nil || done%max(1, p.of/redraws) > 0 {
		return
	}
	filled := width * done / p.of
	left := time.Duration(float64(time.Since(p.begun)) / float64(done) * float64(p.of-done)).Round(time.Second)
	fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %d/%d, %v left %s", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), done, p.of, left, p.name)
}

func (p *progress) clear() {
	if p != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
