package gatehouse

import (
	"strings"
	"testing"
)

// TestKnownHosts is asked for every prediction, too.
func TestKnownHosts(t *testing.T) {
	hosts := []string{"models.example"}
	for host, want := range map[string]bool{
		"127.0.0.1:8000": true, "127.0.0.1": true, "127.0.0.2:80": true, "LocalHost:8000": true, "[::1]:8000": true, "[::1]": true, "::1": true, "models.example:443": true, "MODELS.example": true,
		"": false, ":8000": false, "10.0.0.1:8000": false, "0.0.0.0": false, "127.0.0.1.evil.example": false, "localhost.evil.example:8000": false, "evil.example:8000": false, "[::1]evil.example": false, "[::1": false, "2130706433": false, "[::ffff:10.0.0.1]": false,
	} {
		if KnownHost(hosts, false, host) != want {
			t.Errorf("%q is known: %v", host, !want)
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		KnownHost(hosts, false, "127.0.0.1:8000")
		KnownHost(hosts, false, "models.example:8000")
		KnownHost(hosts, false, "[::1]:8000")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if text := ForeignHost(strings.Repeat("x", 10_000)); len(text) > 300 {
		t.Errorf("%d bytes are told of a host", len(text))
	}
}
