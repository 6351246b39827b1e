// Package heard remembers what a server is known to have of the rollouts in progress, so
// that it need not come over the wire again.
//
//	read --> Keep --> Of --> "these I know; what else is there?" --> read
//
// It is of one rollout of each model, the one that was kept last, and as large as that is.
// Nothing is known from it to be there still: that, the server is asked.
//
// What may not happen: what was kept of one rollout in another one.
package heard

import (
	"maps"
	"sync"
)

// Rows are by model, and of each rollout by key. They may be used by several at once. The
// zero value knows nothing.
type Rows[K comparable, V any] struct {
	mu     sync.Mutex
	models map[string]*rows[K, V]
}

type rows[K comparable, V any] struct {
	rollout string
	of      map[K]V
}

// Keep remembers a row, which must not be changed any more.
func (r *Rows[K, V]) Keep(model, rollout string, key K, row V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.models[model]
	if known == nil || known.rollout != rollout {
		if r.models == nil {
			r.models = map[string]*rows[K, V]{}
		}
		known = &rows[K, V]{rollout, map[K]V{}}
		r.models[model] = known
	}
	known.of[key] = row
}

// Of is what is known of a rollout, to be changed at will.
func (r *Rows[K, V]) Of(model, rollout string) map[K]V {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.models[model]; known != nil && known.rollout == rollout {
		return maps.Clone(known.of)
	}
	return map[K]V{}
}

// Forget lets go of what is known of a model.
func (r *Rows[K, V]) Forget(model string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.models, model)
}
