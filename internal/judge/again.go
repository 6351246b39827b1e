package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
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
	// Look is the number of a look of the monitor; 0 for a decision.
	Look uint64       `json:"look"`
	Plan rollout.Plan `json:"plan"`
	// Finding is what was found then, and Detail its numbers: a look's Judgement,
	// a decision's Opinion.
	Finding rollout.Finding `json:"finding"`
	Detail  json.RawMessage `json:"detail"`
	// Evidence is record.Evidence, encoded.
	Evidence []byte `json:"evidence"`
}

// Again judges the case once more, from its evidence alone. It returns what
// comes out today, and what differs from what was stored, in words; "" if
// nothing does. An error says why it cannot be judged.
func (c *Case) Again() (Opinion, string, error) {
	var e record.Evidence
	if err := e.UnmarshalBinary(c.Evidence); err != nil {
		return Opinion{}, "", fmt.Errorf("%s: %w", c.Name, err)
	}
	if err := c.Plan.Check(); err != nil {
		return Opinion{}, "", fmt.Errorf("%s: its plan: %w", c.Name, err)
	}
	now := NewMonitor(c.Plan).Opinion(&e)
	var then Opinion
	var fresh any = now
	if c.Look > 0 {
		fresh = now.Monitor
		if err := json.Unmarshal(c.Detail, &then.Monitor); err != nil {
			return now, "", fmt.Errorf("%s: its numbers: %w", c.Name, err)
		}
		then.Welch = now.Welch
	} else if err := json.Unmarshal(c.Detail, &then); err != nil {
		return now, "", fmt.Errorf("%s: its numbers: %w", c.Name, err)
	}
	if text, err := json.Marshal(fresh); err == nil && bytes.Equal(text, c.Detail) {
		return now, c.founding(now), nil
	}
	return now, different(then, now, c), nil
}

// founding tells whether the finding was one of those that the evidence gives.
func (c *Case) founding(o Opinion) string {
	if c.Finding == o.Monitor.Finding || c.Look == 0 && c.Finding == o.Welch.Finding {
		return ""
	}
	return fmt.Sprintf("it was found %s: %s", c.Finding.Verdict, c.Finding.Sentence)
}

// different compares numbers that are not the same to the last bit, as those of
// another processor may be.
func different(then, now Opinion, c *Case) string {
	switch {
	case then.Monitor.Verdict != now.Monitor.Verdict:
		return fmt.Sprintf("the monitor said %s then and says %s now", then.Monitor.Verdict, now.Monitor.Verdict)
	case then.Welch.Verdict != now.Welch.Verdict:
		return fmt.Sprintf("the seed's rule said %s then and says %s now", then.Welch.Verdict, now.Welch.Verdict)
	case !near(then.Monitor.LogE, now.Monitor.LogE):
		return fmt.Sprintf("ln E was %v then and is %v now", then.Monitor.LogE, now.Monitor.LogE)
	case !near(then.Monitor.Promote.LogE, now.Monitor.Promote.LogE):
		return fmt.Sprintf("ln E for a pass was %v then and is %v now", then.Monitor.Promote.LogE, now.Monitor.Promote.LogE)
	case !near(then.Welch.LogPValue, now.Welch.LogPValue):
		return fmt.Sprintf("ln p was %v then and is %v now", then.Welch.LogPValue, now.Welch.LogPValue)
	}
	return c.founding(now)
}

func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-9*math.Max(1, math.Max(math.Abs(a), math.Abs(b)))
}
