package app

import "testing"

func TestGCPercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 3200, 8 << 20: 400, 32 << 20: 100, 10 << 30: 100} {
		if got := gcPercent(live); got != want {
			t.Errorf("%d live bytes: GOGC %d, want %d", live, got, want)
		}
	}
}
