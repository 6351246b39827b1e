package keys

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// tries counts wrong tokens by address, in memory of a fixed size: addresses share
// a bucket where their hashes meet, and who shares one with a bad neighbour is told
// 429 instead of 401 for a token that is wrong. A right token is always taken: a
// lock-out would be a switch with which anybody behind the same proxy keeps the
// operator from a rollback, and 256 random bits need no lock-out.
type tries struct {
	seed maphash.Seed

	mu      sync.Mutex
	buckets [1024]bucket
}

type bucket struct {
	spent float64 // of burst
	at    time.Time
}

const (
	// burst is how many wrong tokens an address may send at once, and pause after
	// how long it may send one more.
	burst = 10
	pause = 6 * time.Second
)

func newTries() *tries { return &tries{seed: maphash.MakeSeed()} }

// another counts one more and tells whether it is still within bounds.
func (t *tries) another(address string, now time.Time) bool {
	i := maphash.Comparable(t.seed, network(address)) % uint64(len(t.buckets))
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &t.buckets[i]
	b.spent = max(0, b.spent-max(0, now.Sub(b.at).Seconds()/pause.Seconds()))
	b.at = now
	if b.spent+1 > burst {
		return false
	}
	b.spent++
	return true
}

// network is whom an address is counted as: an IPv4 address, or the /64 that one
// customer has of IPv6. What is no address is counted together.
func network(address string) netip.Prefix {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.WithZone("").Prefix(bits) // the bits fit
	return p
}
