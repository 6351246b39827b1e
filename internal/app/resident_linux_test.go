package app

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestUntouched: of a mapping that was written to, and closed, nothing may be lost.
func TestUntouched(t *testing.T) {
	const smaps = `00400000-01661000 r-xp 00000000 fe:00 42                                 /opt/a serin
Rss:               16000 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01661000-029db000 r--p 01261000 fe:00 42                                 /opt/a serin
Anonymous:             8 kB
029db000-02ab9000 rw-p 025db000 fe:00 42                                 /opt/a serin
Anonymous:             0 kB
02ab9000-02abc000 r--p 00000000 fe:00 43                                 /opt/a serin (deleted)
Anonymous:             0 kB
7f0000000000-7f0000021000 r--p 00000000 00:00 0
Anonymous:             0 kB
7f0000030000-7f0000051000 r--p 00000000 fe:00 42                         /opt/a serin
AnonHugePages:         0 kB
Anonymous:             0 kB
`
	if got, want := untouched(strings.NewReader(smaps), "/opt/a serin"), []span{{0x400000, 0x1661000}, {0x7f0000030000, 0x7f0000051000}}; !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if len(untouched(file, program)) == 0 {
		t.Error("of this program there is nothing")
	}
	letGoOfTheStart() // and it goes on
}
