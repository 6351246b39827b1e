package app

import (
	"maps"
	"sync"
	"time"
)

// writes counts what is made durable, by operation: "commit", "look" and
// "evidence". The store need not know that it is watched.
type writes struct {
	mu   sync.Mutex
	seen map[string]written
}

// written is what came of writes; time is that of all of them, failed ones included.
type written struct {
	count, failed uint64
	time          time.Duration
}

// time carries out a write and counts it.
func (w *writes) time(operation string, write func() error) error {
	begun := time.Now()
	err := write()
	passed := time.Since(begun)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[string]written{}
	}
	n := w.seen[operation]
	n.count, n.time = n.count+1, n.time+passed
	if err != nil {
		n.failed++
	}
	w.seen[operation] = n
	return err
}

func (w *writes) each(f func(operation string, n written)) {
	w.mu.Lock()
	seen := maps.Clone(w.seen)
	w.mu.Unlock()
	for operation, n := range seen {
		f(operation, n)
	}
}
