package rollout

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

func TestParseWeight(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in              string
		want            Weight
		canaries, block uint64
	}{
		{"10%", 1000, 1, 10},
		{"0.1", 1000, 1, 10},
		{" 12.5 % ", 1250, 1, 8},
		{"15%", 1500, 3, 20},
		{"1", 10000, 1, 1},
		{"0.01%", 1, 1, 10000},
	}
	for _, tt := range tests {
		got, err := ParseWeight(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseWeight(%q) = %v, %v; want %v", tt.in, got, err, tt.want)
		}
		if c, b := got.Ratio(); c != tt.canaries || b != tt.block {
			t.Errorf("%q is %d of %d, want %d of %d", tt.in, c, b, tt.canaries, tt.block)
		}
	}
	for _, bad := range []string{"", "0", "-1", "1.1", "101%", "NaN", "Inf", "ten", "0.00001"} {
		if w, err := ParseWeight(bad); err == nil {
			t.Errorf("ParseWeight(%q) = %v, want an error", bad, w)
		}
	}
}

func TestWeightJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := Weight(rapid.IntRange(1, int(whole)).Draw(t, "weight"))
		data, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		var back Weight
		if err := json.Unmarshal(data, &back); err != nil || back != w {
			t.Fatalf("%d became %s became %d, %v", w, data, back, err)
		}
		if text, err := ParseWeight(w.String()); err != nil || text != w {
			t.Fatalf("%d became %s became %d, %v", w, w, text, err)
		}
	})
}
