package notify

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode"
)

// memo is what is durably known of a hook. It is a value: a change is another one.
type memo struct {
	// Position is the last event that the hook is done with.
	Position uint64 `json:"position"`
	// Letters are events that it was not told, oldest first, mostLetters at most;
	// Dropped counts those that there was no room for any more.
	Letters []Letter `json:"letters,omitempty"`
	Dropped uint64   `json:"dropped,omitempty"`
}

// Letter is an event that was given up.
type Letter struct {
	Seq  uint64 `json:"seq"`
	ID   string `json:"id"`
	Type string `json:"type"`
	// Model is whose event it is.
	Model string `json:"model"`
	// At is when it happened, GivenUp when the hook went on without it.
	At      time.Time `json:"at"`
	GivenUp time.Time `json:"given_up"`
	Tries   int       `json:"tries"`
	// Error is what the last try met.
	Error string `json:"error"`
	// Again is true if somebody has asked for another round of tries.
	Again bool `json:"again"`
}

// mostLetters bounds what is kept of each hook.
const mostLetters = 100

// readMemo reads what was saved; nil is a hook that was never told anything.
func readMemo(data []byte) (*memo, error) {
	if data == nil {
		return nil, nil
	}
	m := &memo{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("what was saved of it is not understood: %w", err)
	}
	return m, nil
}

// bury adds a letter, and lets go of the oldest where there is no room.
func (m memo) bury(l Letter) memo {
	m = m.without(l.Seq)
	m.Letters = append(m.Letters, l)
	if n := len(m.Letters) - mostLetters; n > 0 {
		m.Letters, m.Dropped = m.Letters[n:], m.Dropped+uint64(n)
	}
	return m
}

// without leaves a letter out.
func (m memo) without(seq uint64) memo {
	var letters []Letter
	for _, l := range m.Letters {
		if l.Seq != seq {
			letters = append(letters, l)
		}
	}
	m.Letters = letters
	return m
}

// with adds to a memo, as it was saved, what this process has done beyond it, which
// could not be saved, or which another one has written over.
func (m memo) with(known *memo) memo {
	if known == nil || known.Position <= m.Position {
		return m
	}
	for _, l := range known.Letters {
		if l.Seq > m.Position {
			m = m.bury(l)
		}
	}
	m.Position = known.Position
	return m
}

// revive marks letters to be told again, that with an id or for "" all, and counts
// them.
func (m memo) revive(id string) (memo, int) {
	letters := append([]Letter(nil), m.Letters...)
	n := 0
	for i := range letters {
		if id == "" || letters[i].ID == id {
			letters[i].Again = true
			n++
		}
	}
	m.Letters = letters
	return m, n
}

// due is the oldest letter that is to be told again; nil if there is none.
func (m memo) due() *Letter {
	for i := range m.Letters {
		if m.Letters[i].Again {
			return &m.Letters[i]
		}
	}
	return nil
}

// printable makes text from elsewhere fit for a log and a terminal, and bounds it.
func printable(s string) string {
	const longest = 300
	out := []rune{}
	for _, r := range s {
		if len(out) == longest {
			return string(out) + "…"
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
