package model

import (
	"strings"
	"testing"
)

func TestClip(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                                     "",
		strings.Repeat("x", 100):               strings.Repeat("x", 100),
		strings.Repeat("x", 101):               strings.Repeat("x", 100) + "...",
		strings.Repeat("x", 99) + "\u20ac and": strings.Repeat("x", 99) + "...", // cut within a rune
	} {
		if got := Clip(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
