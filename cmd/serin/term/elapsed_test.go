package term

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// TestElapsed: nothing is drawn before the first second, and nothing is left.
func TestElapsed(t *testing.T) {
	t.Parallel()
	for after, want := range map[time.Duration]string{
		900 * time.Millisecond:  "",
		2500 * time.Millisecond: "\r\x1b[Kwaiting, for 1s\r\x1b[Kwaiting, for 2s\r\x1b[K",
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			stop := elapsed(&out, "waiting", tick.C)
			<-time.After(after)
			synctest.Wait()
			if stop(); out.String() != want {
				t.Errorf("after %v: %q", after, out.String())
			}
		})
	}
	var out bytes.Buffer
	if Elapsed(&out, "waiting")(); out.Len() > 0 {
		t.Errorf("%q where nobody watches", out.String())
	}
}
