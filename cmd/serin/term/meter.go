package term

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Meter tells on a terminal how much of a file is read, once that has taken a
// second. A nil one draws nothing.
type Meter struct {
	w     io.Writer
	what  string
	size  int64 // 0: unknown
	read  int64
	rows  int
	next  time.Time
	drawn bool
}

// NewMeter returns nil where nobody watches.
func NewMeter(w io.Writer, what string, f *os.File) *Meter {
	if !Watched(w) {
		return nil
	}
	m := &Meter{w: w, what: what, next: time.Now().Add(time.Second)}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		m.size = info.Size()
	}
	return m
}

// Told shows the number of rows, beside how much is read.
func (m *Meter) Told(rows int) {
	if m != nil {
		m.rows = rows
	}
}

// Again starts from the beginning of the file.
func (m *Meter) Again() {
	if m != nil {
		m.read = 0
	}
}

// Clear takes away what is drawn.
func (m *Meter) Clear() {
	if m != nil && m.drawn {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}

func (m *Meter) redraw() {
	const width = 30
	if time.Now().Before(m.next) {
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

// Reader reads from a stream until the context ends, and moves a meter, which
// may be nil.
func Reader(ctx context.Context, from io.Reader, m *Meter) io.Reader {
	return &reader{ctx, from, m}
}

type reader struct {
	ctx   context.Context
	from  io.Reader
	meter *Meter
}

func (r *reader) Read(p []byte) (int, error) {
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
