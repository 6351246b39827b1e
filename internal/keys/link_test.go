package keys

import (
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestLink: a code opens one session, soon, of a key that is still the same.
func TestLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, line, err := Mint("me", "deployer", "churn", "")
		if err != nil {
			t.Fatal(err)
		}
		ring, err := Open("", line)
		if err != nil {
			t.Fatal(err)
		}
		g := NewGuard(ring, "churn", time.Now, slog.New(slog.DiscardHandler))
		me := ring.now.Load().byName["me"]
		ctx := me.In(t.Context())
		try := func(code string) int {
			c, refusal := g.LoginByLink(code, "127.0.0.1:1", true)
			if refusal != nil {
				return refusal.Status
			}
			if k := g.sealed.open(c.Value, ring, time.Now()); k != me || !c.HttpOnly || !c.Secure {
				t.Errorf("the session is %v of %v", c, k)
			}
			return http.StatusOK
		}
		if code, _ := g.Link(t.Context()); code != "" {
			t.Error("nobody has a link")
		}
		first, until := g.Link(ctx)
		second, _ := g.Link(ctx)
		if left := time.Until(until); left != linkTime || first == second {
			t.Errorf("it is good for %v; %s %s", left, first, second)
		}
		for _, tt := range []struct {
			code string
			want int
		}{{"", 401}, {"x", 401}, {first, 200}, {first, 401}, {second, 200}} {
			if got := try(tt.code); got != tt.want {
				t.Errorf("%q: %d, want %d", tt.code, got, tt.want)
			}
		}
		late, _ := g.Link(ctx)
		<-time.After(linkTime)
		if got := try(late); got != http.StatusUnauthorized {
			t.Errorf("too late: %d", got)
		}
		orphan, _ := g.Link(ctx)
		_, other, err := Mint("me", "deployer", "churn", "")
		if err != nil {
			t.Fatal(err)
		}
		next, err := parse(other, "keys")
		if err != nil {
			t.Fatal(err)
		}
		ring.now.Store(next)
		if got := try(orphan); got != http.StatusUnauthorized {
			t.Errorf("with another token the key's link is good: %d", got)
		}
		me = next.byName["me"]
		ctx = me.In(t.Context())
		_, _ = g.Link((&Key{Name: "you"}).In(ctx)) // which stays
		oldest, _ := g.Link(ctx)
		for range mostLinks {
			_, _ = g.Link(ctx)
		}
		if len(g.links.all) != mostLinks+1 || try(oldest) != http.StatusUnauthorized {
			t.Errorf("%d links are kept", len(g.links.all))
		}
		for range burst {
			_ = try("wrong")
		}
		if got := try("wrong"); got != http.StatusTooManyRequests {
			t.Errorf("after many wrong ones: %d", got)
		}
	})
}
