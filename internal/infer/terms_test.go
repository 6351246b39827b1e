package infer

import (
	"log/slog"
	"net/http"
	"testing"

	"serin/internal/rollout"
	"serin/internal/route"
)

// TestTermsAreMadeOncePerVersion: also where canary and stable take turns, and
// those of a version that has gone are let go.
func TestTermsAreMadeOncePerVersion(t *testing.T) {
	var sw route.Switch
	h := NewHandler(&sw, DefaultLimits(), slog.New(slog.DiscardHandler))
	stable, canary, gone := twoClasses(), twoClasses(), twoClasses()
	if h.termsOf(stable.Signature()); h.known.Load().stable != nil {
		t.Error("terms of a version on no table were kept")
	}
	sw.Swap(&route.Table{Stable: armFor(stable, route.Stable), Canary: armFor(canary, route.Canary)})
	first, second := h.termsOf(stable.Signature()), h.termsOf(canary.Signature())
	for range 3 {
		h.termsOf(gone.Signature())
		if h.termsOf(canary.Signature()) != second || h.termsOf(stable.Signature()) != first {
			t.Error("terms were made again")
		}
	}
	if n := testing.AllocsPerRun(100, func() { h.termsOf(stable.Signature()); h.termsOf(canary.Signature()) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	sw.Swap(&route.Table{Stable: armFor(canary, route.Stable)})
	if h.termsOf(canary.Signature()) != second {
		t.Error("a promoted version's terms were made again")
	}
	h.termsOf(gone.Signature())
	if k := h.known.Load(); k.stable != second || k.canary != nil {
		t.Errorf("%+v", k)
	}
}

// BenchmarkProtocolsWithACanary is one small request in the words of V2, of which
// the canary answers as many as stable.
func BenchmarkProtocolsWithACanary(b *testing.B) {
	names := []string{"tenure", "calls", "age", "visits", "spent"}
	stable, canary := armFor(twoClasses(names...), route.Stable), armFor(twoClasses(names...), route.Canary)
	h := handlerFor(&route.Table{Stable: stable, Canary: canary, Split: route.NewSplit(rollout.Weight(5000), 1)})
	mux := http.NewServeMux()
	h.Protocols("churn", "0.1", func() bool { return true }).Register(mux)
	const body = `{"inputs":[{"name":"features","shape":[1,5],"datatype":"FP64","data":[1,2,3,4,5]}]}`
	b.ReportAllocs()
	for b.Loop() {
		if code, answer, _ := send(mux, "POST", "/v2/models/churn/infer", body); code != http.StatusOK {
			b.Fatal(answer)
		}
	}
}
