package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"serin/internal/record"
	"serin/internal/rollout"
)

// Case is one moment at which a rollout was judged, as it was stored: a look of
// the monitor, or a decision. It holds all that it takes to judge it again.
type Case struct {
	// Name says which moment it was: "look 12", "promote by ana".
	Name string    `json:"name"`
	At   time.Time `json:"at"`
	// Look is the number of a look of the monitor; 0 for a decision, which has
	// the kind of its Event.
	Look  uint64       `json:"look"`
	Event rollout.Kind `json:"event"`
	Plan  rollout.Plan `json:"plan"`
	// Finding is what was found then, and Detail its numbers: a look's Judgement,
	// a decision's Opinion.
	Finding rollout.Finding `json:"finding"`
	Detail  json.RawMessage `json:"detail"`
	// Evidence is record.Evidence, encoded; empty for an event that nothing was
	// judged for, as a drill.
	Evidence []byte `json:"evidence"`
	// Lost says why the case could not be read; there is nothing in it then.
	Lost string `json:"lost"`
}

// Again judges the case once more, from its evidence alone. It returns what
// comes out today, and what differs from what was stored, in words; "" if
// nothing does. An error says why it cannot be judged.
//
// Words and verdicts must be the same, and numbers to 1e-9 of their size:
// another processor may round the last digits otherwise.
func (c *Case) Again() (Opinion, string, error) {
	fail := func(what string, err error) (Opinion, string, error) {
		return Opinion{}, "", fmt.Errorf("%s: %s%w", c.Name, what, err)
	}
	if c.Lost != "" {
		return fail("", errors.New(c.Lost))
	}
	var e record.Evidence
	if err := e.UnmarshalBinary(c.Evidence); err != nil {
		return fail("", err)
	}
	if err := c.Plan.Check(); err != nil {
		return fail("its plan: ", err)
	}
	now := NewMonitor(c.Plan).Opinion(&e)
	var detail any = now
	finding := now.Finding(c.Event)
	if c.Look > 0 {
		detail, finding = now.Monitor, now.Monitor.Finding
	}
	var then, again any
	if err := json.Unmarshal(c.Detail, &then); err != nil {
		return fail("its numbers: ", err)
	}
	text, err := json.Marshal(detail)
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil {
		return fail("", err)
	}
	if c.Finding != finding {
		return now, fmt.Sprintf("it was found %s (%s) and is %s now (%s)", c.Finding.Verdict, c.Finding.Sentence, finding.Verdict, finding.Sentence), nil
	}
	return now, different("", then, again), nil
}

// different compares two JSON values and says where they differ first.
func different(where string, then, now any) string {
	switch then := then.(type) {
	case map[string]any:
		now, ok := now.(map[string]any)
		if !ok || len(now) != len(then) {
			return where + " has other fields"
		}
		for _, key := range slices.Sorted(maps.Keys(then)) {
			if d := different(where+"."+key, then[key], now[key]); d != "" {
				return d
			}
		}
		return ""
	case []any:
		now, ok := now.([]any)
		if !ok || len(now) != len(then) {
			return where + " has another length"
		}
		for i := range then {
			if d := different(fmt.Sprintf("%s[%d]", where, i), then[i], now[i]); d != "" {
				return d
			}
		}
		return ""
	case float64:
		if now, ok := now.(float64); ok && math.Abs(then-now) <= 1e-9*max(1, math.Abs(then), math.Abs(now)) {
			return ""
		}
	default:
		if then == now {
			return ""
		}
	}
	return fmt.Sprintf("%s was %v and is %v now", where, then, now)
}
