// Package term is where commands talk: results to one writer, all else to the
// other, bars while something takes long, and what a script learns of an end.
//
//	result   --> Out   text, or JSON or YAML for scripts
//	progress --> Err   a Bar of steps or a Meter of bytes, where somebody watches
//	error    --> the program, which prints it and picks the exit code:
//	             Usage    it was not called as it should be
//	             Finding  it did what it should, and what it found is not good
//
// What may not happen here: knowing a server or a model. Nothing is drawn where
// nobody watches, so logs and pipes get no escapes.
//
// Terms: watched means that the writer is a terminal.
package term

import (
	"cmp"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// Console is where a command talks: results to Out, everything else to Err.
type Console struct {
	Out, Err io.Writer
	// Step is called around each durable step of a server; nil outside tests.
	Step func(string)
	// Every is how often a server is asked by who waits or watches; 0 is each second.
	Every time.Duration
}

// Watched says whether a stream is a terminal.
func Watched(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Watched says whether somebody sees the results as they come.
func (c Console) Watched() bool { return Watched(c.Out) }

// Pace is how often a server is asked.
func (c Console) Pace() time.Duration { return cmp.Or(c.Every, time.Second) }

// Width is how many characters a line of Out may have.
func (c Console) Width() int {
	if f, ok := c.Out.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
			return width
		}
	}
	return 80
}

// Height is how many lines of Out are seen at once.
func (c Console) Height() int {
	if f, ok := c.Out.(*os.File); ok {
		if _, height, err := term.GetSize(int(f.Fd())); err == nil && height > 5 {
			return height
		}
	}
	return 24
}

// Clip keeps a line from being wrapped, where it could not be drawn over.
func Clip(line string, width int) string {
	if runes := []rune(line); len(runes) >= width {
		return string(runes[:width-2]) + "…"
	}
	return line
}
