package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"serin/test/program"
)

// line is one thing that was measured, and must hold where must is not empty.
type line struct {
	part, what, must, seen string
	holds                  bool
}

// report is what a run has seen.
type report struct{ lines []line }

// must has what must hold.
func (r *report) must(part, what, must string, holds bool, seen string, args ...any) {
	r.lines = append(r.lines, line{part, what, must, fmt.Sprintf(seen, args...), holds})
}

// tell has what is only told.
func (r *report) tell(part, what, seen string, args ...any) {
	r.must(part, what, "", true, seen, args...)
}

func (r *report) print(out io.Writer) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "part\twhat\tmust hold\tseen\t")
	for _, l := range r.lines {
		verdict := ""
		switch {
		case !l.holds:
			verdict = "DOES NOT HOLD"
		case l.must != "":
			verdict = "holds"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", l.part, l.what, l.must, l.seen, verdict)
	}
	_ = table.Flush() // to a terminal or a file
}

// holds is an error if something does not hold that must.
func (r *report) holds() error {
	n := 0
	for _, l := range r.lines {
		if !l.holds {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%d of what must hold does not", n)
	}
	return nil
}

// watch looks at a server while a part goes on: at its memory ten times a second,
// and once a second by an admin call, as an operator would.
type watch struct {
	largest int64         // resident bytes
	calls   int           // admin calls
	slowest time.Duration // of them
	failed  error         // the first
}

// watching starts a watch, and what it returns ends it.
func watching(ctx context.Context, server *program.Server) (end func() *watch) {
	w, over := &watch{}, make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			if resident, err := server.Resident(); err == nil {
				w.largest = max(w.largest, resident)
			}
			select {
			case <-tick.C:
			case <-over:
				return
			}
		}
	})
	looking.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			began := time.Now()
			if err := server.Admin(ctx, "state", nil, nil); err != nil && w.failed == nil {
				w.failed = err
			}
			w.calls++
			w.slowest = max(w.slowest, time.Since(began))
			select {
			case <-tick.C:
			case <-over:
				return
			}
		}
	})
	return func() *watch {
		close(over)
		looking.Wait()
		return w
	}
}

// reachable says that every admin call was answered.
func (w *watch) reachable(r *report, part string) {
	r.must(part, "admin calls meanwhile", "all answered", w.failed == nil, "%d, slowest %v%s", w.calls, w.slowest.Round(time.Millisecond), reason(w.failed))
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// mb writes bytes in millions.
func mb(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
