package pack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// aDetail is one as large as the monitor's.
func aDetail(n int) json.RawMessage {
	var signals []string
	for i := range 12 {
		signals = append(signals, fmt.Sprintf(`{"name":"latency_%d","weight":0.15,"log_e":%d.8928522584,"log_threshold":4.892852258439873,"alarm":false,"stable":0,"canary":0,"effect":0.00851%d,"floor":0.1,"unit":"ms"}`, i, n, n*i))
	}
	return json.RawMessage(`{"signals":[` + strings.Join(signals, ",") + `]}`)
}

// TestPackedDetails come back to the byte, in half of the room, and stay JSON for those
// who do not know of it.
func TestPackedDetails(t *testing.T) {
	t.Parallel()
	const most = 16 << 10
	for _, detail := range []string{"", `{"log_e": 1.5}`, string(aDetail(3)), `"` + strings.Repeat("é", 500) + `"`, `"zlib:"`, `"zlib:eJ"`} {
		stored := Close(json.RawMessage(detail))
		if back, err := Open(stored, most); err != nil || string(back) != detail {
			t.Errorf("%.40q came back as %.40q, %v", detail, back, err)
		}
		if detail != "" && !json.Valid([]byte(stored)) {
			t.Errorf("%.40q is stored as %.40q, which is no JSON", detail, stored)
		}
		if len(detail) > 1000 && len(stored) > len(detail)/2 {
			t.Errorf("%d bytes are stored as %d", len(detail), len(stored))
		}
	}
	bomb := Close(json.RawMessage(`"` + strings.Repeat("0", 1<<20) + `"`))
	for _, stored := range []string{`"zlib:`, `"zlib:"`, `"zlib:!"`, `"zlib:eJ"`, bomb, bomb[:len(bomb)/2] + `"`} {
		if back, err := Open(stored, most); err == nil {
			t.Errorf("%.20q was unpacked to %d bytes", stored, len(back))
		}
	}
}

// FuzzOpen looks for a panic, and for more than was allowed.
func FuzzOpen(f *testing.F) {
	f.Add("{}")
	f.Add(Close(aDetail(1)))
	f.Add(`"zlib:eJyrrgUAAXUA+Q=="`)
	f.Add(`"zlib:"`)
	f.Fuzz(func(t *testing.T, stored string) {
		value, err := Open(stored, 1000)
		if err != nil {
			return
		}
		if strings.HasPrefix(stored, mark) && len(value) > 1000 {
			t.Fatalf("%d bytes", len(value))
		}
		if again, err := Open(Close(value), len(value)); err != nil || string(again) != string(value) {
			t.Fatalf("%q comes back as %q, %v", value, again, err)
		}
	})
}
