package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Codes of what is refused: there is no such hook, or it has no such letter.
const (
	CodeHook   = "webhook_unknown"
	CodeLetter = "letter_unknown"
)

// HookState is how a hook stands.
type HookState struct {
	Name string `json:"name"`
	// Address is its scheme and host; the rest may be a secret.
	Address string `json:"address"`
	Kind    Kind   `json:"kind"`
	Signed  bool   `json:"signed"`
	// Position is the last event that it is done with, Waiting how many are after it.
	Position uint64 `json:"position"`
	Waiting  uint64 `json:"waiting"`
	// Arrived is when it took an event last, since the process started.
	Arrived *time.Time `json:"arrived,omitempty"`
	Trouble *Trouble   `json:"trouble,omitempty"`
	// Letters are the events that were given up, oldest first; Dropped counts those
	// that are not kept any more.
	Letters []Letter `json:"dead_letters"`
	Dropped uint64   `json:"dropped"`
}

// HookStates are how all hooks stand.
type HookStates struct {
	Hooks []HookState `json:"webhooks"`
}

// Replayed is what a call for another round of tries is answered.
type Replayed struct {
	// Letters is how many are told again.
	Letters int `json:"letters"`
}

// States tells how all hooks stand.
func (h *Herald) States(ctx context.Context) (HookStates, error) {
	out := HookStates{Hooks: []HookState{}}
	for _, t := range h.tellers {
		last, err := t.Outbox.Last(ctx)
		if err != nil {
			return out, err
		}
		m, err := t.standing(ctx)
		if err != nil {
			return out, err
		}
		out.Hooks = append(out.Hooks, HookState{
			Name: t.hook.Name, Address: t.hook.address(), Kind: t.hook.Kind, Signed: t.hook.Secrets != nil, Position: m.Position, Waiting: max(last, m.Position) - m.Position,
			Arrived: t.arrived.Load(), Trouble: t.trouble.Load(), Letters: append([]Letter{}, m.Letters...), Dropped: m.Dropped,
		})
	}
	return out, nil
}

// standing is the memo: as it is known, or as the one has saved it whose turn it is.
func (t *teller) standing(ctx context.Context) (*memo, error) {
	known := t.known.Load()
	if t.mine() && known != nil {
		return known, nil
	}
	m, err := t.saved(ctx)
	if m == nil {
		m = &memo{}
	}
	return m, err
}

// replay lets a hook be told its dead letters again, or that with an id, and what it
// waits with now.
func (t *teller) replay(ctx context.Context, id string) (n int, err error) {
	if t.known.Load() == nil {
		if err := t.prepare(ctx); err != nil {
			return 0, err
		}
	}
	err = t.change(ctx, func(m memo) memo {
		m, n = m.revive(id)
		return m
	})
	signal(t.urged)
	return n, err
}

// List answers GET /admin/webhooks.
func (h *Herald) List(w http.ResponseWriter, r *http.Request) {
	all, err := h.States(r.Context())
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "store_unavailable", "The journal cannot be read now: "+err.Error()+". Try again.")
		return
	}
	write(w, http.StatusOK, "application/json", all)
}

// Replay answers POST /admin/webhooks/{name}/replay, with ?id= for a single letter.
func (h *Herald) Replay(w http.ResponseWriter, r *http.Request) {
	name, id := r.PathValue("name"), r.URL.Query().Get("id")
	at := slices.IndexFunc(h.tellers, func(t *teller) bool { return t.hook.Name == name })
	if at < 0 {
		refuse(w, http.StatusNotFound, CodeHook, fmt.Sprintf("There is no web hook %s. GET /admin/webhooks lists them; serin serve --webhook NAME=URL adds one.", printable(name)))
		return
	}
	n, err := h.tellers[at].replay(r.Context(), id)
	switch {
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "store_unavailable", "It is tried now, and that cannot be made durable: "+err.Error()+". Ask again after a restart.")
	case n == 0 && id != "":
		refuse(w, http.StatusNotFound, CodeLetter, fmt.Sprintf("Web hook %s has no dead letter with the id %s. GET /admin/webhooks lists them.", name, printable(id)))
	default:
		write(w, http.StatusOK, "application/json", Replayed{n})
	}
}

// refuse answers with a problem, RFC 9457, in the form of serin's other ones.
func refuse(w http.ResponseWriter, status int, code, detail string) {
	write(w, status, "application/problem+json", struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
	}{"/docs/errors#" + code, http.StatusText(status), status, detail, code})
}

func write(w http.ResponseWriter, status int, kind string, v any) {
	data, err := json.Marshal(v)
	if err != nil { // it is made of what can be encoded
		status, data = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // who has gone misses nothing
}
