package app

import (
	"log/slog"
	"sync"

	"serin/internal/store"
)

// shelf is the artifacts of all models. They share one folder, in which the same
// file is there once, so none may put away what another has in its hand: a file
// that is still being stored, or one that is stored and not yet committed.
type shelf struct {
	store *store.Store
	log   *slog.Logger

	storing sync.RWMutex // read-locked by those who store

	mu     sync.Mutex
	inHand map[string][]string // digests, by model
}

// hold says that a model is about to commit artifacts. It needs them until it
// holds others.
func (s *shelf) hold(model string, digests ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inHand[model] = digests
}

// prune removes what nobody needs, unless somebody is storing something: then it
// is left to the next time.
func (s *shelf) prune() {
	if !s.storing.TryLock() {
		return
	}
	defer s.storing.Unlock()
	s.mu.Lock()
	var keep []string
	for _, digests := range s.inHand {
		keep = append(keep, digests...)
	}
	s.mu.Unlock()
	if err := s.store.Prune(keep...); err != nil {
		s.log.Warn("old artifacts could not be removed", "err", err)
	}
}
