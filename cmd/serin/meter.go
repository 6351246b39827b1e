package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// meter tells on a terminal how much of a file is read, once that has taken a
// second. A nil one draws nothing.
type meter struct {
	w     io.Writer
	what  string
	size  int64 // 0: unknown
	read  int64
	rows  int
	next  time.Time
	drawn bool
}

// newMeter returns nil where nobody watches.
func newMeter(w io.Writer, what string, f *os.File) *meter {
	if !(console{out: w}).terminal() {
		return nil
	}
	m := &meter{w: w, what: what, next: time.Now().Add(time.Second)}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		m.size = info.Size()
	}
	return m
}

// told shows the number of rows, beside how much is read.
func (m *meter) told(rows int) {
	if m != nil {
		m.rows = rows
	}
}

func (m *meter) redraw() {
	const width = 30
	if m == nil || time.Now().Before(m.next) {
		return
	}
	m.next, m.drawn = time.Now().Add(100*time.Millisecond), true
	fmt.Fprintf(m.w, "\r\x1b[K%s ", m.what)
	if m.size > 0 {
		filled := int(min(m.read, m.size) * width / m.size)
		fmt.Fprintf(m.w, "[%s%s] %d %%", strings.Repeat("=", filled), strings.Repeat(" ", width-filled), 100*min(m.read, m.size)/m.size)
	}
	if m.rows > 0 {
		fmt.Fprintf(m.w, " %d rows", m.rows)
	}
}

func (m *meter) clear() {
	if m != nil && m.drawn {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}

// metered is a reader that moves a meter, and ends with its context.
type metered struct {
	ctx   context.Context
	from  io.Reader
	meter *meter
}

func (r *metered) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.from.Read(p)
	if r.meter != nil {
		r.meter.read += int64(n)
		r.meter.redraw()
	}
	return n, err
}
