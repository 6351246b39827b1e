package term

import (
	"fmt"
	"io"
	"time"
)

// Elapsed tells on a terminal what is waited for, and for how long already, once
// that has taken a second. The caller must call stop, which takes it away.
func Elapsed(w io.Writer, what string) (stop func()) {
	if !Watched(w) {
		return func() {}
	}
	tick := time.NewTicker(time.Second)
	end := elapsed(w, what, tick.C)
	return func() { tick.Stop(); end() }
}

// elapsed draws at each tick the time since it began.
func elapsed(w io.Writer, what string, ticks <-chan time.Time) (stop func()) {
	begun, end, done := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for drawn := false; ; drawn = true {
			select {
			case now := <-ticks:
				fmt.Fprintf(w, "\r\x1b[K%s, for %v", what, now.Sub(begun).Round(time.Second))
			case <-end:
				if drawn {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return func() { close(end); <-done }
}
