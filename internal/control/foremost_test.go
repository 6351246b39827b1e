package control

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestForemost: of replicas that have heard the same, one is.
func TestForemost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := &Fleet{Self: Replica{Name: "a"}}, &Fleet{Self: Replica{Name: "b"}}
		if a.Foremost() {
			t.Error("before anything was heard")
		}
		for _, tt := range []struct {
			leaders map[string]string
			a, b    bool
		}{
			{nil, false, false},
			{map[string]string{"churn": "", "fraud": ""}, false, false},
			{map[string]string{"churn": "a", "fraud": "b"}, true, false},
			{map[string]string{"churn": "", "fraud": "b"}, false, true},
			{map[string]string{"churn": "b"}, false, true},
		} {
			h := &heard{Pulse{Leaders: tt.leaders}, time.Now()}
			a.last.Store(h)
			b.last.Store(h)
			if a.Foremost() != tt.a || b.Foremost() != tt.b {
				t.Errorf("%v: %v and %v", tt.leaders, a.Foremost(), b.Foremost())
			}
		}
		if <-time.After(leadFor); b.Foremost() {
			t.Error("after the store was not heard for too long")
		}
	})
}
