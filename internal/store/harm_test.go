//go:build !race

// Hundreds of state directories are opened here, one after the other's harm. The
// race detector makes SQLite fifteen times slower, and has nothing to find: the
// other tests take the same ways under it.

package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFlippedBits flips bits of every file, one at a time. Each is refused, or
// the store holds exactly the truth (the bit was in unused space, or in a page
// that the WAL replaces) and goes on to work.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	truth, killed, closed := lived(t)
	files := []struct {
		what   string
		image  image
		name   string
		sample int // bytes to try, of all; the first hundred are always tried
		least  int // percent that must be refused: of the others the bit has no meaning
	}{
		{"closed", closed, databaseName, 300, 20},
		{"closed", closed, headName, 200, 100},
		{"killed", killed, databaseName, 50, 0},
		{"killed", killed, walName, 250, 100},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, f := range files {
		data := f.image[f.name]
		if len(data) == 0 {
			t.Fatalf("%s: %s is empty", f.what, f.name)
		}
		var mu sync.Mutex
		refused := 0
		offsets := random.Perm(len(data))[:min(f.sample, len(data))]
		for i := range min(100, len(data)) {
			offsets = append(offsets, i)
		}
		masks := make([]byte, len(offsets))
		for i := range masks {
			masks[i] = 1 << random.IntN(8)
		}
		inParallel(len(offsets), func(i int) {
			flipped := []byte(data)
			flipped[offsets[i]] ^= masks[i]
			got, err := openImage(t, f.image.with(f.name, string(flipped)))
			if err != nil {
				mu.Lock()
				refused++
				mu.Unlock()
				return
			}
			if diff := cmp.Diff(truth, got, equal); diff != "" {
				t.Errorf("%s %s, byte %d ^ %#x: silently different:\n%s", f.what, f.name, offsets[i], masks[i], diff)
			}
		})
		t.Logf("%s %s: %d of %d flips refused, %d bytes", f.what, f.name, refused, len(offsets), len(data))
		if 100*refused < f.least*len(offsets) {
			t.Errorf("%s %s: only %d of %d flips were refused", f.what, f.name, refused, len(offsets))
		}
	}
}

// TestPowerFailure harms the end of the WAL as a power failure may while the
// last transaction was not synced yet: pages that are missing, or zero, or only
// partly there. The store must open, without the transaction or with it.
func TestPowerFailure(t *testing.T) {
	t.Parallel()
	for last, a := range story() { // so many actions are done, and this one is interrupted
		if what, _, _ := strings.Cut(a.name, " "); what == "commit" && last > 6 || what == "look" && last < 6 {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				powerFails(t, last, what)
			})
		}
	}
}

func powerFails(t *testing.T, last int, what string) {
	t.Helper()
	var before, during image
	dir := quickDir(t)
	armed := false
	s, err := Open(dir, Options{Step: func(step string) {
		switch {
		case armed && step == what+": begin":
			before = takeImage(t, dir)
		case armed && step == what+": durable":
			during = takeImage(t, dir)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range story()[:last+1] {
		armed = i == last
		if err := a.do(t, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged, next := after(t, last), after(t, last+1)
	wal, start := during[walName], len(before[walName])
	if !strings.HasPrefix(wal, before[walName]) || start == len(wal) {
		t.Fatal("the WAL was not appended to")
	}
	harm := map[string]string{"whole": wal}
	for cut := start; cut < len(wal); cut += 500 {
		harm[fmt.Sprintf("cut at %d", cut)] = wal[:cut]
		harm[fmt.Sprintf("zero from %d", cut)] = wal[:cut] + strings.Repeat("\x00", len(wal)-cut)
		end := min(cut+512, len(wal))
		harm[fmt.Sprintf("a sector of zeros at %d", cut)] = wal[:cut] + strings.Repeat("\x00", end-cut) + wal[end:]
	}
	for name, data := range harm {
		got, err := openImage(t, during.with(walName, data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		oneOf(t, name, got, acknowledged, next)
	}
}
